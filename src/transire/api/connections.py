"""How long a connection may wait for its caller, and how many there may be.

uvicorn closes a connection that stays idle after an answer, and knows no other bound: a head, or a
body, that never ends keeps its socket for ever. Here a request has so long to arrive whole, stray
bytes included, and where all places are taken, the connection that has waited longest for its
caller makes room. Whoever is being answered is never cut off for it.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["BoundedConnection", "ConnectionBounds", "bounded"]

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
    """

    bounds: ClassVar[ConnectionBounds]
    since: float | None = None
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Take a place, if need be from the one that has waited longest."""
        is_full = len(self.connections) >= self.bounds.most and not self._made_room()
        super().connection_made(transport)
        if is_full:
            self.transport.write(_FULL)
            self.transport.close()
            return
        self._wait(self.bounds.head_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._wait(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Whatever comes between two requests begins the next one."""
        if self._timer is None:
            self._wait(self.bounds.head_s)
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """The body has its own time."""
        self._wait(self.bounds.body_s)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Now it is we who take time."""
        self._wait(None)
        self.since = None
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


def bounded(bounds: ConnectionBounds) -> type[BoundedConnection]:
    """The class of connections under these bounds, as uvicorn wants it."""
    return type("Bounded", (BoundedConnection,), {"bounds": bounds})
