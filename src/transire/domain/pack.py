"""The recognizers that operators wrote, as values: part of a bundle, as they travel to workers."""

from dataclasses import dataclass, field

__all__ = ["NO_PACK", "AllowList", "Pack", "PatternRule", "RegisteredDocument", "TermList"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternRule:
    """A bounded regular expression.

    Attributes:
        score_pct: Score of a bare hit; a context word adds to it, a validator proves it.
        context: Lower-case words that raise the score when near.
        validator: Name from the closed list, or empty.
        languages: Where a long text is confidently in none of these, the pattern is silent;
            empty means every language.
        examples: Texts it must find something in; checked whenever the bundle is compiled and
            again when a detector starts.
        is_message_level: A finding speaks about the whole message and survives redaction.
    """

    name: str
    entity: str
    regex: str
    score_pct: int
    ignore_case: bool = False
    context: frozenset[str] = frozenset()
    validator: str = ""
    languages: frozenset[str] = frozenset()
    examples: tuple[str, ...] = ()
    is_message_level: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TermList:
    """A dictionary: terms found as whole words, in any case unless `match_case`."""

    name: str
    entity: str
    score_pct: int
    terms: tuple[str, ...] = field(repr=False)
    match_case: bool = False
    examples: tuple[str, ...] = ()
    is_message_level: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredDocument:
    """A document known by digests of its word runs; nothing here holds its text.

    Attributes:
        min_matches: Distinct digests that must recur in a text to make a finding.
        digests: Eight bytes each (`bundle.recognizers.shingles`).
    """

    name: str
    entity: str
    min_matches: int
    digests: frozenset[bytes] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowList:
    """Jargon that is no finding of these entities when it is the whole span."""

    name: str
    entities: frozenset[str]
    terms: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """Everything `recognizers.yaml` says.

    Attributes:
        digest: Names the pack (hex); empty for the empty pack.
        languages: Languages that texts are judged among.
        salt: Key of the digests; it keeps tables computed beforehand useless, and is no secret
            from whoever reads the bundle.
        words: Words in one shingle.
    """

    digest: str = ""
    patterns: tuple[PatternRule, ...] = ()
    terms: tuple[TermList, ...] = ()
    documents: tuple[RegisteredDocument, ...] = ()
    allow: tuple[AllowList, ...] = ()
    languages: tuple[str, ...] = ()
    salt: bytes = b""
    words: int = 0

    @property
    def entities(self) -> frozenset[str]:
        """Entities some recognizer of this pack finds."""
        return frozenset(
            {rule.entity for rule in self.patterns}
            | {rule.entity for rule in self.terms}
            | {document.entity for document in self.documents}
        )

    @property
    def message_level(self) -> frozenset[str]:
        """Entities that speak about the whole message."""
        return frozenset(
            {rule.entity for rule in self.patterns if rule.is_message_level}
            | {rule.entity for rule in self.terms if rule.is_message_level}
            | {document.entity for document in self.documents}
        )


NO_PACK = Pack()
"""A bundle without `recognizers.yaml`."""
