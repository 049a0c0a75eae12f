"""Which deployments nobody answers for, and which of those were never real."""

from collections.abc import Iterable
from functools import cache

from transire.bundle.limits import pack_folder
from transire.bundle.registry import read_registry
from transire.bundle.source import read_folder
from transire.domain.deployment import Deployment, DeploymentState
from transire.domain.ids import DeploymentId
from transire.outbound.probe import unreachable

__all__ = ["not_reached"]


async def not_reached(deployments: Iterable[Deployment]) -> dict[DeploymentId, str]:
    """Deployments in service whose address nobody answers at, each with what was tried and why."""
    asked = [d for d in deployments if d.state is DeploymentState.ACTIVE]
    silent = await unreachable(d.address for d in asked)
    return {
        d.id: f"{d.address}: {silent[d.address]}"
        + (" (invented, from the starting point of `transire init`)" if _is_invented(d) else "")
        for d in asked
        if d.address in silent
    }


def _is_invented(deployment: Deployment) -> bool:
    return (deployment.id, deployment.address) in _invented()


@cache
def _invented() -> frozenset[tuple[DeploymentId, str]]:
    catalog = read_registry(read_folder(pack_folder())).catalog
    return frozenset((d.id, d.address) for d in catalog.receivers.values())
