"""Child processes that judge or repair what could be slow, and are killed when it is.

A thread cannot be stopped, and the schema library holds the interpreter lock, so a deadline on a
thread would stop neither the work nor the stall of every other request. A process can be killed.
Children start on first use, are reused, and are bounded in number; waiting for a free one is
bounded too. A killed or crashed child is replaced by the next job.
"""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from subprocess import DEVNULL
from typing import Any, Final

import orjson

from transire.errors import GovernanceUnavailable
from transire.limits.turns import NoRoomError, Turns
from transire.validate.repair import Edit
from transire.validate.worker import HEADER, ONLY_COMPILE, ONLY_REPAIR, SIZE

__all__ = ["BusyError", "Isolation", "OverTimeError"]

_START: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); from transire.validate.worker import main; main()"
)
_ROOT: Final = str(Path(__file__).resolve().parents[2])
_START_S: Final = 10.0
"""Starting an interpreter with the library takes 0.1 s on an idle machine; never job time."""

_WAIT_FACTOR: Final = 4
"""A job waits for a free child as long as four jobs may run, then gives up."""

_ROOM: Final = 256
"""Jobs that may wait; of more, those of whoever has most give way."""

_MOST_ANSWER_BYTES: Final = 1024 * 1024


class OverTimeError(Exception):
    """The job was killed at its deadline, or never had a child (`BusyError`); nothing is known."""


class BusyError(OverTimeError):
    """No child came free in time: the job itself may be quick."""


class Isolation:
    """Runs jobs in at most `children` processes; belongs to one event loop.

    Parties take turns, so that one whose every job runs into its deadline waits behind itself.

    Args:
        children: Processes at once.
        deadline_s: Seconds one job may run.
    """

    def __init__(self, *, children: int = 2, deadline_s: float = 1.0) -> None:
        self._deadline_s = deadline_s
        self._is_closed = False
        self._turns = Turns(places=children, room=_ROOM)
        self._running: set[asyncio.Future[None]] = set()
        self._idle: list[Process] = []
        self._all: set[Process] = set()

    async def compiles(self, schema: bytes, party: str = "") -> bool:
        """Whether the library accepts the schema.

        Args:
            party: Who asks.

        Raises:
            OverTimeError, GovernanceUnavailable: as `judge`.
        """
        frame = HEADER.pack(len(schema), ONLY_COMPILE) + schema
        return bool((await self._run(frame, party))["state"] == "valid")

    async def judge(self, schema: bytes, text: str, party: str = "") -> Mapping[str, Any]:
        """Put a JSON text to a schema; the answer is as `worker` writes it.

        Raises:
            OverTimeError: it took too long, or the child died of it.
            GovernanceUnavailable: no child could be started.
        """
        data = text.encode("utf-8", "surrogatepass")
        return await self._run(HEADER.pack(len(schema), len(data)) + schema + data, party)

    async def repair(self, text: str, party: str = "") -> Sequence[Edit] | None:
        """As `repair.repair`.

        Raises:
            OverTimeError, GovernanceUnavailable: as `judge`.
        """
        data = text.encode("utf-8", "surrogatepass")
        frame = HEADER.pack(ONLY_REPAIR, len(data)) + data
        edits = (await self._run(frame, party))["edits"]
        return None if edits is None else [Edit(*edit) for edit in edits]

    async def close(self) -> None:
        """End every child; running jobs fail as over time, and later ones as unavailable."""
        self._is_closed = True
        for child in list(self._all):
            if child in self._idle:
                await self._kill(child)
            elif child.returncode is None:
                child.kill()  # whoever runs it hears of its end, and reads its pipes out
        if self._running:
            await asyncio.wait(self._running)

    async def _run(self, frame: bytes, party: str) -> Mapping[str, Any]:
        async with AsyncExitStack() as place:
            try:
                async with asyncio.timeout(self._deadline_s * _WAIT_FACTOR):
                    await place.enter_async_context(self._turns.turn(party))
            except (TimeoutError, NoRoomError):
                raise BusyError from None
            ended = asyncio.get_running_loop().create_future()
            self._running.add(ended)
            try:
                return await self._served(frame)
            finally:
                self._running.discard(ended)
                ended.set_result(None)

    async def _served(self, frame: bytes) -> Mapping[str, Any]:
        if self._is_closed:
            raise GovernanceUnavailable("the schema checker is closed")
        child = await self._take()
        try:
            async with asyncio.timeout(self._deadline_s):
                answer = await _exchange(child, frame)
        except (TimeoutError, OSError, EOFError, ValueError):
            await self._kill(child)
            raise OverTimeError from None
        except BaseException:
            # Cancelled in the middle of a frame: this child cannot be used again.
            await self._kill(child)
            raise
        self._idle.append(child)
        return answer

    async def _take(self) -> Process:
        while self._idle:
            child = self._idle.pop()
            if child.returncode is None:
                return child
            self._all.discard(child)
        return await self._started()

    async def _started(self) -> Process:
        child: Process | None = None
        try:
            async with asyncio.timeout(_START_S):
                child = await asyncio.create_subprocess_exec(
                    sys.executable, "-I", "-c", _START, _ROOT,
                    stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={},
                )  # fmt: skip
                self._all.add(child)
                # The first exchange waits for imports, so that job time is job time.
                await _exchange(child, HEADER.pack(4, ONLY_COMPILE) + b"true")
        except BaseException as error:
            if child is not None:
                await self._kill(child)
            if isinstance(error, TimeoutError | OSError | EOFError | ValueError):
                raise GovernanceUnavailable("the schema checker could not be started") from None
            raise
        return child

    async def _kill(self, child: Process) -> None:
        self._all.discard(child)
        if child in self._idle:
            self._idle.remove(child)
        if child.returncode is None:
            child.kill()
        # The pipes' transports close only once both ends are read out.
        await child.communicate()


async def _exchange(child: Process, frame: bytes) -> Mapping[str, Any]:
    if child.stdin is None or child.stdout is None:
        raise EOFError
    child.stdin.write(frame)
    await child.stdin.drain()
    (size,) = SIZE.unpack(await child.stdout.readexactly(SIZE.size))
    if size > _MOST_ANSWER_BYTES:
        raise ValueError
    answer: Mapping[str, Any] = orjson.loads(await child.stdout.readexactly(size))
    return answer
