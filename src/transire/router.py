"""The path on one page: classify, authorize, score, review, and the attempts (`pursuit`).

Every request, streaming or not, takes these steps in this order (I7). What keeps the order
is the types: `Forwarder.send` takes a `Recorded[Permit]`, which only the record stage makes, for a
candidate, which only the scorer makes, of a permitted verdict, which only policy makes.

INVARIANT (I1): nothing here forwards; `Dispatch.attempt` does, behind a recorded permit.
INVARIANT (I2): the scorer is handed an `Authorization` and draws from its `permitted` alone.
INVARIANT (I4): any error on the way is recorded as a refusal and raised; nothing turns that off.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import NoReturn, TypeVar

from transire.account import Account
from transire.alarms import within
from transire.dispatch import Routed
from transire.domain.classification import Classification, Redaction
from transire.domain.decision import Case, Choice, Hold
from transire.domain.experiment import Trials
from transire.domain.governed import Governed
from transire.domain.moderation import Moderated
from transire.domain.outward import Health
from transire.domain.permit import Tried
from transire.domain.ports import (
    Clock,
    Observer,
    Recorder,
    Release,
    Reviews,
    Sessions,
    Validator,
)
from transire.domain.request import RoutingRequest
from transire.errors import (
    BudgetExceeded,
    GovernanceUnavailable,
    ReviewRequired,
    StaleError,
    TransireError,
)
from transire.moderation import Moderation, with_verdicts
from transire.picks import free
from transire.prompting import bound
from transire.pursuit import STALE_TRIES, Pursuit
from transire.refusals import (
    refuse_empty,
    refuse_late,
    refuse_too_long,
    refuse_tried,
)
from transire.trying import ranked
from transire.unforeseen import as_refusal

__all__ = ["Advice", "Router"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What would have happened; `choice` is None where nothing could be picked (`error`)."""

    case: Case
    choice: Choice | Hold | None
    error: TransireError | None
    governed: Governed


@dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    """The path. Holds no state of its own; every collaborator is a port.

    Args:
        governed: Returns the governed state of this moment; a stage keeps what it started with.
        moderation: Asks the catalog's moderators, where it has any.
    """

    governed: Callable[[], Governed]
    recorder: Recorder
    reviews: Reviews
    pursuit: Pursuit
    validator: Validator
    sessions: Sessions
    trials: Trials
    health: Health
    observer: Observer
    clock: Clock
    moderation: Moderation | None = None

    async def route(self, request: RoutingRequest) -> Routed:
        """Take one request along the path.

        Raises:
            TransireError: any leaf of the tree in `errors`; it carries the decision id, and an
                entry says why, unless the log itself is what failed.
        """
        account = Account(request=request, started=self.clock.monotonic())
        return await self._bounded(account, self._route(request, account))

    async def advise(self, request: RoutingRequest) -> Advice:
        """Say what `route` would do now, record that it was said, and permit nothing.

        Where the request names a review, it is weighed and not spent.

        Raises:
            TransireError: it could not be decided: what it asks is refused before policy, a stage,
                the log or the deadline failed. That nothing could be picked (a denial, an empty
                ranking, a budget) is no error here: it is returned, as `Advice.error`.
        """
        account = Account(request=request, started=self.clock.monotonic())
        advice = await self._bounded(account, self._advise(request, account))
        self.observer.decided(advice.case, "advice")
        return advice

    async def refuse(self, request: RoutingRequest, error: TransireError) -> None:
        """Record a request that was refused before the path began (it could not be read)."""
        account = Account(request=request, started=self.clock.monotonic())
        await self._refuse(request, account, error)

    def answered(self, routed: Routed, code: str = "ok") -> None:
        """The answer has reached the caller, or as much of it as there was: measure it.

        Args:
            code: Why a stream ended early, as the caller was told.
        """
        if code == "ok":
            self.sessions.answered(routed.case.request, routed.deployment.id)
        elif code != "cancelled":
            self.sessions.failed(routed.case.request, routed.deployment.id)
        self.observer.decided(routed.case, code)
        self.observer.answered(routed.account.overhead_s(self.clock.monotonic()))

    async def _bounded(self, account: Account, work: Awaitable[T]) -> T:
        """Await a way along the path inside the request's deadline; every error is recorded."""
        request = account.request
        try:
            with within(request.deadline_s) as account.limit:
                return await work
        except TimeoutError:
            error = refuse_late(account)
        except Exception as raised:  # noqa: BLE001 - a bug is a refusal, never a way through
            error = as_refusal(raised)
        except BaseException:  # the caller left
            if not account.is_said:
                self.observer.decided(account.case, "cancelled")
                self.recorder.gave_up(account.case, request)
            raise
        if account.trying is not None and account.permits > len(account.tried):
            account.tried.append(Tried.of(account.trying, error))
        if account.tried:
            error = refuse_tried(error, account.tried)
        await self._refuse(request, account, error)
        raise error from None

    async def _advise(self, request: RoutingRequest, account: Account) -> Advice:
        request, release = await self._admitted(request)
        governed = self.governed()
        case = account.case = await self._decide(request, governed, account)
        choice, error = self._advised(case, governed, release, account)
        with account.recording():
            await self.recorder.advice(case, choice)
        return Advice(case=case, choice=choice, error=error, governed=governed)

    async def _route(self, request: RoutingRequest, account: Account) -> Routed:
        request, release = await self._admitted(request)
        moved: TransireError = StaleError("the governed state kept moving; send the request again")
        for _ in range(STALE_TRIES):
            governed = self.governed()
            try:
                case = account.case = await self._decide(request, governed, account)
                return await self._answered(case, governed, release, account)
            except (StaleError, BudgetExceeded) as raised:
                # Of a budget, others took what was left: something cheaper may still fit.
                if account.permits:
                    raise
                moved = raised if isinstance(raised, BudgetExceeded) else moved
        raise moved

    async def _answered(
        self, case: Case, governed: Governed, release: Release | None, account: Account
    ) -> Routed:
        """Pick and attempt; anew where a pick is passed over, which happens once to each pair."""
        while True:
            choice = self._pick(case, governed, release, account)
            if isinstance(choice, Hold):
                await self._hold(case, choice, governed, account)
            routed = await self.pursuit.answer(case, choice, governed, release, account)
            if routed is not None:
                return routed
            # As if nothing had been drawn: the pick may be a hold now, and that draws nothing.
            request, ranking = ranked(
                bound(replace(case.request, trial=None), case.classification, governed),
                case.classification,
                case.authorization,
                governed,
                self.trials,
                account.passed,
            )
            case = account.case = replace(case, request=request, ranking=ranking)

    async def _admitted(self, request: RoutingRequest) -> tuple[RoutingRequest, Release | None]:
        """The request as it counts, and what the review it names allows it."""
        await self.validator.check_request(request)
        if not request.review_id:
            return request, None
        release = await self.reviews.release(request)
        return replace(request, assertions=release.assertions), release

    async def _decide(self, request: RoutingRequest, governed: Governed, account: Account) -> Case:
        refuse_too_long(request, governed.bundle)
        classification = await self._classify(request, governed)
        redaction = await self._redact(request, classification, governed)
        moderated = None
        if governed.bundle.catalog.moderators:
            moderated = await self._moderate(request, classification, redaction, governed, account)
        if moderated is not None:
            classification = with_verdicts(classification, moderated.guarded)
        started = self.clock.monotonic()
        # Nothing is awaited between these: no turn of the session comes between.
        rules = governed.bundle.routing.sessions
        request = bound(self.sessions.recalled(request, rules), classification, governed)
        authorization = governed.authorizer.authorize(
            request,
            classification,
            redaction,
            quarantine=governed.quarantine,
            now=self.clock.now(),
        )
        self.sessions.saw(request, authorization, rules)
        authorized = self.clock.monotonic()
        request, ranking = ranked(
            request, classification, authorization, governed, self.trials, account.passed
        )
        self.observer.stage("authorize", authorized - started)
        self.observer.stage("score", self.clock.monotonic() - authorized)
        return Case(
            request=request,
            classification=classification,
            redaction=redaction,
            authorization=authorization,
            ranking=ranking,
            moderation=moderated,
        )

    async def _classify(self, request: RoutingRequest, governed: Governed) -> Classification:
        started = self.clock.monotonic()
        classification = await governed.detector.classify(request)
        self.observer.stage("classify", self.clock.monotonic() - started)
        return classification

    async def _moderate(
        self,
        request: RoutingRequest,
        classification: Classification,
        redaction: Redaction | None,
        governed: Governed,
        account: Account,
    ) -> Moderated | None:
        if self.moderation is None:
            raise GovernanceUnavailable("the catalog has moderators, and nothing here asks any")
        started = self.clock.monotonic()
        judged = self.moderation.judged
        moderated = await judged(request, classification, redaction, governed, account)
        self.observer.stage("moderate", self.clock.monotonic() - started)
        return moderated

    async def _redact(
        self, request: RoutingRequest, classification: Classification, governed: Governed
    ) -> Redaction | None:
        application = governed.bundle.catalog.applications.get(
            request.principal.application  # type: ignore[arg-type] # None is simply not found
        )
        may = application is not None and application.redaction
        if not may or request.assertions.redaction == "forbid" or not classification.findings:
            return None
        return await governed.detector.redact(request, classification)

    def _pick(
        self, case: Case, governed: Governed, release: Release | None, account: Account
    ) -> Choice | Hold:
        if not case.ranking.candidates:
            raise refuse_empty(case, governed, self.health, account.unbuildable)
        best = case.ranking.candidates[0]
        if not best.verdict.queues:
            return Choice(candidate=best)
        released = free(case.ranking.candidates, release)
        if release is not None and released:
            return Choice(candidate=released[0], released_by=release.review_id)
        return Hold(candidate=best, queues=best.verdict.queues)

    def _advised(
        self, case: Case, governed: Governed, release: Release | None, account: Account
    ) -> tuple[Choice | Hold | None, TransireError | None]:
        try:
            return self._pick(case, governed, release, account), None
        except TransireError as error:
            error.decision_id = case.request.id
            return None, error

    async def _hold(self, case: Case, hold: Hold, governed: Governed, account: Account) -> NoReturn:
        with account.recording():
            review_id, account.receipt = await self.reviews.hold(case, hold, governed)
        account.is_recorded = True
        raise ReviewRequired(
            f"waits for a person as `{review_id}` in {_listed(hold.queues)}: poll `GET /v1/reviews/"
            f"{review_id}`, then send the same again with `x-transire-review-id: {review_id}`",
            facts={"review_id": review_id, "queues": sorted(hold.queues)},
        )

    async def _refuse(
        self, request: RoutingRequest, account: Account, error: TransireError
    ) -> None:
        """Record why nothing was forwarded, unless attempts or a hold already say so.

        Where the log may yet write the decision itself, a second entry of its id would make one of
        them a lie: the late one is the record, and its permit, if it is one, is closed unused.
        """
        error.decision_id = request.id
        self.observer.decided(account.case, error.code)
        if not account.is_said:
            account.is_recorded = True
            account.receipt = await self.recorder.refusal(account.case, request, error)
        error.routed = account.told(self.clock.monotonic())


def _listed(queues: frozenset[str]) -> str:
    return ", ".join(f"`{queue}`" for queue in sorted(queues))
