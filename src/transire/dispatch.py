"""One attempt: recorded, forwarded, validated, recorded.

INVARIANT (I1): the only call of `Forwarder.send` stands in `_open`, behind `Recorder.permit`. What
it takes, a `Recorded[Permit]`, only the record stage makes, for a candidate, which only the scorer
makes, of a permitted verdict, which only policy makes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from transire.account import Account
from transire.appraising import appraisal_of
from transire.domain.answer import Completion
from transire.domain.authorization import Pair
from transire.domain.decision import Case, Choice
from transire.domain.deployment import Deployment
from transire.domain.escalation import Appraisal, Appraiser, CascadeRules
from transire.domain.experiment import Trials
from transire.domain.failures import retry_after_of
from transire.domain.governed import Governed
from transire.domain.judge import JudgeRules
from transire.domain.outward import Exchange, Forwarder, Health, Wire
from transire.domain.permit import Outcome, OutcomeStatus, Permit, Recorded
from transire.domain.ports import Clock, Inspector, Observer, Recorder, Release, Validator
from transire.domain.request import RoutingRequest
from transire.domain.taxonomy import Taxonomy
from transire.errors import ContractViolated, RequestError, StaleError, UpstreamError
from transire.judging import Answer, Judging
from transire.overhearing import Watched
from transire.picks import as_asked, asking, confirm, mend_of, restorer_of, seed_of
from transire.prompting import prompted
from transire.recall import Recall
from transire.refusals import refuse_answer, refuse_moved
from transire.relay import Relay

__all__ = ["Appraised", "Dispatch", "Passed", "Routed"]

_ATTEMPT_SHARE: Final = 0.75
"""Of the time that is left, what one attempt may take: a deployment that hangs is then known to
hang, and something is left for the next one."""
_APPRAISAL_SHARE: Final = 0.25
"""Of the time that is left, what an evaluator may take: escalating takes longer than judging."""

_HEARING_SHARE: Final = 0.9
"""Of that, what a judge may take: its end is to be known before nobody waits for it any more."""
_OVERHEARD_BYTES: Final = 256 * 1024
"""Of a relayed answer that is judged afterwards; a longer one has no score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """An answer on its way to the caller; exactly one of `completion` and `relay` is set.

    Attributes:
        deployment: What answers, as the bundle of the permit describes it.
        escalated_for: Our verdicts on the answer that this one was asked for in place of.
    """

    case: Case
    deployment: Deployment
    permit: Recorded[Permit]
    account: Account
    completion: Completion | None = None
    relay: Relay | None = None
    escalated_for: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Appraised:
    """An answer that keeps its contract and was judged beyond it; not settled yet."""

    routed: Routed
    relay: Relay
    appraisal: Appraisal


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A pick that was not attempted: nothing was permitted and nothing left.

    Attributes:
        filter: What it fails only now: `wire`, or `health` or `quota` because another was first.
        error: Why what it would be sent cannot be built.
    """

    pair: Pair
    filter: str
    error: RequestError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """What health holds for one attempt."""

    deployment: Deployment
    holder: int
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """Makes attempts; every collaborator is a port.

    Args:
        governed: Returns the governed state of this moment.
        contradicts: Whether a place that an answer names is none of the deployment's regions.
        recall: Gives answers again, and keeps them; None where that is off.
        judging: Puts answers to judges of the bundle.
    """

    governed: Callable[[], Governed]
    recorder: Recorder
    forwarder: Forwarder
    validator: Validator
    inspector: Inspector
    appraiser: Appraiser
    health: Health
    trials: Trials
    observer: Observer
    contradicts: Callable[[str, Deployment, Taxonomy], bool]
    clock: Clock
    recall: Recall | None = None
    judging: Judging | None = None

    async def attempt(
        self,
        case: Case,
        choice: Choice,
        governed: Governed,
        release: Release | None,
        account: Account,
        cause: str,
        cascade: CascadeRules | None = None,
    ) -> Routed | Appraised | Passed | UpstreamError | ContractViolated:
        """One attempt, to its answer or to the failure that the next one may follow.

        Args:
            governed: What the request was decided under.
            cause: Why it is made; see `Permit.cause`.
            cascade: By which its answer is judged, and not settled; None settles it.

        Raises:
            LogUnavailable, StaleError, BudgetExceeded: nothing was permitted, and nothing left.
            IntegrityError: the pick is not permitted, or its permit was used; stop.
            GovernanceUnavailable: an answer could not be judged; the attempt is settled as failed.
        """
        if self.recall is not None:
            again = await self._recalled(self.recall, case, choice, governed, release, account)
            if again is not None:
                return again
        opened = await self._open(case, choice, governed, release, account, cause, cascade)
        if isinstance(opened, UpstreamError | Passed):
            return opened
        recorded, relay = opened
        routed = Routed(
            case=case,
            deployment=governed.bundle.catalog.deployments[choice.candidate.pair.deployment],
            permit=recorded,
            account=account,
            escalated_for=() if choice.escalation is None else choice.escalation.verdicts,
        )
        try:
            if relay.is_stream:
                await relay.start()
                return replace(routed, relay=relay)
            made = await self._judged(cascade, routed, relay)
        except (UpstreamError, ContractViolated) as error:
            is_violated = isinstance(error, ContractViolated)
            status = OutcomeStatus.CONTRACT_VIOLATED if is_violated else OutcomeStatus.FAILED
            await relay.fail(error, status=status)
            return error
        except Exception as error:
            await relay.fail(error)
            raise
        except BaseException:  # the caller left, or the deadline passed
            await relay.abandon()
            raise
        if isinstance(made, Appraised):
            return made
        await relay.finish(OutcomeStatus.OK)
        return replace(routed, completion=made)

    async def _recalled(
        self,
        recall: Recall,
        case: Case,
        choice: Choice,
        governed: Governed,
        release: Release | None,
        account: Account,
    ) -> Routed | UpstreamError | None:
        found = await recall.answer(case, choice, governed, release, account)
        if found is None or isinstance(found, UpstreamError):
            return found
        return Routed(
            case=case,
            deployment=governed.bundle.catalog.deployments[choice.candidate.pair.deployment],
            permit=found.permit,
            account=account,
            completion=found.completion,
        )

    async def _judged(
        self, cascade: CascadeRules | None, routed: Routed, relay: Relay
    ) -> Completion | Appraised:
        """The whole answer, which keeps its contract, and what we think of it beyond that.

        INVARIANT: a quarantine that came while it was judged withholds it: nothing is awaited
        between this and what settles the answer.
        """
        request = routed.case.request
        answer = await relay.whole()
        violations = await self.validator.violations(request, answer)
        if violations:
            raise refuse_answer(violations)
        made = answer if cascade is None else await self._appraised(cascade, routed, relay, answer)
        relay.refuse_if_stopped()
        return made

    async def _appraised(
        self, cascade: CascadeRules, routed: Routed, relay: Relay, answer: Completion
    ) -> Appraised:
        """What we think of an answer; settling it is for whoever decides what becomes of it."""
        request = routed.case.request
        left_s = routed.account.remaining_s(self.clock.monotonic())
        within_s = left_s * _APPRAISAL_SHARE
        hearing = self._hearing(cascade, routed, within_s)
        appraisal = await appraisal_of(
            self.appraiser, cascade, request, answer, within_s=within_s, evaluator=hearing
        )
        if hearing is not None and hearing.result:
            appraisal = replace(appraisal, judge=hearing.rules.id, judgment=hearing.result)
        relay.say(appraisal=appraisal.to_json())
        answer = as_asked(answer, request.body, appraisal)
        routed = replace(routed, completion=answer)
        return Appraised(routed=routed, relay=relay, appraisal=appraisal)

    def _hearing(self, cascade: CascadeRules, routed: Routed, within_s: float) -> "_Hearing | None":
        if cascade.judge is None or self.judging is None:
            return None
        return _Hearing(self.judging, cascade.judge, routed, within_s * _HEARING_SHARE)

    def _overheard(
        self, case: Case, account: Account, exchange: Exchange, *, is_stream: bool
    ) -> Exchange:
        """The exchange, remembered as it is read where that is kept or judged later."""
        if self.recall is not None:
            exchange = self.recall.watched(account, exchange)
        is_judged = self.judging is not None and is_stream and self.judging.drawn(case) is not None
        if is_judged:
            exchange = Watched(exchange, _OVERHEARD_BYTES)
            account.overheard = exchange
        return exchange

    async def _open(
        self,
        case: Case,
        choice: Choice,
        governed: Governed,
        release: Release | None,
        account: Account,
        cause: str,
        cascade: CascadeRules | None,
    ) -> tuple[Recorded[Permit], Relay] | Passed | UpstreamError:
        """Record a permit and spend it at once: no record, no route (I1)."""
        confirm(case, choice, release)
        pair, tenant = choice.candidate.pair, case.request.principal.tenant
        taxonomy = governed.bundle.taxonomy
        deployment = governed.bundle.catalog.deployments[pair.deployment]
        # Kept until the attempt ends, as the rest of its governed state is (I9).
        receive = self.inspector.receive_of(case, pair, self.governed())
        is_stream = _is_relayed(case.request) and receive is None and cascade is None
        prepared = self._prepared(case, choice, governed, account, cascade, is_stream=is_stream)
        if isinstance(prepared, Passed):
            return prepared
        wire, claim = prepared
        recorded = await self._permitted(case, choice, wire, release, account, cause, claim)
        sent = self.clock.monotonic()
        attempt_s = account.remaining_s(sent) * _ATTEMPT_SHARE
        try:
            exchange = await self.forwarder.send(
                recorded, wire, is_stream=is_stream, timeout_s=attempt_s
            )
        except (UpstreamError, StaleError) as raised:
            account.upstream_s += self.clock.monotonic() - sent
            error = raised if isinstance(raised, UpstreamError) else refuse_moved()
            self._unopened(case, choice, recorded, error, sent, claim, account)
            return error
        except BaseException as left:  # an error of ours, the deadline, or the caller left
            ours = left if isinstance(left, Exception) else account.late()
            self._unopened(case, choice, recorded, ours, sent, claim, account)
            raise
        account.upstream_s += self.clock.monotonic() - sent
        return recorded, Relay(
            exchange=self._overheard(case, account, exchange, is_stream=is_stream),
            account=account,
            price=deployment.price,
            clock=self.clock,
            settle=lambda outcome: self._ended(case, choice, recorded, outcome, account),
            measure=lambda outcome, retry: self._measure(recorded, outcome, retry, claim),
            is_stopped=lambda: self.governed().quarantine.blocks(deployment, tenant),
            judge=lambda answer: self.validator.violations(case.request, answer),
            is_elsewhere=lambda place: self.contradicts(place, deployment, taxonomy),
            sent=sent,
            until=sent + attempt_s,
            expected_model=deployment.upstream_model,
            restorer=restorer_of(case, choice),
            mend=mend_of(case, governed.bundle, self.validator, is_stream=is_stream),
            receive=receive,
            is_stream=is_stream,
        )

    def _prepared(
        self,
        case: Case,
        choice: Choice,
        governed: Governed,
        account: Account,
        cascade: CascadeRules | None,
        *,
        is_stream: bool,
    ) -> tuple[Wire, _Claim] | Passed:
        """The bytes to send and the right to ask; nothing is awaited until it is recorded."""
        pair = choice.candidate.pair
        deployment = governed.bundle.catalog.deployments[pair.deployment]
        is_plain = self.recall is not None and cascade is None and not is_stream
        wire = self.recall.built(account, pair) if self.recall and is_plain else None
        try:
            wire = wire or self._built(case, pair, deployment, cascade, is_stream=is_stream)
        except RequestError as unbuildable:
            return Passed(pair=pair, filter="wire", error=unbuildable)
        expected = governed.bundle.routing.expected_output_tokens
        tokens = case.request.body.usual_tokens(expected) if deployment.is_metered else 0
        claim = _Claim(deployment=deployment, holder=seed_of(case.request), tokens=tokens)
        taken = self.health.claim(deployment, claim.holder, tokens)
        return (wire, claim) if taken is None else Passed(pair=pair, filter=taken)

    def _built(
        self,
        case: Case,
        pair: Pair,
        deployment: Deployment,
        cascade: CascadeRules | None,
        *,
        is_stream: bool,
    ) -> Wire:
        body, _ = case.body(pair.form)
        body = prompted(body, case.request.prompt)
        if cascade is not None:
            body = asking(cascade, body, deployment)
        return self.forwarder.prepare(body, deployment, is_stream=is_stream)

    async def _permitted(
        self,
        case: Case,
        choice: Choice,
        wire: Wire,
        release: Release | None,
        account: Account,
        cause: str,
        claim: _Claim,
    ) -> Recorded[Permit]:
        started = self.clock.monotonic()
        try:
            with account.recording():
                recorded = await self.recorder.permit(
                    case,
                    choice,
                    wire,
                    attempt=account.permits + 1,
                    cause=cause,
                    release=release,
                    # As of now: a permit is of the bundle that is active when it is recorded.
                    budgets=self.governed().bundle.catalog.budgets,
                )
        except BaseException:  # also where the caller left: nothing will be sent
            self.health.forgo(claim.deployment, claim.holder, claim.tokens)
            raise
        self.observer.stage("record", self.clock.monotonic() - started)
        account.permits += 1
        account.receipt = recorded.receipt
        account.ignored = (*case.request.body.ignored, *wire.ignored)
        self.health.started(wire.deployment.id)
        return recorded

    def _unopened(
        self,
        case: Case,
        choice: Choice,
        recorded: Recorded[Permit],
        error: Exception | None,
        sent: float,
        claim: _Claim,
        account: Account,
    ) -> None:
        ended = Outcome.unopened(error, round((self.clock.monotonic() - sent) * 1_000))
        account.spend(ended.charged_micro_usd, choice.candidate.terms.worst_cost_micro_usd)
        self._settle(case, recorded, ended)
        self._measure(recorded, ended, None if error is None else retry_after_of(error), claim)

    def _ended(
        self,
        case: Case,
        choice: Choice,
        recorded: Recorded[Permit],
        outcome: Outcome,
        account: Account,
    ) -> None:
        account.spend(outcome.charged_micro_usd, choice.candidate.terms.worst_cost_micro_usd)
        self._settle(case, recorded, outcome, account)

    def _settle(
        self,
        case: Case,
        recorded: Recorded[Permit],
        outcome: Outcome,
        account: Account | None = None,
    ) -> None:
        """Queue the outcome entry; runs once per permit, when it is known what goes out."""
        told = None
        if case.request.trial is not None:
            told = self.trials.counted(case.request, recorded.value, outcome)
        if told is not None:
            outcome = replace(outcome, facts={**outcome.facts, "counted": dict(told)})
        durable = self.recorder.outcome(recorded, outcome)
        if account is not None:
            account.durable = durable
        if self.recall is not None and account is not None:
            self.recall.settled(account, recorded.value, outcome, durable)
        if told is not None:
            self.trials.learn(told)

    def _measure(
        self,
        recorded: Recorded[Permit],
        outcome: Outcome,
        retry_after_s: float | None,
        claim: _Claim,
    ) -> None:
        """Tell health and metrics; runs once per permit, when its answer is there."""
        deployment = recorded.value.pair.deployment
        self.health.finished(
            deployment,
            failure=outcome.failure,
            latency_ms=outcome.latency_ms,
            first_token_ms=outcome.first_token_ms,
            retry_after_s=retry_after_s,
            tokens_in=outcome.tokens_in,
            tokens_out=outcome.tokens_out,
            claimed_tokens=claim.tokens,
        )
        self.observer.attempted(deployment, outcome)


class _Hearing:
    """Implements `domain.escalation.Evaluator`: one answer, put to its cascade's judge.

    Attributes:
        result: What came of it; empty where it was not asked.
    """

    def __init__(self, of: Judging, rules: JudgeRules, routed: Routed, within_s: float) -> None:
        self._of = of
        self._routed = routed
        self._within_s = within_s
        self.rules = rules
        self.result = ""

    async def score(self, request: RoutingRequest, answer: Completion) -> int | None:
        """See `domain.escalation.Evaluator`."""
        del request
        self.result = "late"
        put = Answer(case=self._routed.case, permit=self._routed.permit.value, completion=answer)
        clock, account = self._of.clock, self._routed.account
        asked = clock.monotonic()
        try:
            said = await self._of.heard(put, self.rules, within_s=self._within_s)
        finally:
            # Waiting for a judge is waiting for a deployment, and no work of ours.
            account.upstream_s += clock.monotonic() - asked
        self.result = said.result
        return said.score_permille


def _is_relayed(request: RoutingRequest) -> bool:
    """A stream that can only be judged whole is fetched whole; text beside tools is not."""
    held = request.body.is_held or bool(request.assertions.required_tools)
    return request.is_stream and not held
