"""The escalation of one request: the answer that is kept, and what may be asked in its place.

An answer with a verdict of ours is kept, one at a time, while a better deployment is asked. Then
one of three things becomes of it, and its outcome says which:

    a better answer came        `superseded`: nothing of it is released
    nothing better came         `ok`: it goes out under its own permit, with the verdict
    nobody waits any more       `cancelled`, as any answer

INVARIANT: where an answer is kept, the caller gets one; that what was asked in its place failed is
never the caller's failure. (A quarantine of what gave it, or a broken integrity, is.)
INVARIANT: the quality asked for only rises, and every attempt takes one of the quota; what was
taken for one that was never sent goes back.
A crash leaves a permit without an outcome, which the next start closes as `unknown`.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from transire.account import Account
from transire.dispatch import Appraised, Routed
from transire.domain.decision import Choice
from transire.domain.escalation import CascadeRules, Escalation, Escalations
from transire.domain.ids import DeploymentId
from transire.domain.permit import OutcomeStatus
from transire.domain.ports import Attempts, Clock, Observer
from transire.domain.ranking import Candidate
from transire.errors import BudgetExceeded, ContractViolated, TransireError

__all__ = ["Cascade"]

_SPARE_SHARE: Final = 0.05
_LEAST_SPARE_S: Final = 0.05
_MOST_SPARE_S: Final = 2.0
"""Of the time that is left when an answer is kept, what remains for letting it go out."""
_ATTEMPT_SHARE: Final = 0.75
"""As in `dispatch`: what a deployment is expected to take fits into what it may take."""


@dataclass(slots=True, kw_only=True)
class Cascade:
    """Belongs to one request.

    Attributes:
        bound: Ends the search while a kept answer can still go out; set by whoever searches.
        kept: The answer that goes out unless a better one comes.
    """

    rules: CascadeRules
    account: Account
    quota: Escalations
    attempts: Attempts
    observer: Observer
    clock: Clock
    bound: asyncio.Timeout | None = None
    kept: Appraised | None = None
    _verdicts: tuple[str, ...] = ()
    _over: int = 0
    _above_permille: int = -1
    _spent_micro_usd: int = 0
    _cause: str = ""
    _why_not: str = ""
    _is_counted: bool = False
    _granted_at: int = -1
    """How many attempts there were when the quota was last taken; -1: it never was."""
    _has_escalated: bool = False
    _has_failed: bool = False

    async def heard(
        self, made: Appraised | TransireError, choice: Choice, attempt: int
    ) -> Routed | None:
        """Take in what came of an attempt; the answer that goes out, where that is settled."""
        terms = choice.candidate.terms
        # At its worst, as the caller's bound on cost is meant; unknown passes no such bound.
        self._spent_micro_usd += terms.worst_cost_micro_usd or 0
        if isinstance(made, Appraised):
            if not made.appraisal.verdicts:
                return await self._answered(made)
            await self._keep(made)
            self._dislike(made.appraisal.verdicts, terms.quality_permille, attempt)
            return None
        self._has_failed = True
        if isinstance(made, ContractViolated) and "contract" in self.rules.on:
            self._dislike(("contract",), terms.quality_permille, attempt)
        return None

    def next(
        self,
        candidates: Sequence[Candidate],
        tried: Collection[DeploymentId],
        *,
        left: int,
        again: Callable[[], bool],
    ) -> Choice | None:
        """What to ask for a better answer; None where nothing may be, or no verdict asks for it.

        Args:
            candidates: Permitted now, best first, nothing that awaits review.
            tried: Deployments that were asked already.
            left: Attempts left of the budget.
            again: Asks the retry budget for the attempt that comes next.
        """
        if not self._verdicts:
            return None
        wanted = self._escalation()
        found = self.attempts.escalation(
            candidates,
            tried,
            above_permille=wanted.above_permille,
            left=left,
            within_ms=wanted.within_ms,
            max_cost_micro_usd=wanted.max_cost_micro_usd,
        )
        # The quota last, so that what could not be asked anyway takes nothing of it; and before
        # the retry budget, so that whoever is beyond the quota takes nothing of everybody's.
        why = found if isinstance(found, str) else ""
        why = why or self._take()
        if not why and not again():
            why = "retry_budget"
        # Of a broken contract, the first reason is the one: ordinary attempts follow.
        self._why_not = why if self.kept is not None else self._why_not or why
        if why or isinstance(found, str):
            return None
        self._has_escalated = True
        return Choice(candidate=found, escalation=wanted)

    def settle(self) -> None:
        """The request is over: what was taken for an attempt that was never sent goes back."""
        if self._granted_at == self.account.permits:
            self.quota.give_back(self.account.request.principal)

    async def give_up(self, error: Exception | None = None) -> Routed:
        """Let the kept answer go out: nothing better came, or may be asked for.

        Args:
            error: What ended the search, if anything did.

        Raises:
            UpstreamError: a quarantine came between.
        """
        self._decide()
        kept, self.kept = self.kept, None
        assert kept is not None  # whoever calls has looked
        why = _ended_by(error) or ("failed" if self._has_failed else self._why_not)
        kept.relay.say(not_escalated=why)
        self._tell(why)
        self.account.trying = kept.routed.permit.value.pair.deployment
        await kept.relay.release()
        return kept.routed

    async def drop(self, error: Exception | None) -> None:
        """Nothing goes out: by the error, or because nobody waits any more (None)."""
        self._tell("failed" if self._has_escalated else self._why_not)
        kept, self.kept = self.kept, None
        if kept is not None and error is not None:
            await kept.relay.fail(error)
        elif kept is not None:
            await kept.relay.cancel()

    def _take(self) -> str:
        """Take one of the quota for the next attempt, once: a pick may be passed over."""
        if self._granted_at == self.account.permits:
            return ""
        why = self.quota.take(self.account.request.principal)
        if not why:
            self._granted_at = self.account.permits
        return why

    async def _answered(self, made: Appraised) -> Routed:
        self._decide()
        self._count(is_wanted=False)
        self._tell("answered" if self._has_escalated else self._why_not)
        kept, self.kept = self.kept, None
        try:
            await made.relay.finish(OutcomeStatus.OK)
        finally:
            if kept is not None:
                await kept.relay.finish(OutcomeStatus.SUPERSEDED)
        return made.routed

    async def _keep(self, made: Appraised) -> None:
        """Keep the better of two: the newer, which was asked for its quality, unless it is graver.

        Nothing is awaited before `kept` is set: whoever leaves meanwhile leaves it to `drop`.
        """
        before, self.kept = self.kept, made
        if before is not None and before.appraisal.gravity < made.appraisal.gravity:
            before, self.kept = made, before
        self._has_failed = False
        self._save_time()
        try:
            await made.relay.keep()
        finally:
            if before is not None:
                await before.relay.finish(OutcomeStatus.SUPERSEDED)

    def _decide(self) -> None:
        """From here on it is decided what goes out: nothing ends the search any more."""
        if self.bound is not None:
            self.bound.reschedule(None)

    def _save_time(self) -> None:
        left_s = self.account.remaining_s(self.clock.monotonic())
        spare_s = min(max(left_s * _SPARE_SHARE, _LEAST_SPARE_S), _MOST_SPARE_S)
        if self.bound is not None:
            self.bound.reschedule(asyncio.get_running_loop().time() + left_s - spare_s)

    def _dislike(self, verdicts: tuple[str, ...], quality_permille: int, attempt: int) -> None:
        self._verdicts, self._over = verdicts, attempt
        self._above_permille = max(self._above_permille, quality_permille)
        self._count(is_wanted=True)
        self._cause = self._cause or verdicts[0]

    def _count(self, *, is_wanted: bool) -> None:
        """Tell the quota once for each request: of its first answer."""
        if not self._is_counted:
            self._is_counted = True
            self.quota.judged(self.account.request.principal, is_wanted=is_wanted)

    def _escalation(self) -> Escalation:
        asserted, now = self.account.request.assertions, self.clock.monotonic()
        within_ms = int(self.account.remaining_s(now) * _ATTEMPT_SHARE * 1_000)
        if asserted.max_latency_ms is not None:
            spent_ms = round((now - self.account.started) * 1_000)
            within_ms = min(within_ms, asserted.max_latency_ms - spent_ms)
        bound = asserted.max_cost_micro_usd
        return Escalation(
            verdicts=self._verdicts,
            over=self._over,
            above_permille=self._above_permille,
            within_ms=max(within_ms, 0),
            max_cost_micro_usd=None if bound is None else max(bound - self._spent_micro_usd, 0),
        )

    def _tell(self, result: str) -> None:
        """Measure the escalation, once; a request without a verdict has none."""
        if self._cause and result:
            self.observer.escalated(self.account.request.principal, self._cause, result)
            self._cause = ""


def _ended_by(error: Exception | None) -> str:
    if error is None:
        return ""
    if isinstance(error, BudgetExceeded):
        return "budget"
    return "deadline" if isinstance(error, TimeoutError) else "failed"
