"""The attempts of one request, until one is answered: fallback, retry, and their narrowing.

INVARIANT (I3): each later attempt is drawn from the request's set narrowed by the set of now.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from transire.account import Account
from transire.dispatch import Dispatch, Passed, Routed
from transire.domain.authorization import Pair
from transire.domain.decision import Case, Choice
from transire.domain.governed import Governed
from transire.domain.permit import Tried
from transire.domain.ports import Attempts, Clock, Notes, Observer, Release, Retries, Sessions
from transire.errors import ContractViolated, StaleError, UpstreamError
from transire.picks import free, may_note, redeclared, seed_of
from transire.prompting import rebound

__all__ = ["STALE_TRIES", "Pursuit"]

STALE_TRIES: Final = 3
"""How often a request is authorized anew when governed state moves before its commit."""


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
        """Attempt the pick, then what may follow it, to the first answer.

        Returns:
            None where the pick was passed over before anything was permitted: pick anew, without
            what is in `account.passed`.

        Raises:
            UpstreamError, ContractViolated: of the last attempt; nothing is left to try.
            TransireError: whatever else `Dispatch.attempt` raises.
        """
        release = release if choice.released_by else None
        history: list[tuple[Pair, UpstreamError | None]] = []
        cause, moves, paid = "first", 0, 0
        while True:
            account.trying = choice.candidate.pair.deployment
            try:
                made = await self.dispatch.attempt(case, choice, governed, release, account, cause)
            except StaleError:
                moves += 1
                if not account.permits or moves == STALE_TRIES:
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
                    failed = made
                    history.append((choice.candidate.pair, _broken(failed)))
                    case = self._noting(case, failed, account)
            case = await self._again(case, governed, failed, release, account)
            following = self.attempts.next_attempt(
                free(case.ranking.candidates, release),
                history,
                budget=governed.bundle.routing.max_attempts,
                remaining_s=account.remaining_s(self.clock.monotonic()),
            )
            if following is None:
                raise failed
            if len(history) > paid and not self.retries.again():
                self.observer.left_untried()
                raise failed
            paid = len(history)
            candidate, cause = following
            choice = replace(choice, candidate=candidate)

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
        failed: UpstreamError | ContractViolated,
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
        now = current.authorizer.authorize(
            request,
            newer or case.classification,
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


def _broken(failed: UpstreamError | ContractViolated) -> UpstreamError | None:
    """What the attempts' history holds of a failure: None where the answer broke its contract."""
    return failed if isinstance(failed, UpstreamError) else None
