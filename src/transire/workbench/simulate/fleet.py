"""Deployments as they really behave, which the router can only observe. Virtual time, seeded.

Service times are log-normal with a share of slow calls, calls beyond the concurrency queue first
come first served, and incidents change one deployment for a while. Invented, not a trace: good for
comparing ways of choosing under the same load, not for promising anybody a latency.
"""

import heapq
import math
from collections import deque
from dataclasses import dataclass
from random import Random
from typing import Final, NamedTuple

__all__ = ["Incident", "Reply", "Served", "Server"]

_SPREAD: Final = 0.5
"""Sigma of the log-normal: the 95th percentile is 2.3 times the median."""
_SLOW_FACTOR: Final = 6.0
_REFUSAL_S: Final = 0.02
_FAST_FAILURE_S: Final = 0.05
_RETRY_AFTER_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What one deployment is.

    Attributes:
        mean_s: Mean service time of ordinary calls.
        slots: Calls served at once; more of them queue.
        cost_micro_usd: What one call costs.
        slow_share: Calls that take `_SLOW_FACTOR` times as long.
        per_s: Calls a second beyond which it answers 429; None for no quota.
        failing: Share of calls that fail at once, at any time.
    """

    name: str
    mean_s: float
    slots: int
    cost_micro_usd: int
    slow_share: float = 0.02
    per_s: int | None = None
    failing: float = 0.0

    @property
    def capacity_per_s(self) -> float:
        """Calls a second it can serve for long."""
        slowed = self.mean_s * (1 + self.slow_share * (_SLOW_FACTOR - 1))
        return self.slots / slowed if self.per_s is None else min(self.slots / slowed, self.per_s)


@dataclass(frozen=True, slots=True)
class Incident:
    """What befalls one deployment between two moments.

    Attributes:
        kind: `brown_out` (served `factor` times as slowly), `hang` (nothing comes back),
            `fast_fail` (an error at once), `price` (a call costs `factor` times as much, and the
            catalog says so).
    """

    name: str
    kind: str
    start_s: float
    end_s: float
    factor: float = 6.0


class Reply(NamedTuple):
    """When a call ends and how; `failure` is empty for an answer, else the router's word for it."""

    at_s: float
    failure: str
    retry_after_s: float | None = None


class Server:
    """One deployment's behaviour over one run."""

    def __init__(self, served: Served, incidents: list[Incident], random: Random) -> None:
        self.served = served
        self._incidents = [i for i in incidents if i.name == served.name]
        self._random = random
        self._free_at = [0.0] * served.slots
        self._recent: deque[float] = deque()
        self._location = math.log(served.mean_s) - _SPREAD**2 / 2

    def cost_micro_usd(self, now: float) -> int:
        """What a call of the usual size that begins at `now` costs."""
        for incident in self._incidents:
            if incident.kind == "price" and incident.start_s <= now < incident.end_s:
                return round(self.served.cost_micro_usd * incident.factor)
        return self.served.cost_micro_usd

    def reply(self, now: float, timeout_s: float, size: float = 1.0) -> Reply:
        """Take a call at `now`; the caller gives up after `timeout_s`.

        Args:
            size: How long its answer is, as a multiple of the usual.
        """
        if self._is_over_quota(now):
            return Reply(now + _REFUSAL_S, "status_429", _RETRY_AFTER_S)
        kinds = {i.kind: i for i in self._incidents if i.start_s <= now < i.end_s}
        if "fast_fail" in kinds or self._random.random() < self.served.failing:
            return Reply(now + _FAST_FAILURE_S, "status_5xx")
        if "hang" in kinds:
            return Reply(now + timeout_s, "timeout")
        brown_out = kinds.get("brown_out")
        took = self._service_s() * size * (brown_out.factor if brown_out else 1.0)
        end = max(now, self._free_at[0]) + took
        # The slot is taken until the work is done: an upstream does not notice who gave up.
        heapq.heapreplace(self._free_at, end)
        if end > now + timeout_s:
            return Reply(now + timeout_s, "timeout")
        return Reply(end, "")

    def _is_over_quota(self, now: float) -> bool:
        if self.served.per_s is None:
            return False
        while self._recent and self._recent[0] <= now - 1.0:
            self._recent.popleft()
        if len(self._recent) >= self.served.per_s:
            return True
        self._recent.append(now)
        return False

    def _service_s(self) -> float:
        took = self._random.lognormvariate(self._location, _SPREAD)
        return took * _SLOW_FACTOR if self._random.random() < self.served.slow_share else took
