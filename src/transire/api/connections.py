"""How long a connection may wait for its caller, and how many there may be.

uvicorn closes a connection that stays idle after an answer, and knows no other bound: a head, or a
body, that never ends keeps its socket for ever. Here a request has so long to arrive whole, stray
bytes included, and where all places are taken, the connection that has waited longest for its
caller makes room. Whoever is being answered is never cut off for it.

A connection also tells the path when its caller hangs up, without a task that waits for it, and
sends an answer's head and body in one write: the system's part in each costs as much as a stage.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["BoundedConnection", "ConnectionBounds", "bounded", "upon_hang_up"]

_CONNECTION = "transire.connection"
"""Under `extensions` of an ASGI scope: the connection it came over."""
_HEAD = b"HTTP/1.1 "
_TOO_LATE = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_FULL = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionBounds:
    """What one connection may take, and how many there may be at once.

    Attributes:
        head_s: Seconds from a connection's start, or a request's first byte, to its last header.
        body_s: Seconds from there to the body's last byte; the path has a shorter bound of its
            own, so that what it refuses is recorded.
        most: Connections of one listener.
    """

    head_s: float
    body_s: float = 60.0
    most: int


class BoundedConnection(HttpToolsProtocol):
    """uvicorn's connection under `bounds`.

    Attributes:
        since: When it began to wait for its caller, in the loop's time; None while a request that
            has arrived is being answered.
        told: Called once when the caller hangs up; see `upon_hang_up`.
    """

    bounds: ClassVar[ConnectionBounds]
    since: float | None = None
    told: Callable[[], None] | None = None
    _is_lost = False
    _due_s: float | None = None
    _timer: asyncio.TimerHandle | None = None
    _joining: "_Joining"

    def connection_made(self, transport: Any) -> None:
        """Take a place, if need be from the one that has waited longest."""
        is_full = len(self.connections) >= self.bounds.most and not self._made_room()
        super().connection_made(transport)
        self._joining = _Joining(self.loop, self.transport)
        if is_full:
            self.transport.write(_FULL)
            self.transport.close()
            return
        self._wait(self.bounds.head_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock; tell whoever answers."""
        self._wait(None)
        super().connection_lost(exc)
        self._is_lost = True
        told, self.told = self.told, None
        if told is not None:
            told()

    def data_received(self, data: bytes) -> None:
        """Whatever comes between two requests begins the next one.

        The clock is set once all of it is read: most requests arrive whole, and need none.
        """
        self._due_s = self.bounds.head_s if self._timer is None else None
        super().data_received(data)
        if self._due_s is not None and not self._is_lost:
            self._wait(self._due_s)

    def on_headers_complete(self) -> None:
        """The body has its own time."""
        self._due_s = self.bounds.body_s
        self.scope["extensions"] = {_CONNECTION: self}  # type: ignore[dict-item] # our own
        super().on_headers_complete()
        # The task that answers runs later: nothing has been written to it yet.
        self.cycle.transport = self._joining  # type: ignore[assignment] # all that a cycle uses

    def on_message_complete(self) -> None:
        """Now it is we who take time."""
        self._wait(None)
        self.since = self._due_s = None
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Idle, unless the next request has begun; uvicorn closes it after its own while."""
        if self.since is None:
            self.since = self.loop.time()
        super().on_response_complete()

    def _wait(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds is not None:
            self.since = self.loop.time() if self.since is None else self.since
            self._timer = self.loop.call_later(seconds, self._expire)

    def _expire(self) -> None:
        if self.is_answering:  # bytes after a whole request, whose answer is still on its way
            self._wait(self.bounds.head_s)
            return
        self._give_up()

    def forget(self) -> None:
        """Nobody is to be told any more."""
        self.told = None

    @property
    def is_answering(self) -> bool:
        """A request has arrived whole, and its answer is on its way."""
        cycle = self.cycle
        return cycle is not None and not cycle.response_complete and not cycle.more_body

    def _give_up(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(_TOO_LATE)
        self.transport.close()

    def _made_room(self) -> bool:
        waiting = [
            c
            for c in self.connections
            if isinstance(c, BoundedConnection) and c.since is not None and not c.is_answering
        ]
        if not waiting:
            return False
        longest = min(waiting, key=lambda c: c.since or 0.0)
        longest.transport.abort()
        self.connections.discard(longest)
        return True


class _Joining:
    """As much of a transport as an answer needs; its head waits for what comes right behind it."""

    __slots__ = ("_head", "_loop", "_transport")

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport) -> None:
        self._loop = loop
        self._transport = transport
        self._head = b""

    def write(self, data: bytes) -> None:
        """Send; a head at the latest with this round of the loop."""
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(_HEAD):
            self._head = data
            self._loop.call_soon(self._flush)
            return
        self._transport.write(data)

    def close(self) -> None:
        """Close, once everything is sent."""
        self._flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._transport.is_closing()

    def _flush(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)


def upon_hang_up(scope: Scope, told: Callable[[], None]) -> Callable[[], None]:
    """Call `told` once when the caller of this request goes away; at once, where that has been.

    Args:
        scope: Of a request that was read whole, and came over a `BoundedConnection`.

    Returns:
        What ends the watch; call it when the request is answered.
    """
    connection: BoundedConnection = scope["extensions"][_CONNECTION]
    if connection._is_lost:  # noqa: SLF001 - its other half
        told()
        return _nothing
    # A long body may have paused reading, and a paused connection never hears that it is over.
    connection.flow.resume_reading()
    connection.told = told
    return connection.forget


def _nothing() -> None:
    pass


def bounded(bounds: ConnectionBounds) -> type[BoundedConnection]:
    """The class of connections under these bounds, as uvicorn wants it."""
    return type("Bounded", (BoundedConnection,), {"bounds": bounds})
