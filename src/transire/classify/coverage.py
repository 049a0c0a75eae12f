"""What no recognizer here reads: images, places where people live, names in unread languages."""

from collections.abc import Callable, Sequence
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
        addresses: The class of where people live, which no recognizer finds.
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

    def gaps(
        self, parts: Sequence[Part], scope: tuple[str, str]
    ) -> dict[DataClass, frozenset[str]]:
        """Class → what the gap is in (`Classification.uncovered`)."""
        unread = frozenset(UNREADABLE[p.kind] for p in parts if p.kind in UNREADABLE)
        gaps = dict.fromkeys(self.personal, unread) if unread else {}
        texts = [part.text for part in parts if part.kind not in UNREADABLE]
        if texts:
            found = dict.fromkeys(self.missing | self.addresses, _TEXT)
            for name in self.identity - self.missing:
                found[name] = self._names_gaps(texts, scope)
            for name, places in found.items():
                if places:
                    gaps[name] = gaps.get(name, frozenset()) | places
        return gaps

    def _names_gaps(self, texts: Sequence[str], scope: tuple[str, str]) -> frozenset[str]:
        """In what nobody here reads names: all text, or passages in some languages."""
        if self.is_unasked:
            return frozenset()
        if not self.has_names:
            return _TEXT
        judge, key_of = self.judge, self.key
        long_texts = [text for text in texts if len(text) >= PASSAGE_LEAST_CHARS]
        spoken = judge.joined(
            self._heard.of(key_of(*scope, text), partial(judge.heard, text)) for text in long_texts
        )
        return frozenset(f"text.{code}" for code in spoken - LANGUAGES)
