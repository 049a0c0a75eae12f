"""Phrasing: a trigger, and what must stand near it. Pure, and linear in the text's length.

Each trigger is judged by a window of fixed size, so that no text makes a rule read it twice.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import regex

from transire.domain.guarding import Guard

__all__ = ["Phrase", "PhraseGuard"]

WINDOW_CHARS: Final = 100
_BEFORE_CHARS: Final = 60
_AFTER_CHARS: Final = 40
_MAX_SPANS: Final = 8
"""Spans kept of one reading; a guard is raised by the first."""
_FLAGS: Final = regex.IGNORECASE | regex.V0
_END: Final = regex.compile(r"[.!?;](?=\s|$)|\n\s*\n|[。！？；]")


@dataclass(frozen=True, slots=True)
class Phrase:
    """One way to say it.

    Attributes:
        trigger: A pattern; matched on word borders unless it brings its own.
        every: Patterns that must all stand in the window after the trigger, in the same sentence.
        unless: A pattern that must not stand around it: up to 60 characters before, the sentence
            after, and 40 more.
        hints: Lower-case strings, one of which must stand somewhere; a search for them is some
            fifty times cheaper than the trigger's. Empty for none.
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

    @classmethod
    def of(cls, phrase: Phrase) -> "_Compiled":
        unless = phrase.unless
        return cls(
            regex.compile(phrase.trigger, _FLAGS),
            tuple(regex.compile(pattern, _FLAGS) for pattern in phrase.every),
            None if unless is None else regex.compile(unless, _FLAGS),
            phrase.hints,
        )

    def may_stand(self, lower: str) -> bool:
        """Whether it is worth looking for."""
        if not self.hints:
            return True
        for hint in self.hints:  # noqa: SIM110 - a generator costs twice as much
            if hint in lower:
                return True
        return False

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
    """Implements `domain.guarding.InputGuard` by phrases.

    Attributes:
        words: As the port says.
    """

    name: Guard
    words: frozenset[str]
    phrases: tuple[Phrase, ...] = field(repr=False)
    _compiled: tuple[_Compiled, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_compiled", tuple(map(_Compiled.of, self.phrases)))

    def spans(self, text: str, seconds: float) -> Iterator[tuple[int, int]]:
        """See `domain.guarding.InputGuard`."""
        count, lower = 0, text.lower()
        for phrase in self._compiled:
            if not phrase.may_stand(lower):
                continue
            for match in phrase.trigger.finditer(text, timeout=seconds):
                span = phrase.span(text, match.start(), match.end(), seconds)
                if span is None:
                    continue
                yield span
                count += 1
                if count >= _MAX_SPANS:
                    return
