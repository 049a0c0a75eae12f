"""How often a deployment may be asked, learned from the times it said no; pure.

A quota that the catalog does not know shows itself as 429s. Waiting for what `Retry-After` says
and then asking as often as before earns the next one at once, and every refusal costs its request
an attempt. So what was refused is asked less often than it was before, and a little more often with
every second that it does not refuse: additive increase, multiplicative decrease (Chiu and Jain,
1989), as for a link of unknown width. Replicas that share nothing find their shares that way.

Out of its turn a deployment is ranked behind all others and remains a fallback: pacing never widens
the permitted set and never empties it. Below one request a second nothing is paced: too few to
learn from.

Times are seconds of one monotonic clock and arrive as arguments.
"""

from dataclasses import dataclass, replace
from typing import Final

__all__ = ["MEMORY_S", "SLOWEST_PER_S", "Pace", "after_asking", "after_refusal", "is_paced"]

SLOWEST_PER_S: Final = 1.0
"""What is asked less often than this is never paced."""

MEMORY_S: Final = 60.0
"""Providers count minutes: what was not refused for so long is not paced any more."""

_KEPT: Final = 0.7
"""Of the rate at which it was asked until it refused."""

_GAIN_PER_S: Final = 0.03
"""Of the rate after the refusal, what each second adds: back where it was in 14 seconds."""

_BURST_S: Final = 1.0
"""Turns that were not taken are kept for so long, or even traffic would seem to come in bursts."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What is known of one deployment's turns.

    Attributes:
        since: Since when `asked` counts: the refusal before, at most `MEMORY_S` ago.
        asked: Attempts since then.
        rate_per_s: Right after the last refusal; 0 where it is not paced.
        refused_at: When that was.
        turn_at: When its next turn comes.
    """

    since: float = 0.0
    asked: int = 0
    rate_per_s: float = 0.0
    refused_at: float = 0.0
    turn_at: float = 0.0


def is_paced(pace: Pace, now: float) -> bool:
    """Whether it is asked often enough for `now`."""
    return now < pace.turn_at and _is_known(pace, now)


def after_asking(pace: Pace, now: float) -> Pace:
    """It was asked once more, in its turn or as a fallback."""
    since, asked = pace.since, pace.asked
    if now - since >= MEMORY_S:  # half of what was counted is of the younger half
        since, asked = now - MEMORY_S / 2, asked // 2
    turn_at = 0.0
    if _is_known(pace, now):
        turn_at = max(pace.turn_at, now - _BURST_S) + 1 / _rate(pace, now)
    return replace(pace, since=since, asked=asked + 1, turn_at=turn_at)


def after_refusal(pace: Pace, now: float) -> Pace:
    """It said that it was asked too often."""
    if _is_known(pace, now) and now - pace.refused_at < _BURST_S:
        return pace  # one refusal of a burst says as much as ten
    rate = _KEPT * pace.asked / max(now - pace.since, _BURST_S)
    if rate < SLOWEST_PER_S:
        return Pace(since=now)
    return Pace(since=now, rate_per_s=rate, refused_at=now, turn_at=now + 1 / rate)


def _is_known(pace: Pace, now: float) -> bool:
    return pace.rate_per_s > 0 and now - pace.refused_at < MEMORY_S


def _rate(pace: Pace, now: float) -> float:
    return pace.rate_per_s * (1 + _GAIN_PER_S * (now - pace.refused_at))
