"""Operators' regular expressions at work: bounded, validated, raised by words near by."""

from collections.abc import Callable, Iterator
from typing import Final

import regex

from transire.bundle.recognizers.nearness import near
from transire.bundle.recognizers.safety import shape_of
from transire.bundle.recognizers.tokens import ANY, folded, tokens_of
from transire.bundle.recognizers.validators import VALIDATORS
from transire.domain.pack import PatternRule

__all__ = ["pattern_finder", "pattern_gate"]

_BOOST_PCT: Final = 35
_FLOOR_PCT: Final = 40
"""What a context word adds, and what a hit with one has at least: Presidio's own figures."""

Spans = Iterator[tuple[int, int, int]]


def pattern_gate(rule: PatternRule) -> Callable[[str], bool]:
    """A necessary condition: the pattern's longest literal stands in the text."""
    literal = shape_of(rule.regex).literal
    if not literal or (rule.ignore_case and not literal.isascii()):
        return lambda _: True
    if rule.ignore_case:
        # Folding, not lowering: a long s and the Kelvin sign match `s` and `k`.
        spelled = literal.casefold()
        return lambda text: spelled in text.casefold()
    return lambda text: literal in text


def pattern_finder(rule: PatternRule) -> Callable[[str, float], Spans]:
    """A function (text, seconds) → spans with scores; lets `TimeoutError` out."""
    pattern = regex.compile(rule.regex, regex.I if rule.ignore_case else 0)
    group: str | int = "v" if "v" in pattern.groupindex else 0
    proves = VALIDATORS[rule.validator] if rule.validator else None
    context = frozenset(
        tuple(folded(m.group()) for m in ANY.finditer(word)) for word in rule.context
    )

    def find(text: str, seconds: float) -> Spans:
        is_near: Callable[[int, int], bool] | None = None
        for match in pattern.finditer(text, timeout=seconds):
            start, end = match.span(group)
            if start >= end or (proves is not None and not proves(text[start:end])):
                continue
            score = 100 if proves is not None else rule.score_pct
            if context and score < 100:
                is_near = is_near or _locate(text, context, seconds)
                if is_near(start, end):
                    score = min(100, max(score + _BOOST_PCT, _FLOOR_PCT))
            yield start, end, score

    return find


def _locate(
    text: str, context: frozenset[tuple[str, ...]], seconds: float
) -> Callable[[int, int], bool]:
    """One pass over the text; the answer tells whether a context word is near a span."""
    tokens = tokens_of(text, ANY, seconds)
    spelled = [folded(token) for _, _, token in tokens]
    found = sorted(
        (tokens[at][0], tokens[at + size - 1][1])
        for size in {len(words) for words in context}
        for at in range(len(tokens) - size + 1)
        if tuple(spelled[at : at + size]) in context
    )
    return near(found)
