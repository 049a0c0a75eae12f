"""Quantiles in bounded memory: exact up to `KEPT` values, then of a uniform sample of that size."""

import math
import random
from array import array
from typing import Final

__all__ = ["KEPT", "Sample"]

KEPT: Final = 4_000
"""Values kept. Beyond, the rank of a quantile q is off by at most 1.96 √(q(1−q)/KEPT) in nineteen
of twenty samples: 1.6 points at the median, 0.3 at the 99th percentile."""


class Sample:
    """Numbers seen so far (Vitter's algorithm R beyond what is kept).

    Attributes:
        seen: How many there were.

    Args:
        draw: Decides which values are kept; seeded, so that a report can be made twice.
    """

    __slots__ = ("_draw", "_values", "seen")

    def __init__(self, draw: random.Random) -> None:
        self.seen = 0
        self._draw = draw
        self._values = array("q")

    @property
    def is_exact(self) -> bool:
        """Whether every value is kept."""
        return self.seen <= KEPT

    def add(self, value: int) -> None:
        """See one more."""
        self.seen += 1
        if len(self._values) < KEPT:
            self._values.append(value)
            return
        place = self._draw.randrange(self.seen)
        if place < KEPT:
            self._values[place] = value

    def quantiles(self, *shares: float) -> list[int | None]:
        """By nearest rank, in the order asked; None where nothing was seen."""
        ordered = sorted(self._values)
        if not ordered:
            return [None] * len(shares)
        return [ordered[max(0, math.ceil(share * len(ordered)) - 1)] for share in shares]
