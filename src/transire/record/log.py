"""The log's writer: one thread, one connection, one signed checkpoint per group commit.

The thread takes whatever has queued while the previous commit ran; there is no timer. A full
queue, a missed deadline or a failing database refuses (I1). After a failure the writer tries
by itself until the database takes a write again, so that readiness returns without traffic.

What a crash leaves behind: before the commit, nothing of the batch; after it, the whole batch and
its checkpoint, perhaps unacknowledged. The guard file is written after the commit, so it can lag
behind the database but never run ahead of it.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    NotSupportedError,
    ProgrammingError,
)

from transire.domain.log import Item, Receipt
from transire.domain.ports import Clock
from transire.entropy import BlockEntropy
from transire.errors import LogUnavailable, TransireError
from transire.observe.logging import log as operational_log
from transire.record.checkpoint import Checkpoint
from transire.record.draft import Draft, Names, Stamp, Written
from transire.record.front import LogFront, settle
from transire.record.guard import Guard
from transire.record.pending import Job, Pending
from transire.record.signer import Signer
from transire.record.sql import LogStore, Reader
from transire.record.standing import STANDING_FILE, Standing

__all__ = ["LogWriter"]

_Result = Written | TransireError

_MAX_BATCH: Final = 512
"""Entries per commit; 100 give 95 % of what batching can (measured)."""
_OF_ONE_ITEM: Final = (
    DataError,
    IntegrityError,
    InterfaceError,
    NotSupportedError,
    ProgrammingError,
)
"""What the database says about a value, not about itself: trying again would be for ever."""


class LogWriter(LogFront):
    """Implements `domain.log.DecisionLog` over one store, in a thread of this process.

    Args:
        entropy: Returns n random bytes.
        release: Called last when the log closes; gives the directory free.
        queue_size: Waiting items beyond which `append` refuses at once.
        linger_s: How long a lingering item may wait for company.
    """

    def __init__(
        self,
        store: LogStore,
        reader: Reader,
        signer: Signer,
        guard: Guard,
        *,
        names: Names,
        clock: Clock,
        entropy: Callable[[int], bytes],
        release: Callable[[], None],
        queue_size: int = 4096,
        commit_timeout_s: float = 5.0,
        linger_s: float = 0.005,
    ) -> None:
        self._store = store
        values = store.values()
        super().__init__(values, names=names, commit_timeout_s=commit_timeout_s)
        self._reader = reader
        self._signer = signer
        self._guard = guard
        self._clock = clock
        self._entropy = BlockEntropy(entropy)
        self._release = release
        self._linger_s = linger_s
        self._sealed = signer.state_seal.of(values)
        self._standing: Standing | None = None
        self._pending = Pending(clock, size=queue_size)
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    @property
    def is_ready(self) -> bool:
        """False while the database does not take writes or outcomes wait for it."""
        return self._pending.is_ready

    @property
    def is_current(self) -> bool:
        """True: what this process commits, it publishes before anybody hears of it."""
        return True

    @property
    def origin(self) -> str:
        """The log's name."""
        return self._signer.key.name

    @property
    def public_key(self) -> str:
        """The verifier key string."""
        return str(self._signer.key)

    @property
    def depth(self) -> int:
        """Items waiting, for metrics."""
        return len(self._pending)

    def enqueue(self, item: Item, *, linger: bool = False) -> Job:
        """Queue without waiting; the job's future resolves when the entry is durable.

        Raises:
            LogUnavailable: closing, full, or outcomes wait that could not be written.
        """
        due = self._clock.monotonic() + self._linger_s if linger else 0.0
        job = self._job(item, linger=linger, due=due)
        self._pending.put(job)
        return job

    async def close(self) -> None:
        """Flush what waits, then stop. Items appended from now on are refused."""
        self._pending.close()
        await asyncio.get_running_loop().run_in_executor(None, self._stop)

    def _stop(self) -> None:
        self._thread.join()
        self._stop_reading()
        self._store.close()
        self._release()

    def _run(self) -> None:
        """The writer thread's life."""
        self._stand()  # an earlier boot may have died between a commit and its standing
        while (taken := self._pending.take(_MAX_BATCH, self._guard.due)) is not None:
            batch = [job for job in taken if not job.is_dropped]
            dropped = [job for job in taken if job.is_dropped]
            self._refuse(dropped, LogUnavailable("the log came to this too late"))
            if batch:
                self._commit(batch)
            elif self._pending.is_failing:
                self._probe()
            self._guard.sync_if_due(self._clock.monotonic())
        self._guard.sync()
        rest = self._pending.drain()
        self._refuse(rest, LogUnavailable("the log closed before it could write this"))

    def _commit(self, jobs: list[Job]) -> None:
        try:
            results, note, size = self._write([job.item for job in jobs])
        except (DBAPIError, OSError) as error:
            if isinstance(error, _OF_ONE_ITEM):
                self._isolate(jobs)
            else:
                self._fail(jobs, error)
        except Exception:  # noqa: BLE001 - the writer must outlive any bug, and refuse
            self._isolate(jobs)
        else:
            self._recover(jobs)
            self._stand()
            self._guard.note(note)
            self._resolve(jobs, results, note=note, size=size)

    def _stand(self) -> None:
        """Keep what governs outside the database, before whoever changed it hears of it.

        Where the file cannot be written, it lags: the entries are durable, and the next commit
        tries again.
        """
        standing = Standing.of(self._mirror.get)
        if standing is None or standing == self._standing:
            return
        note = self._signer.sign_text(standing.text(self.origin))
        try:
            self._guard.write(STANDING_FILE, standing.to_file(note))
        except OSError as error:
            operational_log().error("log.standing_unwritten", error_type=type(error).__name__)
        else:
            self._standing = standing

    def _isolate(self, jobs: list[Job]) -> None:
        """An item broke the batch, not the disk: find it by writing each one alone."""
        if len(jobs) > 1:
            for job in jobs:
                self._commit([job])
            return
        operational_log().error("log.entry_unwritable", kind=jobs[0].item.kind)
        self._pending.discard(jobs[0])
        self._refuse(jobs, LogUnavailable("this entry could not be written"))

    def _fail(self, jobs: list[Job], error: Exception) -> None:
        if not self._pending.is_failing:
            operational_log().error("log.write_failed", error_type=_reason(error), count=len(jobs))
        refused = self._pending.failed(jobs)
        self._refuse(refused, LogUnavailable("the log could not be written"))

    def _recover(self, jobs: list[Job]) -> None:
        if self._pending.is_failing:
            operational_log().info("log.write_recovered", count=len(jobs))
        self._pending.succeeded(jobs)

    def _probe(self) -> None:
        """Nothing waits, the last write failed: see whether the database takes writes again."""
        try:
            with self._store.transaction():
                self._store.touch()
        except (DBAPIError, OSError) as error:
            self._fail([], error)
        else:
            self._recover([])

    def _write(self, items: list[Item]) -> tuple[list[_Result], str, int]:
        """Commit one batch; returns each item's result, the checkpoint (or "") and the size."""
        keys = {condition.key for item in items for condition in item.conditions}
        keys |= {change.key for item in items for change in item.changes}
        keys |= {spend.key for item in items for spend in item.spends}
        stamp = Stamp(self._names, self._clock.now(), self._entropy)
        with self._store.transaction():
            draft = Draft(
                tree=self._store.head(),
                state=self._store.values(keys) if keys else {},
                stored=self._known_blobs,
                stamp=stamp,
                seal=self._signer.state_seal,
                sealed=self._sealed,
            )
            results = [draft.add(item) for item in items]
            note = ""
            if draft.leaves:
                checkpoint = Checkpoint(self.origin, draft.tree.size, draft.tree.root())
                note = self._signer.sign(checkpoint)
                self._store.write(draft, note)
        self._sealed = draft.sealed
        self._publish(draft.changes, draft.blobs)
        return results, note, draft.tree.size

    def _refuse(self, jobs: list[Job], error: TransireError) -> None:
        self._resolve(jobs, [type(error)(error.message) for _ in jobs], note="", size=0)

    def _resolve(
        self, jobs: list[Job], results: Sequence[_Result], *, note: str, size: int
    ) -> None:
        """Hand every job its result, with one wake-up per event loop."""
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Job, Receipt | TransireError]]] = {}
        for job, result in zip(jobs, results, strict=True):
            told: Receipt | TransireError
            if isinstance(result, TransireError):
                told = result
            else:
                told = self._receipt(
                    result.entry_id, result.index, result.leaf_hash, note=note, size=size
                )
            by_loop.setdefault(job.loop, []).append((job, told))
        for loop, settled in by_loop.items():
            try:
                loop.call_soon_threadsafe(settle, settled)
            except RuntimeError:
                continue  # that loop is closed; the entries are durable all the same


def _reason(error: Exception) -> str:
    """The database's name for the trouble; its message would quote the statement's values."""
    original = getattr(error, "orig", error)
    return str(getattr(original, "sqlite_errorname", type(original).__name__))
