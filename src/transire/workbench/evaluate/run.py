"""Asking: one case after another, each pinned to one deployment, within what may be spent.

Every request, a judge's included, is an ordinary one of an application's key: policy decides, the
log records, budgets count. What is left to spend goes along as `transire.max_cost_usd`, the hard
filter, so that not even the last answer passes it.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from transire.errors import GovernanceUnavailable, RequestError
from transire.workbench.evaluate.checks import Answered, broken
from transire.workbench.evaluate.judge import judging_body, score_of
from transire.workbench.evaluate.result import Outcome, Result
from transire.workbench.evaluate.suite import CaseDocument, JudgeDocument, SuiteDocument

__all__ = ["Ask", "Reply", "Runner", "SpentError", "pending"]

_ABORTS: Final = frozenset({401, 404})
"""The key, or the deployment's name, is none: no case would fare better."""
_BROKEN: Final = "contract_violated"
_WAITS: Final = 3
_LONGEST_WAIT_S: Final = 60.0
_MAX_COST: Final = "transire.max_cost_usd"


class Reply(Protocol):
    """A server's answer (`outbound.caller.Answer`)."""

    @property
    def status(self) -> int:
        """HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """By lower-case name."""

    @property
    def document(self) -> dict[str, Any]:
        """The body."""


class Ask(Protocol):
    """Posts one chat completion.

    Raises:
        GovernanceUnavailable: nobody answered.
    """

    def __call__(self, body: dict[str, Any]) -> Reply:
        """The answer, of whatever status."""


class SpentError(RequestError):
    """What is left to spend does not cover the next case."""


def pending(
    suite: SuiteDocument, deployments: Sequence[str], done: Iterable[Result]
) -> Iterator[tuple[CaseDocument, str]]:
    """What is yet to be asked: every case of every deployment without a settled result."""
    settled = {(r.digest, r.deployment) for r in done if r.is_settled}
    for case in suite.cases:
        for deployment in deployments:
            if (case.digest, deployment) not in settled:
                yield case, deployment


@dataclass(slots=True)
class Runner:
    """Asks, checks and counts what it costs.

    Args:
        judge: Who judges where a check names nobody.
        limit_micro_usd: The most this run may cost; None is no limit.
        is_tagged: Send each case's task, with its floor and whatever else is bound to it.
    """

    ask: Ask
    judge: str | None = None
    limit_micro_usd: int | None = None
    is_tagged: bool = True
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    spent_micro_usd: int = field(default=0, init=False)

    def result(self, case: CaseDocument, deployment: str) -> Result:
        """Ask one case of one deployment.

        Raises:
            SpentError: nothing was asked, because too little is left.
            RequestError: the key, or the suite itself, is refused: going on is of no use.
        """
        before, began = self.spent_micro_usd, self.monotonic()
        reply = self._asked(case.body(deployment, is_tagged=self.is_tagged))
        took_ms = round(1000 * (self.monotonic() - began))
        outcome, told = self._outcome(reply, deployment)
        score = None
        if outcome is Outcome.PASSED:
            answer = Answered.of(reply.document)
            told = tuple(broken(case.checks, answer))
            outcome = Outcome.FAILED if told else Outcome.PASSED
            for check in case.checks if outcome is Outcome.PASSED else ():
                if check.judge is not None and outcome is Outcome.PASSED:
                    outcome, told, score = self._judged(case, check.judge, answer)
        return Result(
            case=case.id,
            digest=case.digest,
            deployment=deployment,
            task=case.task or "default",
            outcome=outcome,
            broken=told,
            decision_id=reply.headers.get("x-transire-decision-id", ""),
            cost_micro_usd=self.spent_micro_usd - before,
            latency_ms=took_ms,
            judge=score,
        )

    def _outcome(self, reply: Reply, deployment: str) -> tuple[Outcome, tuple[str, ...]]:
        if reply.status == 200:
            by = reply.headers.get("x-transire-deployment", deployment)
            # A pin is a narrowing; a router that answers otherwise is not the one we meant.
            return (Outcome.PASSED, ()) if by == deployment else (Outcome.UNANSWERED, ("other",))
        code = _code(reply)
        if code == _BROKEN:
            return Outcome.FAILED, (code,)
        if reply.status in _ABORTS:
            raise RequestError(f"the router refuses every case: {_message(reply)}")
        if reply.status < 500 and reply.status != 429:
            return Outcome.DENIED, (code,)
        return Outcome.UNANSWERED, (code,)

    def _judged(
        self, case: CaseDocument, wanted: JudgeDocument, answer: Answered
    ) -> tuple[Outcome, tuple[str, ...], int | None]:
        model = wanted.model or self.judge
        if model is None:
            raise RequestError(
                f"case `{case.id}`: nobody is named to judge: `judge`, of the suite or check"
            )
        reply = self._asked(judging_body(case, wanted.criteria, answer, model))
        score = score_of(reply.document) if reply.status == 200 else None
        if score is None:
            # Prose, a refusal, a denial: a failure of the judge, never a score of the answer.
            return Outcome.UNJUDGED, ("judge" if reply.status == 200 else _code(reply),), None
        passes = score >= round(1000 * wanted.least)
        return (Outcome.PASSED, (), score) if passes else (Outcome.FAILED, ("judge",), score)

    def _asked(self, body: dict[str, Any]) -> Reply:
        if self.limit_micro_usd is not None:
            left = self.limit_micro_usd - self.spent_micro_usd
            if left <= 0:
                raise SpentError("what may be spent is spent; the rest can be asked later")
            own = {**body.get("transire", {}), "max_cost_usd": left / 1_000_000}
            body = {**body, "transire": own}
        reply = self.ask(body)
        for _ in range(_WAITS):
            if reply.status != 429 or _code(reply) == "budget_exceeded":
                break
            self.sleep(min(_LONGEST_WAIT_S, _seconds(reply.headers.get("retry-after"))))
            reply = self.ask(body)
        self.spent_micro_usd += _cost(reply)
        if reply.status != 200 and _param(reply) == _MAX_COST:
            raise SpentError(f"too little may be spent for the next case: {_message(reply)}")
        if reply.status == 503 and _code(reply) == GovernanceUnavailable.code:
            raise GovernanceUnavailable(_message(reply))
        return reply


def _error(reply: Reply) -> Mapping[str, Any]:
    error = reply.document.get("error")
    return error if isinstance(error, dict) else {}


def _code(reply: Reply) -> str:
    return str(_error(reply).get("code") or f"status_{reply.status}")


def _param(reply: Reply) -> str:
    return str(_error(reply).get("param") or "")


def _message(reply: Reply) -> str:
    return str(_error(reply).get("message") or f"status {reply.status}")[:400]


def _cost(reply: Reply) -> int:
    return _whole(reply.headers.get("x-transire-cost-micro-usd"))


def _seconds(header: str | None) -> float:
    return float(max(1, _whole(header)))


def _whole(header: str | None) -> int:
    return int(header) if header and header.isascii() and header.isdigit() else 0
