"""What came of one case at one deployment, as one line of a results file; never the answer."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from transire.errors import RequestError
from transire.workbench.wilson import wilson

__all__ = ["Outcome", "Result", "Share", "read_results", "shares"]


class Outcome(StrEnum):
    """How a case ended; only the first two say anything about quality."""

    PASSED = "passed"
    FAILED = "failed"
    DENIED = "denied"
    """The router refuses it there: policy, a person who would have to release it, or a filter."""
    UNJUDGED = "unjudged"
    """The judge failed: its words are no score."""
    UNANSWERED = "unanswered"
    """The deployment, or the router, gave no answer: what that is worth, health says."""


_SETTLED: Final = frozenset({Outcome.PASSED, Outcome.FAILED, Outcome.DENIED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One line.

    Attributes:
        digest: Of the case as it was asked.
        broken: Kinds of the checks that did not hold, or the code of the error.
        cost_micro_usd: Of the answer and of whoever judged it; 0 where nobody told.
        judge: Score that the judge gave, in permille; None without one.
    """

    case: str
    digest: str
    deployment: str
    task: str
    outcome: Outcome
    broken: tuple[str, ...] = ()
    decision_id: str = ""
    cost_micro_usd: int = 0
    latency_ms: int = 0
    judge: int | None = None

    @property
    def is_settled(self) -> bool:
        """Asking again would say nothing new."""
        return self.outcome in _SETTLED

    @property
    def score(self) -> float | None:
        """What it is worth, 0 to 1; None where it says nothing about quality."""
        if self.outcome is Outcome.PASSED:
            return 1.0 if self.judge is None else self.judge / 1_000
        if self.outcome is not Outcome.FAILED:
            return None
        return 0.0 if self.judge is None else self.judge / 1_000

    def line(self) -> str:
        """The line, as `read_results` reads it."""
        return json.dumps(asdict(self), separators=(",", ":"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How one deployment did at one task.

    Attributes:
        low, high: Wilson's 95 % interval of the share that passed.
        others: Outcome → count, of what says nothing about quality.
    """

    deployment: str
    task: str
    passed: int
    judged: int
    low: float
    high: float
    others: dict[str, int]
    cost_micro_usd: int


def read_results(path: Path) -> list[Result]:
    """The results of earlier runs; a last line that was cut is left out, as it will be asked again.

    Raises:
        RequestError: it is no results file.
    """
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    results = []
    for number, line in enumerate(lines, 1):
        try:
            told = json.loads(line)
            told["outcome"] = Outcome(told["outcome"])
            results.append(Result(**{**told, "broken": tuple(told["broken"])}))
        except (ValueError, TypeError, KeyError):
            if number < len(lines):
                raise RequestError(f"`{path.name}`: line {number} is no result") from None
    return results


def shares(results: Iterable[Result]) -> list[Share]:
    """Per deployment and task, sorted by both; of a case asked twice the last result counts."""
    last = {(r.deployment, r.task, r.case): r for r in results}
    told = []
    for deployment, task in sorted({key[:2] for key in last}):
        some = [r for key, r in last.items() if key[:2] == (deployment, task)]
        counts = {outcome: sum(r.outcome is outcome for r in some) for outcome in Outcome}
        passed = counts.pop(Outcome.PASSED)
        judged = passed + counts.pop(Outcome.FAILED)
        low, high = wilson(passed, judged)
        told.append(
            Share(
                deployment=deployment,
                task=task,
                passed=passed,
                judged=judged,
                low=low,
                high=high,
                others={str(outcome): count for outcome, count in counts.items() if count},
                cost_micro_usd=sum(r.cost_micro_usd for r in some),
            )
        )
    return told
