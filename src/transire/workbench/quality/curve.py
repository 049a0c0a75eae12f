"""How much of the strong model's advantage a router keeps, as it sends it more or fewer calls.

PGR at a share of strong calls: (quality − weak's) / (strong's − weak's). APGR: its mean over all
shares, 0.5 for a random router. CPT50 and CPT80: the share, in percent, at which PGR first reaches
50 and 80 % (Ong et al., RouteLLM, arXiv 2406.18665). Every distinct threshold counts, prompts with
equal scores are taken in random order (in expectation), and nothing is clipped: a router that
keeps to where the strong model helps passes 1.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Interval", "Measures", "interval", "measure", "resampled"]

Array: TypeAlias = NDArray[np.float64]

_LEVELS: Final = (0.5, 0.8)
_TAIL_PCT: Final = 2.5


class Measures(NamedTuple):
    """Of one router on one set: APGR, and shares of strong calls in percent."""

    apgr: float
    cpt50: float
    cpt80: float


class Interval(NamedTuple):
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


def measure(preference: Array, gains: Array, weights: Array | None = None) -> Measures:
    """The measures of a router that sends those it prefers most to the strong model first.

    Args:
        preference: One number per prompt, higher is sent earlier.
        gains: The strong model's score minus the weak one's, per prompt.
        weights: How often each prompt counts (a resample), or once each.

    Returns:
        NaN where the strong model has no advantage to recover.
    """
    counts = np.ones(len(gains)) if weights is None else weights
    order = np.argsort(-preference, kind="stable")
    ordered = preference[order]
    groups = np.flatnonzero(np.concatenate([[True], np.diff(ordered) != 0]))
    sent = np.add.reduceat(counts[order], groups).cumsum()
    won = np.add.reduceat((counts * gains)[order], groups).cumsum()
    if not won[-1] > 0:
        return Measures(float("nan"), float("nan"), float("nan"))
    shares = np.concatenate([[0.0], sent / sent[-1]])
    kept = np.concatenate([[0.0], won / won[-1]])
    area = float(((kept[1:] + kept[:-1]) / 2 * np.diff(shares)).sum())
    return Measures(area, *(100 * _first_reached(shares, kept, level) for level in _LEVELS))


def resampled(size: int, times: int, seed: int) -> Iterator[Array]:
    """Bootstrap weights: how often each prompt is drawn in `size` draws, as many times as asked."""
    random = np.random.default_rng(seed)
    for _ in range(times):
        drawn = np.bincount(random.integers(size, size=size), minlength=size)
        yield drawn.astype(float)


def interval(value: float, samples: Array) -> Interval:
    """A value with the middle 95 % of its bootstrap samples."""
    whole = samples[np.isfinite(samples)]
    if not len(whole):
        return Interval(value, float("nan"), float("nan"))
    low, high = np.percentile(whole, [_TAIL_PCT, 100 - _TAIL_PCT])
    return Interval(value, float(low), float(high))


def _first_reached(shares: Array, kept: Array, level: float) -> float:
    at = int(np.argmax(kept >= level))
    rise = kept[at] - kept[at - 1]
    return float(shares[at - 1] + (shares[at] - shares[at - 1]) * (level - kept[at - 1]) / rise)
