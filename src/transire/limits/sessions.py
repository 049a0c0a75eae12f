"""The memory of sessions: bounded, expiring, in this process alone.

INVARIANT: a session belongs to one tenant and application. Its key is a keyed digest over both and
the caller's id, and each application has a room of its own: nobody else's sessions are ever looked
at, waited for or pushed out by a caller's.
INVARIANT: while a session lives, its classes only grow.

Lost with the process. That loses a narrowing which the caller asked for and nothing else (I5). One
event loop owns an instance: nothing here awaits, so nothing here locks.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TypeAlias

from transire.domain.authorization import Authorization, Facts, Form
from transire.domain.ids import ApplicationId, DeploymentId, TenantId
from transire.domain.ports import Clock
from transire.domain.request import RoutingRequest
from transire.domain.session import Seen, Session, SessionRules

__all__ = ["SessionMemory"]

_Owner: TypeAlias = tuple[TenantId, ApplicationId | None]


@dataclass(slots=True)
class _Kept:
    session: Session
    used_at: float


class SessionMemory:
    """Implements `domain.ports.Sessions`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rooms: dict[_Owner, OrderedDict[str, _Kept]] = {}

    def recalled(self, request: RoutingRequest, rules: SessionRules) -> RoutingRequest:
        """See `domain.ports.Sessions`."""
        digest = request.assertions.session_id
        if digest is None:
            return request
        kept = self._room(request, rules).get(digest)
        session = Session(digest=digest) if kept is None else kept.session
        return replace(request, session=session)

    def saw(
        self, request: RoutingRequest, authorization: Authorization, rules: SessionRules
    ) -> None:
        """See `domain.ports.Sessions`."""
        digest = request.assertions.session_id
        if digest is None:
            return
        room = self._room(request, rules)
        kept = room.get(digest)
        before = Session(digest=digest) if kept is None else kept.session
        # Without the session's own part: of a turn that could not be redacted, the redacted form
        # would otherwise take over what redaction removed from an earlier one.
        claimed = Seen(found=request.assertions.data_classes)
        raw, _ = authorization.facts[Form.RAW]
        redacted, _ = authorization.facts.get(Form.REDACTED, (raw, raw))
        after = replace(
            before,
            raw=before.raw | _seen_in(raw) | claimed,
            redacted=before.redacted | _seen_in(redacted) | claimed,
        )
        room[digest] = _Kept(after, self._clock.monotonic())
        room.move_to_end(digest)
        while len(room) > rules.per_application:
            room.popitem(last=False)

    def answered(self, request: RoutingRequest, deployment: DeploymentId) -> None:
        """See `domain.ports.Sessions`."""
        kept = self._kept(request)
        if kept is not None:
            kept.session = replace(kept.session, deployment=deployment)

    def failed(self, request: RoutingRequest, deployment: DeploymentId) -> RoutingRequest:
        """See `domain.ports.Sessions`."""
        kept = self._kept(request)
        if kept is not None:
            kept.session = kept.session.without(deployment)
        session = request.session
        if session is None or session.deployment != deployment:
            return request
        return replace(request, session=session.without(deployment))

    def sweep(self, rules: SessionRules) -> None:
        """Forget what has been idle for too long, also of those who do not ask any more."""
        for owner, room in list(self._rooms.items()):
            self._expire(room, rules)
            if not room:
                del self._rooms[owner]

    def _room(self, request: RoutingRequest, rules: SessionRules) -> OrderedDict[str, _Kept]:
        room = self._rooms.setdefault(_owner(request), OrderedDict())
        self._expire(room, rules)
        return room

    def _kept(self, request: RoutingRequest) -> _Kept | None:
        digest, room = request.assertions.session_id, self._rooms.get(_owner(request))
        return None if digest is None or room is None else room.get(digest)

    def _expire(self, room: OrderedDict[str, _Kept], rules: SessionRules) -> None:
        oldest = self._clock.monotonic() - rules.idle_s
        # In the order of use, so whoever is first has been idle longest.
        while room and next(iter(room.values())).used_at <= oldest:
            room.popitem(last=False)


def _owner(request: RoutingRequest) -> _Owner:
    return request.principal.tenant, request.principal.application


def _seen_in(facts: Facts) -> Seen:
    return Seen(
        found=facts.data_classes,
        failed=facts.failed_classes,
        uncovered=facts.uncovered_classes,
        reduced=facts.reduced_classes,
    )
