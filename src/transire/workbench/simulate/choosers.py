"""Ways of choosing among permitted deployments: the product's own, and what it is held against.

Every chooser keeps its own `FleetHealth`, as a process does that shares nothing with its replicas;
the rivals differ in the pick alone, so that breakers and quotas favour nobody.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol, TypeAlias

from transire.domain.authorization import Effect, Form, Pair, Verdict
from transire.domain.deployment import Deployment, Price
from transire.domain.ids import DeploymentId, Jurisdiction, ModelId, ProviderId, Tier
from transire.score.estimate import Question
from transire.score.health import FleetHealth
from transire.score.latency import blend
from transire.score.rank import Contender, Preference, rank
from transire.workbench.simulate.fleet import Served

__all__ = [
    "CHOOSERS",
    "USUAL_TOKENS",
    "Asked",
    "Chooser",
    "Load",
    "Own",
    "VirtualClock",
    "declared",
]

USUAL_TOKENS: Final = 1_000
"""Tokens of the answer that a catalog's latency and a call's cost are of."""


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

    def pick(self, seed: int, tried: frozenset[str], asked: "Asked") -> str | None:
        """The deployment to ask, or None where none may be asked."""

    def repriced(self, name: str, cost_micro_usd: int) -> None:
        """The catalog says from now on that a call costs this."""


class Load(NamedTuple):
    """What a chooser is configured with: the latency target, and how many replicas there are.

    Attributes:
        targets_ms: Task → its own target, where it has one.
    """

    target_ms: int
    replicas: int
    targets_ms: Mapping[str, int] = MappingProxyType({})


class Asked(NamedTuple):
    """One request: when it comes, how long prompt and answer are, and what it is about."""

    at_s: float = 0.0
    tokens_in: int = 0
    tokens_out: int = USUAL_TOKENS
    task: str = "default"

    @property
    def size(self) -> float:
        """How long its answer is, as a multiple of the usual."""
        return max(self.tokens_out, 1) / USUAL_TOKENS


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
        max_output_tokens=USUAL_TOKENS,
        quality_permille={"default": 700},
        price=_price(served.cost_micro_usd),
        latency_ms=round(served.mean_s * 1_000),
        concurrency=max(1, round(served.slots / replicas)),
        quota_group=served.name,
    )


def _price(cost_micro_usd: int) -> Price:
    return Price(
        input_micro_usd_per_mtok=0,
        output_micro_usd_per_mtok=cost_micro_usd * 1_000_000 // USUAL_TOKENS,
        source="simulation",
        as_of="2026-01-01",
    )


class Own:
    """The product's scorer, called as `BundleScorer` calls it."""

    def __init__(self, fleet: Sequence[Served], clock: VirtualClock, load: "Load") -> None:
        self.health = FleetHealth(clock)
        self._declared = {d.id: d for d in (declared(s, load.replicas) for s in fleet)}
        self._verdicts = {
            d.id: Verdict(pair=Pair(deployment=d.id, form=Form.RAW), effect=Effect.PERMIT)
            for d in self._declared.values()
        }
        self._load = load

    def pick(self, seed: int, tried: frozenset[str], asked: "Asked") -> str | None:
        """See `Chooser`."""
        now = self.health.monotonic()
        contenders = [
            Contender(self._verdicts[d.id], d, self.health.seen(d.id, now, seed))
            for d in self._declared.values()
            if d.id not in tried
        ]
        target_ms = self._load.targets_ms.get(asked.task, self._load.target_ms)
        preference = Preference(target_ms=target_ms, near_tie_permille=50, seed=seed)
        question = replace(_QUESTION, input_tokens=asked.tokens_in, input_bound=asked.tokens_in)
        ranking = rank(question if asked.tokens_in else _QUESTION, contenders, preference, "")
        if not ranking.candidates:
            return None
        for candidate in ranking.candidates:
            best = candidate.pair.deployment
            if self.health.claim(self._declared[best], seed, USUAL_TOKENS) is None:
                return best
        return None

    def repriced(self, name: str, cost_micro_usd: int) -> None:
        """See `Chooser`."""
        known = self._declared[DeploymentId(name)]
        self._declared[known.id] = replace(known, price=_price(cost_micro_usd))


_QUESTION: Final = Question(
    needs=frozenset(),
    input_tokens=0,
    input_bound=0,
    output_bound=None,
    expected_output=USUAL_TOKENS,
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

    def pick(self, seed: int, tried: frozenset[str], asked: "Asked") -> str | None:
        """See `Chooser`; what is asked for moves none of these."""
        del asked
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

    def repriced(self, name: str, cost_micro_usd: int) -> None:
        """See `Chooser`: none of these knows a price."""

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
