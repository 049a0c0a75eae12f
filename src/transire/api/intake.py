"""From an HTTP request to a `RoutingRequest`: credential, bounds, parsing, digests.

What cannot be read is still recorded once the principal is known, with an empty body in its place.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, TypeVar

from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request

from transire.alarms import within
from transire.api.asker import application_of
from transire.aside import off_loop
from transire.classify.digest import content_digest, request_mac
from transire.classify.normalize import Normalized, normalize
from transire.classify.parse import parse_body
from transire.domain.ids import DecisionId, ReviewId, make_ulid
from transire.domain.naming import resolve_model
from transire.domain.ports import Keyed
from transire.domain.request import Assertions, Body, Principal, RoutingRequest
from transire.entropy import BlockEntropy
from transire.errors import (
    AccessError,
    RequestError,
    ThrottledError,
    TooLargeError,
)
from transire.installation import Installation
from transire.limits.turns import NoRoomError, Turns
from transire.unforeseen import as_refusal

__all__ = [
    "Intake",
    "StrictBody",
    "declared_size",
    "known_query",
]

T = TypeVar("T")
_INLINE_BYTES: Final = 128 * 1024
"""Larger bodies are parsed in a thread, so that the loop does not wait."""
_INLINE_QUOTES: Final = 4_096
"""Likewise bodies of more than about so many keys and texts, two of them a part: 10 ms."""
_WAITING: Final = 256
"""Larger bodies that may wait for that thread."""
_SIZE: Final = re.compile(r"\d{1,15}", re.ASCII)
_BODY_S: Final = 30.0
"""Seconds a body may take to arrive; a place in the admission is held meanwhile."""
_PROMPT_S: Final = 0.1
_OWN: Final = b"x-transire-"
_REVIEW_HEADER: Final = "x-transire-review-id"


class StrictBody(BaseModel):
    """A JSON body of the routes for people: unknown members are refused, nothing is echoed."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Intake:
    """Reads requests for the path."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._entropy = BlockEntropy()
        self._turns = Turns(places=1, room=_WAITING)

    def principal(self, request: Request) -> Principal:
        """Who asks; applications only, on the routes that route."""
        return application_of(self._installation, request)

    def blank(self, principal: Principal, decision_id: DecisionId) -> RoutingRequest:
        """A request about which nothing is known yet but who sends it."""
        installation = self._installation
        return RoutingRequest(
            id=decision_id,
            principal=principal,
            asked_model="(unread)",
            body=_EMPTY,
            assertions=Assertions(),
            is_stream=False,
            wants_usage=False,
            mac=b"",
            content_digest=b"",
            deadline_s=installation.governed.bundle.routing.deadline_s,
        )

    def reconsider(self, routing: RoutingRequest) -> None:
        """Shed a request that asks to be shed earlier than its credential would be.

        Raises:
            ThrottledError: there is no place for its priority; counted, not recorded one by one.
        """
        principal, asserted = routing.principal, routing.assertions.priority
        if asserted is not None and asserted < principal.priority:
            self._installation.admission.reconsider(principal.key_id, asserted)

    async def read_or_refuse(
        self, request: Request, principal: Principal, decision_id: DecisionId, *, scope: str
    ) -> RoutingRequest:
        """Read and normalise the body; what cannot be read is recorded as refused.

        Args:
            scope: What the key must be for.

        Raises:
            AccessError: it is for something else.
            RequestError, TooLargeError, UnknownModelError: with what to change.
            ThrottledError: there is no room for it; counted, not recorded one by one.
            GovernanceUnavailable: an error nobody foresaw, or the refusal could not be recorded.
        """
        try:
            return await self._read(request, principal, decision_id, scope)
        except ThrottledError:
            raise  # counted already: nobody fills the log by being turned away
        except Exception as raised:  # noqa: BLE001 - a bug in reading refuses as well (I4)
            refusal = as_refusal(raised)
            await self._installation.router.refuse(self.blank(principal, decision_id), refusal)
            raise refusal from None

    async def _read(
        self, request: Request, principal: Principal, decision_id: DecisionId, scope: str
    ) -> RoutingRequest:
        installation = self._installation
        if scope not in principal.scopes:
            raise AccessError(f"this key is not for `{scope}`; ask an operator for one that is")
        coding = request.headers.get("content-encoding", "identity")
        if coding.strip().lower() != "identity":
            raise RequestError("the body must be sent without `content-encoding`")
        limit = installation.settings.server.max_body_bytes
        raw = await self._raw(request, limit)
        catalog = installation.governed.bundle.catalog
        application = catalog.applications[principal.application]  # type: ignore[index] # applications only
        headers = _own_headers(request)

        def understand() -> tuple[Normalized, bytes, bytes]:
            read = normalize(
                parse_body(raw, max_bytes=limit),
                headers=headers,
                unknown_fields=application.unknown_fields,
                size_bytes=len(raw),
            )
            keyed = installation.keyed
            return (
                read,
                request_mac(keyed, read.asked_model, read.body),
                content_digest(keyed, read.body),
            )

        if len(raw) <= _INLINE_BYTES and raw.count(b'"') <= _INLINE_QUOTES:
            read, mac, content = understand()
        else:
            read, mac, content = await self._in_turn(principal, understand)
        models = resolve_model(catalog, read.asked_model)
        asserted = _with_keyed_session(read.assertions, principal, installation.keyed)
        if _forbids_cache(request):
            asserted = replace(asserted, cache="off")
        return RoutingRequest(
            id=decision_id,
            principal=principal,
            asked_model=read.asked_model,
            body=read.body,
            assertions=asserted if models is None else replace(asserted, models=models),
            is_stream=read.is_stream,
            wants_usage=read.wants_usage,
            mac=mac,
            content_digest=content,
            deadline_s=installation.governed.bundle.routing.deadline_s,
            review_id=_review_id(headers),
        )

    async def _in_turn(self, principal: Principal, work: Callable[[], T]) -> T:
        """Read a large body after whatever others have sent: keys take turns.

        Raises:
            ThrottledError: too many of this key's are waiting already; counted, not recorded.
        """
        try:
            async with self._turns.turn(principal.key_id):
                return await off_loop(work)
        except NoRoomError:
            raise self._installation.admission.crowded_out(principal.key_id) from None

    async def _raw(self, request: Request, limit: int) -> bytes:
        clock = self._installation.clock
        began = clock.monotonic()
        try:
            with within(_BODY_S):
                raw = await _bounded_body(request, limit)
        except TimeoutError:
            raise RequestError(f"the body did not arrive within {_BODY_S:.0f} seconds") from None
        if clock.monotonic() - began > _PROMPT_S:
            self.principal(request)  # a key that was revoked meanwhile opens nothing
        return raw

    def decision_id(self) -> DecisionId:
        """A new decision id."""
        now_ms = int(self._installation.clock.now().timestamp() * 1_000)
        return DecisionId(make_ulid("dec", now_ms=now_ms, entropy=self._entropy(10)))


def _forbids_cache(request: Request) -> bool:
    """Whether the caller wants no kept answer (RFC 9111 §5.2.1); a claim that only narrows."""
    asked = request.headers.getlist("cache-control")
    named = {part.partition("=")[0].strip().lower() for one in asked for part in one.split(",")}
    return bool(named & {"no-store", "no-cache"})


def _with_keyed_session(asserted: Assertions, principal: Principal, keyed: Keyed) -> Assertions:
    """The assertions with a keyed digest in place of the session's id, which ends here (I6).

    Over tenant and application too: the same id of somebody else is another session.
    """
    if asserted.session_id is None:
        return asserted
    named = f"{principal.tenant}\0{principal.application}\0{asserted.session_id}"
    return replace(asserted, session_id=keyed.digest("session", named.encode()).hex())


_EMPTY: Final = Body(
    fields={},
    parts=(),
    capabilities=frozenset(),
    needs=frozenset(),
    ignored=(),
    size_bytes=0,
    tokens_estimate=0,
)


def _own_headers(request: Request) -> dict[str, str]:
    """The `x-transire-*` headers; names are lower case already (ASGI, HTTP scope).

    Raises:
        RequestError: one is given twice; whichever won, the other's narrowing would be lost.
    """
    own: dict[str, str] = {}
    for name, value in request.scope["headers"]:
        if name.startswith(_OWN):
            spelled = name.decode("latin-1")
            if spelled in own:
                raise RequestError(f"`{spelled[:64]}` is given twice", param=spelled[:64])
            own[spelled] = value.decode("latin-1")
    return own


def declared_size(request: Request) -> int | None:
    """Bytes that `content-length` says; 0 where there is none, None where it is no plain number."""
    declared = request.headers.get("content-length", "0")
    return int(declared) if _SIZE.fullmatch(declared) else None


async def _bounded_body(request: Request, limit: int) -> bytes:
    """The body, refused as soon as it is known to be too large."""
    if (declared_size(request) or 0) > limit:
        raise TooLargeError(f"the body may have {limit} bytes")
    pieces, size = [], 0
    while True:
        message = await request.receive()
        if message["type"] != "http.request":
            raise RequestError("the body was cut off")
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > limit:
            raise TooLargeError(f"the body may have {limit} bytes")
        if not message.get("more_body", False):
            return b"".join(pieces)


def _review_id(headers: Mapping[str, str]) -> ReviewId | None:
    given = headers.get(_REVIEW_HEADER)
    if given is None:
        return None
    if not given.startswith("rev_") or len(given) != 30 or not given.isascii():
        raise RequestError(f"`{_REVIEW_HEADER}` is `rev_` and 26 characters", param=_REVIEW_HEADER)
    return ReviewId(given)


async def known_query(request: Request) -> None:
    """A filter that a route does not know would be ignored, and its answer believed.

    Raises:
        RequestError: names it and the ones there are.
    """
    route = request.scope.get("route")
    known = {p.alias for p in route.dependant.query_params} if isinstance(route, APIRoute) else ()
    for name in request.query_params:
        if name not in known:
            there = ", ".join(f"`{k}`" for k in sorted(known)) or "none"
            raise RequestError(f"no such parameter; this route takes {there}", param=name[:64])
