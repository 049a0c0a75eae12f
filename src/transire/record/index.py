"""The file of search columns: its tables, and whether they are what the log's entries made of them.

Nothing signs this file, and who can write it could hide a row or add one. It is therefore sealed:
`progress` keeps the sum of all rows under a key that does not lie in the file (`seal`), with the
size and the last leaf hash that were read. SQLite tells when another connection has committed
(`PRAGMA data_version`, sqlite.org/pragma.html#pragma_data_version), so that the rows are added up
again at the next look and not at every one; a byte changed past SQLite is found at the next start.

Used by one thread at a time. What is not sound is deleted: the log holds everything.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import orjson

from transire.errors import IntegrityError
from transire.record.merkle import leaf_hash
from transire.record.ownership import owner_of
from transire.record.seal import StateSeal

__all__ = ["INDEX_FILE", "IndexFile"]

INDEX_FILE: Final = "index.sqlite"
_SIDES: Final = ("", "-wal", "-shm")
_DDL: Final = """
CREATE TABLE IF NOT EXISTS entry_ix (
    idx INTEGER PRIMARY KEY, kind TEXT NOT NULL, ts TEXT NOT NULL, decision_id TEXT,
    owner TEXT, app TEXT, deployment TEXT, outcome TEXT, replica TEXT, boot TEXT,
    attempt INTEGER, review_id TEXT);
CREATE INDEX IF NOT EXISTS entry_decision ON entry_ix (decision_id);
CREATE INDEX IF NOT EXISTS entry_owner ON entry_ix (owner, kind, idx);
CREATE INDEX IF NOT EXISTS entry_newest ON entry_ix (owner, idx);
CREATE INDEX IF NOT EXISTS entry_kind ON entry_ix (kind, idx);
CREATE TABLE IF NOT EXISTS open_permit (
    decision_id TEXT, attempt INTEGER, replica TEXT, boot TEXT, idx INTEGER NOT NULL,
    PRIMARY KEY (decision_id, attempt));
CREATE TABLE IF NOT EXISTS progress (size INTEGER NOT NULL, last BLOB NOT NULL, seal TEXT NOT NULL);
"""
_SCHEMA: Final = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name"
_ROWS: Final = ("entry_ix", "open_permit")
_DECISION, _OWNER = 3, 4
"""Places in a row of `entry_ix`."""
_CLOSING: Final = ("outcome", "shadow.ended", "moderation.ended", "judge.ended")
_Row = tuple[int | str | None, ...]


class IndexFile:
    """One file of search columns.

    Args:
        seal: Adds the rows up, under a key of this file's own.
    """

    def __init__(self, directory: Path, seal: StateSeal) -> None:
        self._path = directory / INDEX_FILE
        self._seal = seal
        self._sum = 0
        self._seen: int | None = None
        try:
            self._db = self._opened()
        except sqlite3.Error:
            self.replace()

    @property
    def is_known(self) -> bool:
        """Whether nobody else has written since `is_sound` added up the rows."""
        return self._seen is not None and self._seen == self._version()

    def is_sound(self) -> bool:
        """Whether tables, triggers and rows are what was projected; reads every row."""
        self._seen = self._version()  # before the rows: what is written meanwhile counts as new
        with self._transaction():
            if self.select(_SCHEMA) != _EXPECTED:
                return False
            # The rows are added up from the tables; that each index has them all is SQLite's check.
            if self.select("PRAGMA integrity_check(1)") != [("ok",)]:
                return False
            try:
                self._sum = self._added_up()
                rows = self.select("SELECT size, last, seal FROM progress")
                if not rows:
                    return self._sum == 0
                return len(rows) == 1 and rows[0][2] == self._sealed(*rows[0][:2])
            except TypeError:  # a value of a kind that no projection writes
                return False

    def progress(self) -> tuple[int, bytes]:
        """Entries read, and the leaf hash of the last of them."""
        row = self._db.execute("SELECT size, last FROM progress").fetchone()
        return (0, b"") if row is None else (row[0], row[1])

    def extend(self, leaves: Sequence[tuple[int, bytes]]) -> None:
        """Read further entries, which follow those read before.

        Raises:
            IntegrityError: one of them is no entry.
        """
        before = self._sum
        try:
            with self._transaction():
                for index, leaf in leaves:
                    self._project(index, leaf)
                size, last = leaves[-1][0] + 1, leaf_hash(leaves[-1][1])
                self._db.execute("DELETE FROM progress")
                self._db.execute(
                    "INSERT INTO progress VALUES (?,?,?)", (size, last, self._sealed(size, last))
                )
        except BaseException:
            self._sum = before
            raise

    def select(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        return self._db.execute(sql, values).fetchall()

    def replace(self) -> None:
        """Delete the file, whatever became of it, and begin an empty one."""
        with suppress(AttributeError, sqlite3.Error):
            self._db.close()
        for side in _SIDES:
            self._path.with_name(INDEX_FILE + side).unlink(missing_ok=True)
        self._db = self._opened()
        self._sum, self._seen = 0, self._version()

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    def _opened(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
        try:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=OFF")  # it can be rebuilt from the log
            database.executescript(_DDL)
        except BaseException:
            database.close()
            raise
        return database

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def _added_up(self) -> int:
        total = 0
        for table in _ROWS:
            for row in self._db.execute(f"SELECT * FROM {table}"):  # noqa: S608 - constants
                total = self._moved(total, table, None, row)
        return total

    def _sealed(self, size: int, last: bytes) -> str:
        return self._seal.spelled(
            self._seal.moved(self._sum, "progress", None, f"{size} {bytes(last).hex()}")
        )

    def _moved(self, total: int, table: str, old: _Row | None, new: _Row | None) -> int:
        return self._seal.moved(
            total,
            table,
            None if old is None else orjson.dumps(old).decode(),
            None if new is None else orjson.dumps(new).decode(),
        )

    def _project(self, index: int, leaf: bytes) -> None:
        try:
            columns, permit, closed = _columns(index, orjson.loads(leaf))
        except (LookupError, TypeError, ValueError, AttributeError):
            raise IntegrityError(
                f"entry {index} of the log cannot be read; run audit/verify.py"
            ) from None
        if columns[_OWNER] is None and columns[_DECISION] is not None:
            columns = (
                *columns[:_OWNER],
                self._owner_of(columns[_DECISION]),
                *columns[_OWNER + 1 :],
            )
        self._insert("entry_ix", columns)
        if permit is not None:
            self._insert("open_permit", permit)
        elif closed is not None:
            where = "FROM open_permit WHERE decision_id=? AND attempt=?"
            for row in self._db.execute(f"SELECT * {where}", closed).fetchall():
                self._sum = self._moved(self._sum, "open_permit", row, None)
            self._db.execute(f"DELETE {where}", closed)

    def _owner_of(self, decision_id: object) -> str | None:
        """Of a decision that was read before; what names another is nobody's."""
        sql = "SELECT owner FROM entry_ix WHERE decision_id=? ORDER BY idx LIMIT 1"
        row = self._db.execute(sql, (decision_id,)).fetchone()
        return None if row is None else row[0]

    def _insert(self, table: str, row: _Row) -> None:
        marks = ",".join("?" * len(row))
        # An altered log may repeat a permit; the first one stands, and the verifiers tell.
        done = self._db.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)  # noqa: S608 - constants
        if done.rowcount:
            self._sum = self._moved(self._sum, table, None, row)


def _columns(
    index: int, entry: Mapping[str, Any]
) -> tuple[_Row, _Row | None, tuple[str, int] | None]:
    """An entry's row, the permit it opens, and the (decision id, attempt) it closes."""
    kind = str(entry["kind"])
    decision = _text(entry["id"] if kind in ("decision", "advice") else entry.get("decision_id"))
    permit = entry.get("permit") or {}
    attempt = permit.get("attempt", entry.get("attempt"))
    attempt = None if attempt is None else int(attempt)
    place = (_text(entry["replica"]), _text(entry["boot"]))
    columns = (
        index,
        kind,
        str(entry["ts"]),
        decision,
        owner_of(entry),
        _text(entry.get("app")),
        _text(permit.get("deployment") or entry.get("deployment")),
        _text(entry.get("outcome") or entry.get("status")),
        *place,
        attempt,
        _text(entry.get("review_id")),
    )
    if permit:
        return columns, (decision, attempt, *place, index), None
    if kind in _CLOSING and decision is not None and attempt is not None:
        return columns, None, (decision, attempt)
    return columns, None, None


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _expected() -> list[tuple[Any, ...]]:
    database = sqlite3.connect(":memory:")
    try:
        database.executescript(_DDL)
        return database.execute(_SCHEMA).fetchall()
    finally:
        database.close()


_EXPECTED: Final = _expected()
