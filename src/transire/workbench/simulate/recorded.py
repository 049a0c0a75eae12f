"""A day as the log has it: when requests came, how long they were, and how each deployment did.

Read from entries as they stand; what an entry does not say counts as the usual, never as zero.
Prompts are not in the log and not needed. Pure.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from statistics import median
from typing import Any, Final

from transire.domain.deployment import Deployment
from transire.errors import RequestError
from transire.workbench.simulate.choosers import USUAL_TOKENS, Asked
from transire.workbench.simulate.fleet import Served
from transire.workbench.simulate.run import Scenario
from transire.workbench.simulate.scenarios import fleet_of

__all__ = ["MOST_REQUESTS", "recorded_day"]

MOST_REQUESTS: Final = 500_000
"""What is simulated at most: the first of the window."""
_LEAST_SEEN: Final = 10
"""Answers below which the catalog's own latency counts."""
_OWN_FAULTS: Final = frozenset({"failed", "partial"})
_MOST_FAILING: Final = 0.95


@dataclass(slots=True)
class _Seen:
    latencies_ms: list[int] = field(default_factory=list)
    ended: int = 0
    failed: int = 0


def recorded_day(
    entries: Iterable[Mapping[str, Any]],
    deployments: Iterable[Deployment],
    targets_ms: Mapping[str, int],
    usual: Scenario,
) -> Scenario:
    """A scenario whose arrivals are the log's decisions that went to a deployment.

    Args:
        deployments: Of the catalog to be tried; those that the log knows behave as it says.
        targets_ms: Task → latency target.
        usual: Everything else.

    Raises:
        RequestError: the log holds no forwarded request, or the fleet cannot be simulated.
    """
    came, ended = dict[str, tuple[float, str]](), dict[str, tuple[int, int]]()
    seen: dict[str, _Seen] = defaultdict(_Seen)
    for entry in entries:
        kind = entry.get("kind")
        if kind == "decision" and isinstance(entry.get("permit"), Mapping):
            moment = _moment(entry)
            if moment is not None and len(came) < MOST_REQUESTS:
                came[str(entry.get("id"))] = (moment, _task(entry))
        elif kind == "outcome":
            _note(seen[str(entry.get("deployment"))], entry)
            tokens = entry.get("tokens_in"), entry.get("tokens_out")
            if entry.get("status") == "ok" and all(type(n) is int and n >= 0 for n in tokens):
                ended[str(entry.get("decision_id"))] = tokens  # type: ignore[assignment] # judged
    if not came:
        raise RequestError("the log holds no request that was forwarded in that window")
    usual_out = round(median(out for _, out in ended.values())) if ended else USUAL_TOKENS
    first = min(moment for moment, _ in came.values())
    arrivals = sorted(
        Asked(
            at_s=moment - first,
            tokens_in=ended.get(name, (0, 0))[0],
            # Sizes are relative to what is usual here, as the latencies seen are.
            tokens_out=_relative(ended[name][1] if name in ended else usual_out, usual_out),
            task=task,
        )
        for name, (moment, task) in came.items()
    )
    fleet = [_as_seen(served, seen.get(served.name)) for served in fleet_of(deployments, usual_out)]
    return replace(
        usual,
        name="recorded",
        fleet=tuple(fleet),
        arrivals=tuple(arrivals),
        targets_ms=dict(targets_ms),
        seconds=arrivals[-1].at_s,
        per_s=len(arrivals) / max(arrivals[-1].at_s, 1.0),
    )


def _relative(tokens: int, usual: int) -> int:
    return max(1, USUAL_TOKENS * tokens // max(usual, 1))


def _as_seen(served: Served, seen: _Seen | None) -> Served:
    """The deployment as the log says it behaved, where it says enough."""
    if seen is None or seen.ended < _LEAST_SEEN:
        return served
    failing = min(seen.failed / seen.ended, _MOST_FAILING)
    if len(seen.latencies_ms) < _LEAST_SEEN:
        return replace(served, failing=failing)
    mean_s = max(sum(seen.latencies_ms) / len(seen.latencies_ms) / 1_000, 0.001)
    return replace(served, failing=failing, mean_s=mean_s)


def _note(seen: _Seen, entry: Mapping[str, Any]) -> None:
    status, latency = entry.get("status"), entry.get("latency_ms")
    if status == "cancelled":
        return  # the caller's doing
    seen.ended += 1
    seen.failed += status in _OWN_FAULTS
    if status == "ok" and type(latency) is int and latency >= 0:
        seen.latencies_ms.append(latency)


def _task(entry: Mapping[str, Any]) -> str:
    signals = entry.get("signals")
    task = signals.get("task") if isinstance(signals, Mapping) else None
    return task if isinstance(task, str) else "default"


def _moment(entry: Mapping[str, Any]) -> float | None:
    try:
        moment = datetime.fromisoformat(str(entry.get("ts")))
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo is not None else None
