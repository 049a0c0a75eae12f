"""Which deployment fails far more often than its fleet does; pure.

The breaker finds what fails in a row. A deployment that fails every second time, in between
answers, never opens it, and stays the cheapest. Such a one rests: it is ranked behind every other
and remains a fallback, so resting never widens the permitted set and never empties it. Longer each
time, as in Envoy's outlier detection, and never more than a share of the fleet at once: where
everything fails, nothing is an outlier.

Times are seconds of one monotonic clock and arrive as arguments.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from transire.score.latency import Averages, aged_samples

__all__ = [
    "ANSWERS_TO_RETURN",
    "LEAST_SAMPLES",
    "MOST_RESTING",
    "REST_S",
    "Standing",
    "after_answer",
    "after_fault",
    "is_resting",
]

LEAST_SAMPLES: Final = 10
"""Attempts that must be known, aged, before a deployment is judged."""

FEWEST_SUCCESSES: Final = 0.75
"""The moving success rate at which a deployment is looked at: every fourth attempt fails."""

WORSE_BY: Final = 0.15
"""How much worse than the median of the others it must be."""

MOST_RESTING: Final = 0.5
"""Share of the deployments in use that may rest at once."""

REST_S: Final = 10.0
"""The first rest; the n-th within memory lasts n times as long."""

LONGEST_REST_S: Final = 120.0

ANSWERS_TO_RETURN: Final = 5
"""What fails every second time manages this once in thirty tries."""

_RETURNS_AT: Final = 0.85
"""Success rate with which a rest ends: two failures more than successes, and it begins again."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether a deployment rests.

    Attributes:
        rests: Recent ones; falls by one for each `LONGEST_REST_S` without.
        answers: In a row, since it rests: a fallback, or whoever asks for it by name, tries it.
    """

    until: float = 0.0
    rests: int = 0
    answers: int = 0


def is_resting(standing: Standing, now: float) -> bool:
    """Whether it is ranked last at `now`."""
    return now < standing.until


def after_answer(standing: Standing, now: float) -> Standing:
    """A resting deployment answered; so many in a row end its rest early."""
    if not is_resting(standing, now):
        return standing
    answers = standing.answers + 1
    if answers >= ANSWERS_TO_RETURN:
        return replace(standing, until=now, answers=0)
    return replace(standing, answers=answers)


def after_fault(
    standing: Standing,
    averages: Averages,
    others: Sequence[tuple[Averages, Standing]],
    now: float,
) -> tuple[Standing, Averages]:
    """Judge a deployment that has just failed once more; O(n log n) of its fleet.

    Args:
        others: Every other deployment this process has used.

    Returns:
        Its standing, and the averages with which it comes back.
    """
    if is_resting(standing, now):
        return replace(standing, answers=0), averages
    if averages.success > FEWEST_SUCCESSES or averages.samples < LEAST_SAMPLES:
        return standing, averages
    used = [(a, s) for a, s in others if aged_samples(a, now) >= 1]
    resting = sum(is_resting(s, now) for _, s in used)
    if not used or resting + 1 > MOST_RESTING * (len(used) + 1):
        return standing, averages
    usual = sorted(a.success for a, _ in used)[len(used) // 2]
    if averages.success > usual - WORSE_BY:
        return standing, averages
    spared = int(max(0.0, now - standing.until) // LONGEST_REST_S) if standing.rests else 0
    rests = max(0, standing.rests - spared) + 1
    rest_s = min(rests * REST_S, LONGEST_REST_S)
    return Standing(until=now + rest_s, rests=rests), replace(averages, success=_RETURNS_AT)
