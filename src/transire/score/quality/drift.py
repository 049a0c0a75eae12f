"""Whether prompts are still like those a predictor was judged on; a measurement, never an act.

What is compared is the gain of the strong over the weak model that it predicts: ten ranges that
held a tenth of the held-out rows each, and the share of recent prompts in them. The measure is the
population stability index, sum of (p − q) · ln(p / q); above 0.25 populations are usually said to
differ (Siddiqi, Credit Risk Scorecards, 2006).
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

__all__ = ["DriftWatch"]

_WINDOW: Final = 1_000
"""Prompts over which counts fade: a memory of about so many."""
_LEAST: Final = 500
"""Below this many nothing is said: chance alone gives 0.02 here."""
_FADED: Final = 1 - 1 / _WINDOW
_FLOOR: Final = 0.001
"""An empty range counts as one prompt in a thousand, so that the index stays finite."""


class DriftWatch:
    """Counts what is predicted; O(1) per prompt.

    Args:
        cuts: Nine ascending gains between the ranges.
    """

    def __init__(self, cuts: Sequence[float]) -> None:
        self._cuts = tuple(cuts)
        self._counts = [0.0] * (len(self._cuts) + 1)
        self._seen = 0
        self._foreign = 0.0

    def passed(self) -> None:
        """One prompt was unlike the fitted ones, and nothing was predicted."""
        self._foreign += (1.0 - self._foreign) / _WINDOW
        self._seen += 1

    def saw(self, gain: float) -> None:
        """One prompt was predicted."""
        for at, count in enumerate(self._counts):
            self._counts[at] = count * _FADED
        self._counts[bisect_right(self._cuts, gain)] += 1.0
        self._foreign *= _FADED
        self._seen += 1

    @property
    def foreign_permille(self) -> int | None:
        """Share of recent prompts that were unlike the fitted ones; None until enough was seen."""
        return None if self._seen < _LEAST else round(1000 * self._foreign)

    @property
    def permille(self) -> int | None:
        """The index now, in thousandths; None until enough was seen."""
        if self._seen < _LEAST or not any(self._counts):
            return None
        whole, expected = sum(self._counts), 1 / len(self._counts)
        shares = (max(_FLOOR, count / whole) for count in self._counts)
        index = sum((share - expected) * math.log(share / expected) for share in shares)
        return round(1000 * index)
