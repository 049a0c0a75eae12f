"""A log written by a process of its own, seen from the router (ADR 14).

Signing, hashing and the database cost a third of a request's processor time; in a thread they also
take the interpreter lock from the event loop. Here the loop hands an item over as bytes and hears
of it a commit at a time.

INVARIANT (I1): a receipt comes only from the writer, after its commit. Where the writer dies, what
waits is not answered until another one, on the same files, has said which entries were written:
those resolve, lingering ones are sent again, the others are refused. Meanwhile nothing is taken.

A router that is killed leaves a writer that writes what it was given and goes; its directory is
free then, and the next start sweeps permits without outcome as after any crash.
"""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from transire.domain.ids import make_ulid
from transire.domain.log import Item, Receipt
from transire.domain.ports import Clock
from transire.entropy import BlockEntropy
from transire.errors import IntegrityError, LogUnavailable, TransireError
from transire.observe.logging import log as operational_log
from transire.record.draft import Names
from transire.record.front import LogFront, settle
from transire.record.message import Frames, encode_item, error_of, message
from transire.record.mirror import Mirror
from transire.record.pending import Job
from transire.record.sql import Reader
from transire.storage.sqlite import LOG_FILE, open_reader

__all__ = ["RemoteLog", "WriterOptions", "open_remote_log"]

_MAX_LINGERING: Final = 10_000
"""Outcomes that may wait, as in `pending`: decisions are refused long before."""
_MAX_KNOWN_BLOBS: Final = 65_536
"""Digests remembered as stored; beyond it they are forgotten, and sent once more."""
_RESTART_S: Final = (0.0, 0.2, 1.0)
"""Waits before the first, second and every later start of another writer."""
_OPENING_S: Final = 60.0
"""Seconds a writer may take to open the log: checks of its ends, and the wait for its lock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterOptions:
    """How a writer is started, and started again.

    Attributes:
        names: Replica, and boot of the router: a new writer is not a new boot.
        level: Of the operational log.
    """

    directory: Path
    names: Names
    queue_size: int = 4096
    commit_timeout_s: float = 5.0
    linger_s: float = 0.005
    level: str = "info"


@dataclass(slots=True)
class _Sent:
    """An item on its way, with what it takes to know it again and to send it again."""

    job: Job
    entry_id: str
    data: bytes


class _Line(asyncio.Protocol):
    """One writer's socket."""

    def __init__(self, heard: Callable[[Any], None], ended: Callable[["_Line"], None]) -> None:
        self._frames = Frames()
        self._heard = heard
        self._ended = ended
        self.transport: asyncio.Transport | None = None
        self.greeting: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        for content, _ in self._frames.feed(data):
            if self.greeting.done():
                self._heard(content)
            else:
                self.greeting.set_result(content)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if not self.greeting.done():
            self.greeting.set_exception(LogUnavailable("the log's writer ended while opening"))
        self._ended(self)

    def write(self, data: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()


class RemoteLog(LogFront):
    """Implements `domain.log.DecisionLog`; used by one event loop. Made by `open_remote_log`."""

    def __init__(
        self, options: WriterOptions, *, clock: Clock, entropy: Callable[[int], bytes]
    ) -> None:
        super().__init__(Mirror({}), names=options.names, commit_timeout_s=options.commit_timeout_s)
        self._options = options
        self._clock = clock
        self._entropy = BlockEntropy(entropy)
        self._process: subprocess.Popen[bytes] | None = None
        self._line: _Line | None = None
        self._origin = self._public_key = ""
        self._size = 0
        self._waiting: dict[int, _Sent] = {}
        self._lingering = 0
        self._next = 0
        self._out: list[bytes] = []
        self._known_blobs: set[str] = set()
        self._told_ready = self._is_closing = False
        self._restarting: asyncio.Task[None] | None = None

    @property
    def is_ready(self) -> bool:
        """See `LogFront`; false as well while a writer is being started."""
        return self._told_ready and self._line is not None and not self._is_closing

    @property
    def origin(self) -> str:
        """The log's name."""
        return self._origin

    @property
    def public_key(self) -> str:
        """The verifier key string."""
        return self._public_key

    @property
    def depth(self) -> int:
        """Items on their way, for metrics."""
        return len(self._waiting)

    @property
    def writer_pid(self) -> int | None:
        """The writer's process id, for operators and for those who kill it to see what happens."""
        return None if self._process is None else self._process.pid

    def enqueue(self, item: Item, *, linger: bool = False) -> Job:
        """See `LogFront`."""
        self._refuse_where_full(linger=linger)
        loop = asyncio.get_running_loop()
        job = Job(item=item, loop=loop, future=loop.create_future(), due=0.0, is_lingering=linger)
        number = self._next = self._next + 1
        own_id = item.fields.get("id")
        entry_id = str(own_id) if own_id is not None else self._new_id()
        known = self._known_blobs
        try:
            data = encode_item(
                number,
                item,
                linger=linger,
                entry_id=None if own_id is not None else entry_id,
                blobs={d: b for d, b in item.blobs.items() if d not in known},
            )
        except TypeError:
            settle([(job, IntegrityError(f"a `{item.kind}` entry cannot be encoded"))])
            return job
        self._waiting[number] = _Sent(job, entry_id, data)
        self._lingering += linger
        self._send(data)
        return job

    async def open(self) -> None:
        """Start the writer and take over what it says the log holds.

        Raises:
            IntegrityError: as `open_log`.
            LogUnavailable: the process did not start.
        """
        await self._start(since=None)
        self._reader = Reader(open_reader(self._options.directory / LOG_FILE))

    async def close(self) -> None:
        """Let everything become durable, then stop the writer."""
        self._is_closing = True
        if self._restarting is not None:
            self._restarting.cancel()
        process, line = self._process, self._line
        if line is not None and line.transport is not None:
            self._flush()
            line.transport.write_eof()
        elif process is not None:
            process.kill()  # it never opened the log, or is being replaced
        if process is not None:
            await asyncio.get_running_loop().run_in_executor(None, process.wait)
            await asyncio.sleep(0)  # what it said last is read before its socket's end
        while self._line is not None:
            await asyncio.sleep(0.001)
        self._fail_waiting("the log closed before it could write this")
        self._stop_reading()

    def _refuse_where_full(self, *, linger: bool) -> None:
        if self._is_closing:
            raise LogUnavailable("the log is closing")
        if linger:
            if self._lingering >= _MAX_LINGERING:
                raise LogUnavailable("too many outcomes wait to be written")
        elif not self.is_ready:
            raise LogUnavailable("the log's writer does not take entries")
        elif len(self._waiting) - self._lingering >= self._options.queue_size:
            raise LogUnavailable("the log's queue is full")

    def _new_id(self) -> str:
        now_ms = int(self._clock.now().timestamp() * 1_000)
        return make_ulid("ent", now_ms=now_ms, entropy=self._entropy(10))

    def _drop(self, job: Job) -> None:
        super()._drop(job)
        for number, sent in self._waiting.items():
            if sent.job is job:
                self._send(message({"drop": number}))
                return

    def _send(self, data: bytes) -> None:
        """Hand over at the end of this round of the loop, everything of it in one write."""
        if self._line is None:
            return  # the next writer gets what still waits
        if not self._out:
            asyncio.get_running_loop().call_soon(self._flush)
        self._out.append(data)

    def _flush(self) -> None:
        out, self._out = self._out, []
        if self._line is not None and out:
            self._line.write(b"".join(out))

    def _heard(self, told: dict[str, Any]) -> None:
        """What became of some items: their state first, then whoever waits for them."""
        self._told_ready = told["ready"]
        settled: list[tuple[Job, Receipt | TransireError]] = []
        for note, size, rows in told["commits"]:
            self._size = max(self._size, size)
            for number, entry_id, index, leaf_hash in sorted(rows, key=lambda row: row[2]):
                job = self._ended(number)
                if job is not None:
                    self._publish(job.item)
                    settled.append((job, self._receipt(entry_id, index, leaf_hash, note, size)))
        for number, error in told["failed"]:
            job = self._ended(number)
            if job is not None:
                settled.append((job, error_of(error)))
        settle(settled)

    def _ended(self, number: int) -> Job | None:
        sent = self._waiting.pop(number, None)
        if sent is None:
            return None
        self._lingering -= sent.job.is_lingering
        return sent.job

    def _publish(self, item: Item) -> None:
        for change in item.changes:
            self._mirror.put(change.key, change.value)
        if item.blobs:
            if len(self._known_blobs) > _MAX_KNOWN_BLOBS:
                self._known_blobs.clear()
            self._known_blobs.update(item.blobs)

    def _receipt(self, entry_id: str, index: int, leaf_hash: str, note: str, size: int) -> Receipt:
        return Receipt(
            entry_id=entry_id,
            index=index,
            tree_size=size,
            leaf_hash=bytes.fromhex(leaf_hash),
            origin=self._origin,
            checkpoint=note,
        )

    async def _start(self, since: int | None) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)  # noqa: FBT003 - the socket API
        try:
            # `-P`: what lies in the working directory is not imported.
            self._process = subprocess.Popen(  # noqa: ASYNC220, S603 - our own module; some ms
                [sys.executable, "-P", "-m", "transire.record.process", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        except OSError:
            ours.close()
            raise LogUnavailable("the log's writer could not be started") from None
        finally:
            theirs.close()
        line = _Line(self._heard, self._lost)
        await asyncio.get_running_loop().create_connection(lambda: line, sock=ours)
        options = self._options
        line.write(
            message(
                {
                    "directory": os.fspath(options.directory.resolve()),
                    "replica": options.names.replica,
                    "boot": options.names.boot,
                    "queue_size": options.queue_size,
                    "linger_s": options.linger_s,
                    "level": options.level,
                    "since": since,
                }
            )
        )
        try:
            greeting = await self._greeted(line)
        except BaseException:
            line.close()
            raise
        self._take_over(line, greeting)

    async def _greeted(self, line: _Line) -> dict[str, Any]:
        try:
            async with asyncio.timeout(_OPENING_S):
                greeting: dict[str, Any] = await line.greeting
        except TimeoutError:
            raise LogUnavailable("the log's writer did not open the log in time") from None
        if "error" in greeting:
            raise error_of(greeting["error"])
        return greeting

    def _take_over(self, line: _Line, greeting: dict[str, Any]) -> None:
        """Believe what the log holds; resolve, send again or refuse what waited meanwhile."""
        self._origin, self._public_key = greeting["origin"], greeting["public_key"]
        self._mirror.replace(greeting["state"])
        self._size, note = greeting["size"], greeting["note"]
        self._line, self._told_ready = line, True
        written = {entry_id: (index, hashed) for entry_id, index, hashed in greeting["written"]}
        settled: list[tuple[Job, Receipt | TransireError]] = []
        for number, sent in list(self._waiting.items()):
            found = written.get(sent.entry_id)
            if found is not None:
                index, hashed = found
                receipt = self._receipt(sent.entry_id, index, hashed, note, self._size)
                settled.append((sent.job, receipt))
            elif sent.job.is_lingering:
                self._send(sent.data)
                continue
            else:
                settled.append((sent.job, LogUnavailable("the log's writer ended before this")))
            self._ended(number)
        settle(settled)

    def _lost(self, line: _Line) -> None:
        """A writer's socket ended: expected when closing or while it opens, else begin again."""
        if line is not self._line:
            return
        self._line, self._told_ready, self._out = None, False, []
        if self._is_closing:
            return
        operational_log().error("log.writer_ended", count=len(self._waiting))
        self._restarting = asyncio.get_running_loop().create_task(self._restart())

    async def _restart(self) -> None:
        attempt = 0
        while self._line is None and not self._is_closing:
            await asyncio.sleep(_RESTART_S[min(attempt, len(_RESTART_S) - 1)])
            attempt += 1
            await self._reap()
            try:
                await self._start(since=self._size)
            except TransireError as error:
                operational_log().error("log.writer_unstarted", code=error.code)
            else:
                operational_log().info("log.writer_started", attempt=attempt)

    async def _reap(self) -> None:
        """Wait for the writer that ended; one that closed its socket but lives is ended."""
        process = self._process
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.kill()
        await asyncio.get_running_loop().run_in_executor(None, process.wait)

    def _fail_waiting(self, why: str) -> None:
        jobs = [self._ended(number) for number in list(self._waiting)]
        settle([(job, LogUnavailable(why)) for job in jobs if job is not None])


async def open_remote_log(
    options: WriterOptions,
    *,
    clock: Clock,
    entropy: Callable[[int], bytes] = os.urandom,
) -> RemoteLog:
    """Start a writer process for an existing log.

    Raises:
        IntegrityError: see `opening`; the files are not what this directory last held.
        LogUnavailable: the process did not start.
    """
    log = RemoteLog(options, clock=clock, entropy=entropy)
    try:
        await log.open()
    except BaseException:
        await log.close()
        raise
    return log
