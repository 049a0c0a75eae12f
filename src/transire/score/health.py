"""What this process has seen of each deployment: in flight, speed, success, breaker, quota.

Observations only; eligibility is policy's. Local state is enough: simulated with 1, 3 and 10
replicas that share nothing, the tail differs by a tenth. Called from one
event loop, so nothing here locks; `seen` is O(1) and returns immutable values.
"""

from dataclasses import dataclass, field
from typing import Final

from transire.domain.ids import DeploymentId
from transire.domain.ports import Clock
from transire.score.breaker import (
    Breaker,
    after_failure,
    after_success,
    allows,
    begin,
    give_back,
    reserve,
)
from transire.score.latency import TAIL_DEVIATIONS, Averages, Observed, learn, weight_permille

__all__ = ["DEFAULT_RETRY_AFTER_S", "LONGEST_RETRY_AFTER_S", "FleetHealth", "counts_against"]

DEFAULT_RETRY_AFTER_S: Final = 1.0
"""How long a quota rests after a 429 that did not say."""

LONGEST_RETRY_AFTER_S: Final = 3600.0
"""An upstream cannot take itself out for longer than an hour with one header."""

SEEN_S: Final = 0.1
"""How long one look holds while nothing happens; it only delays the fading of knowledge."""

_FAULTS: Final = frozenset(
    {
        "auth",
        "bad_shape",
        "connect",
        "cut",
        "encoding",
        "no_credential",
        "redirect",
        "status_5xx",
        "timeout",
    }
)
"""Failure classes of `forward` that are the deployment's own, or its operator's, doing."""

_QUOTA: Final = "status_429"


def counts_against(failure: str) -> bool:
    """Whether a failure is the deployment's own doing.

    INVARIANT: whatever one caller can provoke at will (a refused body, an impossible schema, a
    disconnect, a spent quota) does not count, or it could open the breaker for everybody. So
    this is a list of faults, and a failure nobody has heard of is not one.
    """
    return failure in _FAULTS


@dataclass(slots=True)
class _Watch:
    averages: Averages = field(default_factory=Averages)
    breaker: Breaker = field(default_factory=Breaker)
    in_flight: int = 0
    quota_until: float = 0.0
    seen: Observed | None = None
    seen_at: float = 0.0


class FleetHealth:
    """Implements `domain.outward.Health`; shared by the scorers of all bundles of this process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._watched: dict[DeploymentId, _Watch] = {}
        self._rest_until = 0.0

    def started(self, deployment: DeploymentId) -> None:
        """One attempt is on the wire."""
        watch = self._watch(deployment)
        watch.in_flight += 1
        watch.breaker = begin(watch.breaker, self._clock.monotonic())

    def finished(
        self,
        deployment: DeploymentId,
        *,
        failure: str,
        latency_ms: int,
        first_byte_ms: int | None,
        retry_after_s: float | None,
    ) -> None:
        """The attempt is over; `failure` is empty for a success."""
        watch, now = self._watch(deployment), self._clock.monotonic()
        watch.in_flight = max(0, watch.in_flight - 1)
        if failure == _QUOTA or (failure and retry_after_s is not None):
            watch.quota_until = max(watch.quota_until, now + _bounded_rest(retry_after_s))
            self._rest_until = max(self._rest_until, watch.quota_until)
        is_fault = counts_against(failure)
        if failure and not is_fault:
            if watch.in_flight == 0:
                # Surely not an older attempt's end while the probe is still on the wire.
                watch.breaker = give_back(watch.breaker)
            return
        watch.averages = learn(
            watch.averages,
            is_success=not failure,
            latency_ms=latency_ms,
            first_byte_ms=first_byte_ms,
            now=now,
        )
        step = after_failure if is_fault else after_success
        watch.breaker = step(watch.breaker, now)

    def reserve_probe(self, deployment: DeploymentId, holder: int) -> None:
        """Keep a half-open deployment's one probe for the decision that picked it."""
        watch = self._watched.get(deployment)
        if watch is not None and watch.breaker.open_until is not None:
            watch.breaker = reserve(watch.breaker, self._clock.monotonic(), holder)

    def seen(self, deployment: DeploymentId, now: float, holder: int | None = None) -> Observed:
        """What is known of one deployment at `now` (of this object's clock)."""
        watch = self._watched.get(deployment)
        if watch is None:
            return _UNSEEN
        if watch.seen is not None and 0 <= now - watch.seen_at < SEEN_S:
            return watch.seen
        observed = _observe(watch, now, holder)
        # Who may probe and when a rest is over are questions of the moment: not remembered.
        is_calm = watch.breaker.open_until is None and observed.is_in_quota
        watch.seen, watch.seen_at = (observed if is_calm else None), now
        return observed

    def resting(self, now: float) -> frozenset[DeploymentId]:
        """Deployments whose Retry-After is running at `now`; usually none."""
        if now >= self._rest_until:
            return frozenset()
        return frozenset(d for d, watch in self._watched.items() if now < watch.quota_until)

    def monotonic(self) -> float:
        """This moment on the clock that `seen` reads."""
        return self._clock.monotonic()

    def _watch(self, deployment: DeploymentId) -> _Watch:
        """The watch of one deployment, about to change."""
        # Bounded by the catalog: only permitted deployments are ever started.
        watch = self._watched.setdefault(deployment, _Watch())
        watch.seen = None
        return watch


_UNSEEN: Final = Observed()


def _observe(watch: _Watch, now: float, holder: int | None) -> Observed:
    averages = watch.averages
    first = averages.first_byte_ms
    return Observed(
        latency_ms=int(averages.latency_ms),
        tail_ms=int(averages.latency_ms + TAIL_DEVIATIONS * averages.deviation_ms),
        first_byte_ms=None if first is None else int(first),
        success_permille=int(1000 * averages.success),
        weight_permille=weight_permille(averages, now),
        in_flight=watch.in_flight,
        is_healthy=allows(watch.breaker, now, holder),
        is_in_quota=now >= watch.quota_until,
    )


def _bounded_rest(retry_after_s: float | None) -> float:
    if retry_after_s is None or not retry_after_s > 0:
        return DEFAULT_RETRY_AFTER_S
    return min(retry_after_s, LONGEST_RETRY_AFTER_S)
