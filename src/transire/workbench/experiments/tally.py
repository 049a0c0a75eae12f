"""From entries to what each variant of an experiment did. Pure.

A decision counts once all its attempts have ended: it succeeded where one of them did. Costs and
times are sums over its attempts, so that what a variant breaks and another deployment mends is paid
for by the variant. What a caller broke off, and what nobody knows the end of, counts for nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["Arm", "Observed", "Seen", "read_experiments"]

_ENDS: Final = frozenset({"ok", "failed", "contract_violated", "superseded"})
_VIOLATED: Final = "contract_violated"
_FAILED: Final = frozenset({"failed", "superseded"})


@dataclass(frozen=True, slots=True)
class Observed:
    """One decision of a variant.

    Attributes:
        unit: What kept the variant, as the point that it drew, or below zero a number of the
            decision's own: decisions of one unit are alike, and not independent.
        failed_first: The first attempt failed or was superseded, or went elsewhere because the
            variant's own deployments were down: what a canary's `error` counts.
        cost_micro_usd: None where some attempt's cost is unknown.
    """

    variant: str
    unit: int
    propensity_ppm: int
    succeeded: bool
    failed_first: bool
    violated: bool
    latency_ms: int
    cost_micro_usd: int | None


@dataclass(slots=True)
class Arm:
    """A variant's decisions, in the log's order."""

    observed: list[Observed] = field(default_factory=list)


@dataclass(slots=True)
class Seen:
    """One experiment, by its digest.

    Attributes:
        rolled_back: Variant → the entry that took it back.
    """

    id: str
    digest: str
    arms: dict[str, Arm] = field(default_factory=dict)
    rolled_back: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def observed(self) -> list[Observed]:
        """Every decision, variant by variant."""
        return [one for arm in self.arms.values() for one in arm.observed]


@dataclass(slots=True)
class _Open:
    draw: Mapping[str, Any]
    statuses: dict[int, str] = field(default_factory=dict)
    attempts: int = 1
    latency_ms: int = 0
    cost_micro_usd: int | None = 0


def read_experiments(entries: Iterable[Mapping[str, Any]], named: str = "") -> list[Seen]:
    """Every experiment of the log, or the one of this id, in the order of its first decision."""
    seen: dict[tuple[str, str], Seen] = {}
    waiting: dict[str, _Open] = {}
    for entry in entries:
        kind, draw = entry.get("kind"), entry.get("experiment")
        if kind == "decision" and isinstance(draw, Mapping) and entry.get("permit"):
            if not named or draw.get("id") == named:
                waiting[str(entry.get("id"))] = _Open(draw)
                _of(seen, str(draw.get("id")), draw).arms.setdefault(str(draw["variant"]), Arm())
        elif kind == "experiment.rolled_back" and (not named or draw == named):
            _of(seen, str(draw), entry).rolled_back[str(entry.get("variant"))] = entry
        elif (held := waiting.get(str(entry.get("decision_id")))) is not None:
            if kind == "attempt":
                held.attempts += 1
            elif kind == "outcome":
                _add(held, entry)
    for number, held in enumerate(waiting.values(), 1):
        if (one := _concluded(held, number)) is not None:
            _of(seen, str(held.draw["id"]), held.draw).arms[one.variant].observed.append(one)
    return list(seen.values())


def _of(seen: dict[tuple[str, str], Seen], name: str, told: Mapping[str, Any]) -> Seen:
    digest = str(told.get("digest"))
    return seen.setdefault((name, digest), Seen(id=name, digest=digest))


def _add(held: _Open, entry: Mapping[str, Any]) -> None:
    held.statuses[entry["attempt"]] = str(entry.get("status"))
    held.latency_ms += entry.get("latency_ms") or 0
    cost = entry.get("cost_micro_usd")
    if cost is None and entry.get("status") == "failed":
        cost = 0  # an answer that never came was not charged
    if cost is None or held.cost_micro_usd is None:
        held.cost_micro_usd = None
    else:
        held.cost_micro_usd += cost


def _concluded(held: _Open, number: int) -> Observed | None:
    if len(held.statuses) < held.attempts or not _ENDS.issuperset(held.statuses.values()):
        return None
    return Observed(
        variant=str(held.draw["variant"]),
        # Two requests may draw one point; they are two all the same.
        unit=-number if held.draw.get("unit") == "request" else int(held.draw["point_ppm"]),
        propensity_ppm=int(held.draw["propensity_ppm"]),
        succeeded="ok" in held.statuses.values(),  # not the last one, where nothing better came
        failed_first=held.statuses[1] in _FAILED or held.draw.get("unwell") is True,
        violated=_VIOLATED in held.statuses.values(),
        latency_ms=held.latency_ms,
        cost_micro_usd=held.cost_micro_usd,
    )
