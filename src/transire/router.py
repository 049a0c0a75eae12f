"""The whole path on one page: classify, authorize, score, review, record, forward, validate.

Every request, streaming or not, takes these steps in this order (I7). What keeps the order
is the types: `Forwarder.send` takes a `Recorded[Permit]`, which only the record stage makes, for a
candidate, which only the scorer makes, of a permitted verdict, which only policy makes.

INVARIANT (I1): the only call of `Forwarder.send` stands in `_open`, behind `Recorder.permit`.
INVARIANT (I2): the scorer is handed an `Authorization` and draws from its `permitted` alone.
INVARIANT (I3): each later attempt is drawn from the request's set narrowed by the set of now.
INVARIANT (I4): any error on the way is recorded as a refusal and raised; nothing turns that off.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from transire.account import Account
from transire.domain.answer import Completion
from transire.domain.decision import (
    Case,
    Choice,
    Classification,
    Hold,
    Pair,
    Redaction,
)
from transire.domain.deployment import Deployment
from transire.domain.permit import Outcome, OutcomeStatus, Permit, Recorded, Tried
from transire.domain.ports import (
    Attempts,
    Clock,
    Forwarder,
    Governed,
    Health,
    Notes,
    Observer,
    Recorder,
    Release,
    Reviews,
    Validator,
    Wire,
)
from transire.domain.request import RoutingRequest
from transire.domain.taxonomy import Taxonomy
from transire.errors import (
    BudgetExceeded,
    ContractViolated,
    GovernanceUnavailable,
    ReviewRequired,
    StaleError,
    TransireError,
    UpstreamError,
)
from transire.picks import confirm, free, may_note, mend_of, redeclared, restorer_of, seed_of
from transire.refusals import (
    refuse_answer,
    refuse_empty,
    refuse_late,
    refuse_moved,
    refuse_too_long,
    refuse_tried,
)
from transire.relay import Relay

__all__ = ["Advice", "Routed", "Router"]

T = TypeVar("T")
_ATTEMPT_SHARE: Final = 0.75
"""Of the time that is left, what one attempt may take: a deployment that hangs is then known to
hang, and something is left for the next one."""
_STALE_TRIES: Final = 3
"""How often a request is authorized anew when governed state moves before its commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """An answer on its way to the caller; exactly one of `completion` and `relay` is set.

    Attributes:
        deployment: What answers, as the bundle of the permit describes it.
    """

    case: Case
    deployment: Deployment
    permit: Recorded[Permit]
    account: Account
    completion: Completion | None = None
    relay: Relay | None = None


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
        contradicts: Whether a place that an answer names is none of the deployment's regions.
    """

    governed: Callable[[], Governed]
    recorder: Recorder
    reviews: Reviews
    forwarder: Forwarder
    validator: Validator
    attempts: Attempts
    notes: Notes
    health: Health
    observer: Observer
    contradicts: Callable[[str, Deployment, Taxonomy], bool]
    clock: Clock

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
            TransireError: as `route`; the same checks, in the same order, inside the same deadline.
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
        self.observer.decided(routed.case, code)
        self.observer.answered(routed.account.overhead_s(self.clock.monotonic()))

    async def _bounded(self, account: Account, work: Awaitable[T]) -> T:
        """Await a way along the path inside the request's deadline; every error is recorded."""
        request = account.request
        try:
            async with asyncio.timeout(request.deadline_s):
                return await work
        except TimeoutError:
            error = refuse_late(account)
        except TransireError as raised:
            error = raised
        except Exception:  # noqa: BLE001 - a bug on the path is a refusal, never a way through
            error = GovernanceUnavailable("an unexpected error stopped the request")
        except BaseException:  # the caller left
            if not account.is_said:
                self.observer.decided(account.case, "cancelled")
                self.recorder.gave_up(account.case, request)
            raise
        await self._refuse(request, account, error)
        raise error from None

    async def _advise(self, request: RoutingRequest, account: Account) -> Advice:
        request, release = await self._admitted(request)
        governed = self.governed()
        case = account.case = await self._decide(request, governed)
        choice, error = self._advised(case, governed, release)
        with account.recording():
            await self.recorder.advice(case, choice)
        return Advice(case=case, choice=choice, error=error, governed=governed)

    async def _route(self, request: RoutingRequest, account: Account) -> Routed:
        request, release = await self._admitted(request)
        moved: TransireError = StaleError("the governed state kept moving; send the request again")
        for _ in range(_STALE_TRIES):
            governed = self.governed()
            case = account.case = await self._decide(request, governed)
            choice = self._pick(case, governed, release)
            try:
                if isinstance(choice, Hold):
                    await self._hold(case, choice, governed, account)
                else:
                    return await self._answer(case, choice, governed, release, account)
            except (StaleError, BudgetExceeded) as raised:
                # Of a budget, others took what was left: something cheaper may still fit.
                if account.permits:
                    raise
                moved = raised if isinstance(raised, BudgetExceeded) else moved
        raise moved

    async def _admitted(self, request: RoutingRequest) -> tuple[RoutingRequest, Release | None]:
        """The request as it counts, and what the review it names allows it."""
        await self.validator.check_request(request.body)
        if not request.review_id:
            return request, None
        release = await self.reviews.release(request)
        return replace(request, assertions=release.assertions), release

    async def _decide(self, request: RoutingRequest, governed: Governed) -> Case:
        refuse_too_long(request, governed.bundle)
        classification = await self._classify(request, governed)
        redaction = await self._redact(request, classification, governed)
        started = self.clock.monotonic()
        authorization = governed.authorizer.authorize(
            request,
            classification,
            redaction,
            quarantine=governed.quarantine,
            now=self.clock.now(),
        )
        authorized = self.clock.monotonic()
        ranking = governed.scorer.rank(
            request, classification, authorization, exclude=frozenset(), seed=seed_of(request)
        )
        self.observer.stage("authorize", authorized - started)
        self.observer.stage("score", self.clock.monotonic() - authorized)
        return Case(
            request=request,
            classification=classification,
            redaction=redaction,
            authorization=authorization,
            ranking=ranking,
        )

    async def _classify(self, request: RoutingRequest, governed: Governed) -> Classification:
        started = self.clock.monotonic()
        classification = await governed.detector.classify(request)
        self.observer.stage("classify", self.clock.monotonic() - started)
        return classification

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

    def _pick(self, case: Case, governed: Governed, release: Release | None) -> Choice | Hold:
        if not case.ranking.candidates:
            raise refuse_empty(case, governed)
        best = case.ranking.candidates[0]
        if not best.verdict.queues:
            return Choice(candidate=best)
        released = free(case.ranking.candidates, release)
        if release is not None and released:
            return Choice(candidate=released[0], released_by=release.review_id)
        return Hold(candidate=best, queues=best.verdict.queues)

    def _advised(
        self, case: Case, governed: Governed, release: Release | None
    ) -> tuple[Choice | Hold | None, TransireError | None]:
        try:
            return self._pick(case, governed, release), None
        except TransireError as error:
            error.decision_id = case.request.id
            return None, error

    async def _hold(self, case: Case, hold: Hold, governed: Governed, account: Account) -> None:
        with account.recording():
            review_id, _ = await self.reviews.hold(case, hold, governed)
        account.is_recorded = True
        raise ReviewRequired(
            "a human must release this request; resume it with `x-transire-review-id`",
            facts={"review_id": review_id, "queues": sorted(hold.queues)},
        )

    async def _answer(
        self,
        case: Case,
        choice: Choice,
        governed: Governed,
        release: Release | None,
        account: Account,
    ) -> Routed:
        release = release if choice.released_by else None
        history: list[tuple[Pair, UpstreamError | None]] = []
        cause = "first"
        while True:
            account.trying = choice.candidate.pair.deployment
            result = await self._attempt(case, choice, governed, release, account, cause)
            if isinstance(result, Routed):
                return result
            failed = result if isinstance(result, UpstreamError) else None
            history.append((choice.candidate.pair, failed))
            account.tried.append(Tried.of(account.trying, result))
            case = account.case = await self._again(case, governed, result, release)
            following = self.attempts.next_attempt(
                free(case.ranking.candidates, release),
                history,
                budget=governed.bundle.routing.max_attempts,
                remaining_s=account.remaining_s(self.clock.monotonic()),
            )
            if following is None:
                raise refuse_tried(result, account.tried)
            candidate, cause = following
            choice = replace(choice, candidate=candidate)

    async def _again(
        self,
        case: Case,
        governed: Governed,
        failed: UpstreamError | ContractViolated,
        release: Release | None,
    ) -> Case:
        """Authorize once more, as of now, and narrow: never widen (I3)."""
        current = self.governed()
        request, newer, redaction = case.request, case.reclassified, case.redaction
        if isinstance(failed, ContractViolated) and may_note(case, governed, current, release):
            request = await self.notes.noted(request, failed)
            if request is not case.request:
                newer = await self._classify(request, current)
        if current.detector.digest != (newer or case.classification).detector_digest:
            newer = await self._classify(request, current)
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
        narrowed = case.authorization.narrowed_by(now)
        ranking = governed.scorer.rank(
            request,
            case.classification,
            narrowed,
            exclude=redeclared(governed, current),
            seed=seed_of(request),
        )
        return replace(
            case, request=request, authorization=narrowed, ranking=ranking, reclassified=newer
        )

    async def _attempt(
        self,
        case: Case,
        choice: Choice,
        governed: Governed,
        release: Release | None,
        account: Account,
        cause: str,
    ) -> Routed | UpstreamError | ContractViolated:
        opened = await self._open(case, choice, governed, release, account, cause)
        if isinstance(opened, UpstreamError):
            return opened
        recorded, relay = opened
        routed = Routed(
            case=case,
            deployment=governed.bundle.catalog.deployments[choice.candidate.pair.deployment],
            permit=recorded,
            account=account,
        )
        try:
            if _is_relayed(case.request):
                await relay.start()
                return replace(routed, relay=relay)
            completion = await relay.whole()
            violations = await self.validator.violations(case.request, completion)
            if violations:
                raise refuse_answer(violations)
        except UpstreamError as error:
            await relay.fail(error)
            return error
        except ContractViolated as error:
            kind = str(error.facts["failure"])
            await relay.finish(OutcomeStatus.CONTRACT_VIOLATED, failure=kind)
            return error
        except BaseException:
            await relay.cancel()
            raise
        await relay.finish(OutcomeStatus.OK)
        return replace(routed, completion=completion)

    async def _open(
        self,
        case: Case,
        choice: Choice,
        governed: Governed,
        release: Release | None,
        account: Account,
        cause: str,
    ) -> tuple[Recorded[Permit], Relay] | UpstreamError:
        """Record a permit and spend it at once: no record, no route (I1)."""
        confirm(case, choice, release)
        pair = choice.candidate.pair
        body, _ = case.body(pair.form)
        deployment = governed.bundle.catalog.deployments[pair.deployment]
        is_stream = _is_relayed(case.request)
        wire = self.forwarder.prepare(body, deployment, is_stream=is_stream)
        recorded = await self._permitted(case, choice, wire, release, account, cause)
        sent = self.clock.monotonic()
        attempt_s = account.remaining_s(sent) * _ATTEMPT_SHARE
        account.permits += 1
        account.ignored = (*case.request.body.ignored, *wire.ignored)
        self.health.started(pair.deployment)
        try:
            exchange = await self.forwarder.send(
                recorded, wire, is_stream=is_stream, timeout_s=attempt_s
            )
        except (UpstreamError, StaleError) as raised:
            account.upstream_s += self.clock.monotonic() - sent
            error = raised if isinstance(raised, UpstreamError) else refuse_moved()
            self._settle(recorded, Outcome.unopened(error, self._ms_since(sent)), error)
            return error
        except BaseException:
            self._settle(recorded, Outcome.unopened(None, self._ms_since(sent)), None)
            raise
        account.upstream_s += self.clock.monotonic() - sent
        return recorded, Relay(
            exchange=exchange,
            account=account,
            price=deployment.price,
            clock=self.clock,
            settle=lambda outcome, retry: self._settle(recorded, outcome, retry),
            is_stopped=lambda: self.governed().quarantine.blocks(
                deployment, case.request.principal.tenant
            ),
            judge=lambda answer: self.validator.violations(case.request, answer),
            is_elsewhere=lambda place: self.contradicts(
                place, deployment, governed.bundle.taxonomy
            ),
            sent=sent,
            until=sent + attempt_s,
            expected_model=deployment.upstream_model,
            restorer=restorer_of(case, choice),
            mend=mend_of(case, governed.bundle, self.validator),
        )

    async def _permitted(
        self,
        case: Case,
        choice: Choice,
        wire: Wire,
        release: Release | None,
        account: Account,
        cause: str,
    ) -> Recorded[Permit]:
        started = self.clock.monotonic()
        with account.recording():
            recorded = await self.recorder.permit(
                case,
                choice,
                wire,
                attempt=account.permits + 1,
                cause=cause,
                release=release,
                budgets=self.governed().bundle.catalog.budgets,
            )
        self.observer.stage("record", self.clock.monotonic() - started)
        return recorded

    def _settle(
        self,
        recorded: Recorded[Permit],
        outcome: Outcome,
        cause: UpstreamError | float | None,
    ) -> None:
        """Queue the outcome entry, and tell health and metrics; runs once per permit."""
        retry = cause.facts.get("retry_after_s") if isinstance(cause, UpstreamError) else cause
        self.recorder.outcome(recorded, outcome)
        deployment = recorded.value.pair.deployment
        self.health.finished(
            deployment,
            failure=outcome.failure,
            latency_ms=outcome.latency_ms,
            first_byte_ms=outcome.first_byte_ms,
            retry_after_s=retry if isinstance(retry, float) else None,
        )
        self.observer.attempted(deployment, outcome)

    def _ms_since(self, moment: float) -> int:
        return round((self.clock.monotonic() - moment) * 1_000)

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
            await self.recorder.refusal(account.case, request, error)


def _is_relayed(request: RoutingRequest) -> bool:
    """A stream that can only be judged whole is fetched whole; text beside tools is not."""
    held = request.body.is_held or bool(request.assertions.required_tools)
    return request.is_stream and not held
