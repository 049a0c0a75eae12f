"""Shadows beside the answers that the same requests got: times, costs, contracts, refusals. Pure.

Only answered requests are copied, so a target is set beside answers that went out: of these, too,
an earlier attempt may have broken the contract. Differences are of the same request each time,
target less answer, so that hard requests weigh alike on both sides.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from transire.workbench.experiments.intervals import Estimate, mean, share

__all__ = ["Copied", "ShadowReport", "read_shadows", "shadow_lines", "shadow_report"]

_BROKEN: Final = "contract_violated"
_ENDS: Final = frozenset({"ok", "failed", _BROKEN})
"""Ends that say something of a target; a stop of ours says nothing."""


_Told: TypeAlias = tuple[Any, ...]
"""An outcome's status, milliseconds and micro-USD."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """One answer; None is unknown."""

    latency_ms: int | None = None
    cost_micro_usd: int | None = None
    refused: bool | None = None
    violated: bool = False


@dataclass(frozen=True, slots=True)
class _Pair:
    """One copy and the answer it follows.

    Attributes:
        unit: What was drawn, as the point it drew; of single requests, a number below zero.
    """

    unit: int
    status: str
    target: _Side
    answer: _Side


@dataclass(slots=True)
class Copied:
    """What was copied to one target.

    Attributes:
        statuses: How often each end came.
        pairs: Copies whose end says something of their target, in the log's order.
    """

    experiment: str
    digest: str
    target: str
    statuses: dict[str, int] = field(default_factory=dict)
    pairs: list[_Pair] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowReport:
    """One target; each pair of estimates is the target's and that of the answers."""

    experiment: str
    digest: str
    target: str
    statuses: Mapping[str, int]
    success: Estimate
    violations: tuple[Estimate, Estimate]
    refusals: tuple[Estimate, Estimate]
    latency_ms: tuple[Estimate, Estimate, Estimate]
    cost_micro_usd: tuple[Estimate, Estimate, Estimate]

    def to_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        sides = ("target", "answers", "difference")

        def told(estimates: Sequence[Estimate], digits: int = 4) -> dict[str, Any]:
            return {side: e.to_json(digits) for side, e in zip(sides, estimates, strict=False)}

        return {
            "shadow": self.experiment,
            "digest": self.digest,
            "target": self.target,
            "copies": dict(self.statuses),
            "success": self.success.to_json(),
            "contract_violations": told(self.violations),
            "refusals": told(self.refusals),
            "latency_ms": told(self.latency_ms, 0),
            "cost_micro_usd": told(self.cost_micro_usd, 1),
        }


def read_shadows(entries: Iterable[Mapping[str, Any]], named: str = "") -> list[Copied]:
    """Every target of the log's shadows, or of the one of this id, in the order of first copies."""
    found: dict[tuple[str, str, str], Copied] = {}
    answers: dict[str, list[_Told]] = {}
    open_copies: dict[str, tuple[Copied, int]] = {}
    for number, entry in enumerate(entries, 1):
        kind, decision = entry.get("kind"), str(entry.get("decision_id"))
        if kind == "outcome":
            # A copy comes after its answer; what is not copied costs a few numbers a decision.
            told = tuple(entry.get(name) for name in ("status", "latency_ms", "cost_micro_usd"))
            answers.setdefault(decision, []).append(told)
        elif kind == "shadow.permitted":
            draw = entry["experiment"]
            key = (str(draw["id"]), str(draw["digest"]), str(draw["variant"]))
            if not named or named == key[0]:
                unit = -number if draw.get("unit") == "request" else int(draw["point_ppm"])
                open_copies[decision] = (found.setdefault(key, Copied(*key)), unit)
        elif kind == "shadow.ended" and decision in open_copies:
            copied, unit = open_copies.pop(decision)
            _add(copied, unit, entry, answers.pop(decision, []))
    return list(found.values())


def shadow_report(copied: Copied) -> ShadowReport:
    """Everything that is said of one target; the same entries give the same numbers."""
    pairs = copied.pairs
    return ShadowReport(
        experiment=copied.experiment,
        digest=copied.digest,
        target=copied.target,
        statuses=dict(sorted(copied.statuses.items())),
        success=share((pair.unit, pair.status == "ok") for pair in pairs),
        violations=(
            share((pair.unit, pair.target.violated) for pair in pairs),
            share((pair.unit, pair.answer.violated) for pair in pairs),
        ),
        refusals=(
            _refusals((pair.unit, pair.target) for pair in pairs),
            _refusals((pair.unit, pair.answer) for pair in pairs),
        ),
        latency_ms=_compared(pairs, lambda side: side.latency_ms),
        cost_micro_usd=_compared(pairs, lambda side: side.cost_micro_usd),
    )


def shadow_lines(reports: Sequence[ShadowReport]) -> list[str]:
    """One block for each target, for people."""
    lines: list[str] = []
    for one in reports:
        counted = ", ".join(f"{count} {status}" for status, count in one.statuses.items())
        lines += [
            f"shadow {one.experiment} ({one.digest[:12]}) → {one.target}: {counted or 'no copies'}",
            f"  success {_percent(one.success)}",
            f"  contract violations {_percent(one.violations[0])}, "
            f"of the answers {_percent(one.violations[1])}",
            f"  refusals {_percent(one.refusals[0])}, of the answers {_percent(one.refusals[1])}",
            f"  mean {_beside(one.latency_ms, 'ms')}",
            f"  mean {_beside(one.cost_micro_usd, 'micro-USD')}",
        ]
    return lines


def _add(copied: Copied, unit: int, ended: Mapping[str, Any], outcomes: Sequence[_Told]) -> None:
    status = str(ended.get("status"))
    copied.statuses[status] = copied.statuses.get(status, 0) + 1
    answer = next((told for told in outcomes if told[0] == "ok"), None)
    if status not in _ENDS or answer is None:
        return
    target = _Side(
        latency_ms=ended.get("latency_ms") if status != "failed" else None,
        cost_micro_usd=ended.get("cost_micro_usd"),
        refused=_refused(ended.get("appraisal")),
        violated=status == _BROKEN,
    )
    primary = _Side(
        latency_ms=answer[1],
        cost_micro_usd=answer[2],
        refused=_refused(ended.get("primary")),
        violated=any(told[0] == _BROKEN for told in outcomes),
    )
    copied.pairs.append(_Pair(unit, status, target, primary))


def _refused(appraisal: object) -> bool | None:
    """Whether an answer was found to refuse; None where nobody looked."""
    verdicts = appraisal.get("verdicts") if isinstance(appraisal, Mapping) else None
    return "refusal" in verdicts if isinstance(verdicts, list) else None


def _refusals(sides: Iterable[tuple[int, _Side]]) -> Estimate:
    return share((unit, side.refused) for unit, side in sides if side.refused is not None)


def _compared(
    pairs: Sequence[_Pair], value: Callable[[_Side], int | None]
) -> tuple[Estimate, Estimate, Estimate]:
    """Means of requests where both sides are known, and of their difference."""
    both = [
        (pair.unit, float(target), float(answer))
        for pair in pairs
        if (target := value(pair.target)) is not None and (answer := value(pair.answer)) is not None
    ]
    return (
        mean((unit, target) for unit, target, _ in both),
        mean((unit, answer) for unit, _, answer in both),
        mean((unit, target - answer) for unit, target, answer in both),
    )


def _percent(one: Estimate) -> str:
    if one.value is None or one.low is None or one.high is None:
        return "unknown"
    return f"{one.value:.1%} ({one.low:.1%} to {one.high:.1%})"


def _beside(estimates: tuple[Estimate, Estimate, Estimate], unit: str) -> str:
    target, answers, difference = estimates
    if target.value is None or answers.value is None or difference.value is None:
        return f"{unit} unknown"
    ends = ""
    if difference.low is not None and difference.high is not None:
        ends = f" ({difference.low:+,.0f} to {difference.high:+,.0f})"
    return (
        f"{target.value:,.0f} {unit}, of the answers {answers.value:,.0f}; "
        f"{difference.value:+,.0f} for the same request{ends}"
    )
