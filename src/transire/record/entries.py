"""Entries as the log itself holds them, for acts and answers that trust no projection.

Three ways to read, by what it costs: the whole log against its signed checkpoint (activation); a
bounded stretch of it for one decision; and the stretch behind permits that lack an outcome.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from transire.domain.ids import ulid_ms
from transire.domain.request import JsonValue
from transire.errors import IntegrityError
from transire.record.checkpoint import Checkpoint
from transire.record.front import LogFront
from transire.record.merkle import CompactRange, leaf_hash
from transire.record.note import VerifierKey, open_note
from transire.record.sql import Reader

__all__ = [
    "LogEntries",
    "OpenPermit",
    "belongs",
    "entries_near",
    "entries_of_review",
    "entry_near",
    "still_open",
]

_STEP: Final = 2_000
_NEAR: Final = 100_000
"""Entries looked through for one decision: about 0.1 s of SQLite's time."""
_SLACK: Final = timedelta(seconds=2)
"""A writer's clock may run so much behind the one that named the decision."""
_CLOSING: Final = {
    kind: f'"kind":"{kind}"'.encode()
    for kind in ("outcome", "shadow.ended", "moderation.ended", "judge.ended")
}
"""Kinds of entries that close a permit, and how each is spelled in one."""


@dataclass(frozen=True, slots=True)
class OpenPermit:
    """A recorded permit without an outcome.

    Attributes:
        index: The permit's entry.
    """

    decision_id: str
    attempt: int
    deployment: str
    index: int


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


def belongs(entry: Mapping[str, Any], decision_id: str) -> bool:
    """Whether an entry is a decision's own, or one of its attempts, outcomes and reviews."""
    name = "id" if entry.get("kind") in ("decision", "advice") else "decision_id"
    return bool(entry.get(name) == decision_id)


def entries_near(reader: Reader, decision_id: str) -> list[tuple[int, Mapping[str, Any]]]:
    """A decision's entries in the log itself: in all of it, or in a stretch from the id's time on.

    Ids tell their time (`domain.ids`), and entries follow one another in time but for steps of
    the clock: in a log of more than 100,000 entries, that many are looked through.
    """
    size = reader.size()
    start = 0 if size <= _NEAR else _first_since(reader, size, ulid_ms(decision_id))
    if start is None:
        return []
    found = reader.leaves_with(decision_id.encode(), start, min(size, start + _NEAR))
    entries = ((index, orjson.loads(leaf)) for index, leaf in found)
    return [(index, entry) for index, entry in entries if belongs(entry, decision_id)]


def entry_near(reader: Reader, entry_id: str) -> Mapping[str, Any] | None:
    """The entry of this id, looked for as `entries_near` looks for a decision's."""
    size = reader.size()
    start = 0 if size <= _NEAR else _first_since(reader, size, ulid_ms(entry_id))
    if start is None:
        return None
    found = reader.leaves_with(entry_id.encode(), start, min(size, start + _NEAR))
    entries = (orjson.loads(leaf) for _, leaf in found)
    return next((entry for entry in entries if entry["id"] == entry_id), None)


def entries_of_review(reader: Reader, review_id: str) -> list[Mapping[str, Any]]:
    """A review's acts in the log itself; reads all that was written since it was opened."""
    size = reader.size()
    start = _first_since(reader, size, ulid_ms(review_id))
    found = reader.leaves_with(review_id.encode(), size if start is None else start, size)
    entries = (orjson.loads(leaf) for _, leaf in found)
    return [
        entry
        for entry in entries
        if entry["kind"].startswith("review.") and entry.get("review_id") == review_id
    ]


def still_open(
    reader: Reader, indexes: Sequence[int], *, replica: str, boot: str
) -> list[OpenPermit]:
    """Which of these entries permit, in an earlier boot of this replica, and have no outcome.

    Args:
        indexes: Where a projection saw such permits; each entry is read, and all after the first.
    """
    found: dict[tuple[str, int], OpenPermit] = {}
    for index in sorted(indexes):
        for _, leaf in reader.leaves(index, index + 1):
            entry = orjson.loads(leaf)
            permit = entry.get("permit")
            if permit and entry["replica"] == replica and entry["boot"] != boot:
                name = entry["id"] if entry["kind"] == "decision" else entry["decision_id"]
                at = OpenPermit(name, permit["attempt"], permit["deployment"], index)
                found.setdefault((name, at.attempt), at)
    first, size = min((p.index for p in found.values()), default=0), reader.size()
    for start in range(first, size if found else first, _STEP):
        for kind, spelled in _CLOSING.items():
            for _, leaf in reader.leaves_with(spelled, start, min(start + _STEP, size)):
                entry = orjson.loads(leaf)
                if entry["kind"] == kind:
                    found.pop((entry.get("decision_id"), entry.get("attempt")), None)
    return [found[name] for name in sorted(found)]


def _first_since(reader: Reader, size: int, at_ms: int | None) -> int | None:
    """Index of the first entry of that time or later, by halves; None where there is none."""
    if at_ms is None:
        return None
    since = datetime.fromtimestamp(at_ms / 1_000, UTC) - _SLACK
    wanted = since.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        rows = reader.leaves(middle, middle + 1)
        if rows and str(orjson.loads(rows[0][1])["ts"]) < wanted:
            low = middle + 1
        else:
            high = middle
    return low if low < size else None
