"""Search columns, projected from the log and rebuildable from it at any time.

The projection lives in its own file beside the log, catches up when asked, and says how far it has
read (`complete_to`). Deleting it loses nothing.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from transire.domain.request import JsonValue
from transire.errors import IntegrityError
from transire.record.checkpoint import Checkpoint
from transire.record.front import LogFront
from transire.record.merkle import CompactRange, leaf_hash
from transire.record.note import VerifierKey, open_note
from transire.record.sql import Reader

__all__ = ["INDEX_FILE", "LogEntries", "OpenPermit", "Page", "Projection"]

INDEX_FILE: Final = "index.sqlite"
_STEP: Final = 2_000
_DDL: Final = """
CREATE TABLE IF NOT EXISTS entry_ix (
    idx INTEGER PRIMARY KEY, kind TEXT NOT NULL, ts TEXT NOT NULL, decision_id TEXT,
    tenant TEXT, app TEXT, deployment TEXT, outcome TEXT, replica TEXT, boot TEXT,
    attempt INTEGER, review_id TEXT);
CREATE INDEX IF NOT EXISTS entry_decision ON entry_ix (decision_id);
CREATE INDEX IF NOT EXISTS entry_tenant ON entry_ix (tenant, kind, idx);
CREATE TABLE IF NOT EXISTS open_permit (
    decision_id TEXT, attempt INTEGER, deployment TEXT, replica TEXT, boot TEXT,
    PRIMARY KEY (decision_id, attempt));
CREATE TABLE IF NOT EXISTS progress (name TEXT PRIMARY KEY, size INTEGER NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class OpenPermit:
    """A recorded permit without an outcome."""

    decision_id: str
    attempt: int
    deployment: str


@dataclass(frozen=True, slots=True)
class Page:
    """Entries with their indexes, and how far the projection had read."""

    entries: list[tuple[int, Mapping[str, Any]]]
    complete_to: int


class LogEntries:
    """Entries as the tree covers them, not as state or a projection tells them.

    Reads and hashes the whole log: for rare acts that must trust nothing else (activation).
    """

    def __init__(self, log: LogFront) -> None:
        self._log = log

    async def read_entries(self, kinds: frozenset[str]) -> Sequence[Mapping[str, JsonValue]]:
        """Every entry of these kinds, in order.

        Raises:
            IntegrityError: stored bytes do not add up to the signed checkpoint.
        """
        return await self._log.read(lambda reader: self._read(reader, kinds))

    def _read(self, reader: Reader, kinds: frozenset[str]) -> list[Mapping[str, JsonValue]]:
        newest = reader.checkpoint()
        if newest is None:
            return []
        size, note = newest
        signed = Checkpoint.parse(open_note(note, [VerifierKey.parse(self._log.public_key)]))
        tree, found = CompactRange(), list[Mapping[str, JsonValue]]()
        for start in range(0, size, _STEP):
            for _, leaf in reader.leaves(start, min(start + _STEP, size)):
                tree.append(leaf_hash(leaf))
                entry = orjson.loads(leaf)
                if entry["kind"] in kinds:
                    found.append(entry)
        if (tree.size, tree.root()) != (signed.size, signed.root):
            raise IntegrityError("stored entries do not add up to the signed checkpoint")
        return found


class Projection:
    """Runs on the log's reader thread; one at a time."""

    def __init__(self, directory: Path, log: LogFront) -> None:
        self._log = log
        self._db = sqlite3.connect(
            directory / INDEX_FILE, check_same_thread=False, isolation_level=None
        )
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")  # it can be rebuilt from the log
        self._db.executescript(_DDL)

    async def entry(self, index: int) -> Mapping[str, Any] | None:
        """One entry by index."""
        rows = await self._log.read(lambda reader: reader.leaves(index, index + 1))
        return orjson.loads(rows[0][1]) if rows else None

    async def of_decision(self, decision_id: str) -> Page:
        """Every entry that belongs to a decision or advice, in order."""
        return await self._log.read(
            lambda reader: self._select(reader, "decision_id=?", (decision_id,), 1_000)
        )

    async def tail(
        self, *, before: int | None, limit: int, tenant: str | None, kind: str | None
    ) -> Page:
        """The newest entries first, keyset-paged by index."""
        clauses, values = ["1=1"], list[Any]()
        for clause, value in (("idx<?", before), ("tenant=?", tenant), ("kind=?", kind)):
            if value is not None:
                clauses.append(clause)
                values.append(value)
        where = " AND ".join(clauses)
        return await self._log.read(
            lambda reader: self._select(reader, where, tuple(values), limit, newest=True)
        )

    async def open_permits(self, replica: str, boot: str) -> list[OpenPermit]:
        """Permits of this replica's *earlier* boots that have no outcome."""

        def find(reader: Reader) -> list[OpenPermit]:
            self._catch_up(reader)
            rows = self._db.execute(
                "SELECT decision_id, attempt, deployment FROM open_permit "
                "WHERE replica=? AND boot<>? ORDER BY decision_id, attempt",
                (replica, boot),
            )
            return [OpenPermit(*row) for row in rows]

        return await self._log.read(find)

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    def _select(
        self,
        reader: Reader,
        where: str,
        values: tuple[Any, ...],
        limit: int,
        *,
        newest: bool = False,
    ) -> Page:
        complete_to = self._catch_up(reader)
        direction = "DESC" if newest else "ASC"
        indexes = [
            row[0]
            for row in self._db.execute(
                f"SELECT idx FROM entry_ix WHERE {where} ORDER BY idx {direction} LIMIT ?",  # noqa: S608 - clauses are constants
                (*values, limit),
            )
        ]
        entries = [
            (index, orjson.loads(leaf)) for i in indexes for index, leaf in reader.leaves(i, i + 1)
        ]
        return Page(entries, complete_to)

    def _catch_up(self, reader: Reader) -> int:
        row = self._db.execute("SELECT size FROM progress WHERE name='log'").fetchone()
        done, size = row[0] if row else 0, reader.size()
        while done < size:
            stop = min(done + _STEP, size)
            self._db.execute("BEGIN")
            for index, leaf in reader.leaves(done, stop):
                self._project(index, orjson.loads(leaf))
            self._db.execute(
                "INSERT INTO progress VALUES ('log', ?) "
                "ON CONFLICT (name) DO UPDATE SET size=excluded.size",
                (stop,),
            )
            self._db.execute("COMMIT")
            done = stop
        return done

    def _project(self, index: int, entry: Mapping[str, Any]) -> None:
        kind = entry["kind"]
        decision_id = entry.get("decision_id")
        if kind in ("decision", "advice"):
            decision_id = entry["id"]
        permit = entry.get("permit") or {}
        deployment = permit.get("deployment") or entry.get("deployment")
        self._db.execute(
            "INSERT OR REPLACE INTO entry_ix VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                index,
                kind,
                entry["ts"],
                decision_id,
                entry.get("tenant"),
                entry.get("app"),
                deployment,
                entry.get("outcome") or entry.get("status"),
                entry["replica"],
                entry["boot"],
                permit.get("attempt") or entry.get("attempt"),
                entry.get("review_id"),
            ),
        )
        if permit:
            self._db.execute(
                "INSERT OR REPLACE INTO open_permit VALUES (?,?,?,?,?)",
                (decision_id, permit["attempt"], deployment, entry["replica"], entry["boot"]),
            )
        elif kind == "outcome":
            self._db.execute(
                "DELETE FROM open_permit WHERE decision_id=? AND attempt=?",
                (decision_id, entry["attempt"]),
            )
