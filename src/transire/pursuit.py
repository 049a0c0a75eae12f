"""The attempts of one request, until one is answered: fallback, retry, escalation, narrowed anew.

INVARIANT (I3): each later attempt is drawn from the request's set narrowed by the set of now.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from transire.account import Account
from transire.cascade import Cascade
from transire.dispatch import Appraised, Dispatch, Passed, Routed
from transire.domain.authorization import Pair
from transire.domain.classification import Classification
from transire.domain.decision import Case, Choice
from transire.domain.escalation import CascadeRules, Escalations
from transire.domain.governed import Governed
from transire.domain.moderation import Moderated
from transire.domain.permit import Tried
from transire.domain.ports import Attempts, Clock, Notes, Observer, Release, Retries, Sessions
from transire.errors import (
    ContractViolated,
    IntegrityError,
    StaleError,
    TransireError,
    UpstreamError,
)
from transire.moderation import with_verdicts
from transire.picks import beyond, cascade_of, free, may_note, redeclared, seed_of
from transire.prompting import rebound

__all__ = ["STALE_TRIES", "Pursuit"]

STALE_TRIES: Final = 3
"""How often a request is authorized anew when governed state moves before its commit."""


@dataclass(slots=True)
class _Search:
    """What one request has tried.

    Attributes:
        history: Pairs in order; None as error means that their answer was not accepted.
        moves: How often governed state moved before an attempt's commit.
        paid: How many attempts there were when the retry budget was last asked.
        cascade: Where answers are judged beyond their contract.
    """

    cascade: Cascade | None = None
    history: list[tuple[Pair, UpstreamError | None]] = field(default_factory=list)
    moves: int = 0
    paid: int = 0

    def heard(self, choice: Choice, failed: UpstreamError | ContractViolated | None) -> None:
        """An attempt is over."""
        broken = failed if isinstance(failed, UpstreamError) else None
        self.history.append((choice.candidate.pair, broken))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pursuit:
    """Makes attempts in turn; every collaborator is a port.

    Args:
        governed: Returns the governed state of this moment.
    """

    governed: Callable[[], Governed]
    dispatch: Dispatch
    attempts: Attempts
    notes: Notes
    retries: Retries
    escalations: Escalations
    sessions: Sessions
    observer: Observer
    clock: Clock

    async def answer(
        self,
        case: Case,
        choice: Choice,
        governed: Governed,
        release: Release | None,
        account: Account,
    ) -> Routed | None:
        """Attempt the pick, then what may follow it, to the first answer that may go out.

        Returns:
            None where the pick was passed over before anything was permitted: pick anew, without
            what is in `account.passed`.

        Raises:
            UpstreamError, ContractViolated: of the last attempt; nothing is left to try.
            TransireError: whatever else `Dispatch.attempt` raises.
        """
        release = release if choice.released_by else None
        rules = cascade_of(case, governed.bundle, release)
        search = _Search()
        try:
            if rules is None:
                return await self._pursue(case, choice, governed, release, account, search)
            search.cascade = self._cascade(rules, account)
            return await self._kept(case, choice, governed, account, search, search.cascade)
        finally:
            # What was asked for an attempt that was passed over, or went stale, was never sent.
            if search.paid == account.permits > 0:
                self.retries.give_back()
            if search.cascade is not None:
                search.cascade.settle()

    def _cascade(self, rules: CascadeRules, account: Account) -> Cascade:
        return Cascade(
            rules=rules,
            account=account,
            quota=self.escalations,
            attempts=self.attempts,
            observer=self.observer,
            clock=self.clock,
        )

    async def _kept(
        self,
        case: Case,
        choice: Choice,
        governed: Governed,
        account: Account,
        search: _Search,
        cascade: Cascade,
    ) -> Routed | None:
        """Pursue, and let a kept answer go out whatever ends that but a broken integrity."""
        try:
            async with asyncio.timeout(None) as cascade.bound:
                return await self._pursue(case, choice, governed, None, account, search)
        except Exception as error:
            cascade.bound = None  # it is over, and may not be changed any more
            is_ours = isinstance(error, TransireError | TimeoutError)
            if cascade.kept is None or not is_ours or isinstance(error, IntegrityError):
                await cascade.drop(error)
                raise
            return await cascade.give_up(error)
        except BaseException:  # the caller left, or the deadline passed
            await cascade.drop(account.late())
            raise

    async def _pursue(
        self,
        case: Case,
        choice: Choice,
        governed: Governed,
        release: Release | None,
        account: Account,
        search: _Search,
    ) -> Routed | None:
        cause, cascade = "first", search.cascade
        rules = None if cascade is None else cascade.rules
        failed: UpstreamError | ContractViolated | None = None
        while True:
            account.trying = choice.candidate.pair.deployment
            try:
                made = await self.dispatch.attempt(
                    case, choice, governed, release, account, cause, rules
                )
            except StaleError:
                search.moves += 1
                if not account.permits or search.moves == STALE_TRIES:
                    raise
            else:
                if isinstance(made, Routed):
                    self._asked(account)
                    return made
                if isinstance(made, Passed):
                    account.pass_over(made.pair, made.filter, made.error)
                    if not account.permits:
                        return None
                else:
                    self._asked(account)
                    if cascade is not None:
                        routed = await cascade.heard(made, choice, account.permits)
                        if routed is not None:
                            return routed
                    failed = None if isinstance(made, Appraised) else made
                    search.heard(choice, failed)
                    if failed is not None:
                        case = self._noting(case, failed, account)
            case = beyond(case, {pair.deployment for pair, _ in search.history})
            case = await self._again(case, governed, failed, release, account)
            following = self._following(case, choice, governed, release, account, search)
            if following is not None:
                choice, cause = following
            elif cascade is not None and cascade.kept is not None:
                return await cascade.give_up()
            else:
                assert failed is not None  # without a kept answer, something has failed
                raise failed

    def _following(
        self,
        case: Case,
        choice: Choice,
        governed: Governed,
        release: Release | None,
        account: Account,
        search: _Search,
    ) -> tuple[Choice, str] | None:
        """What to attempt next and why, or None to stop: a kept answer is only ever bettered."""
        budget, cascade = governed.bundle.routing.max_attempts, search.cascade
        candidates = free(case.ranking.candidates, release)
        if cascade is not None:
            tried = {pair.deployment for pair, _ in search.history}
            better = cascade.next(
                candidates,
                tried,
                left=budget - len(search.history),
                again=lambda: self._is_paid(account, search),
            )
            if better is not None or cascade.kept is not None:
                return None if better is None else (better, "escalation")
        following = self.attempts.next_attempt(
            candidates,
            search.history,
            budget=budget,
            remaining_s=account.remaining_s(self.clock.monotonic()),
            max_cost_micro_usd=account.unspent_micro_usd(),
        )
        if following is None:
            return None
        if not self._is_paid(account, search):
            self.observer.left_untried()
            return None
        candidate, cause = following
        return replace(choice, candidate=candidate, escalation=None), cause

    def _is_paid(self, account: Account, search: _Search) -> bool:
        """Whether the retry budget allows one more attempt; asked once for each that is made."""
        if search.paid == account.permits:
            return True
        if not self.retries.again():
            return False
        search.paid = account.permits
        return True

    def _asked(self, account: Account) -> None:
        """A first attempt earns what later ones spend; one that went stale before is none."""
        if account.permits == 1:
            self.retries.first()

    def _noting(
        self, case: Case, failed: UpstreamError | ContractViolated, account: Account
    ) -> Case:
        """Remember a failed attempt, in the account and in the session."""
        name = account.trying
        assert name is not None  # set before each attempt
        account.tried.append(Tried.of(name, failed))
        return replace(case, request=self.sessions.failed(case.request, name))

    async def _again(
        self,
        case: Case,
        governed: Governed,
        failed: UpstreamError | ContractViolated | None,
        release: Release | None,
        account: Account,
    ) -> Case:
        """Authorize once more, as of now, and narrow: never widen (I3)."""
        current = self.governed()
        newer, redaction = case.reclassified, case.redaction
        request = await rebound(case.request, current)
        if isinstance(failed, ContractViolated) and may_note(case, governed, current, release):
            request = await self.notes.noted(request, failed)
            if request is not case.request:
                newer = await current.detector.classify(request)
        if current.detector.digest != (newer or case.classification).detector_digest:
            newer = await current.detector.classify(request)
        if newer is not None:
            # A narrower set is always sound: the redacted form, which only the earlier detector
            # has judged, is given up.
            redaction = None
        judged = newer or case.classification
        if case.moderation is not None:
            judged = _hearing(judged, case.moderation, current)
        now = current.authorizer.authorize(
            request,
            judged,
            redaction,
            quarantine=current.quarantine,
            now=self.clock.now(),
        )
        self.sessions.saw(request, now, current.bundle.routing.sessions)
        narrowed = case.authorization.narrowed_by(now)
        ranking = governed.scorer.rank(
            request,
            case.classification,
            narrowed,
            exclude=redeclared(governed, current) | frozenset(account.passed),
            seed=seed_of(request),
        ).passing(account.passed, narrowed)
        account.case = replace(
            case, request=request, authorization=narrowed, ranking=ranking, reclassified=newer
        )
        return account.case


def _hearing(judged: Classification, moderated: Moderated, current: Governed) -> Classification:
    """With what moderators said of the request, in the words of the bundle of now."""
    known, judged = current.bundle.guards, with_verdicts(judged, moderated.guarded)
    return replace(
        judged,
        raised_guards=judged.raised_guards & known,
        failed_guards=judged.failed_guards & known,
    )
