"""Copies of answered requests: drawn, permitted, sent, judged, and heard by nobody.

A copy is offered once its request's answer has reached the caller, and waits until that answer's
outcome is in the log. Then it is authorized as of now, by the action `shadow`, in the form its own
target may have; its permit is recorded; it is sent, judged, and its end recorded. What comes back
is thrown away. It takes nothing from the request it copies: neither time, nor its account, nor its
session, nor what health knows of a deployment.

INVARIANT (I1, I3): the only call of `Forwarder.send` stands behind `ShadowRecorder.permit`.
INVARIANT: nothing here is awaited by a request; what finds no place is not copied, and counted.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from transire.account import Account
from transire.appraising import appraisal_of
from transire.dispatch import Routed
from transire.domain.deployment import Deployment
from transire.domain.escalation import Appraiser, CascadeRules
from transire.domain.governed import Governed
from transire.domain.ids import DeploymentId
from transire.domain.outward import Exchange, Forwarder, Wire
from transire.domain.permit import Outcome, OutcomeStatus, Permit, Recorded
from transire.domain.ports import Clock, Keyed, Validator
from transire.domain.request import JsonValue
from transire.domain.shadow import Shadow, ShadowObserver, ShadowRecorder, ShadowRules
from transire.domain.taxonomy import Taxonomy
from transire.domain.trial import Trial
from transire.errors import (
    AuthenticationError,
    BudgetExceeded,
    LogUnavailable,
    RequestError,
    StaleError,
    UpstreamError,
)
from transire.prompting import prompted
from transire.refusals import refuse_answer, refuse_moved
from transire.relay import Relay
from transire.trials.copying import authorized, copy_of, may_copy
from transire.unforeseen import as_refusal

__all__ = ["Bounds", "Shadowing"]

_MAX_BYTES: Final = 16 * 1024 * 1024
"""Bodies of all copies that wait or run; a copy that does not fit is not made."""
_LOOKED_FOR: Final = CascadeRules(on=frozenset({"refusal"}))
"""What an answer is judged by beyond its contract: what costs nothing to look for."""


class _NotCopiedError(Exception):
    """Nothing was sent; its argument says why, as metrics name it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What copies may take.

    Attributes:
        in_flight: Copies on their way at once.
        waiting: Copies that may wait for one of these places.
        timeout_s: Seconds a copy may take, and its request's outcome to reach the log.
        grace_s: Seconds that copies on their way are given at a stop.
    """

    in_flight: int
    waiting: int
    timeout_s: float
    grace_s: float = 5.0


@dataclass(slots=True, kw_only=True)
class Shadowing:
    """Makes copies; every collaborator is a port.

    Args:
        governed: Returns the governed state of this moment.
        contradicts: Whether a place that an answer names is none of the deployment's regions.
    """

    governed: Callable[[], Governed]
    recorder: ShadowRecorder
    forwarder: Forwarder
    validator: Validator
    appraiser: Appraiser
    observer: ShadowObserver
    keyed: Keyed
    contradicts: Callable[[str, Deployment, Taxonomy], bool]
    clock: Clock
    bounds: Bounds
    _places: asyncio.Semaphore = field(init=False)
    _copies: dict["asyncio.Task[None]", int] = field(default_factory=dict)
    _is_closing: bool = False

    def __post_init__(self) -> None:
        self._places = asyncio.Semaphore(self.bounds.in_flight)

    def offer(self, routed: Routed) -> None:
        """A request was answered, and its answer is out: copy it, or not. Returns at once.

        Never raises: whoever calls has a connection to look after.
        """
        try:
            self._offer(routed)
        except Exception as raised:  # noqa: BLE001 - the answer is out; only the copy is lost
            as_refusal(raised)

    def _offer(self, routed: Routed) -> None:
        bundle = self.governed().bundle
        if not bundle.shadows or self._is_closing:
            return
        if not may_copy(routed.case, routed.permit.value, bundle):
            return
        found = copy_of(routed.case, bundle, self.keyed)
        if found is None:
            return
        rules, draw = found
        size = routed.case.request.body.size_bytes
        is_full = len(self._copies) >= self.bounds.in_flight + self.bounds.waiting
        if is_full or size + sum(self._copies.values()) > _MAX_BYTES:
            self.observer.shadowed(DeploymentId(draw.variant), "busy", None)
            return
        task = asyncio.ensure_future(self._run(routed, rules, draw))
        self._copies[task] = size
        task.add_done_callback(lambda done: self._copies.pop(done, None))

    async def close(self) -> None:
        """Take no more, let those on their way end, break off the rest; each end is recorded."""
        self._is_closing = True
        if self._copies:
            _, late = await asyncio.wait([*self._copies], timeout=self.bounds.grace_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _run(self, routed: Routed, rules: ShadowRules, draw: Trial) -> None:
        result, cost = "cancelled", None
        try:
            primary = await self._primary(routed)
            # What the caller was answered may be long, and a copy may wait.
            routed = replace(routed, completion=None, relay=None)
            async with self._places:
                result, cost = await self._copied(routed, rules, draw, primary)
        except _NotCopiedError as why:
            result = str(why)
        except Exception as raised:  # noqa: BLE001 - nobody else would hear of a bug
            result = as_refusal(raised).code
        finally:
            self.observer.shadowed(DeploymentId(draw.variant), result, cost)

    async def _copied(
        self, routed: Routed, rules: ShadowRules, draw: Trial, primary: dict[str, JsonValue]
    ) -> tuple[str, int | None]:
        """How a copy ended, and what it cost.

        Raises:
            _NotCopiedError: nothing was sent.
        """
        if self._is_closing:
            raise _NotCopiedError("busy")
        if not await routed.account.is_settled(self.bounds.timeout_s):
            raise _NotCopiedError("log")
        case, governed = routed.case, self.governed()
        if not may_copy(case, routed.permit.value, governed.bundle):
            raise _NotCopiedError("stale")
        shadow = authorized(case, rules, draw, governed, self.clock.now())
        if shadow is None:
            raise _NotCopiedError("denied")
        deployment = governed.bundle.catalog.deployments[shadow.pair.deployment]
        wire = self._prepared(shadow, deployment)
        permit = await self._permitted(shadow, wire, governed)
        return await self._sent(shadow, deployment, permit, wire, primary)

    def _prepared(self, shadow: Shadow, deployment: Deployment) -> Wire:
        """The bytes to send, which the target can take."""
        case = shadow.case
        body, _ = case.body(shadow.pair.form)
        needs = body.needs | case.classification.signals.needs
        body = prompted(body, case.request.prompt)
        if needs <= deployment.capabilities and body.tokens_estimate <= deployment.context_tokens:
            with suppress(RequestError):
                return self.forwarder.prepare(body, deployment, is_stream=False)
        raise _NotCopiedError("unfit")

    async def _permitted(self, shadow: Shadow, wire: Wire, governed: Governed) -> Recorded[Permit]:
        try:
            return await self.recorder.permit(shadow, wire, budgets=governed.bundle.catalog.budgets)
        except BudgetExceeded:
            raise _NotCopiedError("budget") from None
        except StaleError:
            raise _NotCopiedError("stale") from None
        except (LogUnavailable, AuthenticationError):
            raise _NotCopiedError("log") from None

    async def _primary(self, routed: Routed) -> dict[str, JsonValue]:
        """What was thought of the answer that the caller got, where it is at hand."""
        told: dict[str, JsonValue] = {"attempt": routed.permit.value.attempt}
        if routed.completion is None:
            return told
        request, answer = routed.case.request, routed.completion
        appraisal = await appraisal_of(self.appraiser, _LOOKED_FOR, request, answer, within_s=0)
        return told | appraisal.to_json()

    async def _sent(
        self,
        shadow: Shadow,
        deployment: Deployment,
        permit: Recorded[Permit],
        wire: Wire,
        primary: dict[str, JsonValue],
    ) -> tuple[str, int | None]:
        sent, ends = self.clock.monotonic(), list[Outcome]()

        def settle(outcome: Outcome) -> None:
            outcome = replace(outcome, facts={**outcome.facts, "primary": primary})
            self.recorder.ended(permit, outcome)
            ends.append(outcome)

        try:
            exchange = await self.forwarder.send(
                permit, wire, is_stream=False, timeout_s=self.bounds.timeout_s
            )
        except BaseException as left:  # it failed, or the router stops
            error = refuse_moved() if isinstance(left, StaleError) else left
            took_ms = round((self.clock.monotonic() - sent) * 1_000)
            settle(Outcome.unopened(error if isinstance(error, Exception) else None, took_ms))
            if not isinstance(left, UpstreamError | StaleError):
                raise
        else:
            await self._judged(shadow, self._relay(shadow, deployment, exchange, sent, settle))
        return str(ends[0].status), ends[0].cost_micro_usd

    def _relay(
        self,
        shadow: Shadow,
        deployment: Deployment,
        exchange: Exchange,
        sent: float,
        settle: Callable[[Outcome], None],
    ) -> Relay:
        request, taxonomy = shadow.case.request, self.governed().bundle.taxonomy
        # An account of its own: what the caller is told of the request stays as it is.
        timed = replace(request, deadline_s=self.bounds.timeout_s)
        return Relay(
            exchange=exchange,
            account=Account(request=timed, started=sent),
            price=deployment.price,
            clock=self.clock,
            settle=settle,
            measure=_unmeasured,
            is_stopped=lambda: self.governed().quarantine.blocks(
                deployment, request.principal.tenant
            ),
            judge=lambda answer: self.validator.violations(request, answer),
            is_elsewhere=lambda place: self.contradicts(place, deployment, taxonomy),
            sent=sent,
            until=sent + self.bounds.timeout_s,
            expected_model=deployment.upstream_model,
        )

    async def _judged(self, shadow: Shadow, relay: Relay) -> None:
        """Read the answer whole, judge it as the caller's contract would, and drop it."""
        request = shadow.case.request
        try:
            answer = await relay.whole()
            violations = await self.validator.violations(request, answer)
            if violations:
                status = OutcomeStatus.CONTRACT_VIOLATED
                await relay.fail(refuse_answer(violations), status=status)
                return
            appraisal = await appraisal_of(self.appraiser, _LOOKED_FOR, request, answer, within_s=0)
            relay.say(appraisal=appraisal.to_json())
        except UpstreamError as error:
            await relay.fail(error)
            return
        except Exception as error:
            await relay.fail(error)
            raise
        except BaseException:  # the router stops
            await relay.cancel()
            raise
        await relay.finish(OutcomeStatus.OK)


def _unmeasured(outcome: Outcome, retry_after_s: float | None) -> None:
    """Health hears of what requests meet, and a copy is none: it would move where those go."""
    del outcome, retry_after_s
