"""What every user of a log has in front of them, wherever its entries are written.

A front queues items and tells what became of them, answers for state from a mirror of what is
committed, and reads stored entries over a connection of its own. Who writes is a subclass:
`LogWriter` in a thread of this process, `RemoteLog` in a process of its own.
"""

import asyncio
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from transire.alarms import ring_in
from transire.domain.log import Item, Receipt
from transire.errors import LogUnavailable, LogUncertain, TransireError
from transire.record.draft import Names
from transire.record.mirror import Mirror
from transire.record.pending import Job
from transire.record.sql import Reader

__all__ = ["LogFront", "settle"]

T = TypeVar("T")

_MAX_KNOWN_BLOBS: Final = 65_536
"""Digests remembered as stored; beyond it they are forgotten: asked for or sent once more."""


class LogFront(ABC):
    """The half of `domain.log.DecisionLog` that does not depend on who writes.

    Args:
        values: The committed state as far as it is known.
        commit_timeout_s: An item not durable by then is refused.
    """

    def __init__(self, values: Mapping[str, str], *, names: Names, commit_timeout_s: float) -> None:
        self._reader: Reader | None = None
        self._mirror = Mirror(values)
        self._known_blobs: set[str] = set()
        self._numbers = itertools.count(1)
        self._names = names
        self._commit_timeout_s = commit_timeout_s
        self._reads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="log-reader")

    @property
    @abstractmethod
    def is_ready(self) -> bool:
        """False while the database does not take writes or outcomes wait for it."""

    @property
    @abstractmethod
    def is_current(self) -> bool:
        """Whether `peek` tells the newest committed state.

        Where it does not, a quarantine or an activation may have been committed unheard: nothing
        may leave on the word of the mirror (`LogRecorder.vouch`).
        """

    @property
    @abstractmethod
    def origin(self) -> str:
        """The log's name."""

    @property
    @abstractmethod
    def public_key(self) -> str:
        """The verifier key string."""

    @property
    @abstractmethod
    def depth(self) -> int:
        """Items waiting, for metrics."""

    @abstractmethod
    def enqueue(self, item: Item, *, linger: bool = False) -> Job:
        """Queue without waiting; the job's future resolves when the entry is durable.

        Raises:
            LogUnavailable: closing, full, or outcomes wait that could not be written.
        """

    @abstractmethod
    async def close(self) -> None:
        """Flush what waits, then stop. Items appended from now on are refused."""

    @property
    def names(self) -> Names:
        """Replica and boot of this process."""
        return self._names

    async def append(
        self,
        item: Item,
        *,
        linger: bool = False,
        abandoned: Callable[[Receipt | TransireError], None] | None = None,
    ) -> Receipt:
        """Append one item; see `domain.log.DecisionLog`.

        A cancelled caller takes only its own wait along; the queued item is written all the same.

        Args:
            abandoned: Called with what became of an entry whose caller has gone or was refused
                meanwhile. Durable, it must be closed if it is a permit; not written, and certain to
                stay so, it leaves its request without an entry.

        Raises:
            LogUncertain: not in time; the writer may have it in hand already.
        """
        job = self.enqueue(item, linger=linger)
        if linger:
            return await job.future
        job.abandoned = abandoned
        # The future itself and an alarm: a timeout around a shielded wait costs ten times as much.
        expiry = ring_in(self._commit_timeout_s, lambda: self._expire(job))
        try:
            return await job.future
        except asyncio.CancelledError:
            _tell_if_known(job)
            raise
        finally:
            expiry.cancel()

    def _expire(self, job: Job) -> None:
        if not job.future.done():
            self._drop(job)
            job.future.set_exception(LogUncertain("the log did not commit in time"))

    async def get(self, key: str) -> str | None:
        """The committed value, from the in-process mirror (one process writes)."""
        return self._mirror.get(key)

    def peek(self, key: str) -> str | None:
        """`get` without a coroutine, for the hot path."""
        return self._mirror.get(key)

    async def scan(self, prefix: str) -> list[tuple[str, str]]:
        """Committed keys with this prefix, sorted."""
        return self._mirror.scan(prefix)

    async def newest(self, prefix: str, *, before: str | None, limit: int) -> list[tuple[str, str]]:
        """See `domain.log.DecisionLog`."""
        return await self.read(lambda reader: reader.newest(prefix, before=before, limit=limit))

    async def blob(self, digest: str) -> bytes | None:
        """Side data by its digest."""
        return await self.read(lambda reader: reader.blob(digest))

    async def read(self, query: Callable[[Reader], T]) -> T:
        """Run a query on the reader's thread.

        Raises:
            LogUnavailable: the database cannot be read.
        """
        reader = self._reader
        if reader is None:
            raise LogUnavailable("the log is not open")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._reads, query, reader)
        except SQLAlchemyError:
            raise LogUnavailable("the log cannot be read") from None

    def _job(self, item: Item, *, linger: bool, due: float = 0.0) -> Job:
        """A job of the running loop, with a number that no other job of this front has."""
        loop = asyncio.get_running_loop()
        return Job(
            number=next(self._numbers),
            item=item,
            loop=loop,
            future=loop.create_future(),
            due=due,
            is_lingering=linger,
        )

    def _drop(self, job: Job) -> None:
        """The caller was refused: do not write the item if that is still possible."""
        job.is_dropped = True

    def _publish(self, changes: Iterable[tuple[str, str | None]], blobs: Iterable[str]) -> None:
        """Show what was committed to everyone who asks this front.

        Args:
            changes: Writes to the state, in order; None deletes.
            blobs: Digests of side data that is stored now.
        """
        for key, value in changes:
            self._mirror.put(key, value)
        if len(self._known_blobs) > _MAX_KNOWN_BLOBS:
            self._known_blobs.clear()
        self._known_blobs.update(blobs)

    def _receipt(
        self, entry_id: str, index: int, leaf_hash: bytes, *, note: str, size: int
    ) -> Receipt:
        """For a durable entry, under the checkpoint of `size` that covers it."""
        return Receipt(
            entry_id=entry_id,
            index=index,
            tree_size=size,
            leaf_hash=leaf_hash,
            origin=self.origin,
            checkpoint=note,
        )

    def _stop_reading(self) -> None:
        self._reads.shutdown()
        if self._reader is not None:
            self._reader.close()


def settle(settled: list[tuple[Job, Receipt | TransireError]]) -> None:
    """Tell each job's caller what became of it; runs on the callers' event loop."""
    for job, outcome in settled:
        if job.future.done():  # its caller was cancelled or timed out
            if job.abandoned is not None:
                job.loop.call_soon(job.abandoned, outcome)
        elif isinstance(outcome, TransireError):
            job.future.set_exception(outcome)
            if job.is_lingering:
                job.future.exception()  # nobody may be waiting for an outcome
        else:
            job.future.set_result(outcome)


def _tell_if_known(job: Job) -> None:
    """Of a caller who left in the moment in which it became known, and has not heard."""
    if job.future.cancelled():
        return
    error = job.future.exception()
    if error is None:
        settle([(job, job.future.result())])
    elif isinstance(error, TransireError) and not isinstance(error, LogUncertain):
        settle([(job, error)])
