"""Bounds on a rate that hold at every moment at once, however often one looks. Pure.

A canary is looked at after each answer; bounds that hold at one sample size are passed by chance
sooner or later. These come from the beta-binomial mixture martingale: for independent attempts
that fail with chance p, the likelihood averaged over Beta(1/2, 1/2) and divided by the likelihood
at p is a martingale that starts at 1, and by Ville's inequality it ever reaches 1/alpha with chance
alpha at most. The p at which it has not are a confidence sequence (Robbins, Ann. Math. Statist. 41,
1970; Howard, Ramdas, McAuliffe and Sekhon, Ann. Statist. 49, 2021).
"""

from collections.abc import Callable
from math import inf, lgamma, log
from typing import Final

__all__ = ["bounds", "is_worse"]

_STEPS: Final = 40
"""Halvings of an interval below one: to 10^-12."""


def bounds(bad: int, count: int, alpha: float) -> tuple[float, float]:
    """Between which rates the true one lies, at all times at once, but for chance `alpha`."""
    if not count:
        return 0.0, 1.0
    limit, rate = log(1 / alpha), bad / count

    def is_out(p: float) -> bool:
        return _evidence(bad, count, p) >= limit

    low = 0.0 if not is_out(0.0) else _edge(0.0, rate, is_out_at_first=True, is_out=is_out)
    high = 1.0 if not is_out(1.0) else _edge(rate, 1.0, is_out_at_first=False, is_out=is_out)
    return low, high


def is_worse(
    variant: tuple[int, int], control: tuple[int, int], *, margin: float, alpha: float
) -> bool:
    """Whether a variant's rate is above control's by more than a margin.

    Args:
        variant, control: (bad, attempts).
        alpha: Chance to say so, ever, where it is not; half is spent on each rate.
    """
    (bad, count), (usual, of) = variant, control
    if not count or not of or bad / count - usual / of <= margin:
        return False
    low, _ = bounds(bad, count, alpha / 2)
    _, high = bounds(usual, of, alpha / 2)
    return low > high + margin


def _evidence(bad: int, count: int, p: float) -> float:
    """Logarithm of the martingale against p."""
    good = count - bad
    if (p <= 0 and bad) or (p >= 1 and good):
        return inf
    mixed = _log_beta(bad + 0.5, good + 0.5) - _log_beta(0.5, 0.5)
    return mixed - (bad * log(p) if bad else 0.0) - (good * log(1 - p) if good else 0.0)


def _edge(
    low: float, high: float, *, is_out_at_first: bool, is_out: Callable[[float], bool]
) -> float:
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if is_out(middle) == is_out_at_first:
            low = middle
        else:
            high = middle
    return low if is_out_at_first else high


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)
