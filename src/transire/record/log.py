"""The log's writer: one thread, one connection, one signed checkpoint per group commit.

The thread takes whatever has queued while the previous commit ran; there is no timer. Lingering
items (outcomes) wait some milliseconds for a decision to share its commit with, which halves the
syncs at low load. A full queue, a missed deadline or a failing database refuses (DESIGN I1).

What a crash leaves behind: before the commit, nothing of the batch; after it, the whole batch and
its checkpoint, perhaps unacknowledged. The guard file is written after the commit, so it can lag
behind the database but never run ahead of it.
"""

import asyncio
import hashlib
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from transire.domain.log import Item, Receipt
from transire.domain.ports import Clock
from transire.domain.request import JsonValue
from transire.errors import (
    ConflictError,
    IntegrityError,
    LogUnavailable,
    StaleError,
    TransireError,
)
from transire.record.checkpoint import Checkpoint
from transire.record.disclosure import disclose
from transire.record.entry import encode_entry
from transire.record.guard import Guard
from transire.record.merkle import CompactRange, leaf_hash
from transire.record.signer import Signer
from transire.record.sql import Batch, LogStore, Reader

__all__ = ["LogWriter", "Names"]

T = TypeVar("T")

_MAX_BATCH: Final = 512
"""Entries per commit; 100 give 95 % of what batching can (research: audit §3)."""
_MAX_LINGERING: Final = 10_000
"""Outcomes that may wait for a failing disk; bounded because decisions are refused meanwhile."""
_RETRY_S: Final = (0.05, 0.2, 1.0)
"""Waits between attempts to write outcomes that could not be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What every entry says about where it was written; `boot` is new for every start."""

    replica: str
    boot: str


@dataclass(slots=True)
class _Job:
    item: Item
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Receipt]"
    due: float
    is_lingering: bool
    is_dropped: bool = False


@dataclass(slots=True)
class _Written:
    index: int
    entry_id: str
    leaf_hash: bytes


class LogWriter:
    """Implements `domain.log.DecisionLog` over one store.

    Args:
        entropy: Returns n random bytes.
        queue_size: Waiting items beyond which `append` refuses at once.
        commit_timeout_s: An item not durable by then is refused.
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
        queue_size: int = 4096,
        commit_timeout_s: float = 5.0,
        linger_s: float = 0.005,
    ) -> None:
        self._store = store
        self._reader = reader
        self._signer = signer
        self._guard = guard
        self._names = names
        self._clock = clock
        self._entropy = entropy
        self._queue_size = queue_size
        self._commit_timeout_s = commit_timeout_s
        self._linger_s = linger_s
        self._mirror: dict[str, str] = store.values()
        self._urgent: deque[_Job] = deque()
        self._lingering: deque[_Job] = deque()
        self._wake = threading.Condition()
        self._failures = 0
        self._is_closing = False
        self._blobs_seen: set[str] = set()
        self._reads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="log-reader")
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    @property
    def is_ready(self) -> bool:
        """False while the last commit failed or outcomes wait that could not be written."""
        return self._failures == 0 and not self._is_closing

    @property
    def origin(self) -> str:
        """The log's name."""
        return self._signer.key.name

    @property
    def public_key(self) -> str:
        """The verifier key string."""
        return str(self._signer.key)

    @property
    def names(self) -> Names:
        """Replica and boot of this process."""
        return self._names

    @property
    def depth(self) -> int:
        """Items waiting, for metrics."""
        return len(self._urgent) + len(self._lingering)

    async def append(self, item: Item, *, linger: bool = False) -> Receipt:
        """Append one item; see `domain.log.DecisionLog`."""
        job = self.enqueue(item, linger=linger)
        if linger:
            return await asyncio.shield(job.future)
        try:
            async with asyncio.timeout(self._commit_timeout_s):
                return await asyncio.shield(job.future)
        except TimeoutError:
            job.is_dropped = True
            job.future.add_done_callback(_ignore)
            raise LogUnavailable("the log did not commit in time") from None
        except asyncio.CancelledError:
            job.future.add_done_callback(_ignore)
            raise

    def enqueue(self, item: Item, *, linger: bool = False) -> _Job:
        """Queue without waiting; the returned job's future resolves when it is durable."""
        loop = asyncio.get_running_loop()
        job = _Job(
            item=item,
            loop=loop,
            future=loop.create_future(),
            due=self._clock.monotonic() + self._linger_s,
            is_lingering=linger,
        )
        with self._wake:
            self._refuse_if_unable(linger=linger)
            (self._lingering if linger else self._urgent).append(job)
            self._wake.notify()
        return job

    def _refuse_if_unable(self, *, linger: bool) -> None:
        if self._is_closing:
            raise LogUnavailable("the log is closing")
        if linger:
            if len(self._lingering) >= _MAX_LINGERING:
                raise LogUnavailable("too many outcomes wait to be written")
            return
        if self._failures and self._lingering:
            raise LogUnavailable("outcomes wait that could not be written")
        if len(self._urgent) >= self._queue_size:
            raise LogUnavailable("the log's queue is full")

    async def get(self, key: str) -> str | None:
        """The committed value, from the in-process mirror (one process writes)."""
        return self._mirror.get(key)

    def peek(self, key: str) -> str | None:
        """`get` without a coroutine, for the hot path."""
        return self._mirror.get(key)

    async def scan(self, prefix: str) -> list[tuple[str, str]]:
        """Committed keys with this prefix, sorted."""
        return sorted((k, v) for k, v in list(self._mirror.items()) if k.startswith(prefix))

    async def blob(self, digest: str) -> bytes | None:
        """Side data by its digest."""
        return await self.read(lambda reader: reader.blob(digest))

    async def read(self, query: Callable[[Reader], T]) -> T:
        """Run a query on the reader's thread.

        Raises:
            LogUnavailable: the database cannot be read.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._reads, query, self._reader
            )
        except SQLAlchemyError:
            raise LogUnavailable("the log cannot be read") from None

    async def close(self) -> None:
        """Flush what waits, then stop. Items appended from now on are refused."""
        with self._wake:
            self._is_closing = True
            self._wake.notify()
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join)
        self._reads.shutdown()
        self._reader.close()
        self._store.close()
        self._guard.close()

    def _run(self) -> None:
        while (batch := self._take()) is not None:
            if batch:
                self._commit(batch)
            self._guard.sync_if_due(self._clock.monotonic())
        self._guard.sync()

    def _take(self) -> list[_Job] | None:
        """The next batch; empty after a wait that brought nothing; None when closed and empty."""
        with self._wake:
            if not self._urgent and not self._is_closing:
                self._wake.wait(self._patience())
            is_due = self._is_closing or bool(self._urgent) or self._is_linger_due()
            if not is_due:
                return []
            if self._is_closing and not self._urgent and not self._lingering:
                return None
            if self._is_closing and self._failures > len(_RETRY_S):
                return None  # the disk is gone: the boot sweep will say `unknown` for these
            batch = [self._urgent.popleft() for _ in range(min(len(self._urgent), _MAX_BATCH))]
            room = _MAX_BATCH - len(batch)
            batch += [self._lingering.popleft() for _ in range(min(len(self._lingering), room))]
            return [job for job in batch if not job.is_dropped]

    def _patience(self) -> float | None:
        if self._failures:
            return _RETRY_S[min(self._failures, len(_RETRY_S)) - 1]
        if self._lingering:
            return max(0.0, self._lingering[0].due - self._clock.monotonic())
        return self._guard.patience(self._clock.monotonic())

    def _is_linger_due(self) -> bool:
        if not self._lingering:
            return False
        return bool(self._failures) or self._lingering[0].due <= self._clock.monotonic()

    def _commit(self, jobs: list[_Job]) -> None:
        try:
            results, note, size = self._write(jobs)
        except (DBAPIError, OSError):
            self._fail(jobs, LogUnavailable("the log could not be written"))
        except Exception:  # noqa: BLE001 - the writer must outlive any bug, and refuse
            self._fail(jobs, LogUnavailable("the log failed unexpectedly"))
        else:
            self._failures = 0
            self._guard.note(note)
            _resolve(jobs, results, origin=self.origin, note=note, size=size)

    def _fail(self, jobs: list[_Job], error: TransireError) -> None:
        kept = [job for job in jobs if job.is_lingering]
        with self._wake:
            self._failures += 1
            self._lingering.extendleft(reversed(kept))
        refused = [job for job in jobs if not job.is_lingering]
        _resolve(refused, [error] * len(refused), origin=self.origin, note="", size=0)

    def _write(self, jobs: list[_Job]) -> tuple[list[_Written | TransireError], str, int]:
        now = self._clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        with self._store.transaction():
            draft = _Draft(store=self._store, tree=self._store.head(), seen=self._blobs_seen)
            results = [self._add(draft, job.item, now) for job in jobs]
            if not draft.leaves:
                return results, "", draft.tree.size
            note = self._signer.sign(Checkpoint(self.origin, draft.tree.size, draft.tree.root()))
            self._store.write(draft.batch(note))
        for key, value in draft.changes:
            if value is None:
                self._mirror.pop(key, None)
            else:
                self._mirror[key] = value
        self._blobs_seen.update(digest for digest, _ in draft.blobs)
        return results, note, draft.tree.size

    def _add(self, draft: "_Draft", item: Item, now: str) -> _Written | TransireError:
        try:
            draft.check(item)
            fields, disclosures = self._fields(item, now)
            data = encode_entry(fields)
        except TransireError as error:
            return error
        except (TypeError, ValueError):
            return IntegrityError(f"a `{item.kind}` entry cannot be encoded")
        return draft.add(item, data, str(fields["id"]), disclosures)

    def _fields(self, item: Item, now: str) -> tuple[dict[str, JsonValue], list[tuple[str, str]]]:
        fields: dict[str, JsonValue] = {
            **item.fields,
            "v": 1,
            "kind": item.kind,
            "ts": now,
            "salt": self._entropy(16).hex(),
            "replica": self._names.replica,
            "boot": self._names.boot,
        }
        fields.setdefault("id", f"ent_{self._entropy(13).hex()}")
        disclosures: list[tuple[str, str]] = []
        if item.disclosures:
            salts = {name: self._entropy(16) for name in item.disclosures}
            disclosures = disclose(item.disclosures, salts)
            fields["sd"] = [digest for digest, _ in disclosures]
        return fields, disclosures


class _Draft:
    """A batch in the making; earlier items' changes are visible to later conditions."""

    def __init__(self, *, store: LogStore, tree: CompactRange, seen: set[str]) -> None:
        self._store = store
        self._overlay: dict[str, str | None] = {}
        self._seen = seen
        self.tree = tree
        self.leaves: list[tuple[int, bytes, bytes]] = []
        self.changes: list[tuple[str, str | None]] = []
        self.blobs: list[tuple[str, bytes]] = []
        self.disclosures: list[tuple[int, str, str]] = []

    def check(self, item: Item) -> None:
        """Judge the item's conditions and blobs, in order, as of now in this batch."""
        for condition in item.conditions:
            if self._value(condition.key) != condition.equals:
                message = f"`{condition.key}` is not what this act was based on"
                if condition.stale:
                    raise StaleError(message)
                raise ConflictError(message, facts={"key": condition.key})
        for digest, data in item.blobs.items():
            if digest not in self._seen and hashlib.sha256(data).hexdigest() != digest:
                raise IntegrityError("a blob does not have the digest it is stored under")

    def add(
        self, item: Item, data: bytes, entry_id: str, disclosures: list[tuple[str, str]]
    ) -> _Written:
        """Take an item whose conditions hold."""
        index, hashed = self.tree.size, leaf_hash(data)
        self.tree.append(hashed)
        self.leaves.append((index, data, hashed))
        for change in item.changes:
            self._overlay[change.key] = change.value
            self.changes.append((change.key, change.value))
        self.blobs += [(d, blob) for d, blob in item.blobs.items() if d not in self._seen]
        self.disclosures += [(index, digest, encoded) for digest, encoded in disclosures]
        return _Written(index, entry_id, hashed)

    def batch(self, note: str) -> Batch:
        """What to write."""
        return Batch(self.leaves, self.tree, note, self.changes, self.blobs, self.disclosures)

    def _value(self, key: str) -> str | None:
        if key not in self._overlay:
            self._overlay[key] = self._store.value(key)
        return self._overlay[key]


def _resolve(
    jobs: list[_Job],
    results: "list[_Written | TransireError] | list[TransireError]",
    *,
    origin: str,
    note: str,
    size: int,
) -> None:
    """Hand every job its result, with one wake-up per event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Job, Any]]] = {}
    for job, result in zip(jobs, results, strict=True):
        outcome: Receipt | TransireError
        if isinstance(result, _Written):
            outcome = Receipt(
                entry_id=result.entry_id,
                index=result.index,
                tree_size=size,
                leaf_hash=result.leaf_hash,
                origin=origin,
                checkpoint=note,
            )
        else:
            outcome = result
        by_loop.setdefault(job.loop, []).append((job, outcome))
    for loop, settled in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, settled)
        except RuntimeError:
            continue  # that loop is closed; the entries are durable all the same


def _settle(settled: list[tuple[_Job, Any]]) -> None:
    for job, outcome in settled:
        if job.future.done():
            continue
        if isinstance(outcome, TransireError):
            job.future.set_exception(outcome)
            if job.is_lingering:
                job.future.exception()  # nobody may be waiting for an outcome
        else:
            job.future.set_result(outcome)


def _ignore(future: "asyncio.Future[Receipt]") -> None:
    if not future.cancelled():
        future.exception()
