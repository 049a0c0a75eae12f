"""`POST /v1/chat/completions`, streaming or not.

A caller who goes away cancels the upstream, and the outcome is recorded all the same.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress
from typing import Final

import orjson
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from transire.api.connections import upon_hang_up
from transire.api.decisions import Decisions
from transire.api.errors import MAX_IGNORED, openai_body, openai_error
from transire.api.intake import Intake
from transire.dispatch import Routed
from transire.domain.permit import Tried
from transire.domain.request import Principal
from transire.errors import ReviewSpentError, TransireError
from transire.forward.encode import DONE, as_chunks, completion_json, event, rules_used
from transire.installation import Installation
from transire.limits.admission import Place
from transire.refusals import refuse_tried
from transire.relay import Relay
from transire.unforeseen import as_refusal

__all__ = [
    "ChatEndpoint",
    "answer_headers",
]

_LAST_EVENT_S: Final = 5.0
"""Seconds past the deadline in which a stream's error event may still leave."""
_ASYNC_PREFERENCE: Final = "respond-async"


class ChatEndpoint:
    """The one route that forwards."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._intake = Intake(installation)
        self._decisions = Decisions(installation)

    async def __call__(self, request: Request) -> Response:
        """Answer one request, or say in OpenAI's shape why not."""
        installation, decision_id = self._installation, self._intake.decision_id()
        try:
            principal = self._intake.principal(request)
        except TransireError as error:
            return openai_error(error)
        place = installation.admission.enter(principal.key_id, priority=principal.priority)
        try:
            place.take()
        except TransireError as error:
            error.decision_id = decision_id
            return openai_error(error)
        try:
            routing = await self._intake.read_or_refuse(
                request, principal, decision_id, scope="chat"
            )
            self._intake.reconsider(routing)
            routed = await _unless_gone(request, installation.router.route(routing))
        except TransireError as error:
            place.leave()
            return await self._refused(request, error, decision_id, principal)
        except BaseException:
            place.leave()
            raise
        if routed is None:  # the caller is gone; nobody reads this
            place.leave()
            return Response(status_code=499)
        if routed.relay is not None:
            return await self._relayed(routed, routed.relay, place)
        place.leave()
        return self._whole(routed)

    async def _relayed(self, routed: Routed, relay: Relay, place: Place) -> Response:
        """The stream; its place and its upstream are given up with it, or here if it never is."""
        try:
            return _RelayResponse(self._installation, routed, place)
        except BaseException:
            place.leave()
            await relay.cancel()
            raise

    def _whole(self, routed: Routed) -> Response:
        request, completion = routed.case.request, routed.completion
        assert completion is not None  # the other half of `Routed`
        self._installation.router.answered(routed)
        after = self._after(routed)
        headers = answer_headers(self._installation, routed)
        answer_id = f"chatcmpl-{request.id}"
        if request.is_stream:
            events = [
                event(
                    chunk,
                    answer_id=answer_id,
                    model=request.asked_model,
                    wants_usage=request.wants_usage,
                    cached=routed.account.cached,
                    names_functions=request.body.names_functions,
                )
                for chunk in as_chunks(completion)
            ]
            body = b"".join([e for e in events if e is not None]) + DONE
            kind = "text/event-stream"
            return Response(body, media_type=kind, headers=headers, background=after)
        document = completion_json(
            completion,
            answer_id=answer_id,
            model=request.asked_model,
            cached=routed.account.cached,
            names_functions=request.body.names_functions,
        )
        body, kind = orjson.dumps(document), "application/json"
        return Response(body, media_type=kind, headers=headers, background=after)

    def _after(self, routed: Routed) -> BackgroundTask | None:
        """What is done once the answer is out; None where no bundle asks for anything."""
        installation = self._installation
        bundle = installation.governed.bundle
        if not bundle.shadows and not bundle.routing.judges:
            return None

        async def offer() -> None:  # a function that is no coroutine would take a thread
            installation.shadows.offer(routed)
            installation.spot_checks.offer(routed)

        return BackgroundTask(offer)

    async def _refused(
        self, request: Request, error: TransireError, decision_id: str, principal: Principal
    ) -> Response:
        error.decision_id = decision_id
        await self._screen_upstream_text(error, principal.tenant)
        if isinstance(error, ReviewSpentError):
            await self._tell_what_was_released(error, principal)
        response = openai_error(error)
        prefers = request.headers.get("prefer", "").lower()
        if error.code == "review_required" and _ASYNC_PREFERENCE in prefers:
            # OpenAI's SDKs read any 2xx as a completion, so 202 only where it was asked for.
            response.status_code = 202
            response.headers["location"] = f"/v1/reviews/{error.facts['review_id']}"
            response.headers["retry-after"] = "30"
        return response

    async def _tell_what_was_released(self, error: ReviewSpentError, principal: Principal) -> None:
        """How the request ended that used the approval: whoever sends again wants to know."""
        with suppress(TransireError):  # the log cannot be read: the id stands there
            spent_by = str(error.facts["spent_by"])
            error.facts["outcome"] = await self._decisions.ended(principal, spent_by)

    async def _screen_upstream_text(self, error: TransireError, tenant: str) -> None:
        """An upstream's words reach its own caller only where nothing was found in them (I6)."""
        text = error.facts.get("upstream")
        if not isinstance(text, str):
            return
        judged = await self._installation.governed.detector.classify_text(text, tenant)
        if judged.found or judged.failed:
            del error.facts["upstream"]


class _RelayResponse(Response):
    """Server-sent events from a relay; ends with `[DONE]`, or with an error event and without."""

    def __init__(self, installation: Installation, routed: Routed, place: Place) -> None:
        super().__init__(
            media_type="text/event-stream",
            headers={
                **answer_headers(installation, routed),
                "cache-control": "no-store",
                "x-accel-buffering": "no",
            },
        )
        del self.headers["content-length"]
        self._installation = installation
        self._routed = routed
        self._place = place
        self._code = "cancelled"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        assert self._routed.relay is not None  # chosen by the endpoint
        sending = asyncio.ensure_future(self._send_all(send))
        watching = asyncio.ensure_future(_gone(receive))
        try:
            # Bounded even where the caller reads nothing and stays: a place would be held for ever.
            left_s = self._routed.account.remaining_s(self._installation.clock.monotonic())
            await asyncio.wait(
                {sending, watching},
                timeout=max(left_s, 0.0) + _LAST_EVENT_S,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            for task in (sending, watching):
                task.cancel()
            await asyncio.gather(sending, watching, return_exceptions=True)
            await self._routed.relay.cancel()  # settles only where nothing else has
            self._installation.router.answered(self._routed, self._code)
            self._place.leave()
            if self._code == "ok":
                self._installation.shadows.offer(self._routed)
                self._installation.spot_checks.offer(self._routed)

    async def _send_all(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async for data in self._events():
            await send({"type": "http.response.body", "body": data, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _events(self) -> AsyncIterator[bytes]:
        request, relay = self._routed.case.request, self._routed.relay
        assert relay is not None  # chosen by the endpoint
        answer_id = f"chatcmpl-{request.id}"
        try:
            async for chunk in relay.chunks():
                data = event(
                    chunk,
                    answer_id=answer_id,
                    model=request.asked_model,
                    wants_usage=request.wants_usage,
                    names_functions=request.body.names_functions,
                )
                if data is not None:
                    yield data
        except Exception as raised:  # noqa: BLE001 - a bug must not look like the stream's end
            error = as_refusal(raised)
            error.decision_id = request.id
            error.facts.pop("upstream", None)
            if "failure" in error.facts:
                broken = Tried.of(self._routed.permit.value.pair.deployment, error)
                error = refuse_tried(error, [*self._routed.account.tried, broken])
            self._code = error.code
            yield b"data: " + orjson.dumps(openai_body(error)) + b"\n\n"
        else:
            self._code = "ok"
            yield DONE


def answer_headers(installation: Installation, routed: Routed) -> dict[str, str]:
    """What every answer says about how it was routed."""
    case, permit, account = routed.case, routed.permit, routed.account
    account.receipt = permit.receipt  # of the attempt that answers, which need not be the newest
    told = account.told(installation.clock.monotonic())
    told["bundle"] = permit.value.bundle_digest[:16]
    headers = {
        "x-transire-decision-id": case.request.id,
        "x-transire-deployment": permit.value.pair.deployment,
        "x-transire-region": ",".join(routed.deployment.regions),
        "x-transire-cache": account.cache,
        **{f"x-transire-{name}": value for name, value in told.items()},
    }
    if case.request.is_stream:
        # Held: judged whole before its first byte. Relayed: what was said cannot be taken back.
        headers["x-transire-stream"] = "held" if routed.relay is None else "relayed"
    if account.ignored:
        headers["x-transire-ignored"] = ", ".join(account.ignored[:MAX_IGNORED])
    if routed.completion is not None and (rules := rules_used(routed.completion)):
        headers["x-transire-repaired"] = ", ".join(rules)
    if routed.escalated_for:
        headers["x-transire-escalated"] = ", ".join(routed.escalated_for)
    if routed.completion is not None and routed.completion.verdicts:
        headers["x-transire-verdicts"] = ", ".join(routed.completion.verdicts)
    return headers


async def _unless_gone(request: Request, work: Awaitable[Routed]) -> Routed | None:
    """Await the path; None where the caller went away first, the path then being cancelled."""
    task = asyncio.current_task()
    assert task is not None  # a request is served by a task
    is_gone = False

    def leave() -> None:
        nonlocal is_gone
        is_gone = True
        task.cancel()

    forget = upon_hang_up(request.scope, leave)
    try:
        return await work
    except asyncio.CancelledError:
        # Ours alone to swallow; a cancellation from outside as well goes on upwards.
        if is_gone and task.uncancel() == 0:
            return None
        raise
    finally:
        forget()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
