"""A bandit's shares: the chance that each variant is the best, given what was seen. Pure.

Thompson sampling (Thompson, Biometrika 25, 1933) draws each arm with the posterior probability that
it is the best one. Here that probability is worked out, not sampled, so that it can be recorded as
the propensity, and a hash does the drawing. Successes of an arm are Bernoulli with a uniform prior.

Only additions, multiplications, divisions and integer powers are used, which IEEE 754 rounds alike
everywhere: replay on another machine gives the same integers.
"""

from collections.abc import Sequence
from typing import Final

from transire.domain.trial import MILLION

__all__ = ["matched_shares"]

_GRID: Final = 400
_MOST: Final = 1_000
"""Attempts that count in full. Beyond, both counts are scaled down: the grid stays fine enough
(even odds deviate by 0.016), no power leaves a float's range, and what is old weighs less."""


def matched_shares(state: Sequence[tuple[int, int]], explore_permille: int) -> tuple[int, ...]:
    """Shares in ppm, one per (rewarded, attempts), adding up to a million.

    Each gets its part of the exploration, whatever was seen, and of the rest its chance to be best.
    """
    count = len(state)
    floor = explore_permille * 1_000 // count
    rest = MILLION - floor * count
    shares = [floor + int(rest * chance) for chance in _chances(state)]
    shares[0] += MILLION - sum(shares)
    return tuple(shares)


def _chances(state: Sequence[tuple[int, int]]) -> list[float]:
    densities = [_density(*row) for row in state]
    below = [_below(density) for density in densities]
    chances = []
    for at, density in enumerate(densities):
        total = 0.0
        for x in range(_GRID):
            product = density[x]
            for other, cumulative in enumerate(below):
                if other != at:
                    product *= cumulative[x]
            total += product
        chances.append(total)
    whole = sum(chances)
    return [chance / whole for chance in chances]


def _density(rewarded: int, attempts: int) -> list[float]:
    """The posterior on the grid's midpoints, adding up to one."""
    if attempts > _MOST:
        rewarded, attempts = rewarded * _MOST // attempts, _MOST
    lost = attempts - rewarded
    mode = rewarded / attempts if attempts else 0.5
    weights = []
    for x in range(_GRID):
        p = (x + 0.5) / _GRID
        # Against the mode, so that neither power leaves the range of a float where it matters.
        won = _power(p / mode, rewarded) if rewarded else 1.0
        failed = _power((1 - p) / (1 - mode), lost) if lost else 1.0
        weights.append(won * failed)
    whole = sum(weights)
    return [weight / whole for weight in weights]


def _below(density: Sequence[float]) -> list[float]:
    """The chance to lie below each midpoint: half of its own cell counts."""
    reached, told = 0.0, []
    for weight in density:
        told.append(reached + weight / 2)
        reached += weight
    return told


def _power(value: float, exponent: int) -> float:
    """By squaring; the library's `pow` may round differently from machine to machine."""
    result = 1.0
    while exponent:
        if exponent & 1:
            result *= value
        value *= value
        exponent >>= 1
    return result
