"""What this process has seen of each deployment: in flight, speed, success, breaker, quota.

Observations only; eligibility is policy's. Local state is enough: simulated with 1, 3 and 10
replicas that share nothing, the tail differs by a tenth. Called from one event loop, so nothing
here locks; `seen` is O(1) and returns immutable values.

Looking takes nothing: what only one attempt may have, a half-open deployment's probe or the last
place in a minute's quota, is taken by `claim`, which is asked when an attempt is about to be
recorded.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from transire.domain.deployment import Deployment
from transire.domain.ids import DeploymentId
from transire.domain.ports import Clock
from transire.score.breaker import (
    Breaker,
    after_failure,
    after_success,
    allows,
    begin,
    forgo,
    give_back,
    reserve,
)
from transire.score.breaker import wait_s as breaker_wait_s
from transire.score.latency import (
    ANSWER_RIDGE_TOKENS,
    PROMPT_RIDGE_TOKENS,
    TAIL_DEVIATIONS,
    Averages,
    Observed,
    learn,
    weight_permille,
)
from transire.score.line import MOST_TOKENS
from transire.score.outlier import Standing, after_answer, after_fault, is_resting
from transire.score.pace import Pace, after_asking, after_refusal, is_paced
from transire.score.quota import Window, counted, used
from transire.score.quota import wait_s as minute_wait_s

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
    standing: Standing = field(default_factory=Standing)
    pace: Pace = field(default_factory=Pace)
    in_flight: int = 0
    quota_until: float = 0.0
    quota_group: str | None = None
    seen: Observed | None = None
    seen_at: float = 0.0


class FleetHealth:
    """Implements `domain.outward.Health`; shared by the scorers of all bundles of this process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._watched: dict[DeploymentId, _Watch] = {}
        self._windows: dict[str, Window] = {}
        self._rest_until = 0.0

    def claim(self, deployment: Deployment, holder: int, tokens: int) -> str | None:
        """See `domain.outward.Health`."""
        now, watch = self._clock.monotonic(), self._watched.get(deployment.id)
        if watch is not None and watch.breaker.open_until is not None:
            if not allows(watch.breaker, now, holder):
                return "health"
            watch.breaker = reserve(watch.breaker, now, holder)
        if not deployment.is_metered:
            return None
        if not self.has_room(deployment, now, tokens):
            self._forgo(deployment.id, holder)
            return "quota"
        self._watch(deployment.id).quota_group = deployment.quota_group
        self._count(deployment.quota_group, now, requests=1, tokens=tokens)
        return None

    def forgo(self, deployment: Deployment, holder: int, tokens: int) -> None:
        """See `domain.outward.Health`."""
        self._forgo(deployment.id, holder)
        if deployment.is_metered:
            now = self._clock.monotonic()
            self._count(deployment.quota_group, now, requests=-1, tokens=-tokens)

    def back_in_s(self, deployments: Iterable[Deployment]) -> float | None:
        """See `domain.outward.Health`."""
        now = self._clock.monotonic()
        return min((self._wait_s(deployment, now) for deployment in deployments), default=None)

    def started(self, deployment: DeploymentId) -> None:
        """See `domain.outward.Health`."""
        watch, now = self._watch(deployment), self._clock.monotonic()
        watch.in_flight += 1
        watch.breaker = begin(watch.breaker, now)
        watch.pace = after_asking(watch.pace, now)

    def finished(
        self,
        deployment: DeploymentId,
        *,
        failure: str,
        latency_ms: int,
        first_token_ms: int | None = None,
        retry_after_s: float | None = None,
        tokens_in: int | None = None,
        tokens_out: int | None = None,
        claimed_tokens: int = 0,
    ) -> None:
        """See `domain.outward.Health`."""
        watch, now = self._watch(deployment), self._clock.monotonic()
        watch.in_flight = max(0, watch.in_flight - 1)
        if watch.quota_group is not None and tokens_in is not None and tokens_out is not None:
            more = _bounded_tokens(tokens_in) + _bounded_tokens(tokens_out) - claimed_tokens
            self._count(watch.quota_group, now, requests=0, tokens=more)
        if failure == _QUOTA or (failure and retry_after_s is not None):
            watch.quota_until = max(watch.quota_until, now + _bounded_rest(retry_after_s))
            self._rest_until = max(self._rest_until, watch.quota_until)
            if failure == _QUOTA:  # what is down says nothing of how often it may be asked
                watch.pace = after_refusal(watch.pace, now)
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
            first_token_ms=first_token_ms,
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            now=now,
        )
        step = after_failure if is_fault else after_success
        watch.breaker = step(watch.breaker, now)
        if is_fault:
            self._judge(watch, now)
        else:
            watch.standing = after_answer(watch.standing, now)

    def has_room(self, deployment: Deployment, now: float, tokens: int) -> bool:
        """Whether one more request of so many tokens fits into the minute of its quota group."""
        window = self._windows.get(deployment.quota_group)
        if window is None:
            return True
        requests, spent = used(window, now)
        most = deployment.requests_per_minute
        if most is not None and requests + 1 > most:
            return False
        most = deployment.tokens_per_minute
        # A request of more than a whole minute's tokens goes alone, or it would never go.
        return most is None or not spent or spent + tokens <= most

    def seen(self, deployment: DeploymentId, now: float, holder: int | None = None) -> Observed:
        """What is known of one deployment at `now` (of this object's clock)."""
        watch = self._watched.get(deployment)
        if watch is None:
            return _UNSEEN
        if watch.seen is not None and 0 <= now - watch.seen_at < SEEN_S:
            return watch.seen
        observed = _observe(watch, now, holder)
        # Who may probe and whose turn it is are questions of the moment: not remembered.
        is_calm = watch.breaker.open_until is None and observed.is_in_quota
        is_calm = is_calm and not watch.pace.rate_per_s
        watch.seen, watch.seen_at = (observed if is_calm else None), now
        return observed

    def resting(self, now: float) -> frozenset[DeploymentId]:
        """Deployments whose Retry-After is running at `now`; usually none."""
        if now >= self._rest_until:
            return frozenset()
        return frozenset(d for d, watch in self._watched.items() if now < watch.quota_until)

    def unwell(self) -> frozenset[DeploymentId]:
        """Deployments whose breaker is open, or half open: they failed, and are not yet well."""
        return frozenset(d for d, w in self._watched.items() if w.breaker.open_until is not None)

    def monotonic(self) -> float:
        """This moment on the clock that `seen` reads."""
        return self._clock.monotonic()

    def _wait_s(self, deployment: Deployment, now: float) -> float:
        watch, waits = self._watched.get(deployment.id), [0.0]
        if watch is not None:
            waits += [breaker_wait_s(watch.breaker, now), watch.quota_until - now]
        window = self._windows.get(deployment.quota_group)
        if window is not None and not self.has_room(deployment, now, 0):
            waits.append(minute_wait_s(window, now))
        return max(waits)

    def _judge(self, watch: _Watch, now: float) -> None:
        """Let a deployment rest that fails far more often than the others do."""
        fleet: Iterable[_Watch] = self._watched.values()
        watch.standing, watch.averages = after_fault(
            watch.standing,
            watch.averages,
            [(other.averages, other.standing) for other in fleet if other is not watch],
            now,
        )

    def _forgo(self, deployment: DeploymentId, holder: int) -> None:
        watch = self._watched.get(deployment)
        if watch is not None and watch.breaker.open_until is not None:
            watch.breaker = forgo(watch.breaker, holder)

    def _count(self, group: str, now: float, *, requests: int, tokens: int) -> None:
        # Bounded by the catalog, as the watches are.
        window = self._windows.get(group) or Window(since=now)
        self._windows[group] = counted(window, now, requests=requests, tokens=tokens)

    def _watch(self, deployment: DeploymentId) -> _Watch:
        """The watch of one deployment, about to change."""
        # Bounded by the catalog: only permitted deployments are ever started.
        watch = self._watched.setdefault(deployment, _Watch())
        watch.seen = None
        return watch


_UNSEEN: Final = Observed()


def _observe(watch: _Watch, now: float, holder: int | None) -> Observed:
    averages = watch.averages
    first, rest = averages.first, averages.rest
    per_prompt_token = first_base = 0
    if first is not None:
        per_prompt_token = first.slope_us(PROMPT_RIDGE_TOKENS)
        first_base = first.base_us(per_prompt_token)
    per_token = rest.slope_us(ANSWER_RIDGE_TOKENS)
    return Observed(
        base_us=first_base + rest.base_us(per_token),
        us_per_prompt_token=per_prompt_token,
        us_per_token=per_token,
        first_base_us=None if first is None else first_base,
        latency_ms=int(averages.latency_ms),
        tail_ms=int(averages.latency_ms + TAIL_DEVIATIONS * averages.deviation_ms),
        success_permille=int(1000 * averages.success),
        weight_permille=weight_permille(averages, now),
        in_flight=watch.in_flight,
        is_healthy=allows(watch.breaker, now, holder),
        is_in_quota=now >= watch.quota_until,
        is_outlier=is_resting(watch.standing, now),
        is_paced=is_paced(watch.pace, now),
    )


def _bounded_rest(retry_after_s: float | None) -> float:
    if retry_after_s is None or not retry_after_s > 0:
        return DEFAULT_RETRY_AFTER_S
    return min(retry_after_s, LONGEST_RETRY_AFTER_S)


def _bounded_tokens(tokens: int) -> int:
    """What an upstream reports is its own word: never negative, never more than a window holds."""
    return min(max(tokens, 0), MOST_TOKENS)
