"""What no recognizer here reads: images, places where people live, names in unread languages."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from transire.classify.language import PASSAGE_LEAST_CHARS, HeardCache, LanguageJudge
from transire.classify.names.finder import LANGUAGES
from transire.domain.ids import DataClass
from transire.domain.request import Part, PartKind

__all__ = ["UNREADABLE", "Coverage"]

UNREADABLE: Final = {PartKind.IMAGE: "image", PartKind.AUDIO: "audio", PartKind.FILE: "file"}
"""Kinds of parts that nobody here reads, by the modality they are a gap in."""
_TEXT: Final = frozenset({"text"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """The standing gaps of one detector.

    Attributes:
        personal: Classes that a part nobody can read may hold.
        missing: Classes that no text is read for.
        addresses: The class of where people live, of which recognizers find streets alone.
        identity: The class of people's names.
        is_unasked: Nobody could tell whether names were read: neither clean nor uncovered.
        has_names: Names of people are looked for.
        judge: Names the languages of long passages.
        key: Of a text within its scope (tenant, application).
    """

    personal: frozenset[DataClass]
    missing: frozenset[DataClass]
    addresses: frozenset[DataClass]
    identity: frozenset[DataClass]
    is_unasked: bool
    has_names: bool
    judge: LanguageJudge
    key: Callable[[str, str, str], bytes]
    _heard: HeardCache = field(default_factory=HeardCache)
    _of_text: Mapping[DataClass, frozenset[str]] = field(init=False)
    """Gaps of any text, whatever it says."""

    def __post_init__(self) -> None:
        gaps = dict.fromkeys(self.missing | self.addresses, _TEXT)
        if not self.has_names and not self.is_unasked:
            gaps |= dict.fromkeys(self.identity, _TEXT)
        object.__setattr__(self, "_of_text", gaps)

    def gaps(
        self, parts: Sequence[Part], scope: tuple[str, str]
    ) -> Mapping[DataClass, frozenset[str]]:
        """Class → what the gap is in (`Classification.uncovered`)."""
        unread = {UNREADABLE[p.kind] for p in parts if p.kind in UNREADABLE}
        if not unread and not self.has_names:
            return self._of_text if parts else {}
        has_text = any(p.kind not in UNREADABLE for p in parts)
        gaps = dict.fromkeys(self.personal, frozenset(unread)) if unread else {}
        if has_text:
            for name, places in (*self._of_text.items(), *self._names_gaps(parts, scope)):
                gaps[name] = gaps.get(name, frozenset()) | places
        return gaps

    def _names_gaps(
        self, parts: Sequence[Part], scope: tuple[str, str]
    ) -> list[tuple[DataClass, frozenset[str]]]:
        """Names that nobody here reads: those of passages in some languages."""
        unread = self.identity - self.missing
        if not self.has_names or self.is_unasked or not unread:
            return []
        judge, key_of = self.judge, self.key
        long_texts = [
            part.text
            for part in parts
            if part.kind not in UNREADABLE and len(part.text) >= PASSAGE_LEAST_CHARS
        ]
        spoken = judge.joined(
            self._heard.of(key_of(*scope, text), partial(judge.heard, text)) for text in long_texts
        )
        places = frozenset(f"text.{code}" for code in spoken - LANGUAGES)
        return [(name, places) for name in unread] if places else []
