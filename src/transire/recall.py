"""Giving an answer again, and keeping one to be given again: the exact-match cache of the path.

A hit is an attempt like any other but for its bytes, which go nowhere: its pair was permitted for
this very request, it has its own permit (cause `cache_hit`) and its own outcome, and the answer is
judged again by the caller's contract and by the rules of `receive` before the permit is asked for.
What does not pass is no hit, and the request goes to the deployment.

INVARIANT (I2, I3): nothing is looked up but for the pair that was picked from the permitted set,
and nothing is given without a recorded permit of the bundle and quarantine that are in force.
INVARIANT (I4): whatever fails in keeping or finding an answer is a miss.
"""

import asyncio
import json
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from transire.account import Account
from transire.domain.answer import Completion
from transire.domain.authorization import Facts, Form, Pair
from transire.domain.bundle import Bundle
from transire.domain.cache import AnswerStore, Cached, CacheObserver, Kept, Place
from transire.domain.decision import Case, Choice
from transire.domain.governed import Governed
from transire.domain.ids import PolicyId
from transire.domain.log import Receipt
from transire.domain.outward import Exchange, Forwarder, Wire
from transire.domain.permit import Outcome, OutcomeStatus, Permit, Recorded
from transire.domain.ports import Clock, Inspector, Keyed, Recorder, Release, Validator
from transire.domain.request import JsonValue, RoutingRequest
from transire.errors import (
    GovernanceUnavailable,
    RequestError,
    StaleError,
    TransireError,
    UpstreamError,
)
from transire.overhearing import Watched, text_of
from transire.picks import confirm
from transire.prompting import prompted
from transire.refusals import refuse_moved

__all__ = ["Recall", "Recalled"]

_PURPOSE: Final = "cache"
_WHOLE: Final = "whole"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """An answer that is given again, behind its own permit."""

    permit: Recorded[Permit]
    completion: Completion


@dataclass(frozen=True, slots=True, kw_only=True)
class _Slot:
    place: Place
    ttl_s: int
    policies: tuple[PolicyId, ...]
    wire: Wire


@dataclass(slots=True, kw_only=True)
class Recall:
    """Looks answers up and keeps them; every collaborator is a port.

    Args:
        max_bytes: Longer answers are not kept.
    """

    store: AnswerStore
    keyed: Keyed
    forwarder: Forwarder
    recorder: Recorder
    validator: Validator
    inspector: Inspector
    observer: CacheObserver
    clock: Clock
    max_bytes: int
    _keeping: set["asyncio.Task[None]"] = field(default_factory=set)

    async def answer(
        self,
        case: Case,
        choice: Choice,
        governed: Governed,
        release: Release | None,
        account: Account,
    ) -> Recalled | UpstreamError | None:
        """The kept answer to exactly this request by exactly this pick; None where there is none.

        Raises:
            LogUnavailable, StaleError: as of any permit; nothing was given.
        """
        slot = self._slot(case, choice, governed, release)
        account.slot, account.cache = slot, "off" if slot is None else "miss"
        if slot is None or account.permits:  # a later attempt is kept, and asks the deployment
            return None
        kept = await self.store.recall(slot.place)
        if kept is None or self._age_s(kept) >= slot.ttl_s:
            self.observer.looked_up("miss")
            return None
        try:
            facts = await self._judged(case, choice, governed, kept.answer)
        except GovernanceUnavailable:
            facts = None  # what cannot be judged is not given, and the deployment is asked
        if facts is None:
            self.observer.looked_up("unfit")
            return None
        return await self._given(case, choice, slot, kept, facts, account)

    def built(self, account: Account, pair: Pair) -> Wire | None:
        """The bytes a whole answer is asked for with, where the running attempt's look-up has them.

        They are of this request's own body, its prompt and this deployment: what an attempt of the
        same pair would build that neither streams nor asks for more than the caller did.
        """
        slot = account.slot
        if not isinstance(slot, _Slot) or pair.form is not Form.RAW:
            return None
        return slot.wire if slot.place.deployment == pair.deployment else None

    def watched(self, account: Account, exchange: Exchange) -> Exchange:
        """The exchange, remembered as it is read, where its answer may be kept."""
        if account.slot is None:
            return exchange
        account.watch = Watched(exchange, self.max_bytes)
        return account.watch

    def settled(
        self,
        account: Account,
        permit: Permit,
        outcome: Outcome,
        durable: Awaitable[Receipt] | None,
    ) -> None:
        """Keep the answer of an attempt that ended well, once its outcome is in the log."""
        slot, watch = account.slot, account.watch
        account.slot = account.watch = None
        if not isinstance(slot, _Slot) or not isinstance(watch, Watched) or durable is None:
            return
        answer = watch.whole()
        if answer is None or not _is_plain(outcome):
            return
        kept = Kept(
            answer=answer,
            decision_id=permit.decision_id,
            attempt=permit.attempt,
            answered_at=self.clock.now(),
            cost_micro_usd=outcome.cost_micro_usd,
        )
        task = asyncio.ensure_future(self._keep(slot, kept, durable))
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)

    async def flush(self) -> None:
        """Wait until everything that is to be kept is."""
        if self._keeping:
            await asyncio.gather(*self._keeping, return_exceptions=True)

    async def _keep(self, slot: _Slot, kept: Kept, durable: Awaitable[Receipt]) -> None:
        # A hit names this outcome, so it must be in the log for good: a crash before leaves none.
        with suppress(TransireError):  # no outcome, nothing kept; the log says so itself
            await durable
            await self.store.keep(slot.place, kept, ttl_s=slot.ttl_s)

    def _slot(
        self, case: Case, choice: Choice, governed: Governed, release: Release | None
    ) -> _Slot | None:
        """Where the answer to this request would be kept; None where it may not be."""
        request, verdict = case.request, choice.candidate.verdict
        application = request.principal.application
        if application is None or not governed.authorizer.caches(application):
            return None
        confirm(case, choice, release)
        pair, authorization = choice.candidate.pair, case.authorization
        both = authorization.facts[Form.RAW]
        rules, bundle = governed.bundle.routing.cache, governed.bundle
        ttl_s = rules.ttl_of(application, case.classification.signals.task)
        is_other = (
            pair.form is not Form.RAW
            or release is not None
            or verdict.queues
            or case.reclassified is not None
            or authorization.bundle_digest != bundle.digest
        )
        if is_other or not ttl_s or not _may(request, sampled=rules.sampled):
            return None
        if any(facts.stakes == bundle.taxonomy.stakes[-1] for facts in both):
            return None
        policies = governed.authorizer.cache(
            application, both, pair.deployment, now=authorization.evaluated_at
        )
        if not policies:
            return None
        deployment = bundle.catalog.deployments[pair.deployment]
        body = prompted(request.body, request.prompt)
        try:
            wire = self.forwarder.prepare(body, deployment, is_stream=False)
        except RequestError:  # the attempt says so, and passes on to the next deployment
            return None
        place = Place(
            digest=self.keyed.digest(_PURPOSE, _spelled(case, bundle, both, wire)),
            tenant=request.principal.tenant,
            application=application,
            bundle=bundle.digest,
            deployment=pair.deployment,
        )
        return _Slot(place=place, ttl_s=ttl_s, policies=policies, wire=wire)

    async def _judged(
        self, case: Case, choice: Choice, governed: Governed, answer: Completion
    ) -> dict[str, JsonValue] | None:
        """What `receive` says of an answer that may be given as it is; None where it may not."""
        if await self.validator.violations(case.request, answer):
            return None
        receive = self.inspector.receive_of(case, choice.candidate.pair, governed)
        if receive is None:
            return {}
        received = await receive(answer)
        facts = dict(received.facts)
        return facts if received.answer is not None and _effect(facts) == _WHOLE else None

    async def _given(
        self,
        case: Case,
        choice: Choice,
        slot: _Slot,
        kept: Kept,
        facts: dict[str, JsonValue],
        account: Account,
    ) -> Recalled | UpstreamError:
        began = self.clock.monotonic()
        with account.recording():
            recorded = await self.recorder.permit(
                case,
                choice,
                slot.wire,
                attempt=account.permits + 1,
                cause="cache_hit",
                release=None,
                budgets={},  # nothing is spent
                cached=Cached(
                    decision_id=kept.decision_id,
                    attempt=kept.attempt,
                    ttl_s=slot.ttl_s,
                    policies=slot.policies,
                ),
            )
        account.permits += 1
        account.receipt = recorded.receipt
        account.slot = None
        account.ignored = (*case.request.body.ignored, *slot.wire.ignored)
        try:
            # As right before a first byte leaves: a quarantine may have come since.
            self.recorder.vouch(recorded)
            if recorded.value.expires_at <= self.clock.now():
                raise StaleError("the permit is over")
        except StaleError:
            error = refuse_moved()
            self.recorder.outcome(recorded, Outcome.unopened(error, 0))
            return error
        account.cache, account.cached = "hit", (kept.decision_id, int(self._age_s(kept)))
        account.usage, account.cost_micro_usd = kept.answer.usage, 0
        self.recorder.outcome(
            recorded,
            Outcome(
                status=OutcomeStatus.OK,
                latency_ms=round((self.clock.monotonic() - began) * 1_000),
                cost_micro_usd=0,
                released_bytes=sum(len(text_of(c).encode()) for c in kept.answer.choices),
                finish_reasons=tuple(c.finish_reason or "stop" for c in kept.answer.choices),
                facts={**facts, "saved_micro_usd": kept.cost_micro_usd},
            ),
        )
        self.observer.looked_up("hit")
        self.observer.saved(kept.cost_micro_usd or 0)
        return Recalled(permit=recorded, completion=kept.answer)

    def _age_s(self, kept: Kept) -> float:
        # Of a clock that was set back, nothing is young again: below zero it counts as over.
        age = (self.clock.now() - kept.answered_at).total_seconds()
        return age if age >= 0 else float("inf")


def _may(request: RoutingRequest, *, sampled: bool) -> bool:
    """Whether the request is of a kind whose answers are kept, and its caller has nothing against.

    `user` and its kin are not sent and change nothing; what changes where content goes does.
    """
    body = request.body
    if request.assertions.cache == "off" or body.capabilities or request.noted:
        return False
    temperature = body.fields.get("temperature")
    return sampled or (isinstance(temperature, int | float) and temperature == 0)


def _spelled(case: Case, bundle: Bundle, both: tuple[Facts, Facts], wire: Wire) -> bytes:
    """Everything that makes a question this one; the bytes that would leave come last, whole.

    They leave out fields that this deployment does not take, which the content's digest covers: a
    hit is permitted for the very content whose answer it gives.
    """
    request = case.request
    principal = request.principal
    # An answer counts as good by the cascade that judged it, and by no other.
    task = case.classification.signals.task
    named = [
        principal.tenant,
        principal.application,
        principal.key_id,
        principal.user,
        case.authorization.bundle_digest,
        case.classification.detector_digest,
        wire.deployment.id,
        wire.deployment.upstream_model,
        Form.RAW.value,
        request.content_digest.hex(),
        [replace(facts, acceptances=()).to_json() for facts in both],
        task if task in bundle.routing.cascades else None,
    ]
    return json.dumps(named, sort_keys=True).encode() + b"\n" + wire.body


def _is_plain(outcome: Outcome) -> bool:
    """An answer that needed nothing: whole, clean, as it came, ended by itself, without verdict."""
    return (
        outcome.status is OutcomeStatus.OK
        and not outcome.failure
        and not outcome.repaired
        and not outcome.facts.get("contradicts")
        and _is_good(outcome.facts)
        and _effect(outcome.facts) in ("", _WHOLE)
        and set(outcome.finish_reasons) == {"stop"}
    )


def _is_good(facts: Mapping[str, JsonValue]) -> bool:
    """Nothing was found wrong with it, by what could be asked: a hit is not judged again."""
    appraisal = facts.get("appraisal")
    if not isinstance(appraisal, Mapping):
        return True  # no cascade asks
    return not (appraisal.get("verdicts") or appraisal.get("failed"))


def _effect(facts: object) -> str:
    received = facts.get("received") if isinstance(facts, dict) else None
    return str(received.get("effect")) if isinstance(received, dict) else ""
