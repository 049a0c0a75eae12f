"""Refusals, counted: one `throttled` entry per interval instead of one per refusal.

Nobody can fill the log by being refused, and no key is lost silently: past `MAX_KEYS` distinct
ones in an interval the rest are counted together under `OTHERS`.
"""

from collections import Counter
from typing import Final

__all__ = ["MAX_KEYS", "OTHERS", "Tally"]

MAX_KEYS: Final = 500
"""(key, code) pairs told apart per interval: about 30 kB of entry, half of its bound."""

OTHERS: Final = "others"


class Tally:
    """Counts by (key, code) until drained."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, key: str, code: str, count: int = 1) -> None:
        """Count refusals."""
        pair = (key, code)
        if pair not in self._counts and len(self._counts) >= MAX_KEYS:
            pair = (OTHERS, code)
        self._counts[pair] += count

    def drain(self) -> tuple[tuple[str, str, int], ...]:
        """Everything since the last drain as (key, code, count), sorted; starts anew."""
        drained = tuple((key, code, n) for (key, code), n in sorted(self._counts.items()))
        self._counts.clear()
        return drained
