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

from transire.clock import SystemClock
from transire.domain.log import Receipt
from transire.errors import LogUnavailable, TransireError
from transire.observe.logging import configure_logging
from transire.record.log import LogWriter
from transire.record.merkle import leaf_hash
from transire.record.message import Frames, decode_item, message, spell_error
from transire.record.opening import open_log
from transire.record.pending import Job
from transire.record.sql import Reader

__all__ = ["main"]

_HELD_S: Final = 5.0
"""Seconds to wait for the directory: a killed router's writer still writes what it was given."""
_LOOK_S: Final = 0.02
"""Seconds between looks at whether the log takes entries; the router only shows it."""


class _Desk(asyncio.Protocol):
    """Takes items off the socket, and says what became of them, a commit at a time."""

    def __init__(self, socket_closed: asyncio.Event) -> None:
        self._frames = Frames()
        self._closed = socket_closed
        self._jobs: dict[int, Job] = {}
        self._done: list[tuple[int, Job]] = []
        self._failed: list[tuple[int, list[Any]]] = []
        self._is_ready = True
        self._transport: asyncio.Transport | None = None
        self.log: LogWriter | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        for content, side in self._frames.feed(data):
            if self.log is None:
                self._open(content)
            elif "drop" in content:
                self._drop(content["drop"])
            else:
                self._take(self.log, content, side)

    def eof_received(self) -> bool:
        self._closed.set()
        return True  # keep our side open: results are still to be told

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._closed.set()

    async def finish(self) -> None:
        """Write what was received, tell what became of it, and hang up."""
        if self.log is not None:
            await self.log.close()
            await asyncio.sleep(0)  # futures resolve, then tell
            await asyncio.sleep(0)
            self._tell()
        if self._transport is not None:
            self._transport.close()

    def look(self) -> None:
        """Tell when the log has begun or ceased to take entries."""
        if self.log is not None and self.log.is_ready != self._is_ready:
            self._tell()

    def _open(self, asked: dict[str, Any]) -> None:
        configure_logging(level=asked["level"])
        try:
            self.log = open_log(
                Path(asked["directory"]),
                clock=SystemClock(),
                replica=asked["replica"],
                boot=asked["boot"],
                queue_size=asked["queue_size"],
                linger_s=asked["linger_s"],
                held_s=_HELD_S,
            )
        except TransireError as error:
            self._write(message({"error": spell_error(error)}))
            self._closed.set()
            return
        asyncio.get_running_loop().create_task(self._greet(self.log, asked["since"]))

    async def _greet(self, log: LogWriter, since: int | None) -> None:
        """Say what the log holds; nothing was taken yet, so it stands still meanwhile."""
        found = await log.read(lambda reader: _standing(reader, since))
        self._write(message({"origin": log.origin, "public_key": log.public_key, **found}))

    def _take(self, log: LogWriter, content: dict[str, Any], side: bytes) -> None:
        number = content["n"]
        try:
            job = log.enqueue(decode_item(content, side), linger=content["linger"])
        except LogUnavailable as error:
            self._failed.append((number, spell_error(error)))
            self._soon()
            return
        self._jobs[number] = job
        job.future.add_done_callback(lambda _: self._ended(number))

    def _drop(self, number: int) -> None:
        if number in self._jobs:
            self._jobs[number].is_dropped = True

    def _ended(self, number: int) -> None:
        self._done.append((number, self._jobs.pop(number)))
        self._soon()

    def _soon(self) -> None:
        """Tell after this round of the loop: a commit's results come in one."""
        if len(self._done) + len(self._failed) == 1:
            asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        if self.log is None:
            return
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
        self._is_ready = self.log.is_ready
        commits = [(note, size, rows) for note, (size, rows) in groups.items()]
        self._write(message({"ready": self._is_ready, "commits": commits, "failed": failed}))

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


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
    closed = asyncio.Event()
    desk = _Desk(closed)
    loop = asyncio.get_running_loop()
    await loop.create_connection(lambda: desk, sock=socket.socket(fileno=descriptor))
    while not closed.is_set():
        try:
            async with asyncio.timeout(_LOOK_S):
                await closed.wait()
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
    asyncio.run(_serve(descriptor))


if __name__ == "__main__":
    main()
