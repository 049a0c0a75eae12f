"""One recognizer as the scan loop sees it: a gate, patterns, a validator, context words.

Presidio's recognizers are wrapped, not run: its own loop swallows time-outs, and a swallowed
time-out reads as "clean". Here a time-out leaves the loop.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import regex

from transire.classify.traits import Traits

__all__ = [
    "FORMS",
    "MODEL",
    "PATTERNS",
    "Hit",
    "Recognizer",
    "has_context",
    "pattern_recognizer",
]

_CONTEXT_BEFORE: Final = 60
_CONTEXT_AFTER: Final = 25
"""Characters around a hit in which context words count; about Presidio's five words."""
_CONTEXT_BOOST: Final = 35
_CONTEXT_FLOOR: Final = 40
"""Presidio's own boost and floor, in percent."""


PATTERNS: Final = "patterns"
FORMS: Final = "forms"
MODEL: Final = "model"
"""Who found something: the installed patterns of its entity, the rules for where names stand, or
the model that reads names. An operator's recognizer goes by its own name."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A raw match before thresholds.

    Attributes:
        via: The views it was read through (`base64`, `html+invisible`), or None.
        by: Who found it. Two that found the same with one score are one hit.
    """

    start: int
    end: int
    entity: str
    score_pct: int
    via: str | None = None
    by: str = field(default=PATTERNS, compare=False)


@dataclass(frozen=True, slots=True)
class Recognizer:
    """Finds one entity.

    Attributes:
        gate: A necessary condition on the text's traits; a `Gate` is asked only where it can hold.
        find: Yields hits; takes (text, seconds left) and lets `TimeoutError` out.
        told: The same, told what the gate knows; None where that is no help.
    """

    entity: str
    gate: Callable[[Traits], bool]
    find: Callable[[str, float], Iterator[Hit]]
    told: Callable[[Traits, float], Iterator[Hit]] | None = None


def pattern_recognizer(
    entity: str,
    gate: Callable[[Traits], bool],
    patterns: list[tuple[str, int]],
    *,
    context: frozenset[str] = frozenset(),
    validate: Callable[[str], bool | None] = lambda _: None,
    flags: int = 0,
) -> Recognizer:
    """A recognizer of our own.

    Args:
        patterns: (regular expression, score in percent); a group named `v` narrows the span.
        context: Lower-case words that raise the score when near.
        validate: True proves a hit (100 %), False drops it, None leaves the score.
    """
    compiled = [(regex.compile(source, flags), score) for source, score in patterns]

    def find(text: str, seconds: float) -> Iterator[Hit]:
        for pattern, score in compiled:
            group: str | int = "v" if "v" in pattern.groupindex else 0
            for match in pattern.finditer(text, timeout=seconds):
                yield from _judge(text, match.span(group), entity, score, context, validate)

    return Recognizer(entity, gate, find)


def _judge(
    text: str,
    span: tuple[int, int],
    entity: str,
    score: int,
    context: frozenset[str],
    validate: Callable[[str], bool | None],
) -> Iterator[Hit]:
    start, end = span
    if start == end:
        return
    verdict = validate(text[start:end])
    if verdict is False:
        return
    if verdict is True:
        score = 100
    elif context and score < 100 and has_context(text, start, end, context):
        score = min(100, max(score + _CONTEXT_BOOST, _CONTEXT_FLOOR))
    yield Hit(start, end, entity, score)


def has_context(text: str, start: int, end: int, context: frozenset[str]) -> bool:
    """Whether a context word stands near a span, as a whole word."""
    near = text[max(0, start - _CONTEXT_BEFORE) : start] + " " + text[end : end + _CONTEXT_AFTER]
    words = regex.findall(r"[^\W_]+", near.lower())
    singular = {word.removesuffix("s") for word in words}
    return any(word in singular or word in words for word in context)
