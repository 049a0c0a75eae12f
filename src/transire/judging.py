"""Judgments: an answer put to a judge where policy lets it go, and one number heard, or nothing.

An answer is judged before it goes out where its task's cascade names a judge (`dispatch` asks), or
afterwards, where it was drawn (`spotchecks`). The conversation and the answer are a content of
their own: classified, redacted where the judge may have no more, authorized by the action `judge`,
permitted and recorded before a byte leaves.

INVARIANT (I1, I3): the only call of `Forwarder.send` stands behind `JudgeRecorder.permit`.
INVARIANT: `heard` raises nothing for what a judge does or does not do: it then gives no score. A
broken integrity stops, as everywhere.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from transire.account import Account
from transire.alarms import within
from transire.domain.answer import Completion
from transire.domain.authorization import Pair
from transire.domain.classification import Classification, Redaction
from transire.domain.decision import Case
from transire.domain.deployment import Deployment
from transire.domain.governed import Governed
from transire.domain.ids import DeploymentId
from transire.domain.judge import BEST, JudgeRules, score_in
from transire.domain.judgment import JudgedTexts, JudgeObserver, JudgeRecorder, Judgment
from transire.domain.outward import Exchange, Forwarder, Wire
from transire.domain.permit import Outcome, OutcomeStatus, Permit, Recorded
from transire.domain.ports import Clock, Keyed
from transire.domain.request import RoutingRequest
from transire.domain.taxonomy import Taxonomy
from transire.errors import (
    AuthenticationError,
    BudgetExceeded,
    ContractViolated,
    IntegrityError,
    LogUnavailable,
    RequestError,
    StaleError,
    UpstreamError,
)
from transire.evidence import drawn_judge, evidence, is_within_stakes, may_judge
from transire.refusals import refuse_moved
from transire.relay import Relay
from transire.trials.copying import is_open
from transire.unforeseen import as_refusal

__all__ = ["Answer", "Judging", "Said"]

_MARK_BYTES: Final = 8
_MAX_BYTES: Final = 512 * 1024
"""Of what is sent to a judge; longer conversations have no score."""
_MISSES: Final = 3
_REST_S: Final = 15.0
"""A judge that failed so often in a row is not asked for so long: a cascade waits for it."""


class _UnheardError(Exception):
    """There will be no score; its argument says why, as entries and metrics name it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer to be judged.

    Attributes:
        case: Of its request, as the attempt stood on it.
        permit: The attempt's own.
        point_ppm: Where it was drawn, of a share; None where a cascade asks.
    """

    case: Case
    permit: Permit
    completion: Completion = field(repr=False)
    point_ppm: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What came of a judgment.

    Attributes:
        result: `ok`, or why there is no score (`domain.judgment.JudgeObserver`).
        cost_micro_usd: What it cost; None is unknown, or nothing was sent.
    """

    result: str
    score_permille: int | None = None
    cost_micro_usd: int | None = None


@dataclass(slots=True, kw_only=True)
class Judging:
    """Puts answers to judges; every collaborator is a port.

    Args:
        governed: Returns the governed state of this moment.
        contradicts: Whether a place that an answer names is none of the deployment's regions.
        entropy: Returns n random bytes.
        places: How many judgments may be on their way at once.
    """

    governed: Callable[[], Governed]
    keyed: Keyed
    texts: JudgedTexts
    recorder: JudgeRecorder
    forwarder: Forwarder
    observer: JudgeObserver
    contradicts: Callable[[str, Deployment, Taxonomy], bool]
    entropy: Callable[[int], bytes]
    clock: Clock
    places: int
    _free: asyncio.Semaphore = field(init=False)
    _missed: dict[DeploymentId, int] = field(default_factory=dict)
    _rests: dict[DeploymentId, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._free = asyncio.Semaphore(self.places)

    async def heard(self, answer: Answer, rules: JudgeRules, *, within_s: float) -> Said:
        """What a judge says of an answer. A share waits for a place, a cascade does not.

        Args:
            within_s: Seconds that somebody waits for it; the judge's own bound counts as well.

        Raises:
            IntegrityError: stop.
        """
        said = Said(result="cancelled")
        try:
            said = await self._heard(answer, rules, min(within_s, rules.timeout_ms / 1_000))
        except _UnheardError as why:
            said = Said(result=str(why))
        except TimeoutError:
            said = Said(result="late")
        except IntegrityError as raised:
            said = Said(result=raised.code)
            raise
        except Exception as raised:  # noqa: BLE001 - a bug here is no score, and no more
            said = Said(result=as_refusal(raised).code)
        finally:
            self.observer.scored(rules.deployment, said.result, said.cost_micro_usd)
        return said

    def drawn(self, case: Case) -> tuple[JudgeRules, int] | None:
        """By whom an answer to this request is judged afterwards, and where it was drawn."""
        return drawn_judge(case, self.governed().bundle, self.keyed)

    async def _heard(self, answer: Answer, rules: JudgeRules, within_s: float) -> Said:
        bundle = self.governed().bundle
        if not may_judge(answer.case, answer.permit, bundle) or (
            bundle.routing.judges.get(rules.id) != rules
        ):
            raise _UnheardError("stale")
        if not is_within_stakes(answer.case, rules, bundle):
            raise _UnheardError("stakes")
        if self._rests.get(rules.deployment, 0.0) > self.clock.monotonic():
            raise _UnheardError("resting")
        if answer.point_ppm is None and self._free.locked():
            raise _UnheardError("busy")
        async with self._free:
            until = self.clock.monotonic() + within_s
            with within(within_s):
                governed = self.governed()
                judgment = await self._authorized(answer, rules, governed)
                deployment = governed.bundle.catalog.deployments[rules.deployment]
                wire = self._prepared(judgment, deployment)
                permit = await self._permitted(judgment, wire, governed)
            return await self._sent(judgment, deployment, permit, wire, until)

    async def _authorized(self, answer: Answer, rules: JudgeRules, governed: Governed) -> Judgment:
        """The judgment in the form that its judge may have now: raw before redacted."""
        case, bundle = answer.case, governed.bundle
        application = case.request.principal.application
        texts = await self.texts.of(
            case.request, answer.completion, max_output_tokens=rules.max_output_tokens
        )
        if texts is None or application is None:
            raise _UnheardError("unfit")
        classification = await governed.detector.classify(texts)
        redaction = await _redacted(texts, classification, governed)
        authorization = governed.authorizer.judging(
            texts,
            classification,
            redaction,
            beside=case.authorization.facts,
            quarantine=governed.quarantine,
            now=self.clock.now(),
        )
        for form, facts in authorization.facts.items():
            pair = Pair(deployment=rules.deployment, form=form)
            if not is_open(authorization, pair):
                continue
            policies = governed.authorizer.judge(
                application, facts, rules.deployment, now=authorization.evaluated_at
            )
            if policies and authorization.bundle_digest == bundle.digest:
                return Judgment(
                    case=Case(
                        request=texts,
                        classification=classification,
                        redaction=redaction,
                        authorization=authorization,
                        ranking=case.ranking,
                    ),
                    pair=pair,
                    policies=policies,
                    rules=rules,
                    attempt=answer.permit.attempt,
                    point_ppm=answer.point_ppm,
                )
        raise _UnheardError("denied")

    def _prepared(self, judgment: Judgment, deployment: Deployment) -> Wire:
        """The bytes to send, which the judge can take."""
        body, _ = judgment.case.body(judgment.pair.form)
        mark = f"[[{self.entropy(_MARK_BYTES).hex()}]]"
        shown = evidence(body, judgment.rules, deployment, mark)
        if shown is not None:
            with suppress(RequestError):
                wire = self.forwarder.prepare(shown, deployment, is_stream=False)
                if len(wire.body) <= _MAX_BYTES:
                    return wire
        raise _UnheardError("unfit")

    async def _permitted(
        self, judgment: Judgment, wire: Wire, governed: Governed
    ) -> Recorded[Permit]:
        try:
            return await self.recorder.permit(
                judgment, wire, budgets=governed.bundle.catalog.budgets
            )
        except BudgetExceeded:
            raise _UnheardError("budget") from None
        except StaleError:
            raise _UnheardError("stale") from None
        except (LogUnavailable, AuthenticationError):
            raise _UnheardError("log") from None

    async def _sent(
        self,
        judgment: Judgment,
        deployment: Deployment,
        permit: Recorded[Permit],
        wire: Wire,
        until: float,
    ) -> Said:
        sent, ends, scores = self.clock.monotonic(), list[Outcome](), list[int]()

        def settle(outcome: Outcome) -> None:
            score = scores[0] if scores and outcome.status is OutcomeStatus.OK else None
            self.recorder.ended(permit, outcome, score)
            ends.append(outcome)
            self._count(deployment.id, outcome)

        try:
            exchange = await self.forwarder.send(
                permit, wire, is_stream=False, timeout_s=max(until - sent, 0.0)
            )
        except BaseException as left:  # it failed, or nobody waits any more
            error = refuse_moved() if isinstance(left, StaleError) else left
            took_ms = round((self.clock.monotonic() - sent) * 1_000)
            settle(Outcome.unopened(error if isinstance(error, Exception) else None, took_ms))
            if not isinstance(left, UpstreamError | StaleError):
                raise
        else:
            relay = self._relay(judgment, deployment, exchange, sent, until, settle)
            await _read(relay, scores)
        end = ends[0]
        if end.status is OutcomeStatus.OK:
            return Said(result="ok", score_permille=scores[0], cost_micro_usd=end.cost_micro_usd)
        return Said(result=end.failure or str(end.status), cost_micro_usd=end.cost_micro_usd)

    def _relay(
        self,
        judgment: Judgment,
        deployment: Deployment,
        exchange: Exchange,
        sent: float,
        until: float,
        settle: Callable[[Outcome], None],
    ) -> Relay:
        request, taxonomy = judgment.case.request, self.governed().bundle.taxonomy
        return Relay(
            exchange=exchange,
            # An account of its own: what the caller is told of the request stays as it is.
            account=Account(request=replace(request, deadline_s=until - sent + 1.0), started=sent),
            price=deployment.price,
            clock=self.clock,
            settle=settle,
            measure=_unmeasured,
            is_stopped=lambda: self.governed().quarantine.blocks(
                deployment, request.principal.tenant
            ),
            judge=_unjudged,
            is_elsewhere=lambda place: self.contradicts(place, deployment, taxonomy),
            sent=sent,
            until=until,
            expected_model=deployment.upstream_model,
        )

    def _count(self, deployment: DeploymentId, outcome: Outcome) -> None:
        """A judge that does not answer rests for a while; one that answers prose was there."""
        if outcome.status is not OutcomeStatus.FAILED:
            if outcome.status is not OutcomeStatus.CANCELLED:
                self._missed.pop(deployment, None)
            return
        missed = self._missed[deployment] = self._missed.get(deployment, 0) + 1
        if missed >= _MISSES:
            del self._missed[deployment]
            self._rests[deployment] = self.clock.monotonic() + _REST_S


async def _redacted(
    texts: RoutingRequest, classification: Classification, governed: Governed
) -> Redaction | None:
    """The redacted form, where the application has one and the caller lets it be."""
    application = governed.bundle.catalog.applications.get(
        texts.principal.application  # type: ignore[arg-type] # None is simply not found
    )
    may = application is not None and application.redaction
    if not may or texts.assertions.redaction == "forbid" or not classification.findings:
        return None
    return await governed.detector.redact(texts, classification)


async def _read(relay: Relay, scores: list[int]) -> None:
    """Read what the judge says, and settle: a score, or none."""
    try:
        score = _score(await relay.whole())
        if score is None:
            error = ContractViolated("what the judge said is no score", facts=_NO_SCORE)
            await relay.fail(error, status=OutcomeStatus.CONTRACT_VIOLATED)
            return
    except UpstreamError as error:
        await relay.fail(error)
        return
    except Exception as error:
        await relay.fail(error)
        raise
    except BaseException:  # nobody waits any more
        await relay.cancel()
        raise
    scores.append(score)
    await relay.finish(OutcomeStatus.OK)


_NO_SCORE: Final = {"failure": "no_score"}


def _score(said: Completion) -> int | None:
    if len(said.choices) != 1:
        return None
    [choice] = said.choices
    is_plain = not choice.tool_calls and choice.finish_reason in (None, "stop")
    return score_in(choice.content or "", BEST) if is_plain else None


def _unmeasured(outcome: Outcome, retry_after_s: float | None) -> None:
    """Health hears of what requests meet, and a judgment is none: it would move where those go."""
    del outcome, retry_after_s


async def _unjudged(answer: object) -> tuple[()]:
    """What a judge says has no contract but its score."""
    del answer
    return ()
