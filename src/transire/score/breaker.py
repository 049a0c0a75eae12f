"""A circuit breaker as a pure state machine: closed → open → half-open → closed or open.

Closed counts consecutive failures. Open lets nothing through until its back-off has passed. Half
open lets exactly one probe through: of the attempt that reserved it (`reserve`), until the probe
ends or its reservation lapses, so that a lost probe (a cancelled request) cannot keep a deployment
out for ever. A failed probe opens again with twice the back-off, bounded.

What counts as a failure is decided by the caller (`health.counts_against`): only failures that
the deployment itself caused, or one principal could open the breaker for everybody.

Times are seconds of one monotonic clock and arrive as arguments.
"""

from dataclasses import dataclass, replace
from typing import Final

__all__ = [
    "FAILURES_TO_OPEN",
    "FIRST_BACKOFF_S",
    "LONGEST_BACKOFF_S",
    "PROBE_LIMIT_S",
    "RESERVATION_S",
    "Breaker",
    "after_failure",
    "after_success",
    "allows",
    "begin",
    "forgo",
    "give_back",
    "reserve",
    "wait_s",
]

FAILURES_TO_OPEN: Final = 5
"""Consecutive failures that open the breaker (the best of a simulated fleet)."""

FIRST_BACKOFF_S: Final = 1.0
"""How long the first opening lasts; each failed probe doubles it."""

LONGEST_BACKOFF_S: Final = 60.0
"""The back-off never exceeds this: a repaired deployment is found again within a minute."""

RESERVATION_S: Final = 5.0
"""A probe not begun by then is free again: as long as a permit lives (ADR 2)."""

PROBE_LIMIT_S: Final = 120.0
"""A probe not ended by then counts as lost: the default deadline of a whole request."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """State of one deployment's breaker.

    Attributes:
        failures: Consecutive failures while closed.
        open_until: When the first probe may pass; None while closed.
        backoff_s: Length of the present opening; 0 while closed.
        probe: Who holds the probe (a decision's seed), or None.
        probe_until: The probe is free again from then on.
        is_begun: The probe is on the wire, not only reserved.
    """

    failures: int = 0
    open_until: float | None = None
    backoff_s: float = 0.0
    probe: int | None = None
    probe_until: float = 0.0
    is_begun: bool = False


def allows(breaker: Breaker, now: float, holder: int | None = None) -> bool:
    """Whether an attempt may start; `holder` may use the probe that it reserved itself."""
    if breaker.open_until is None:
        return True
    if now < breaker.open_until:
        return False
    return breaker.probe is None or now >= breaker.probe_until or breaker.probe == holder


def wait_s(breaker: Breaker, now: float) -> float:
    """Seconds until it lets an attempt through; of a probe on its way, one opening at least."""
    if breaker.open_until is None:
        return 0.0
    if now < breaker.open_until:
        return breaker.open_until - now
    return 0.0 if allows(breaker, now) else FIRST_BACKOFF_S


def reserve(breaker: Breaker, now: float, holder: int) -> Breaker:
    """Give `holder` the probe of a half-open breaker; anything else stays as it is."""
    if breaker.open_until is None or not allows(breaker, now, holder):
        return breaker
    if breaker.is_begun and now < breaker.probe_until:
        return breaker
    return replace(breaker, probe=holder, probe_until=now + RESERVATION_S, is_begun=False)


def begin(breaker: Breaker, now: float) -> Breaker:
    """An attempt is on the wire; in half-open it is the probe, whoever it belongs to."""
    if breaker.open_until is None or now < breaker.open_until:
        return breaker
    holder = -1 if breaker.probe is None else breaker.probe
    return replace(breaker, probe=holder, probe_until=now + PROBE_LIMIT_S, is_begun=True)


def give_back(breaker: Breaker) -> Breaker:
    """A begun probe ended without news (cancelled, throttled): free for the next decision."""
    return replace(breaker, probe=None, is_begun=False) if breaker.is_begun else breaker


def forgo(breaker: Breaker, holder: int) -> Breaker:
    """Nothing was sent after all: what `holder` had reserved, and not begun, is free again."""
    if breaker.probe != holder or breaker.is_begun:
        return breaker
    return replace(breaker, probe=None)


def after_success(breaker: Breaker, now: float) -> Breaker:
    """An attempt succeeded: closed, unless a late answer arrives while the breaker is open.

    An answer that started before the opening says nothing about the deployment now, so while
    the back-off runs it changes nothing.
    """
    if breaker.open_until is not None and now < breaker.open_until:
        return breaker
    return _CLOSED


def after_failure(breaker: Breaker, now: float) -> Breaker:
    """An attempt failed: count it, open at the limit, or open longer after a failed probe."""
    if breaker.open_until is None:
        failures = breaker.failures + 1
        return _opened(FIRST_BACKOFF_S, now) if failures >= FAILURES_TO_OPEN else Breaker(failures)
    if now < breaker.open_until:
        # Attempts that were on the wire when it opened: their failures are the same news.
        return breaker
    return _opened(min(breaker.backoff_s * 2, LONGEST_BACKOFF_S), now)


_CLOSED: Final = Breaker()


def _opened(backoff_s: float, now: float) -> Breaker:
    return Breaker(open_until=now + backoff_s, backoff_s=backoff_s)
