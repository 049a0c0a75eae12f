"""Kept answers in a SQLite database of their own, in a file or in memory, sealed with AES-GCM.

What is stored beside a sealed answer (digests, ids, times, sizes) is what entries say in the clear,
and is bound to it as associated data: a row that was altered, moved or is of another key does not
open. Whatever cannot be read is not there, and a file that is no database is made anew: nothing
here is worth a stop, and nothing is found that was not kept.

One thread owns the connection, so the event loop waits for no disk.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import orjson
import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from transire.domain.answer import AnswerChoice, Completion, Usage
from transire.domain.cache import Held, Kept, Place, Purge
from transire.domain.ids import BundleDigest, DecisionId, DeploymentId, TenantId

__all__ = ["ANSWERS_FILE", "SqliteAnswers"]

ANSWERS_FILE: Final = "answers.sqlite"
_NONCE_BYTES: Final = 12
"""NIST SP 800-38D §8.2.2; random, and far fewer than 2^32 answers of one tenant and key."""
_ROW_BYTES: Final = 512
"""What a row takes beside its answer, in the index too; counted, so that small ones are bounded."""
_DDL: Final = (
    "CREATE TABLE IF NOT EXISTS answer (place BLOB PRIMARY KEY, tenant TEXT, application TEXT, "
    "bundle TEXT, deployment TEXT, ends_ms INTEGER, size INTEGER, sealed BLOB)",
    "CREATE INDEX IF NOT EXISTS answer_tenant ON answer (tenant, size)",
)

T = TypeVar("T")
_log = structlog.get_logger()


class SqliteAnswers:
    """Implements `domain.cache.AnswerStore`.

    Args:
        path: The file; None keeps everything in memory.
        derive: Returns the 32-byte key of a purpose; each tenant has its own.
        entropy: Returns n random bytes.
        now: The wall clock.
        max_bytes: Of all rows together; the tenant that holds most loses its oldest first.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        derive: Callable[[str], bytes],
        entropy: Callable[[int], bytes],
        now: Callable[[], datetime],
        max_bytes: int,
    ) -> None:
        self._path = path
        self._derive = derive
        self._entropy = entropy
        self._now = now
        self._max_bytes = max_bytes
        self._size = 0
        self._ciphers: dict[str, AESGCM] = {}
        self._connection: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="answers")

    async def recall(self, place: Place) -> Kept | None:
        """See `domain.cache.AnswerStore`."""
        return await self._run(lambda: self._recall(place), otherwise=None)

    async def keep(self, place: Place, kept: Kept, *, ttl_s: int) -> bool:
        """See `domain.cache.AnswerStore`."""
        return await self._run(lambda: self._keep(place, kept, ttl_s), otherwise=False)

    async def forget(self, purge: Purge) -> int:
        """See `domain.cache.AnswerStore`."""
        where, values = "tenant = ?", [str(purge.tenant)]
        if purge.application is not None:
            where, values = f"{where} AND application = ?", [*values, str(purge.application)]
        return await self._run(lambda: self._delete(where, values), otherwise=0)

    async def forget_all(self) -> None:
        """Forget everything: the log that these answers point into is another one."""
        await self._run(lambda: self._delete("1 = 1", ()), otherwise=0)

    async def tidy(  # noqa: D102 - the port's docstring says it
        self,
        now: datetime,
        bundle: BundleDigest,
        deployments: Collection[DeploymentId],
        tenants: Collection[TenantId],
    ) -> None:
        serving = orjson.dumps(sorted(deployments)).decode()
        stopped = orjson.dumps(sorted(tenants)).decode()
        where = (
            "ends_ms <= ? OR bundle != ? OR deployment NOT IN (SELECT value FROM json_each(?)) "
            "OR tenant IN (SELECT value FROM json_each(?))"
        )
        await self._run(
            lambda: self._delete(where, (_ms(now), bundle, serving, stopped)), otherwise=0
        )

    async def held(self, tenant: TenantId | None = None) -> Held:
        """See `domain.cache.AnswerStore`."""
        where, values = ("tenant = ?", (tenant,)) if tenant is not None else ("1 = 1", ())
        count, size = await self._run(
            lambda: (
                self._open()
                .execute(
                    f"SELECT count(*), coalesce(sum(size), 0) FROM answer WHERE {where}",  # noqa: S608 - ours alone
                    values,
                )
                .fetchone()
            ),
            otherwise=(0, 0),
        )
        return Held(answers=count, size_bytes=size)

    async def close(self) -> None:
        """Close the file; what is kept in memory is gone."""
        await self._run(self._close, otherwise=None)
        self._thread.shutdown()

    async def _run(self, work: Callable[[], T], *, otherwise: T) -> T:
        def guarded() -> T:
            try:
                return work()
            except (sqlite3.Error, OSError) as error:
                # The error's own text may hold values; its class says enough.
                _log.warning("cache.unreadable", code=type(error).__name__)
                if isinstance(error, sqlite3.DatabaseError):
                    self._renew(error)
                return otherwise

        return await asyncio.get_running_loop().run_in_executor(self._thread, guarded)

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None:
            return self._connection
        name = ":memory:" if self._path is None else str(self._path)
        if self._path is not None:
            self._path.touch(0o600)
        connection = sqlite3.connect(name, isolation_level=None, check_same_thread=False)
        try:
            for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL", *_DDL):
                connection.execute(statement)
            # What is deleted is overwritten: a purged answer is gone, sealed or not.
            connection.execute("PRAGMA secure_delete=ON")
            (size,) = connection.execute("SELECT coalesce(sum(size), 0) FROM answer").fetchone()
        except BaseException:
            connection.close()  # busy, for one: opened anew next time
            raise
        self._connection, self._size = connection, size
        return connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _renew(self, error: sqlite3.DatabaseError) -> None:
        """A file that is no database, or a damaged one, starts again empty."""
        if isinstance(error, sqlite3.OperationalError):  # busy, or the disk is full: not damaged
            return
        with suppress(sqlite3.Error):
            self._close()
        self._connection = None
        if self._path is not None:
            with suppress(OSError):  # said already, as unreadable
                for end in ("", "-wal", "-shm"):
                    self._path.with_name(self._path.name + end).unlink(missing_ok=True)

    def _recall(self, place: Place) -> Kept | None:
        row = (
            self._open()
            .execute(
                "SELECT tenant, application, bundle, deployment, ends_ms, sealed FROM answer "
                "WHERE place = ?",
                (place.digest,),
            )
            .fetchone()
        )
        if row is None:
            return None
        *named, ends_ms, sealed = row
        if named != _named(place) or type(ends_ms) is not int or ends_ms <= _ms(self._now()):
            self._delete("place = ?", (place.digest,))
            return None
        try:
            data = self._cipher(place.tenant).decrypt(
                sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound(place, ends_ms)
            )
            return _read(data)
        except (InvalidTag, ValueError, TypeError, LookupError):
            _log.warning("cache.unreadable", code="InvalidTag")
            self._delete("place = ?", (place.digest,))
            return None

    def _keep(self, place: Place, kept: Kept, ttl_s: int) -> bool:
        ends_ms = _ms(kept.answered_at + timedelta(seconds=ttl_s))
        nonce = self._entropy(_NONCE_BYTES)
        sealed = nonce + self._cipher(place.tenant).encrypt(
            nonce, _spelled(kept), _bound(place, ends_ms)
        )
        size = len(sealed) + _ROW_BYTES
        if size > self._max_bytes:
            return False
        connection = self._open()
        self._delete("place = ?", (place.digest,))
        while self._size + size > self._max_bytes and self._evict():
            pass
        connection.execute(
            "INSERT INTO answer VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (place.digest, *_named(place), ends_ms, size, sealed),
        )
        self._size += size
        return True

    def _evict(self) -> bool:
        """The oldest answer of the tenant that holds most: one tenant does not push others out."""
        return bool(
            self._delete(
                "rowid = (SELECT min(rowid) FROM answer WHERE tenant = (SELECT tenant FROM answer "
                "GROUP BY tenant ORDER BY sum(size) DESC LIMIT 1))",
                (),
            )
        )

    def _delete(self, where: str, values: Collection[Any]) -> int:
        rows = self._open().execute(
            f"DELETE FROM answer WHERE {where} RETURNING size",  # noqa: S608 - ours alone
            tuple(values),
        )
        sizes = [size for (size,) in rows]
        self._size -= sum(sizes)
        return len(sizes)

    def _cipher(self, tenant: TenantId) -> AESGCM:
        if tenant not in self._ciphers:
            self._ciphers[tenant] = AESGCM(self._derive(f"cache/{tenant}"))
        return self._ciphers[tenant]


def _named(place: Place) -> list[str]:
    return [place.tenant, place.application, place.bundle, place.deployment]


def _bound(place: Place, ends_ms: int) -> bytes:
    return orjson.dumps([place.digest.hex(), *_named(place), ends_ms])


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000)


def _spelled(kept: Kept) -> bytes:
    answer, usage = kept.answer, kept.answer.usage
    return orjson.dumps(
        {
            "decision_id": kept.decision_id,
            "attempt": kept.attempt,
            "answered_us": int(kept.answered_at.timestamp() * 1_000_000),
            "cost_micro_usd": kept.cost_micro_usd,
            "model": answer.model,
            "created": answer.created,
            "system_fingerprint": answer.system_fingerprint,
            "choices": [[c.index, c.content, c.finish_reason] for c in answer.choices],
            "usage": None
            if usage is None
            else [
                usage.prompt_tokens,
                usage.completion_tokens,
                usage.total_tokens,
                dict(usage.details),
            ],
        }
    )


def _read(data: bytes) -> Kept:
    fields = orjson.loads(data)
    usage = fields["usage"]
    return Kept(
        decision_id=DecisionId(fields["decision_id"]),
        attempt=fields["attempt"],
        answered_at=datetime.fromtimestamp(fields["answered_us"] / 1_000_000, UTC),
        cost_micro_usd=fields["cost_micro_usd"],
        answer=Completion(
            choices=tuple(
                AnswerChoice(
                    index=index, content=text, refusal=None, tool_calls=(), finish_reason=finish
                )
                for index, text, finish in fields["choices"]
            ),
            usage=None
            if usage is None
            else Usage(
                prompt_tokens=usage[0],
                completion_tokens=usage[1],
                total_tokens=usage[2],
                details=usage[3],
            ),
            model=fields["model"],
            created=fields["created"],
            system_fingerprint=fields["system_fingerprint"],
        ),
    )
