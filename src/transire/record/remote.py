"""A log written by a process of its own, seen from the router (ADR 14).

Signing, hashing and the database cost a third of a request's processor time; in a thread they also
take the interpreter lock from the event loop. Here the loop hands an item over as bytes and hears
of it a commit at a time. The process and its socket are a `Line`.

INVARIANT (I1): a receipt comes only from the writer, after its commit. Where the writer dies, what
waits is not answered until another one, on the same files, has said which entries were written:
those resolve, lingering ones are sent again, the others are refused. Meanwhile nothing is taken,
and no permit is vouched for (`is_current`).

An item that ends every writer it is given to would end them for ever. After three, whatever they
all had is given to the next ones alone, one after the other, and nothing else is taken meanwhile;
the one that a writer ends over then is refused, and its sender writes what stands in for it.

A router that is killed leaves a writer that writes what it was given and goes; its directory is
free then, and the next start sweeps permits without outcome as after any crash.
"""

import asyncio
import itertools
import os
from collections.abc import Awaitable, Callable
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError

from transire.domain.ids import make_ulid
from transire.domain.log import Item, Receipt
from transire.domain.ports import Clock
from transire.entropy import BlockEntropy
from transire.errors import IntegrityError, LogUnavailable, LogUncertain, TransireError
from transire.observe.logging import log as operational_log
from transire.record.front import LogFront, settle
from transire.record.line import Greeting, Line, WriterOptions
from transire.record.message import encode_item, error_of, message
from transire.record.pending import Job
from transire.record.sql import Reader
from transire.record.unanswered import Sent, Unanswered
from transire.storage.sqlite import LOG_FILE, open_reader

__all__ = ["RemoteLog", "open_remote_log"]

_RESTART_S: Final = (0.0, 0.2, 1.0)
"""Waits before the first, second and every later start of another writer."""
_CLOSING_S: Final = 30.0
"""Seconds a writer may take to write what it was given; a disk that slow has refused for long."""

_Spawn = Callable[[Callable[[Line], None]], Awaitable[Line]]
_Settled = tuple[Job, Receipt | TransireError]


class RemoteLog(LogFront):
    """Implements `domain.log.DecisionLog`; used by one event loop. Made by `open_remote_log`.

    INVARIANT: while one item is `_alone` with the writer, no other is given to it.

    Args:
        entropy: Returns n random bytes.
        spawn: Starts a writer; its argument is told when the line to it has ended.
    """

    def __init__(
        self,
        options: WriterOptions,
        *,
        clock: Clock,
        entropy: Callable[[int], bytes],
        spawn: _Spawn = Line.spawn,
    ) -> None:
        super().__init__({}, names=options.names, commit_timeout_s=options.commit_timeout_s)
        self._options = options
        self._clock = clock
        self._entropy = BlockEntropy(entropy)
        self._spawn = spawn
        self._line: Line | None = None
        self._is_heard = False
        self._origin = self._public_key = ""
        self._size = 0
        self._waiting = Unanswered(options.queue_size)
        self._alone: Sent | None = None
        self._out: list[bytes] = []
        self._told_ready = self._is_closing = False
        self._restarting: asyncio.Task[None] | None = None

    @property
    def is_ready(self) -> bool:
        """See `LogFront`; false as well while a writer is being started."""
        is_taking = self._is_heard and self._alone is None and not self._is_closing
        return self._told_ready and is_taking

    @property
    def is_current(self) -> bool:
        """False from a writer's death to the next one's greeting: commits may be unheard."""
        return self._is_heard

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
        return None if self._line is None else self._line.pid

    def enqueue(self, item: Item, *, linger: bool = False) -> Job:
        """See `LogFront`."""
        if self._is_closing:
            raise LogUnavailable("the log is closing")
        if not linger and not self.is_ready:
            raise LogUnavailable("the log's writer does not take entries")
        self._waiting.make_sure_of_room(linger=linger)
        job = self._job(item, linger=linger)
        own_id = item.fields.get("id")
        entry_id = str(own_id) if own_id is not None else self._new_id()
        known = self._known_blobs
        try:
            data = encode_item(
                job.number,
                item,
                linger=linger,
                entry_id=None if own_id is not None else entry_id,
                blobs={d: b for d, b in item.blobs.items() if d not in known},
            )
        except TypeError:
            settle([(job, IntegrityError(f"a `{item.kind}` entry cannot be encoded"))])
            return job
        sent = Sent(job, entry_id, data)
        self._waiting.add(sent)
        if self._alone is None:
            self._give(sent)
        return job

    async def open(self) -> None:
        """Start the writer and take over what it says the log holds.

        Raises:
            IntegrityError: as `open_log`.
            LogUnavailable: as `open_log`, or the process did not start.
        """
        await self._start(since=None)
        try:
            self._reader = Reader(open_reader(self._options.directory / LOG_FILE))
        except SQLAlchemyError:
            raise LogUnavailable("the log cannot be read") from None

    async def close(self) -> None:
        """Let everything become durable, then stop the writer; kill it where it takes too long."""
        self._is_closing = True
        if self._restarting is not None:
            self._restarting.cancel()
            await asyncio.wait([self._restarting])
        if self._line is not None:
            self._flush()
            if not await self._line.finish(_CLOSING_S):
                operational_log().error(
                    "log.writer_killed", seconds=_CLOSING_S, count=len(self._waiting)
                )
        why = "the log closed before it was told what became of this"
        settle([(sent.job, LogUncertain(why)) for sent in self._waiting])
        self._stop_reading()

    def _new_id(self) -> str:
        now_ms = int(self._clock.now().timestamp() * 1_000)
        return make_ulid("ent", now_ms=now_ms, entropy=self._entropy(10))

    def _drop(self, job: Job) -> None:
        super()._drop(job)
        if job.number in self._waiting:
            self._send(message({"drop": job.number}))

    def _give(self, sent: Sent) -> None:
        """To the writer that there is; where there is none, the next one gets what still waits."""
        if self._is_heard:
            sent.writers += 1
            self._send(sent.data)

    def _give_what_waits(self) -> None:
        """To a writer that has nothing yet: everything, or the first suspect alone."""
        suspect = next((sent for sent in self._waiting if sent.is_suspect), None)
        self._alone = suspect
        for sent in self._waiting if suspect is None else (suspect,):
            self._give(sent)

    def _send(self, data: bytes) -> None:
        """Hand over at the end of this round of the loop, everything of it in one write."""
        if not self._is_heard:
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
        settled: list[_Settled] = []
        for note, size, rows in told["commits"]:
            self._size = max(self._size, size)
            for number, entry_id, index, leaf_hash in sorted(rows, key=lambda row: row[2]):
                job = self._waiting.end(number)
                if job is not None:
                    writes = job.item.writes(self._mirror.get)
                    self._publish(((c.key, c.value) for c in writes), job.item.blobs)
                    hashed = bytes.fromhex(leaf_hash)
                    receipt = self._receipt(entry_id, index, hashed, note=note, size=size)
                    settled.append((job, receipt))
        for number, error in told["failed"]:
            job = self._waiting.end(number)
            if job is not None:
                settled.append((job, error_of(error)))
        if self._alone is not None and self._alone.job.number not in self._waiting:
            self._give_what_waits()
        settle(settled)

    async def _start(self, since: int | None) -> None:
        line = await self._spawn(self._lost)
        try:
            greeting = await line.open(self._options, since)
            if greeting.size < self._size:
                raise IntegrityError(
                    f"the log has {greeting.size} entries and has acknowledged {self._size}"
                )
        except BaseException:
            await line.kill()
            raise
        self._take_over(line, greeting)

    def _take_over(self, line: Line, greeting: Greeting) -> None:
        """Believe what the log holds; resolve, send again or refuse what waited meanwhile."""
        self._origin, self._public_key = greeting.origin, greeting.public_key
        self._mirror.replace(greeting.state)
        self._size = greeting.size
        self._line, self._is_heard, self._told_ready = line, True, greeting.is_ready
        settled: list[_Settled] = []
        for sent in self._waiting:
            found = greeting.written.get(sent.entry_id)
            if found is None and sent.job.is_lingering and not sent.is_fatal:
                continue
            self._waiting.end(sent.job.number)
            if found is not None:
                told = self._receipt(sent.entry_id, *found, note=greeting.note, size=self._size)
                settled.append((sent.job, told))
            elif sent.job.is_lingering:
                operational_log().error("log.entry_fatal", kind=sent.job.item.kind)
                settled.append((sent.job, LogUnavailable("this entry ends every writer")))
            else:
                settled.append((sent.job, LogUnavailable("the log's writer ended before this")))
        self._give_what_waits()
        settle(settled)
        line.listen(self._heard)

    def _lost(self, line: Line) -> None:
        """A line has ended: expected when closing or while it opens, else begin again."""
        if line is not self._line:
            return
        self._is_heard, self._told_ready, self._out = False, False, []
        if self._waiting or not self._is_closing:
            operational_log().error("log.writer_ended", count=len(self._waiting))
        if self._is_closing:
            return
        self._restarting = asyncio.get_running_loop().create_task(self._restart(line))

    async def _restart(self, ended: Line) -> None:
        await ended.kill()  # it may have closed its socket and live
        for attempt in itertools.count():
            await asyncio.sleep(_RESTART_S[min(attempt, len(_RESTART_S) - 1)])
            try:
                await self._start(since=self._size)
            except TransireError as error:
                operational_log().error(
                    "log.writer_unstarted", code=error.code, problem=error.message
                )
            else:
                operational_log().info("log.writer_started", attempt=attempt + 1)
                return


async def open_remote_log(
    options: WriterOptions,
    *,
    clock: Clock,
    entropy: Callable[[int], bytes] = os.urandom,
) -> RemoteLog:
    """Start a writer process for an existing log.

    Raises:
        IntegrityError: see `opening`; the files are not what this directory last held.
        LogUnavailable: see `opening`, or the process did not start.
    """
    log = RemoteLog(options, clock=clock, entropy=entropy)
    try:
        await log.open()
    except BaseException:
        await log.close()
        raise
    return log
