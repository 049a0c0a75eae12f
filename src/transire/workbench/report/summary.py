"""The report: tallies per task, per deployment and of everything, in one pass over entries."""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from transire.workbench.report.tally import Tally
from transire.workbench.report.trace import (
    Attempted,
    Decided,
    Ended,
    Event,
    Graded,
    Scored,
    Throttled,
    Window,
    follow,
)

__all__ = ["OTHERS", "Blobs", "Groups", "Report", "summarize"]

OTHERS: Final = "(others)"
"""What stands for the groups beyond `_MOST_GROUPS`: an application may name tasks as it likes."""
_MOST_GROUPS: Final = 200
_MOST_NAMES: Final = 5_000
"""Policies, limits and codes counted by name."""
_MOST_EVALUATIONS: Final = 4_096
"""Evaluations kept: most decisions share a few."""
_SEED: Final = 20_260_101
UNPERMITTED: Final = "(no permit)"
"""What denies where no policy forbids: nothing permits either."""

Blobs = Callable[[str], Sequence[Mapping[str, Any]] | None]
"""The verdicts behind a digest; None where they are not there."""


class Groups:
    """Tallies by name, bounded in number."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self.by_name: dict[str, Tally] = {}

    def of(self, name: str) -> Tally:
        """The tally of a name."""
        known = self.by_name.get(name)
        if known is None:
            name = name if len(self.by_name) < _MOST_GROUPS else OTHERS
            known = self.by_name.setdefault(name, Tally(self._draw))
        return known

    def ranked(self) -> list[tuple[str, Tally]]:
        """The busiest first."""
        return sorted(
            self.by_name.items(),
            key=lambda item: (-item[1].decisions.total(), -item[1].attempts, item[0]),
        )


@dataclass(frozen=True, slots=True)
class Report:
    """What was counted.

    Attributes:
        policies: Policy → denied decisions in which it forbade a deployment, counted once each.
        limits: What forbade besides policies (the caller's own limits, quarantine) → decisions.
        codes: Error code → denied and refused decisions.
        throttled: Limit → refusals at the door; empty where a tenant or application is asked for.
        unexplained: Denied decisions whose verdicts are not in the log.
    """

    window: Window
    total: Tally
    tasks: Groups
    deployments: Groups
    policies: Counter[str] = field(default_factory=Counter)
    limits: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    throttled: Counter[str] = field(default_factory=Counter)
    unexplained: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        """Every number."""
        window = self.window
        return {
            "window": {
                "since": window.since and window.since.isoformat(),
                "until": window.until and window.until.isoformat(),
                "tenant": window.tenant,
                "app": window.app,
            },
            "total": self.total.to_json(),
            "tasks": {name: tally.to_json() for name, tally in self.tasks.ranked()},
            "deployments": {
                name: {**tally.to_json(), "forbidden": tally.forbidden}
                for name, tally in self.deployments.ranked()
            },
            "denied_by_policy": dict(self.policies.most_common()),
            "denied_by_limit": dict(self.limits.most_common()),
            "codes": dict(self.codes.most_common()),
            "throttled": dict(self.throttled.most_common()),
            "denied_unexplained": self.unexplained["denied"],
        }


@dataclass(frozen=True, slots=True)
class _Verdicts:
    """What one evaluation closes: deployments, and by what."""

    closed: frozenset[str]
    policies: frozenset[str]
    limits: frozenset[str]


def summarize(entries: Iterable[Mapping[str, Any]], window: Window, blobs: Blobs) -> Report:
    """Count everything in the window."""
    draw = random.Random(_SEED)  # noqa: S311 - chooses which values a sample keeps
    report = Report(window, Tally(draw), Groups(draw), Groups(draw))

    @lru_cache(_MOST_EVALUATIONS)
    def verdicts(digest: str) -> _Verdicts | None:
        rows = blobs(digest) if digest else None
        return None if rows is None else _verdicts(rows)

    for event in follow(entries, window):
        _count(report, event, verdicts)
    return report


def _count(report: Report, event: Event, verdicts: Callable[[str], _Verdicts | None]) -> None:
    if isinstance(event, Throttled):
        _bounded(report.throttled, event.limit, event.count)
    elif isinstance(event, Decided):
        report.total.decide(event)
        report.tasks.of(event.task).decide(event)
        if event.chosen is not None:
            report.deployments.of(event.chosen).decide(event)
        _explain(report, event, verdicts(event.evaluation))
    else:
        for tally in (
            report.total,
            report.tasks.of(event.decided.task),
            report.deployments.of(event.deployment),
        ):
            _add(tally, event)


def _add(tally: Tally, event: Attempted | Ended | Scored | Graded) -> None:
    if isinstance(event, Attempted):
        tally.attempt(event)
    elif isinstance(event, Scored):
        tally.score(event)
    elif isinstance(event, Graded):
        tally.grade(event)
    else:
        tally.end(event)


def _explain(report: Report, event: Decided, found: _Verdicts | None) -> None:
    for name in found.closed if found else ():
        report.deployments.of(name).forbidden += 1
    if event.code:
        _bounded(report.codes, event.code, 1)
    if event.outcome != "denied":
        return
    if found is None:
        report.unexplained["denied"] += 1
        return
    for name in found.policies:
        _bounded(report.policies, name, 1)
    for name in found.limits:
        _bounded(report.limits, name, 1)


def _bounded(counter: Counter[str], name: str, count: int) -> None:
    counter[name if name in counter or len(counter) < _MOST_NAMES else OTHERS] += count


def _verdicts(rows: Sequence[Mapping[str, Any]]) -> _Verdicts:
    forbidden = [row for row in rows if row.get("effect") == "forbid"]
    open_ = {str(row.get("deployment")) for row in rows if row.get("effect") == "permit"}
    # Where a limit closes a pair, the policies named may be the grants it overrules.
    by_policy = [row for row in forbidden if not _names(row, "limits")]
    policies = {name for row in by_policy for name in _names(row, "policies")}
    if any(not _names(row, "policies") for row in by_policy):
        policies.add(UNPERMITTED)
    return _Verdicts(
        closed=frozenset({str(row.get("deployment")) for row in forbidden} - open_),
        policies=frozenset(policies),
        limits=frozenset(name for row in forbidden for name in _names(row, "limits")),
    )


def _names(row: Mapping[str, Any], field_name: str) -> list[str]:
    value = row.get(field_name)
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []
