"""Whether a context word stands near a span; two bisections a question. Pure."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Final

__all__ = ["near"]

_BEFORE: Final = 60
_AFTER: Final = 25
"""Characters around a hit in which a word counts; about Presidio's five words."""


def near(found: Sequence[tuple[int, int]]) -> Callable[[int, int], bool]:
    """Ask of a span (start, end) whether one of the words found, sorted by start, is near it."""
    starts = [start for start, _ in found]

    def is_near(start: int, end: int) -> bool:
        before = bisect_left(starts, start - _BEFORE)
        if before < len(found) and found[before][1] <= start:
            return True
        after = bisect_left(starts, end)
        return after < len(found) and found[after][1] <= end + _AFTER

    return is_near
