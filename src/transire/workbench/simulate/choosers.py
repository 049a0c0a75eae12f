"""Ways of choosing among permitted deployments: the product's own, and what it is held against.

Every chooser keeps its own `FleetHealth`, as a process does that shares nothing with its replicas;
the rivals differ in the pick alone, so that breakers and quotas favour nobody.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Final, NamedTuple, Protocol, TypeAlias

from transire.domain.authorization import Effect, Form, Pair, Verdict
from transire.domain.deployment import Deployment, Price
from transire.domain.ids import DeploymentId, Jurisdiction, ModelId, ProviderId, Tier
from transire.score.estimate import Question
from transire.score.health import FleetHealth
from transire.score.latency import blend
from transire.score.rank import Contender, Preference, rank
from transire.workbench.simulate.fleet import Served

__all__ = ["CHOOSERS", "Chooser", "Load", "Own", "VirtualClock", "declared"]

_TOKENS: Final = 1_000


class VirtualClock:
    """Time that moves when told to."""

    def __init__(self) -> None:
        self.at_s = 0.0

    def monotonic(self) -> float:
        """Virtual seconds."""
        return self.at_s

    def now(self) -> datetime:
        """The same, as a moment."""
        return datetime.fromtimestamp(self.at_s, UTC)


class Chooser(Protocol):
    """Picks one deployment for one attempt."""

    health: FleetHealth

    def pick(self, seed: int, tried: frozenset[str]) -> str | None:
        """The deployment to ask, or None where none may be asked."""


class Load(NamedTuple):
    """What a chooser is configured with: the latency target, and how many replicas there are."""

    target_ms: int
    replicas: int


def declared(served: Served, replicas: int) -> Deployment:
    """A deployment as one replica's catalog would have it: honest about speed, price and share."""
    return Deployment(
        id=DeploymentId(served.name),
        provider=ProviderId(served.name),
        model=ModelId(served.name),
        tier=Tier("any"),
        groups=frozenset(),
        regions=(Jurisdiction("DE"),),
        address="http://127.0.0.1:1/v1",
        upstream_model=served.name,
        credential=None,
        on_premise=False,
        zero_retention=True,
        trains_on_input=False,
        subprocessors=frozenset(),
        capabilities=frozenset(),
        context_tokens=1_000_000,
        max_output_tokens=_TOKENS,
        quality_permille={"default": 700},
        price=Price(
            input_micro_usd_per_mtok=0,
            output_micro_usd_per_mtok=served.cost_micro_usd * 1_000_000 // _TOKENS,
            source="simulation",
            as_of="2026-01-01",
        ),
        latency_ms=round(served.mean_s * 1_000),
        concurrency=max(1, round(served.slots / replicas)),
        quota_group=served.name,
    )


class Own:
    """The product's scorer, called as `BundleScorer` calls it."""

    def __init__(self, fleet: Sequence[Served], clock: VirtualClock, load: "Load") -> None:
        self.health = FleetHealth(clock)
        self._deployments = [declared(served, load.replicas) for served in fleet]
        self._declared = {d.id: d for d in self._deployments}
        self._verdicts = {
            d.id: Verdict(pair=Pair(deployment=d.id, form=Form.RAW), effect=Effect.PERMIT)
            for d in self._deployments
        }
        self._target_ms = load.target_ms

    def pick(self, seed: int, tried: frozenset[str]) -> str | None:
        """See `Chooser`."""
        now = self.health.monotonic()
        contenders = [
            Contender(self._verdicts[d.id], d, self.health.seen(d.id, now, seed))
            for d in self._deployments
            if d.id not in tried
        ]
        preference = Preference(target_ms=self._target_ms, near_tie_permille=50, seed=seed)
        ranking = rank(_QUESTION, contenders, preference, "")
        if not ranking.candidates:
            return None
        for candidate in ranking.candidates:
            best = candidate.pair.deployment
            if self.health.claim(self._declared[best], seed, _TOKENS) is None:
                return best
        return None


_QUESTION: Final = Question(
    needs=frozenset(),
    input_tokens=0,
    input_bound=0,
    output_bound=None,
    expected_output=_TOKENS,
    choices=1,
    task="default",
    max_cost_micro_usd=None,
    max_latency_ms=None,
    min_quality_permille=0,
)

_Measure: TypeAlias = Callable[["_Rival", str], float]


class _Rival:
    """One of the textbook ways: the least of some load, among all or among two drawn at random."""

    def __init__(
        self, fleet: Sequence[Served], clock: VirtualClock, measure: _Measure, drawn: int | None
    ) -> None:
        self.health = FleetHealth(clock)
        self.served: Mapping[str, Served] = {s.name: s for s in fleet}
        self._declared = {s.name: declared(s, 1) for s in fleet}
        self._measure = measure
        self._drawn = drawn

    def pick(self, seed: int, tried: frozenset[str]) -> str | None:
        """See `Chooser`."""
        now, random = self.health.monotonic(), Random(seed)  # noqa: S311 - a simulation
        usable = []
        for name in self.served:
            seen = self.health.seen(DeploymentId(name), now, seed)
            if name not in tried and seen.is_healthy and seen.is_in_quota:
                usable.append(name)
        if not usable:
            return None
        random.shuffle(usable)
        best = min(usable[: self._drawn], key=lambda name: self._measure(self, name))
        self.health.claim(self._declared[best], seed, 0)
        return best

    def in_flight(self, name: str) -> int:
        """Calls of this replica on the wire."""
        return self.health.seen(DeploymentId(name), self.health.monotonic()).in_flight

    def average_ms(self, name: str) -> int:
        """The observed average, blended with what the catalog says while little is known."""
        seen = self.health.seen(DeploymentId(name), self.health.monotonic())
        prior = round(self.served[name].mean_s * 1_000)
        return blend(prior, seen.latency_ms, seen.weight_permille)


def _outstanding(rival: _Rival, name: str) -> float:
    return rival.in_flight(name) / rival.served[name].slots


def _ewma_load(rival: _Rival, name: str) -> float:
    return rival.average_ms(name) * (rival.in_flight(name) + 1) / rival.served[name].slots


CHOOSERS: Final[Mapping[str, Callable[[Sequence[Served], VirtualClock, Load], Chooser]]] = {
    "transire": Own,
    "least_outstanding": lambda fleet, clock, _: _Rival(fleet, clock, _outstanding, None),
    "p2c_ewma": lambda fleet, clock, _: _Rival(fleet, clock, _ewma_load, 2),
    "random": lambda fleet, clock, _: _Rival(fleet, clock, lambda *_: 0.0, 1),
}
"""By name; the last three are what any load balancer does."""
