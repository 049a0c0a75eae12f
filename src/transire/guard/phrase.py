"""Phrasing: a trigger, and what must stand near it. Pure, and linear in the text's length.

Each trigger is judged by a window of fixed size, so that no text makes a rule read it twice.
A phrase is searched for only where its first word stands, and a hint where it has any: both are
necessary, so what is passed over would not have been found.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import regex

from transire.domain.guarding import Guard, Spelled
from transire.guard.words import first_words, letters_of

__all__ = ["Phrase", "PhraseGuard"]

WINDOW_CHARS: Final = 100
_BEFORE_CHARS: Final = 60
_AFTER_CHARS: Final = 40
_MAX_SPANS: Final = 8
"""Spans kept of one reading; a guard is raised by the first."""
_LONG_CHARS: Final = 600
_FLAGS: Final = regex.IGNORECASE | regex.V0
_ODD: Final = regex.compile("[\u0130\u0131\u017f\u212a]")
"""Letters that a pattern which ignores case takes for an ASCII one, and that are none in lower case
(İ, ı, ſ) or only there (K)."""
_END: Final = regex.compile(r"[.!?;](?=\s|$)|\n\s*\n|[。！？；]")


@dataclass(frozen=True, slots=True)
class Phrase:
    """One way to say it.

    Attributes:
        trigger: A pattern; matched on word borders unless it brings its own.
        every: Patterns that must all stand in the window after the trigger, in the same sentence.
        unless: A pattern that must not stand around it: up to 60 characters before, the sentence
            after, and 40 more.
        hints: Lower-case strings, one of which must stand somewhere, because the trigger or one of
            `every` holds it; a search for them is some fifty times cheaper. Empty for none.
    """

    trigger: str
    every: tuple[str, ...] = ()
    unless: str | None = None
    hints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Compiled:
    trigger: "regex.Pattern[str]"
    every: tuple["regex.Pattern[str]", ...]
    unless: "regex.Pattern[str] | None"
    hints: tuple[str, ...]
    runs: tuple[tuple[str, str], ...]
    """Each hint behind its longest run of ASCII letters."""

    @classmethod
    def of(cls, phrase: Phrase) -> "_Compiled":
        unless = phrase.unless
        return cls(
            regex.compile(phrase.trigger, _FLAGS),
            tuple(regex.compile(pattern, _FLAGS) for pattern in phrase.every),
            None if unless is None else regex.compile(unless, _FLAGS),
            phrase.hints,
            tuple((letters_of(hint).decode(), hint) for hint in phrase.hints),
        )

    def may_stand(self, lower: str, spoken: str) -> bool:
        """Whether it is worth looking for.

        Args:
            spoken: Each run of ASCII letters of the text, at least once.
        """
        if spoken is lower:
            for hint in self.hints:
                if hint in lower:
                    return True
            return not self.hints
        for letters, hint in self.runs:
            if letters in spoken and (letters == hint or hint in lower):
                return True
        return not self.hints

    def span(self, text: str, start: int, end: int, left: float) -> tuple[int, int] | None:
        """Where the phrase stands whose trigger does; None where the rest is missing."""
        stop = min(len(text), end + WINDOW_CHARS)
        cut = _END.search(text, end, stop)
        stop = stop if cut is None else cut.start()
        last = end
        for pattern in self.every:
            found = pattern.search(text, end, stop, timeout=left)
            if found is None:
                return None
            last = max(last, found.end())
        if self.unless is not None:
            around = text[max(0, start - _BEFORE_CHARS) : stop + _AFTER_CHARS]
            if self.unless.search(around, timeout=left):
                return None
        return start, last


@dataclass(frozen=True, slots=True)
class PhraseGuard:
    """Implements `domain.guarding.InputGuard` by phrases; made by `latin` or `of_other_scripts`.

    Attributes:
        words: As the port says.
    """

    name: Guard
    words: frozenset[str]
    phrases: tuple[Phrase, ...] = field(repr=False)
    _compiled: tuple[_Compiled, ...] = field(repr=False, compare=False)
    _by_word: Mapping[bytes, tuple[int, ...]] = field(repr=False, compare=False)
    """Run of ASCII letters → places of the phrases that begin with a word that holds it."""

    @classmethod
    def latin(cls, name: Guard, phrases: Iterable[Phrase]) -> "PhraseGuard":
        """Phrases that each begin with one of a few words in Latin letters.

        Raises:
            ValueError: one does not; looked for in some texts only, it would be a hole.
        """
        phrases = tuple(phrases)
        by_word: dict[bytes, tuple[int, ...]] = {}
        words = set[str]()
        for at, phrase in enumerate(phrases):
            firsts = first_words(phrase.trigger)
            if not firsts:
                raise ValueError(f"`{phrase.trigger}` begins with no word")
            words |= firsts
            for key in set(map(letters_of, firsts)):
                by_word[key] = (*by_word.get(key, ()), at)
        compiled = tuple(map(_Compiled.of, phrases))
        return cls(name, frozenset(words), phrases, compiled, by_word)

    @classmethod
    def of_other_scripts(cls, name: Guard, phrases: Iterable[Phrase]) -> "PhraseGuard":
        """Phrases that each need a letter of another script."""
        phrases = tuple(phrases)
        return cls(name, frozenset(), phrases, tuple(map(_Compiled.of, phrases)), {})

    def spans(
        self, text: str, seconds: float, spelled: Spelled | None = None
    ) -> Iterator[tuple[int, int]]:
        """See `domain.guarding.InputGuard`."""
        lower = text.lower() if spelled is None else spelled.lower
        is_odd = not text.isascii() and _ODD.search(text) is not None
        spoken, count = lower, 0
        if spelled is not None and len(lower) >= _LONG_CHARS:
            # A text this long says most of its words several times.
            spoken = b" ".join(spelled.pieces).decode()
        for phrase in self._compiled if spelled is None or is_odd else self._begun(spelled):
            if not is_odd and not phrase.may_stand(lower, spoken):
                continue
            for match in phrase.trigger.finditer(text, timeout=seconds):
                span = phrase.span(text, match.start(), match.end(), seconds)
                if span is None:
                    continue
                yield span
                count += 1
                if count >= _MAX_SPANS:
                    return

    def _begun(self, spelled: Spelled) -> Iterable[_Compiled]:
        """The phrases of which a first word stands in it, in order."""
        if not self.words:
            return self._compiled
        known = self._by_word
        places = {place for word in known.keys() & spelled.pieces for place in known[word]}
        return [self._compiled[place] for place in sorted(places)]
