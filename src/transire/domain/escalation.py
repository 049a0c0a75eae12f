"""Escalation: what our own verdict on an answer leads to, and what keeps that within bounds.

A verdict is ours alone: nothing that a caller asks for, and nothing that a text says of itself,
is one. INVARIANT (I2): an escalation picks among candidates that are permitted now, as every
attempt does; it only ever goes to a higher quality than the answer it replaces.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from transire.domain.answer import Completion
from transire.domain.judge import JudgeRules
from transire.domain.request import JsonValue, Principal, RoutingRequest

__all__ = [
    "VERDICTS",
    "Appraisal",
    "Appraiser",
    "CascadeRules",
    "Escalation",
    "Escalations",
    "Evaluator",
]

VERDICTS: Final = ("refusal", "contract", "evaluator", "low_confidence")
"""Names of all verdicts, the gravest first: where two answers are left, the graver one is dropped.
`contract` is of an answer that is not released at all; the others are of one that could be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadeRules:
    """When answers to one task are escalated, from `routing.yaml`.

    Attributes:
        on: Verdicts that escalate.
        min_confidence_permille: Below it, an answer has the verdict `low_confidence`.
        min_score_permille: Below it, an answer has the verdict `evaluator`.
        judge: Who scores; None is signs in the answer's text.
    """

    on: frozenset[str]
    min_confidence_permille: int = 0
    min_score_permille: int = 0
    judge: JudgeRules | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Appraisal:
    """What was thought of one answer that kept its contract.

    Attributes:
        verdicts: In the order of `VERDICTS`; empty is a good answer.
        confidence_permille: Geometric mean of its tokens' probabilities; None where the upstream
            gave none, or nobody asked.
        score_permille: What the evaluator gave it; None where it was not asked, or failed.
        judge: Whose score it is, or would be: a judge of the bundle's; empty is signs in its text.
        judgment: Where a judge was to be heard: `ok`, or why it gave no score.
        has_failed: The evaluator was asked and said nothing, or a refusal could not be looked for
            in time: no verdict.
    """

    verdicts: tuple[str, ...] = ()
    confidence_permille: int | None = None
    score_permille: int | None = None
    judge: str = ""
    judgment: str = ""
    has_failed: bool = False

    @property
    def gravity(self) -> int:
        """0 of a good answer, and the more the graver its gravest verdict."""
        return len(VERDICTS) - VERDICTS.index(self.verdicts[0]) if self.verdicts else 0

    def to_json(self) -> dict[str, JsonValue]:
        """As its outcome's entry holds it; numbers and names only."""
        told: dict[str, JsonValue] = {"verdicts": list(self.verdicts)}
        if self.confidence_permille is not None:
            told["confidence"] = self.confidence_permille
        if self.score_permille is not None:
            told["score"] = self.score_permille
        if self.judge:
            told |= {"judge": self.judge, "judgment": self.judgment}
        if self.has_failed:
            told["failed"] = True
        return told


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """Why an attempt goes to a better deployment; its entry says so.

    Attributes:
        verdicts: On the answer that it may replace.
        over: That answer's attempt.
        above_permille: The quality it must pass: the highest that was judged so far.
        within_ms: Milliseconds within which it had to be expected to answer.
        max_cost_micro_usd: What was left of the caller's bound on cost; None without one.
    """

    verdicts: tuple[str, ...]
    over: int
    above_permille: int
    within_ms: int
    max_cost_micro_usd: int | None = None

    def to_json(self) -> dict[str, JsonValue]:
        """As the attempt's entry holds it: with the ranking, all that the pick followed from."""
        left = self.max_cost_micro_usd
        return {
            "verdicts": list(self.verdicts),
            "over": self.over,
            "above": self.above_permille,
            "within_ms": self.within_ms,
            **({} if left is None else {"max_cost_micro_usd": left}),
        }


class Evaluator(Protocol):
    """Says how good an answer is; may ask a model, and may fail."""

    async def score(self, request: RoutingRequest, answer: Completion) -> int | None:
        """0 to 1000, or None where it cannot say: then there is no verdict. Never raises."""


class Appraiser(Protocol):
    """Judges answers by the rules of their task's cascade."""

    async def appraised(
        self,
        rules: CascadeRules,
        request: RoutingRequest,
        answer: Completion,
        *,
        within_s: float,
        evaluator: Evaluator | None = None,
    ) -> Appraisal:
        """What is thought of an answer that keeps its contract.

        Args:
            within_s: Seconds an evaluator may take; one that takes longer has failed.
            evaluator: Who scores this answer; None is whoever scores where nobody is named.
        """


class Escalations(Protocol):
    """Bounds escalations by principal and application, in this process; done at once."""

    def judged(self, principal: Principal, *, is_wanted: bool) -> None:
        """A request of a cascading task has an answer; `is_wanted`: one that would escalate."""

    def take(self, principal: Principal) -> str:
        """Take one escalation; empty if granted, else why not.

        Returns:
            `quota` of the key, `application_quota`, or `steered`: this key's requests escalate far
            above what those of its application's other keys do.
        """

    def give_back(self, principal: Principal) -> None:
        """What was taken last was never sent: it counts as not taken."""
