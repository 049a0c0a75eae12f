"""Why a pair was forbidden, or permitted and not ranked, for an auditor. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from transire.domain.authorization import Effect
from transire.domain.bundle import Bundle
from transire.domain.ids import DeploymentId
from transire.score.replay import ranking_from_record

__all__ = ["because", "filtered_rows"]

_TOLD: Final = {
    "capability": "lacks a capability that the request asks for",
    "context": "the request and its answer do not fit into its context window",
    "state": "its catalog entry says that it takes no traffic",
    "health": "out of order",
    "quota": "its provider said to wait",
    "quality": "below the quality floor",
}


def because(row: Mapping[str, Any], bundle: Bundle | None) -> list[str]:
    """The names of what decided one pair; empty where no grant covers it.

    A grant stands among the policies of a pair that only a limit closed, and forbids nothing.

    Args:
        row: A verdict as the evaluation holds it.
    """
    policies = list(row["policies"])
    if row["effect"] == Effect.PERMIT:
        return policies
    if bundle is not None:
        policies = [name for name in policies if name not in bundle.permits]
    return [*policies, *row["limits"], *row["errors"]]


def filtered_rows(head: Mapping[str, Any], bundle: Bundle | None) -> list[dict[str, Any]]:
    """One row per pair that a hard filter removed, in the filters' order.

    Args:
        head: The decision's entry; one that was refused unread has no ranking, and no rows.
        bundle: The one it was decided under; None where it is not at hand.

    Raises:
        IntegrityError: the record does not hold a ranking.
    """
    recorded = head.get("ranking")
    if not recorded:
        return []
    return [
        {
            "deployment": pair.deployment,
            "form": pair.form,
            "filter": name,
            "told": _told(name, pair.deployment, head, bundle),
        }
        for pair, name in ranking_from_record(recorded).filtered
    ]


def _told(name: str, of: DeploymentId, head: Mapping[str, Any], bundle: Bundle | None) -> str:
    limits = head["limits"]
    match name:
        case "quality" if bundle is not None and of in bundle.catalog.deployments:
            task, cues = head["signals"]["task"], head["signals"]["cues"]
            floor, origin = bundle.routing.quality_floor(task, cues, limits["min_quality"])
            quality = bundle.catalog.deployments[of].quality_for(task)
            return f"quality {quality / 1000:g} < {floor / 1000:g}, the floor of {origin}"
        case "budget":
            left = head["ranking"].get("budget_micro_usd")
            return f"may cost more than the {_usd(left)} left of a budget, or has no known price"
        case "max_cost":
            most = _usd(limits["max_cost_micro_usd"])
            return f"may cost more than `max_cost_usd`, {most}, or has no known price"
        case "max_latency":
            return f"slower than `max_latency_ms`, {limits['max_latency_ms']}"
    return _TOLD[name]


def _usd(micro_usd: int) -> str:
    return f"{micro_usd / 1_000_000:.6f} USD"
