"""Judgments: an answer, with the conversation it ends, put to a judge where policy lets it go.

A judgment is no attempt of its request: it has a permit and an end of its own kinds, and answers
nobody. INVARIANT (I1, I3): texts go only where the action `judge` permits the pair now, under the
bundle the request was decided under, behind a durable permit of its own. INVARIANT: whatever keeps
a judge from giving a score, there is no verdict: it holds nothing back, and escalates nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from transire.domain.answer import Completion
from transire.domain.authorization import Pair
from transire.domain.budget import Budget, Period, Spend, period_at
from transire.domain.decision import Case
from transire.domain.ids import DeploymentId, PolicyId
from transire.domain.judge import JudgeRules
from transire.domain.outward import Wire
from transire.domain.permit import Outcome, Permit, Recorded
from transire.domain.request import JsonValue, RoutingRequest

__all__ = [
    "JUDGMENT",
    "JudgeObserver",
    "JudgeRecorder",
    "JudgedTexts",
    "Judgment",
    "judge_spend",
]

JUDGMENT: Final = "judgment"
"""The cause of its permits, whose numbers are of `domain.judge.number_of`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgment:
    """One answer that may be judged.

    Attributes:
        case: Of the conversation with its answer, as classified and authorized now.
        policies: The rules of `judge` that permit it, sorted.
        attempt: Whose answer it is.
        point_ppm: Where the request's keyed hash falls below a million, of a share; None where a
            cascade asks.
    """

    case: Case = field(repr=False)
    pair: Pair
    policies: tuple[PolicyId, ...]
    rules: JudgeRules
    attempt: int
    point_ppm: int | None = None

    def to_json(self) -> dict[str, JsonValue]:
        """Why it is judged, as its entry says it."""
        told: dict[str, JsonValue] = {
            "judge": self.rules.id,
            "digest": self.rules.digest,
            "attempt": self.attempt,
        }
        if self.point_ppm is not None:
            told |= {"point_ppm": self.point_ppm, "share_ppm": self.rules.share_ppm}
        return told


def judge_spend(rules: JudgeRules, moment: datetime, micro_usd: int) -> Spend:
    """What a judgment that costs at most so much reserves of its judge's day.

    No budget of a catalog has such a name: ids have no slash.
    """
    budget = f"judge/{rules.id}"
    return Spend(
        budget=budget,
        key=f"budget/{budget}/day",
        period=period_at(Period.DAY, moment),
        micro_usd=micro_usd,
        limit_micro_usd=rules.daily_micro_usd,
    )


class JudgedTexts(Protocol):
    """Makes of a request and its answer what a judge would receive."""

    async def of(
        self, request: RoutingRequest, answer: Completion, *, max_output_tokens: int
    ) -> RoutingRequest | None:
        """The conversation with the answer as its last message: a content of its own, unclassified.

        None where it cannot be shown as texts: it holds an image, or there are several answers.
        """


class JudgeRecorder(Protocol):
    """Makes a judgment's permit and its end durable; the only maker of both."""

    async def permit(
        self, judgment: Judgment, wire: Wire, *, budgets: Mapping[str, Budget]
    ) -> Recorded[Permit]:
        """Record that an answer may be judged, with what that reserves.

        Raises:
            StaleError: governed state moved since it was authorized.
            BudgetExceeded: a budget, or the judge's own day, has not enough left.
            AuthenticationError: the requester's key was revoked meanwhile.
            LogUnavailable: nothing was recorded, and nothing may be sent.
        """

    def ended(self, permit: Recorded[Permit], outcome: Outcome, score_permille: int | None) -> None:
        """Queue how it ended; a score where, and only where, it ended well."""


class JudgeObserver(Protocol):
    """Measurements of judgments; never content."""

    def scored(self, deployment: DeploymentId, result: str, cost_micro_usd: int | None) -> None:
        """An answer was to be judged, and this came of it.

        Args:
            result: `ok`, or why there is no score: `denied`, `stakes`, `stale`, `busy`, `resting`,
                `unfit`, `budget`, `log`, `late`, or a class of failures (`domain.failures`).
            cost_micro_usd: What it cost; None is unknown, or nothing was sent.
        """
