"""Fair turns at a few places: whoever asks much waits behind itself, not in front of others.

Of those who wait, whoever was served least lately is next: one turn each in rotation (round robin,
Nagle, RFC 970 §4), and a newcomer before whoever has had one. Where all waiting places are taken,
the newest of whoever holds most of them gives way to somebody who holds fewer (longest queue drop,
Suter et al., INFOCOM 1998). So k parties share the places about evenly, however much one of them
sends, and one alone may use them all. For one event loop.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["NoRoomError", "Turns"]


class NoRoomError(Exception):
    """All waiting places are taken, and this party's share of them is used."""


class Turns:
    """Hands out places.

    Args:
        places: Turns taken at once.
        room: How many may wait.
    """

    def __init__(self, *, places: int, room: int) -> None:
        self._free = places
        self._room = room
        self._waiting = 0
        self._queues: dict[str, deque[asyncio.Future[None]]] = {}
        self._held: Counter[str] = Counter()
        self._served: dict[str, int] = {}  # party that holds or waits → number of its newest turn
        self._turn = 0

    @asynccontextmanager
    async def turn(self, party: str) -> AsyncIterator[None]:
        """Wait for a place and hold it.

        Raises:
            NoRoomError: at once, or while waiting, when somebody with fewer waiting came.
        """
        await self._take(party)
        try:
            yield
        finally:
            self._give(party)

    async def _take(self, party: str) -> None:
        if self._free:
            self._free -= 1
            self._serve(party)
            return
        if self._waiting >= self._room:
            self._make_room(party)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(party, deque()).append(turn)
        self._waiting += 1
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._leave(party, turn)
            elif turn.exception() is None:  # it was handed a place in the same moment
                self._give(party)
            raise

    def _serve(self, party: str) -> None:
        self._turn += 1
        self._held[party] += 1
        self._served[party] = self._turn

    def _give(self, party: str) -> None:
        self._held[party] -= 1
        self._forget(party)
        while self._queues:
            following = min(self._queues, key=lambda name: self._served.get(name, 0))
            turn = self._pop(following, newest=False)
            if not turn.done():
                self._serve(following)
                turn.set_result(None)
                return
            self._forget(following)  # whoever waited there is gone
        self._free += 1

    def _pop(self, party: str, *, newest: bool) -> "asyncio.Future[None]":
        queue = self._queues[party]
        turn = queue.pop() if newest else queue.popleft()
        self._waiting -= 1
        if not queue:
            del self._queues[party]
        return turn

    def _forget(self, party: str) -> None:
        if not self._held[party]:
            del self._held[party]
            if party not in self._queues:
                self._served.pop(party, None)

    def _make_room(self, party: str) -> None:
        most = max(self._queues, key=lambda name: len(self._queues[name]), default=party)
        longest = self._queues.get(most, deque())
        # One more of the newcomer's must not make it the one who holds most.
        if len(longest) <= len(self._queues.get(party, ())) + 1:
            raise NoRoomError
        turn = self._pop(most, newest=True)
        if not turn.done():
            turn.set_exception(NoRoomError())

    def _leave(self, party: str, turn: "asyncio.Future[None]") -> None:
        queue = self._queues.get(party)
        if queue is not None and turn in queue:
            queue.remove(turn)
            self._waiting -= 1
            if not queue:
                del self._queues[party]
                self._forget(party)
