"""Search columns, projected from the log and rebuildable from it at any time.

The projection lives in its own file beside the log (`index`), catches up when asked, and says how
far it has read (`complete_to`). Deleting it loses nothing. It is held against the log at every
look: what it has read must be the log's beginning, and what it has made of it must add up. Where
not, it is thrown away and read anew. What it answers are the log's entries; it only says where.
"""

import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import orjson

from transire.domain.log import KINDS
from transire.domain.shadow import SHADOW
from transire.errors import IntegrityError, LogUnavailable, ThrottledError
from transire.limits.turns import NoRoomError, Turns
from transire.observe.logging import log as operational_log
from transire.record.entries import OpenPermit, belongs, entries_near, still_open
from transire.record.front import LogFront
from transire.record.index import IndexFile
from transire.record.merkle import leaf_hash
from transire.record.ownership import EVERYBODY, owner_of
from transire.record.seal import StateSeal
from transire.record.sql import Reader

__all__ = ["Page", "Projection", "newest_sql"]

T = TypeVar("T")

_STEP: Final = 1_000
"""Entries read at a time, and held in memory: at most 60 MB, mostly one."""
_TOLD: Final = 50_000
"""Entries between two lines of the operational log while much is read."""
_SEARCHES: Final = 64
"""Searches of the log that may wait; each looks through 100,000 entries at most, about a second."""
_PATIENCE: Final = 50_000
"""Entries read before one decision is looked for in the log itself; less than a second."""
_FLEETING: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL})
"""What a new file would not mend."""

_ACTS: Final = tuple(sorted(kind for kind in KINDS if kind.startswith("review.")))

_Entries = list[tuple[int, Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Page:
    """Entries with their indexes, and how far the projection had read."""

    entries: _Entries
    complete_to: int


class Projection:
    """Runs on the log's reader thread, a step at a time, so that other readers come in between.

    Args:
        seal: Under a key that is used for nothing else.
        patience: Entries read before a decision is looked for in the log itself.
    """

    def __init__(
        self, directory: Path, log: LogFront, seal: StateSeal, *, patience: int = _PATIENCE
    ) -> None:
        self._log = log
        self._file = IndexFile(directory, seal)
        self._patience = patience
        self._searches = Turns(places=1, room=_SEARCHES)
        self._behind: int | None = None

    @property
    def behind(self) -> int | None:
        """How far it has read while much is left to read; None where it keeps up."""
        return self._behind

    async def entry(self, index: int) -> Mapping[str, Any] | None:
        """One entry by index."""
        rows = await self._log.read(lambda reader: reader.leaves(index, index + 1))
        return orjson.loads(rows[0][1]) if rows else None

    async def shown(self, index: int, tenant: str) -> Mapping[str, Any] | None:
        """One entry by index, if this tenant's auditors are shown it (`ownership`)."""
        await self._catch_up()

        def find(reader: Reader) -> Mapping[str, Any] | None:
            for _, leaf in reader.leaves(index, index + 1):
                entry: Mapping[str, Any] = orjson.loads(leaf)
                if self._owner(reader, entry) in (tenant, EVERYBODY):
                    return entry
            return None

        return await self._log.read(self._mended(find))

    async def of_reviews(self, reviews: Collection[str], tenant: str) -> _Entries:
        """What people did about these reviews of a tenant, in order."""
        if not reviews:
            return []
        marks, kinds = ",".join("?" * len(reviews)), ",".join("?" * len(_ACTS))
        sql = (
            f"SELECT idx FROM entry_ix WHERE owner=? AND kind IN ({kinds}) "  # noqa: S608 - question marks
            f"AND review_id IN ({marks}) ORDER BY idx LIMIT 1000"
        )

        def is_asked(_: Reader, entry: Mapping[str, Any]) -> bool:
            return entry.get("review_id") in reviews and owner_of(entry) == tenant

        await self._catch_up()
        return await self._select(sql, (tenant, *_ACTS, *sorted(reviews)), is_asked)

    async def of_decision(self, decision_id: str, party: str = "") -> Page:
        """Every entry that belongs to a decision or advice, in order, its moderations last.

        Where the projection knows none, or a part, the log itself is searched (`entries_near`):
        one search at a time, parties in turn, for an id that was made up costs one as well.

        Args:
            party: Who asks.

        Raises:
            ThrottledError: too many searches of this party's are waiting already.
        """
        complete_to, size = await self._catch_up(self._patience)
        sql = "SELECT idx FROM entry_ix WHERE decision_id=? ORDER BY idx LIMIT 1000"
        found = await self._select(
            sql, (decision_id,), lambda _, entry: belongs(entry, decision_id), self._patience
        )
        found = _headed(found)
        if complete_to == size and _is_whole(found, decision_id):
            return Page(found, complete_to)
        try:
            async with self._searches.turn(party):
                near = await self._log.read(lambda reader: entries_near(reader, decision_id))
        except NoRoomError:
            raise ThrottledError("too many searches are waiting", retry_after_s=1.0) from None
        known = {index for index, _ in found}
        if any(index not in known and index < complete_to for index, _ in near):
            await self._log.read(lambda _: self._discard("rows are missing"))
        return Page(_headed(sorted((dict(found) | dict(near)).items())), complete_to)

    async def tail(
        self, *, before: int | None, limit: int, tenant: str | None, kind: str | None
    ) -> Page:
        """The newest entries first, keyset-paged by index.

        Args:
            tenant: Only what its auditors are shown (`ownership`).
        """
        owners = (None,) if tenant is None else (tenant, EVERYBODY)
        sql, values = newest_sql(owners, kind, before)

        def is_asked(reader: Reader, entry: Mapping[str, Any]) -> bool:
            if kind not in (None, entry["kind"]):
                return False
            return tenant is None or self._owner(reader, entry) in (tenant, EVERYBODY)

        complete_to, _ = await self._catch_up()
        return Page(await self._select(sql, (*values, limit), is_asked), complete_to)

    async def open_permits(self, replica: str, boot: str) -> list[OpenPermit]:
        """Permits of this replica's *earlier* boots that have no outcome, as the log says."""
        await self._catch_up()

        def find(reader: Reader) -> list[OpenPermit]:
            sql = "SELECT idx FROM open_permit WHERE replica=? AND boot<>?"
            indexes = [row[0] for row in self._file.select(sql, (replica, boot))]
            return still_open(reader, indexes, replica=replica, boot=boot)

        return await self._log.read(self._mended(find))

    async def keep_sound(self) -> None:
        """Hold it against the log, and finish what a look has left to read."""
        await self._log.read(self._mended(self._check))
        if self._behind is not None:
            await self._catch_up()

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    async def _select(
        self,
        sql: str,
        values: Sequence[Any],
        is_asked: Callable[[Reader, Mapping[str, Any]], bool],
        patience: int | None = None,
    ) -> _Entries:
        """The log's entries where a query's indexes point; rows that point elsewhere are wrong."""

        def find(reader: Reader) -> _Entries | None:
            indexes = [row[0] for row in self._file.select(sql, values)]
            leaves = (row for i in indexes for row in reader.leaves(i, i + 1))
            found = [(index, orjson.loads(leaf)) for index, leaf in leaves]
            if len(found) == len(indexes) and all(is_asked(reader, e) for _, e in found):
                return found
            self._discard("rows do not match their entries")
            return None

        for _ in range(2):
            found = await self._log.read(self._mended(find))
            if found is not None:
                return found
            await self._catch_up(patience)
        raise IntegrityError("the search columns do not match the log; run audit/verify.py")

    def _owner(self, reader: Reader, entry: Mapping[str, Any]) -> str | None:
        """Whose an entry is, by the log's word alone: its own, or its decision's."""
        owner, decision_id = owner_of(entry), entry.get("decision_id")
        if owner is not None or decision_id is None:
            return owner
        sql = "SELECT idx FROM entry_ix WHERE decision_id=? ORDER BY idx LIMIT 1"
        for index in self._file.select(sql, (decision_id,)):
            for _, leaf in reader.leaves(index[0], index[0] + 1):
                head = orjson.loads(leaf)
                # A moderation comes before its decision, and names the tenant itself.
                is_head = head["kind"] == "moderation.permitted" or head["id"] == decision_id
                return owner_of(head) if is_head else None
        return None

    async def _catch_up(self, patience: int | None = None) -> tuple[int, int]:
        """Read on, to the log's end or `patience` entries further; returns as `_step`."""
        done, size = await self._log.read(self._mended(self._step))
        read = _STEP
        while done < size and (patience is None or read < patience):
            done, size = await self._log.read(self._mended(self._step))
            read += _STEP
        return done, size

    def _mended(self, query: Callable[[Reader], T]) -> Callable[[Reader], T]:
        """Run a query on the file; one that SQLite cannot use is replaced, once.

        The query raises LogUnavailable where that does not help.
        """

        def run(reader: Reader) -> T:
            try:
                return query(reader)
            except sqlite3.Error as error:
                if getattr(error, "sqlite_errorcode", 0) & 0xFF in _FLEETING:
                    raise LogUnavailable("the search columns cannot be used now") from None
            try:
                self._discard("the file is damaged")
                return query(reader)
            except (sqlite3.Error, OSError):
                raise LogUnavailable("the search columns cannot be used now") from None

        return run

    def _step(self, reader: Reader) -> tuple[int, int]:
        """Read some entries further; returns (how far it has read, the log's size)."""
        size, done = reader.size(), self._check(reader)
        if done < size:
            stop = min(done + _STEP, size)
            leaves = reader.leaves(done, stop)
            if len(leaves) != stop - done:
                raise IntegrityError("entries of the log are missing; run audit/verify.py")
            self._file.extend(leaves)
            done = stop
        if done < size and (self._behind is None or done // _TOLD > self._behind // _TOLD):
            operational_log().info("index.read_on", count=done, tree_size=size)
        elif done == size and self._behind is not None:
            operational_log().info("index.caught_up", tree_size=size)
        self._behind = done if done < size else None
        return done, size

    def _check(self, reader: Reader) -> int:
        """How far a projection that is the log's own has read; another one is thrown away."""
        if not self._file.is_known and not self._file.is_sound():
            self._discard("somebody else has changed it")
            return 0
        done, last = self._file.progress()
        if done and (
            done > reader.size()
            or [leaf_hash(leaf) for _, leaf in reader.leaves(done - 1, done)] != [last]
        ):
            self._discard("it was read from another log")
            return 0
        return done

    def _discard(self, problem: str) -> None:
        operational_log().error("index.discarded", problem=problem)
        self._file.replace()
        self._behind = 0


def newest_sql(
    owners: Sequence[str | None], kind: str | None, before: int | None
) -> tuple[str, list[Any]]:
    """The query of the newest entries; takes the limit as its last value.

    Each owner's are read in order from an index and merged, so that a page costs what it shows and
    not what its owners have: `owner IN (…)` would sort all of theirs.
    """
    asked, values = list[str](), list[Any]()
    for owner in owners:
        clauses = ["1=1"]
        for clause, value in (("owner=?", owner), ("kind=?", kind), ("idx<?", before)):
            if value is not None:
                clauses.append(clause)
                values.append(value)
        asked.append(f"SELECT idx FROM entry_ix WHERE {' AND '.join(clauses)}")  # noqa: S608 - constants
    return f"{' UNION ALL '.join(asked)} ORDER BY idx DESC LIMIT ?", values


def _headed(entries: _Entries) -> _Entries:
    """The decision first: a moderation is written before it, and is none of its attempts."""
    return sorted(entries, key=lambda row: row[1]["kind"].startswith("moderation."))


def _is_whole(entries: _Entries, decision_id: str) -> bool:
    """Whether a decision is there and its attempts have no gap; an outcome may be still to come."""
    if not entries or entries[0][1].get("id") != decision_id:
        return False
    # A shadow, a moderation and a judgment are no attempts: whether one is to come, nothing tells.
    permits = [e["permit"]["attempt"] for _, e in entries if e.get("permit")]
    permits = [attempt for attempt in permits if attempt > SHADOW]
    closed = {e.get("attempt") for _, e in entries if e["kind"] == "outcome"}
    return permits == list(range(1, len(permits) + 1)) and closed <= set(permits)
