"""The shape of `recognizers.yaml`; unknown keys are errors, and every size has a bound."""

from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic import StringConstraints as Text

from transire.bundle.documents.words import Id
from transire.bundle.recognizers.validators import VALIDATORS

__all__ = [
    "AllowDocument",
    "DocumentsDocument",
    "PatternDocument",
    "RecognizersDocument",
    "RegisteredDocumentDocument",
    "TermsDocument",
]

_MAX_PATTERNS: Final = 500
_MAX_LISTS: Final = 100
_MAX_TERMS: Final = 100_000
"""Terms of one list: about 20 MB in each process."""
_MAX_DIGESTS: Final = 100_000


def _lines(value: object) -> object:
    """A list, or one text with an item on each line (which is read ten times faster)."""
    if not isinstance(value, str):
        return value
    return [line.strip() for line in value.split("\n") if line.strip()]


def _words(value: object) -> object:
    """A list, or one text with items between blanks."""
    return value.split() if isinstance(value, str) else value


def _known(name: str) -> str:
    if name not in VALIDATORS:
        raise ValueError(f"no such validator; there are {', '.join(sorted(VALIDATORS))}")
    return name


Entity = Annotated[str, Text(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")]
Word = Annotated[str, Text(pattern=r"^\w(?:[\w -]{0,62}\w)?$")]
Example = Annotated[str, Text(min_length=1, max_length=2_000)]
Term = Annotated[str, Text(min_length=1, max_length=200)]
Score = Annotated[int, Field(ge=1, le=100)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class PatternDocument(_Model):
    """A bounded regular expression; a group named `v` narrows the finding."""

    entity: Entity
    regex: Annotated[str, Text(min_length=1, max_length=1_000)]
    score_pct: Score = 60
    ignore_case: bool = False
    context: Annotated[list[Word], Field(max_length=200)] = []
    validator: Annotated[str, AfterValidator(_known)] | None = None
    languages: list[str] = []
    examples: Annotated[list[Example], Field(min_length=1, max_length=50)]
    message_level: bool = False


class TermsDocument(_Model):
    """A dictionary; `terms` is a list, or a text with one term on each line."""

    entity: Entity
    terms: Annotated[
        list[Term], BeforeValidator(_lines), Field(min_length=1, max_length=_MAX_TERMS)
    ]
    score_pct: Score = 80
    match_case: bool = False
    examples: Annotated[list[Example], Field(max_length=50)] = []
    message_level: bool = False


class RegisteredDocumentDocument(_Model):
    """Digests as `transire detect register` prints them."""

    entity: Entity
    min_matches: Annotated[int, Field(ge=1, le=1_000)] = 4
    digests: Annotated[
        list[Annotated[str, Text(pattern=r"^[0-9a-f]{16}$")]],
        BeforeValidator(_words),
        Field(min_length=1, max_length=_MAX_DIGESTS),
    ]


class DocumentsDocument(_Model):
    """All registered documents; one salt and one length of shingle for all of them."""

    salt: Annotated[str, Text(pattern=r"^(?:[0-9a-f]{32})?$")] = ""
    words: Annotated[int, Field(ge=4, le=32)] = 8
    registered: dict[Id, RegisteredDocumentDocument]


class AllowDocument(_Model):
    """Jargon that is no finding of these entities."""

    entities: Annotated[list[Entity], Field(min_length=1)]
    terms: Annotated[list[Term], BeforeValidator(_lines), Field(min_length=1, max_length=10_000)]


class RecognizersDocument(_Model):
    """`recognizers.yaml`."""

    patterns: Annotated[dict[Id, PatternDocument], Field(max_length=_MAX_PATTERNS)] = {}
    terms: Annotated[dict[Id, TermsDocument], Field(max_length=_MAX_LISTS)] = {}
    documents: DocumentsDocument | None = None
    allow: Annotated[dict[Id, AllowDocument], Field(max_length=_MAX_LISTS)] = {}
