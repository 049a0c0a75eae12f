"""The log's statements: what one batch reads and writes, inside one transaction.

Everything here runs on the writer thread's connection except `Reader`, which has its own.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from transire.record.draft import Draft
from transire.record.merkle import CompactRange

__all__ = ["LogStore", "Reader"]

_LOG_ID: Final = 0
"""This installation's only log; further ones get further ids."""
_HEAD: Final = "SELECT size, compact_range FROM head WHERE log_id=?"
_STEP: Final = 1_000
"""Rows fetched at a time where all are read."""
_MAX_PARAMETERS: Final = 900
"""Below SQLite's historic bound of 999 per statement (sqlite.org/limits.html)."""
_ROWS: Final = _MAX_PARAMETERS // 4
"""Entries in one statement."""


class LogStore:
    """The writer's side; not thread-safe, one thread owns it.

    A commit is seven statements, on the driver's own cursor: SQLAlchemy's way to it takes as long
    as SQLite does. Its errors are raised all the same, whatever the driver calls them.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        driver: Any = connection.connection.dbapi_connection
        self._driver, self._cursor = driver, driver.cursor()
        self._failure: type[Exception] = connection.dialect.loaded_dbapi.Error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Take the write lock, and commit or roll back.

        A crash inside leaves nothing; a crash after the commit leaves everything, so that at most
        an acknowledgement is lost, never an acknowledged entry.
        """
        self._execute("BEGIN IMMEDIATE")
        try:
            yield
            self._execute("COMMIT")
        except BaseException:
            # A failed COMMIT (full disk) may have rolled back by itself already.
            if self._driver.in_transaction:
                self._execute("ROLLBACK")
            raise

    def head(self) -> CompactRange:
        """The tree as committed."""
        rows = self._execute(_HEAD, (_LOG_ID,))
        return _tree(rows[0] if rows else None)

    def values(self, keys: Collection[str] | None = None) -> dict[str, str]:
        """State values as committed: of these keys where they exist, or all of them."""
        if keys is None:
            return _state(self._connection)
        found: dict[str, str] = {}
        ordered = sorted(keys)
        for start in range(0, len(ordered), _MAX_PARAMETERS):
            some = ordered[start : start + _MAX_PARAMETERS]
            marks = ",".join("?" * len(some))
            rows = self._execute(
                f"SELECT key, value FROM state WHERE log_id=? AND key IN ({marks})",  # noqa: S608 - question marks
                (_LOG_ID, *some),
            )
            found.update((str(key), str(value)) for key, value in rows)
        return found

    def touch(self) -> None:
        """Rewrite the head as it is, inside `transaction`: a write that says nothing."""
        self._write_head(self.head())

    def write(self, draft: Draft, note: str) -> None:
        """Write a batch and the checkpoint that covers it, inside `transaction`."""
        execute = self._execute
        self._write_leaves(draft.leaves)
        for key, value in dict(draft.changes).items():
            if value is None:
                execute("DELETE FROM state WHERE log_id=? AND key=?", (_LOG_ID, key))
            else:
                execute(
                    "INSERT INTO state (log_id, key, value) VALUES (?,?,?) "
                    "ON CONFLICT (log_id, key) DO UPDATE SET value=excluded.value",
                    (_LOG_ID, key, value),
                )
        if draft.blobs:
            self._execute_each(
                "INSERT OR IGNORE INTO blob (log_id, digest, data) VALUES (?,?,?)",
                [(_LOG_ID, *row) for row in draft.blobs.items()],
            )
        if draft.disclosures:
            self._execute_each(
                "INSERT INTO disclosure (log_id, idx, digest, data) VALUES (?,?,?,?)",
                [(_LOG_ID, *row) for row in draft.disclosures],
            )
        if draft.erased:
            self._execute_each(
                "DELETE FROM disclosure WHERE log_id=? AND digest=?",
                [(_LOG_ID, digest) for digest in draft.erased],
            )
        self._write_head(draft.tree)
        execute(
            "INSERT INTO checkpoint (log_id, size, note) VALUES (?,?,?)",
            (_LOG_ID, draft.tree.size, note),
        )

    def _write_leaves(self, leaves: list[tuple[int, bytes, bytes]]) -> None:
        """Insert entries, as many in one statement as its parameters allow.

        One statement lets go of the interpreter lock once; one a row would let the event loop in
        between after every row, and each time wait until it is done.
        """
        for start in range(0, len(leaves), _ROWS):
            some = leaves[start : start + _ROWS]
            marks = ",".join(["(?,?,?,?)"] * len(some))
            values = tuple(value for row in some for value in (_LOG_ID, *row))
            self._execute(
                f"INSERT INTO log (log_id, idx, leaf, leaf_hash) VALUES {marks}",  # noqa: S608 - question marks
                values,
            )

    def _write_head(self, tree: CompactRange) -> None:
        self._execute(
            "INSERT INTO head (log_id, size, compact_range) VALUES (?,?,?) ON CONFLICT (log_id) "
            "DO UPDATE SET size=excluded.size, compact_range=excluded.compact_range",
            (_LOG_ID, tree.size, b"".join(tree.hashes)),
        )

    def _execute(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        try:
            rows: list[tuple[Any, ...]] = self._cursor.execute(statement, values).fetchall()
        except self._failure as raised:
            raise self._translated(statement, raised) from None
        return rows

    def _execute_each(self, statement: str, rows: Sequence[Sequence[object]]) -> None:
        try:
            self._cursor.executemany(statement, rows)
        except self._failure as raised:
            raise self._translated(statement, raised) from None

    def _translated(self, statement: str, raised: Exception) -> BaseException:
        # Without its values: an error must not quote an entry (I6).
        return DBAPIError.instance(statement, None, raised, self._failure, hide_parameters=True)

    def close(self) -> None:
        """Release the connection; the file then holds all of the log, without its side file.

        The last connection to close would do so by itself, and may be one that only reads.
        """
        with suppress(self._failure):  # somebody reads: the side file stays, and nothing is lost
            self._cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._connection.close()
        self._connection.engine.dispose()


class Reader:
    """The readers' side; used by one thread at a time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let everything inside see one state, however many commits happen meanwhile."""
        self._connection.exec_driver_sql("BEGIN")
        try:
            yield
        finally:
            self._connection.exec_driver_sql("ROLLBACK")

    def size(self) -> int:
        """Committed entries, as the head says."""
        row = self._connection.exec_driver_sql(
            "SELECT size FROM head WHERE log_id=?", (_LOG_ID,)
        ).one_or_none()
        return 0 if row is None else int(row[0])

    def head(self) -> CompactRange:
        """The tree as committed."""
        return _head(self._connection)

    def count(self) -> int:
        """Rows of entries; reads an index of some bytes per entry, not the entries."""
        return int(
            self._connection.exec_driver_sql(
                "SELECT count(*) FROM log WHERE log_id=?", (_LOG_ID,)
            ).scalar_one()
        )

    def state(self) -> dict[str, str]:
        """Every state value."""
        return _state(self._connection)

    def newest(self, prefix: str, *, before: str | None, limit: int) -> list[tuple[str, str]]:
        """State values by descending key, as `domain.log.DecisionLog.newest`; an index range."""
        end = f"{prefix[:-1]}{chr(ord(prefix[-1]) + 1)}"
        rows = self._connection.exec_driver_sql(
            "SELECT key, value FROM state WHERE log_id=? AND key>=? AND key<? "
            "ORDER BY key DESC LIMIT ?",
            (_LOG_ID, prefix, end if before is None else min(before, end), limit),
        )
        return [(str(key), str(value)) for key, value in rows]

    def leaves(self, start: int, stop: int) -> list[tuple[int, bytes]]:
        """Entries `[start, stop)` with their indexes."""
        rows = self._connection.exec_driver_sql(
            "SELECT idx, leaf FROM log WHERE log_id=? AND idx>=? AND idx<? ORDER BY idx",
            (_LOG_ID, start, stop),
        )
        return [(int(index), bytes(leaf)) for index, leaf in rows]

    def leaves_with(self, part: bytes, start: int, stop: int) -> list[tuple[int, bytes]]:
        """Entries of `[start, stop)` whose bytes have `part` in them; SQLite reads them all."""
        rows = self._connection.exec_driver_sql(
            "SELECT idx, leaf FROM log WHERE log_id=? AND idx>=? AND idx<? AND instr(leaf, ?)>0 "
            "ORDER BY idx",
            (_LOG_ID, start, stop, part),
        )
        return [(int(index), _raw(leaf)) for index, leaf in rows]

    def rows(self) -> Iterator[tuple[int, bytes, bytes]]:
        """All entries as (index, entry, stored leaf hash), without holding them at once."""
        rows = self._connection.exec_driver_sql(
            "SELECT idx, leaf, leaf_hash FROM log WHERE log_id=? ORDER BY idx",
            (_LOG_ID,),
            execution_options={"yield_per": _STEP},
        )
        return ((int(index), _raw(leaf), _raw(hashed)) for index, leaf, hashed in rows)

    def leaf_hashes(self, start: int, end: int) -> list[bytes]:
        """Leaf hashes from `start` on, short of `end`."""
        rows = self._connection.exec_driver_sql(
            "SELECT leaf_hash FROM log WHERE log_id=? AND idx>=? AND idx<? ORDER BY idx",
            (_LOG_ID, start, end),
        )
        return [bytes(row[0]) for row in rows]

    def checkpoints(self) -> list[tuple[int, str]]:
        """Every stored checkpoint, by size."""
        rows = self._connection.exec_driver_sql(
            "SELECT size, note FROM checkpoint WHERE log_id=? ORDER BY size", (_LOG_ID,)
        )
        return [(int(size), str(note)) for size, note in rows]

    def checkpoint(self, size: int | None = None) -> tuple[int, str] | None:
        """The checkpoint of exactly `size`, or the newest."""
        clause = "AND size=?" if size is not None else "ORDER BY size DESC LIMIT 1"
        row = self._connection.exec_driver_sql(
            f"SELECT size, note FROM checkpoint WHERE log_id=? {clause}",  # noqa: S608 - constants
            (_LOG_ID, size) if size is not None else (_LOG_ID,),
        ).one_or_none()
        return None if row is None else (int(row[0]), str(row[1]))

    def blob(self, digest: str) -> bytes | None:
        """Side data by digest."""
        row = self._connection.exec_driver_sql(
            "SELECT data FROM blob WHERE log_id=? AND digest=?", (_LOG_ID, digest)
        ).one_or_none()
        return None if row is None else bytes(row[0])

    def blobs(self) -> Iterator[tuple[str, bytes]]:
        """All side data."""
        for digest, data in self._connection.exec_driver_sql(
            "SELECT digest, data FROM blob WHERE log_id=?", (_LOG_ID,)
        ):
            yield str(digest), _raw(data)

    def disclosed(self, digests: Collection[str]) -> frozenset[str]:
        """Which of these disclosures still exist."""
        return frozenset(self.disclosed_data(digests))

    def disclosed_data(self, digests: Collection[str]) -> dict[str, str]:
        """Digest → data of those of these disclosures that still exist."""
        found: dict[str, str] = {}
        ordered = sorted(digests)
        for start in range(0, len(ordered), _MAX_PARAMETERS):
            some = ordered[start : start + _MAX_PARAMETERS]
            marks = ",".join("?" * len(some))
            rows = self._connection.exec_driver_sql(
                f"SELECT digest, data FROM disclosure WHERE log_id=? AND digest IN ({marks})",  # noqa: S608 - question marks
                (_LOG_ID, *some),
            )
            found.update((str(digest), str(data)) for digest, data in rows)
        return found

    def disclosures(self) -> list[tuple[int, str, str]]:
        """All disclosures that still exist: (index, digest, data)."""
        rows = self._connection.exec_driver_sql(
            "SELECT idx, digest, data FROM disclosure WHERE log_id=? ORDER BY idx", (_LOG_ID,)
        )
        return [(int(index), str(digest), str(data)) for index, digest, data in rows]

    def close(self) -> None:
        """Release the connection."""
        self._connection.close()
        self._connection.engine.dispose()


def _head(connection: Connection) -> CompactRange:
    return _tree(connection.exec_driver_sql(_HEAD, (_LOG_ID,)).one_or_none())


def _tree(row: Any) -> CompactRange:
    if row is None:
        return CompactRange()
    data = bytes(row[1])
    return CompactRange(row[0], [data[i : i + 32] for i in range(0, len(data), 32)])


def _raw(value: object) -> bytes:
    """Bytes as stored; in an altered database a column may hold anything."""
    return value if isinstance(value, bytes) else str(value).encode()


def _state(connection: Connection) -> dict[str, str]:
    rows = connection.exec_driver_sql("SELECT key, value FROM state WHERE log_id=?", (_LOG_ID,))
    return {str(key): str(value) for key, value in rows}
