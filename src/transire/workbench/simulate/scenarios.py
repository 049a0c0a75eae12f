"""The load under which ways of choosing are compared: steady, and four kinds of trouble."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from transire.domain.deployment import Deployment, DeploymentState
from transire.errors import RequestError
from transire.workbench.simulate.fleet import Incident, Served
from transire.workbench.simulate.run import Scenario

__all__ = ["FLEET", "fleet_of", "scenarios"]

FLEET: Final = (
    Served(name="fast-1", mean_s=0.8, slots=24, cost_micro_usd=1_000, slow_share=0.01),
    Served(name="fast-2", mean_s=0.9, slots=24, cost_micro_usd=1_000, slow_share=0.02),
    Served(name="mid-1", mean_s=1.2, slots=16, cost_micro_usd=600, slow_share=0.02),
    Served(name="mid-2", mean_s=1.2, slots=16, cost_micro_usd=600, slow_share=0.03),
    Served(name="slow-1", mean_s=2.0, slots=32, cost_micro_usd=250, slow_share=0.02),
    Served(name="slow-2", mean_s=2.2, slots=32, cost_micro_usd=250, slow_share=0.03),
)
"""Two fast and dear, two between, two slow and cheap: about 100 calls a second in all."""

UTILISATION: Final = 0.66
"""Of the fleet's capacity: beyond what any one deployment serves, short of what no choice helps."""
_QUOTA_PER_S: Final = 5
_TROUBLE: Final = ("brown_out", "hang", "fast_fail")
_RISE: Final = 5.0
"""How many times as much the cheapest costs from the first third on."""
_FROM, _UNTIL = 1 / 3, 1 / 2
"""When trouble comes and goes, as shares of the run."""


def scenarios(fleet: Sequence[Served], *, seconds: float, per_s: float | None) -> list[Scenario]:
    """Steady; each trouble at the largest deployment; quotas on every third; the cheapest dearer.

    Args:
        per_s: Arrivals a second; None takes `UTILISATION` of the capacity.
    """
    capacity = sum(served.capacity_per_s for served in fleet)
    rate = UTILISATION * capacity if per_s is None else per_s
    steady = Scenario(name="steady", fleet=tuple(fleet), per_s=rate, seconds=seconds)
    largest = max(fleet, key=lambda served: served.capacity_per_s).name
    troubled = [
        replace(
            steady,
            name=kind,
            incidents=(Incident(largest, kind, seconds * _FROM, seconds * _UNTIL),),
        )
        for kind in _TROUBLE
    ]
    limited = tuple(
        replace(served, per_s=_QUOTA_PER_S) if at % 3 == 0 else served
        for at, served in enumerate(fleet)
    )
    left = sum(served.capacity_per_s for served in limited)
    quota = replace(steady, name="quota", fleet=limited, per_s=rate / capacity * left)
    cheapest = min(fleet, key=lambda served: served.cost_micro_usd).name
    rise = Incident(cheapest, "price", seconds * _FROM, seconds, factor=_RISE)
    return [steady, *troubled, quota, replace(steady, name="price", incidents=(rise,))]


def fleet_of(deployments: Iterable[Deployment], output_tokens: int) -> list[Served]:
    """The active deployments of a catalog, as fast and as dear as it says.

    Raises:
        RequestError: there are fewer than two, or one has no price.
    """
    active = [d for d in deployments if d.state is DeploymentState.ACTIVE]
    if len(active) < 2:
        raise RequestError("the catalog has fewer than two active deployments: nothing is chosen")
    return [_served(deployment, output_tokens) for deployment in active]


def _served(deployment: Deployment, output_tokens: int) -> Served:
    if deployment.price is None:
        raise RequestError(f"`{deployment.id}` has no price; unknown is never zero")
    return Served(
        name=deployment.id,
        mean_s=deployment.latency_ms / 1_000,
        slots=deployment.concurrency,
        cost_micro_usd=deployment.price.cost_micro_usd(output_tokens, output_tokens),
    )
