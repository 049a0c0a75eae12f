"""One writer process from its start to its end, and the socket to it.

Here is how such a process is started, asked to open the log, heard and ended. What is said over the
line is `message`; what items wait, and what becomes of them, is `remote`. A line is used once: for
the next process there is the next line.
"""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, cast

from transire.errors import LogUnavailable
from transire.record.draft import Names
from transire.record.message import Frames, error_of, message

__all__ = ["Greeting", "Line", "WriterOptions"]

_OPENING_S: Final = 60.0
"""Seconds a writer may take to open the log: checks of its ends, and the wait for its lock."""
_LOOK_S: Final = 0.05
"""Seconds between looks at whether a process has ended."""
_KILLED_S: Final = 5.0
"""Seconds a killed process may take to go; only the kernel can keep it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterOptions:
    """How a writer is started, and started again.

    Attributes:
        names: Replica, and boot of the router: a new writer is not a new boot.
        queue_size: Decisions that may wait; more are refused.
        commit_timeout_s: An item not durable by then is refused.
        linger_s: How long an outcome may wait for company.
        level: Of the operational log.
    """

    directory: Path
    names: Names
    queue_size: int
    commit_timeout_s: float
    linger_s: float
    level: str

    def opening(self, since: int | None) -> dict[str, object]:
        """The first message to a writer."""
        return {
            "directory": os.fspath(self.directory.resolve()),
            "replica": self.names.replica,
            "boot": self.names.boot,
            "queue_size": self.queue_size,
            "linger_s": self.linger_s,
            "level": self.level,
            "since": since,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """What a writer says of the log it has opened.

    Attributes:
        state: Every committed key and value.
        size: Entries in the log.
        note: The newest checkpoint, or empty.
        written: Entry id → (index, leaf hash) of what was asked for, from `since` on.
        is_ready: Whether the log takes entries.
    """

    origin: str
    public_key: str
    state: Mapping[str, str]
    size: int
    note: str
    written: Mapping[str, tuple[int, bytes]]
    is_ready: bool

    @classmethod
    def of(cls, told: Any) -> "Greeting":
        """Read a writer's first message.

        Raises:
            TransireError: it says why it could not open the log, in the words of `open_log`.
            LogUnavailable: it speaks otherwise than we do.
        """
        try:
            if "error" in told:
                error = error_of(told["error"])
            else:
                rows = told["written"]
                return cls(
                    origin=told["origin"],
                    public_key=told["public_key"],
                    state=told["state"],
                    size=told["size"],
                    note=told["note"],
                    written={name: (at, bytes.fromhex(hashed)) for name, at, hashed in rows},
                    is_ready=told["ready"],
                )
        except (LookupError, TypeError, ValueError):
            raise LogUnavailable(
                "the log's writer is of another version; restart the router"
            ) from None
        raise error


class Line(asyncio.Protocol):
    """Made by `spawn`; used by one event loop.

    Args:
        ended: Called once, when nothing more will be heard.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", ended: Callable[["Line"], None]) -> None:
        self._process = process
        self._ended = ended
        self._frames = Frames()
        self._transport: asyncio.Transport | None = None
        self._greeting: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._heard: Callable[[Any], None] | None = None
        self._early: list[Any] = []
        self._hung_up = asyncio.Event()

    @classmethod
    async def spawn(cls, ended: Callable[["Line"], None]) -> Self:
        """Start a process.

        Raises:
            LogUnavailable: the system does not let us: descriptors, memory, the program itself.
        """
        try:
            ours, theirs = socket.socketpair()
        except OSError:
            raise LogUnavailable("the log's writer could not be started") from None
        try:
            with theirs:
                process = _popen(theirs.fileno())
            line = cls(process, ended)
            ours.setblocking(False)  # noqa: FBT003 - the socket API
            await asyncio.get_running_loop().create_connection(lambda: line, sock=ours)
        except BaseException as error:
            ours.close()  # and with it goes the process, if there is one
            if isinstance(error, OSError):
                raise LogUnavailable("the log's writer could not be started") from None
            raise
        return line

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    async def open(self, options: WriterOptions, since: int | None) -> Greeting:
        """Let the writer open the log; call once.

        Args:
            since: Size from which on the greeting lists what was written; None for nothing.

        Raises:
            IntegrityError: as `open_log`.
            LogUnavailable: as `open_log`; it ended instead; it took too long.
        """
        self.write(message(options.opening(since)))
        try:
            async with asyncio.timeout(_OPENING_S):
                told = await self._greeting
        except TimeoutError:
            raise LogUnavailable("the log's writer did not open the log in time") from None
        greeting = Greeting.of(told)
        if self._hung_up.is_set():
            raise LogUnavailable("the log's writer ended while it opened the log")
        return greeting

    def listen(self, heard: Callable[[Any], None]) -> None:
        """Hear from now on what the writer tells, what it told since its greeting first."""
        early, self._early, self._heard = self._early, [], heard
        for told in early:
            heard(told)

    def write(self, data: bytes) -> None:
        """Send frames; where the line has ended, they go nowhere."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    async def finish(self, within_s: float) -> bool:
        """Let the writer write what it was given and leave; what it tells meanwhile is heard.

        Returns False where it did not leave in time and was killed.
        """
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write_eof()
        try:
            async with asyncio.timeout(within_s):
                await self._hung_up.wait()
                await self._gone()
        except TimeoutError:
            await self.kill()
            return False
        return True

    async def kill(self) -> None:
        """End the process where it has not ended, and hear what it said last."""
        self._process.kill()
        try:
            async with asyncio.timeout(_KILLED_S):
                await self._gone()
                await self._hung_up.wait()
        except TimeoutError:
            # It keeps the directory's lock as long as it lives: nobody writes beside it.
            if self._transport is not None:
                self._transport.abort()

    async def _gone(self) -> None:
        while self._process.poll() is None:
            await asyncio.sleep(_LOOK_S)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`; what cannot be read ends the line."""
        for received in self._frames.feed(data):
            told = received.read()
            if not self._greeting.done():
                self._greeting.set_result(told)
            elif self._heard is None:
                self._early.append(told)
            else:
                self._heard(told)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        del exc
        self._hung_up.set()
        if not self._greeting.done():
            why = "the log's writer ended while it opened the log"
            self._greeting.set_exception(LogUnavailable(why))
            self._greeting.exception()  # nobody may be waiting any more
        self._ended(self)


def _popen(descriptor: int) -> "subprocess.Popen[bytes]":
    # `-P`: what lies in the working directory is not imported.
    return subprocess.Popen(  # noqa: S603 - our own module; takes some ms
        [sys.executable, "-P", "-m", "transire.record.process", str(descriptor)],
        pass_fds=[descriptor],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
