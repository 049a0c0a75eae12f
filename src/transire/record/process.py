"""The log's writer as a process of its own: `python -m transire.record.process FD`.

The router starts it and talks to it over the socket `FD` (`message`). Only this process holds the
signing key, the database's write connection and the directory's lock; the one that reads what
strangers send holds none of them. It lives as long as its router: when the socket ends, however the
router ended, everything received is written, and the process leaves.

What a crash here leaves behind is what a crash of `LogWriter` leaves: batches are whole or absent.
The router starts another one and asks which of its items were written (`since`).
"""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any, Final, cast

import orjson
import uvloop

from transire.clock import SystemClock
from transire.domain.log import Receipt
from transire.errors import IntegrityError, LogUnavailable, TransireError
from transire.heap import settle_heap
from transire.observe.logging import configure_logging
from transire.record.log import LogWriter
from transire.record.merkle import leaf_hash
from transire.record.message import Frame, Frames, decode_item, message, spell_error
from transire.record.opening import open_log
from transire.record.pending import Job
from transire.record.sql import Reader

__all__ = ["main"]

_HELD_S: Final = 5.0
"""Seconds to wait for the directory: a killed router's writer still writes what it was given."""
_LOOK_S: Final = 0.02
"""Seconds between looks at whether the log takes entries; the router only shows it."""


class _Desk(asyncio.Protocol):
    """Takes items off the socket, and says what became of them, a commit at a time.

    Args:
        over: Set when nothing more will come.
    """

    def __init__(self, over: asyncio.Event) -> None:
        self._frames = Frames()
        self._over = over
        self._hung_up = asyncio.Event()
        self._jobs: dict[int, Job] = {}
        self._done: list[tuple[int, Job]] = []
        self._failed: list[tuple[int, list[Any]]] = []
        self._is_ready = True
        self._transport: asyncio.Transport | None = None
        self._opening: asyncio.Task[None] | None = None
        self._log: LogWriter | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        for received in self._frames.feed(data):
            if received.number:
                self._take(received)
            else:
                self._hear(received.read())

    def eof_received(self) -> bool:
        self._over.set()
        return True  # keep our side open: results are still to be told

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._over.set()
        self._hung_up.set()

    async def finish(self) -> None:
        """Write what was received, tell what became of it, and hang up."""
        if self._opening is not None:
            await self._opening
        if self._log is not None:
            await self._log.close()
            if self._jobs:  # each future resolves, and then its `_ended` has run
                await asyncio.wait([job.future for job in self._jobs.values()])
            self._tell()
        if self._transport is not None:
            self._transport.close()
            await self._hung_up.wait()  # everything told has left

    def look(self) -> None:
        """Tell when the log has begun or ceased to take entries."""
        if self._log is not None and self._log.is_ready != self._is_ready:
            self._tell()

    def _hear(self, told: dict[str, Any]) -> None:
        if "drop" in told:
            job = self._jobs.get(told["drop"])
            if job is not None:
                job.is_dropped = True
        elif self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._open(told))

    async def _open(self, asked: dict[str, Any]) -> None:
        """Open the log and say what it holds, or why that cannot be done."""
        try:
            configure_logging(level=asked["level"])
            log = self._log = _opened(asked)
            found = await log.read(lambda reader: _standing(reader, asked["since"]))
        except TransireError as error:
            self._give_up(error)
        except Exception as error:  # noqa: BLE001 - whatever broke, the router must hear of it
            why = f"the log's writer could not open the log (`{type(error).__name__}`)"
            self._give_up(LogUnavailable(why))
        else:
            self._is_ready = log.is_ready
            who = {"origin": log.origin, "public_key": log.public_key}
            settle_heap()
            self._write(message({**who, "ready": self._is_ready, **found}))

    def _give_up(self, error: TransireError) -> None:
        self._write(message({"error": spell_error(error)}))
        self._over.set()

    def _take(self, received: Frame) -> None:
        """Queue an item; one that cannot be read or is refused at once fails alone."""
        try:
            if self._log is None:
                raise LogUnavailable("the log is not open")
            item, lingers = decode_item(received)
            job = self._log.enqueue(item, linger=lingers)
        except (LogUnavailable, IntegrityError) as error:
            self._failed.append((received.number, spell_error(error)))
            self._soon()
            return
        self._jobs[received.number] = job
        job.future.add_done_callback(lambda _: self._ended(received.number))

    def _ended(self, number: int) -> None:
        self._done.append((number, self._jobs.pop(number)))
        self._soon()

    def _soon(self) -> None:
        """Tell after this round of the loop: a commit's results come in one."""
        if len(self._done) + len(self._failed) == 1:
            asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        done, failed = self._done, self._failed
        self._done, self._failed = [], []
        groups: dict[str, tuple[int, list[tuple[int, str, int, str]]]] = {}
        for number, job in done:
            error = job.future.exception()
            if error is not None:
                told = error if isinstance(error, TransireError) else LogUnavailable("not written")
                failed.append((number, spell_error(told)))
            else:
                it: Receipt = job.future.result()
                rows = groups.setdefault(it.checkpoint, (it.tree_size, []))[1]
                rows.append((number, it.entry_id, it.index, it.leaf_hash.hex()))
        self._is_ready = self._log is not None and self._log.is_ready
        commits = [(note, size, rows) for note, (size, rows) in groups.items()]
        self._write(message({"ready": self._is_ready, "commits": commits, "failed": failed}))

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


def _opened(asked: dict[str, Any]) -> LogWriter:
    return open_log(
        Path(asked["directory"]),
        clock=SystemClock(),
        replica=asked["replica"],
        boot=asked["boot"],
        queue_size=asked["queue_size"],
        linger_s=asked["linger_s"],
        held_s=_HELD_S,
    )


def _standing(reader: Reader, since: int | None) -> dict[str, Any]:
    """State, size and newest checkpoint; with `since`, what was written from there on."""
    newest = reader.checkpoint()
    size, note = newest or (0, "")
    written: list[tuple[str, int, str]] = []
    if since is not None and since < size:
        for index, leaf in reader.leaves(since, size):
            written.append((orjson.loads(leaf)["id"], index, leaf_hash(leaf).hex()))
    return {"state": reader.state(), "size": size, "note": note, "written": written}


async def _serve(descriptor: int) -> None:
    over = asyncio.Event()
    desk = _Desk(over)
    loop = asyncio.get_running_loop()
    await loop.create_connection(lambda: desk, sock=socket.socket(fileno=descriptor))
    while not over.is_set():
        try:
            async with asyncio.timeout(_LOOK_S):
                await over.wait()
        except TimeoutError:
            desk.look()
    await desk.finish()


def main() -> None:
    """Serve the socket that was handed over, until it ends."""
    # A terminal's Ctrl-C reaches the whole group; the router says when it is over.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    descriptor = int(sys.argv[1])
    os.set_inheritable(descriptor, False)  # noqa: FBT003 - the os API
    uvloop.run(_serve(descriptor))


if __name__ == "__main__":
    main()
