"""Intervals of what was seen of units that were asked several times. Pure.

Decisions of one unit (a session, a key) are alike, so a thousand decisions of ten sessions say
hardly more than ten. Shares get Wilson's interval for as many independent decisions as the variance
between units tells (Kish, Survey Sampling, 1965: the design effect); where none or all succeeded
nothing is known of it, and units count. Means get the percentile bootstrap over units (Efron, Ann.
Statist. 7, 1979) from a fixed seed. Of shares that were weighted, the wider of both counts: a
bootstrap of four successes knows of no failure.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, NamedTuple

from transire.workbench.wilson import wilson

__all__ = ["Estimate", "Row", "mean", "share", "weighted_share", "whole"]

_RESAMPLES: Final = 300
_MOST: Final = 4_000
"""Units resampled; of more, every so many-th, which widens the interval and never narrows it."""
_SEED: Final = 20_261_126
_TAIL: Final = 0.025


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with the ends of its 95 % interval; None where nothing can be said."""

    value: float | None
    low: float | None
    high: float | None

    def to_json(self, digits: int = 4) -> dict[str, float | None]:
        """Rounded, for people and files."""
        named = (("value", self.value), ("low", self.low), ("high", self.high))
        return {name: None if one is None else round(one, digits) for name, one in named}


NOTHING: Final = Estimate(None, None, None)


class Row(NamedTuple):
    """What one decision, or all of one unit, adds."""

    weight: float
    weighted: float
    decisions: int = 1


def share(seen: Iterable[tuple[int, bool]]) -> Estimate:
    """How many of (unit, whether) had it."""
    units = _by_unit((unit, Row(1.0, float(had))) for unit, had in seen)
    count = sum(row.decisions for row in units)
    if not count:
        return NOTHING
    value = sum(row.weighted for row in units) / count
    return Estimate(value, *wilson(value * (n := _independent(units, value)), n))


def mean(seen: Iterable[tuple[int, float]]) -> Estimate:
    """The mean of (unit, value); without an interval where there is one unit."""
    return _resampled(_by_unit((unit, Row(1.0, value)) for unit, value in seen), _ratio)


def weighted_share(seen: Iterable[tuple[int, Row]]) -> Estimate:
    """The weighted share (self-normalised) of (unit, row)."""
    return _widened(_by_unit(seen), _ratio)


def whole(seen: Iterable[tuple[int, Row]]) -> Estimate:
    """The weighted share of everything there was, rows of weight 0 too."""
    return _widened(_by_unit(seen), _of_all)


def _by_unit(seen: Iterable[tuple[int, Row]]) -> list[Row]:
    units: dict[int, Row] = {}
    for unit, row in seen:
        known = units.get(unit)
        units[unit] = row if known is None else _sum(known, row)
    return list(units.values())


def _sum(one: Row, other: Row) -> Row:
    return Row(
        one.weight + other.weight,
        one.weighted + other.weighted,
        one.decisions + other.decisions,
    )


def _independent(units: Sequence[Row], value: float) -> float:
    """As how many independent decisions these count."""
    count = sum(row.decisions for row in units)
    if len(units) == count:
        return count
    spread = sum((row.weighted - value * row.decisions) ** 2 for row in units)
    if not 0 < value < 1 or len(units) == 1 or not spread:
        return len(units)
    variance = spread / count**2 * len(units) / (len(units) - 1)
    return min(float(count), max(1.0, value * (1 - value) / variance))


def _ratio(rows: Sequence[Row]) -> float:
    weight = sum(row.weight for row in rows)
    return sum(row.weighted for row in rows) / weight if weight else 0.0


def _of_all(rows: Sequence[Row]) -> float:
    return sum(row.weighted for row in rows) / sum(row.decisions for row in rows)


def _widened(units: Sequence[Row], statistic: Callable[[Sequence[Row]], float]) -> Estimate:
    told = _resampled(units, statistic)
    if told.value is None or not 0 <= told.value <= 1:
        return told
    weights = [row.weight for row in units]
    effective = sum(weights) ** 2 / sum(weight**2 for weight in weights)
    low, high = wilson(told.value * effective, effective)
    ends = (low, high) if told.low is None or told.high is None else (told.low, told.high)
    return Estimate(told.value, min(low, ends[0]), max(high, ends[1]))


def _resampled(units: Sequence[Row], statistic: Callable[[Sequence[Row]], float]) -> Estimate:
    """A statistic with its percentile bootstrap interval over units."""
    if not any(row.weight for row in units):
        return NOTHING
    value, random = statistic(units), Random(_SEED)  # noqa: S311 - a fixed seed, and no secret
    if len(units) == 1:
        return Estimate(value, None, None)
    thinned = units[:: -(-len(units) // _MOST)]
    drawn = sorted(statistic(random.choices(thinned, k=len(thinned))) for _ in range(_RESAMPLES))
    low, high = drawn[int(_TAIL * _RESAMPLES)], drawn[-1 - int(_TAIL * _RESAMPLES)]
    return Estimate(value, min(low, value), max(high, value))
