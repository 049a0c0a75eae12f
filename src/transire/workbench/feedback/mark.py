"""One remark on a finding: it is false, or one is missing. Pure.

No text, and nothing of its shape: how long it is, where it stood, and a keyed digest by which the
same value is known again. Whoever has the key as well can try values until one fits; keep it as the
texts themselves.
"""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

__all__ = ["Found", "KeptText", "Mark"]

_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
_Entity = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")]


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Found(_Stored):
    """One finding that a remark is about.

    Attributes:
        by: The recognizer.
        score_pct: From 0 to 100.
        via: The views it was read through, or None.
    """

    by: str
    score_pct: Annotated[int, Field(ge=0, le=100)]
    via: str | None = None


class Mark(_Stored):
    """One remark.

    Attributes:
        id: `fb_` and twelve hex digits.
        kind: `false`: nothing of the kind stands there; `missed`: it does, and was not found.
        entity: What was found, or should have been.
        data_class: Its class; None where the taxonomy has no such entity.
        found: Who found it, the surest first; of a miss, what stayed below the threshold.
        start, end: Its half-open range in the text, in characters.
        text_chars: Characters of the text.
        span_digest, text_digest: Keyed digests (hex) of the value and of its text.
        detector: The detector's digest, as records name it.
        version: Of the package.
        who: Who said so.
        when: When, in UTC.
        note: Their words; not about the value, which is nobody's business here.
    """

    id: Annotated[str, Field(pattern=r"^fb_[0-9a-f]{12}$")]
    kind: Literal["false", "missed"]
    entity: _Entity
    data_class: str | None
    found: tuple[Found, ...]
    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=1)]
    text_chars: Annotated[int, Field(ge=1)]
    span_digest: _Digest
    text_digest: _Digest
    detector: str
    version: str
    who: str
    when: AwareDatetime
    note: str = ""

    @property
    def chars(self) -> int:
        """How long the value is."""
        return self.end - self.start

    def is_same_as(self, other: "Mark") -> bool:
        """Whether the other says the same of the same place in the same text."""
        return _key(self) == _key(other)


def _key(mark: Mark) -> tuple[str, str, str, int, int]:
    return mark.kind, mark.entity, mark.text_digest, mark.start, mark.end


class KeptText(_Stored):
    """A text that somebody asked to keep.

    Attributes:
        text_digest: As in the marks on it.
        found: What the detector had accepted in it: start, end, entity.
    """

    text_digest: _Digest
    text: str
    found: tuple[tuple[int, int, _Entity], ...]
