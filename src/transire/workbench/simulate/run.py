"""One run: arrivals, attempts and their ends in the order of virtual time; seeded."""

import heapq
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Final

from transire.domain.ids import DeploymentId
from transire.workbench.simulate.choosers import CHOOSERS, Asked, Chooser, Load, VirtualClock
from transire.workbench.simulate.fleet import Incident, Served, Server

__all__ = ["Result", "Scenario", "simulate"]

_ATTEMPTS: Final = 2
_TIMEOUT_S: Final = 30.0
_USUAL: Final = Asked()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What happens.

    Attributes:
        per_s: Arrivals a second, Poisson.
        seconds: How long they arrive.
        slo_s: What a request may take in all, attempts and waits included.
        target_ms: The scorer's latency target.
        replicas: Routers that share nothing.
        arrivals: Of a recorded day, in order; then `per_s` and `seconds` count for nothing.
        targets_ms: Task → latency target, where it has one of its own.
    """

    name: str
    fleet: tuple[Served, ...]
    per_s: float
    incidents: tuple[Incident, ...] = ()
    seconds: float = 600.0
    slo_s: float = 6.0
    target_ms: int = 3_500
    replicas: int = 3
    arrivals: tuple[Asked, ...] = ()
    targets_ms: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Result:
    """What came of it.

    Attributes:
        latencies_s: Of answered requests.
        missed: Requests that failed, or passed the objective.
        cost_micro_usd: Of all answered attempts.
        asked: Attempts by deployment.
    """

    requests: int = 0
    attempts: int = 0
    missed: int = 0
    cost_micro_usd: int = 0
    latencies_s: list[float] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)

    @property
    def missed_pct(self) -> float:
        """Share of requests that missed the objective, in percent."""
        return 100 * self.missed / max(self.requests, 1)

    @property
    def cost_per_request(self) -> float:
        """Micro-USD."""
        return self.cost_micro_usd / max(self.requests, 1)

    def percentile_s(self, share: float) -> float:
        """A percentile of the latency of answered requests."""
        ordered = sorted(self.latencies_s)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else math.inf

    def over_capacity_share(self, fleet: Sequence[Served]) -> float:
        """The largest ratio of a deployment's share of attempts to its share of the capacity."""
        whole = sum(served.capacity_per_s for served in fleet)
        asked = max(self.asked.total(), 1)
        return max(self.asked[s.name] / asked / (s.capacity_per_s / whole) for s in fleet)


def simulate(scenario: Scenario, chooser: str, seed: int) -> Result:
    """Run one scenario under one way of choosing."""
    return _Run(scenario, chooser, seed).through()


class _Run:
    """Events are (moment, number, what to do); the number keeps equal moments in order."""

    def __init__(self, scenario: Scenario, chooser: str, seed: int) -> None:
        self._scenario = scenario
        self._clock = VirtualClock()
        self._random = Random(seed)  # noqa: S311 - a simulation
        incidents = list(scenario.incidents)
        self._servers = {
            served.name: Server(served, incidents, Random(f"{seed} {served.name}"))  # noqa: S311
            for served in scenario.fleet
        }
        made = CHOOSERS[chooser]
        self._replicas = [
            made(
                scenario.fleet,
                self._clock,
                Load(scenario.target_ms, scenario.replicas, scenario.targets_ms),
            )
            for _ in range(scenario.replicas)
        ]
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._result = Result()

    def through(self) -> Result:
        """All arrivals, and everything that follows from them."""
        for incident in self._scenario.incidents:
            if incident.kind == "price":
                self._at(incident.start_s, partial(self._reprice, incident.name))
                self._at(incident.end_s, partial(self._reprice, incident.name))
        self._arrive_later(0.0)
        while self._events:
            self._clock.at_s, _, event = heapq.heappop(self._events)
            event()
        return self._result

    def _at(self, moment: float, event: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (moment, self._count, event))

    def _reprice(self, name: str) -> None:
        """A bundle with another price was activated, everywhere at once."""
        cost = self._servers[name].cost_micro_usd(self._clock.at_s)
        for replica in self._replicas:
            replica.repriced(name, cost)

    def _arrive_later(self, now: float) -> None:
        if self._scenario.arrivals:
            at = self._result.requests
            if at < len(self._scenario.arrivals):
                asked = self._scenario.arrivals[at]
                self._at(max(now, asked.at_s), partial(self._arrive, asked))
            return
        moment = now + self._random.expovariate(self._scenario.per_s)
        if moment < self._scenario.seconds:
            self._at(moment, partial(self._arrive, _USUAL))

    def _arrive(self, asked: Asked) -> None:
        now = self._clock.at_s
        self._result.requests += 1
        self._arrive_later(now)
        replica = self._replicas[self._random.randrange(len(self._replicas))]
        self._attempt(replica, now, self._random.getrandbits(48), frozenset(), asked)

    def _attempt(
        self, replica: Chooser, began: float, seed: int, tried: frozenset[str], asked: Asked
    ) -> None:
        name = replica.pick(seed, tried, asked)
        if name is None or len(tried) >= _ATTEMPTS:
            self._result.missed += 1
            return
        now = self._clock.at_s
        replica.health.started(DeploymentId(name))
        reply = self._servers[name].reply(now, _TIMEOUT_S, asked.size)
        cost = self._servers[name].cost_micro_usd(now) * asked.size
        self._result.attempts += 1
        self._result.asked[name] += 1

        def end() -> None:
            replica.health.finished(
                DeploymentId(name),
                failure=reply.failure,
                latency_ms=round((reply.at_s - now) * 1_000),
                retry_after_s=reply.retry_after_s,
                tokens_in=asked.tokens_in,
                tokens_out=asked.tokens_out,
            )
            if reply.failure:
                self._attempt(replica, began, seed, tried | {name}, asked)
            else:
                self._answered(round(cost), reply.at_s - began)

        self._at(reply.at_s, end)

    def _answered(self, cost_micro_usd: int, took_s: float) -> None:
        result = self._result
        result.latencies_s.append(took_s)
        result.cost_micro_usd += cost_micro_usd
        result.missed += took_s > self._scenario.slo_s
