"""Fakes that implement ports faithfully, in memory; no patches.

`MemoryLog` judges conditions in order, makes an item's changes visible to the next item, checks
blobs and the entry profile as the real log does, and refuses on demand.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from transire.domain.budget import sums_after
from transire.domain.log import Item, Receipt
from transire.domain.request import JsonValue
from transire.errors import (
    ConflictError,
    IntegrityError,
    LogUnavailable,
    StaleError,
    TransireError,
)
from transire.record.entry import encode_entry
from transire.record.merkle import leaf_hash, root_of
from transire.record.pending import Job

__all__ = ["FakeJudge", "MemoryLog", "nothing_to_prepare"]


class MemoryLog:
    """`domain.log.DecisionLog` without a disk; its checkpoints are unsigned text.

    Attributes:
        items: What was appended, in order.
        entries: The fields of each entry as stored.
        state: The key → value state.
        blobs: Side data by digest.
        broken: Raised by every `append` while set (a full disk, for instance).
        meanwhile: Runs once, right before the next append is judged: somebody else was faster.
        is_current: False while the writer of a real log would be away.
    """

    def __init__(self, state: Mapping[str, str] | None = None) -> None:
        self.items: list[Item] = []
        self.entries: list[dict[str, JsonValue]] = []
        self.state: dict[str, str] = dict(state or {})
        self.blobs: dict[str, bytes] = {}
        self.broken: TransireError | None = None
        self.meanwhile: Callable[[], None] | None = None
        self.is_current = True
        self._hashes: list[bytes] = []

    def copy(self) -> "MemoryLog":
        """The same log, going on by itself."""
        twin = MemoryLog(self.state)
        twin.items, twin.entries, twin.blobs = [*self.items], [*self.entries], {**self.blobs}
        twin._hashes = [*self._hashes]
        return twin

    @property
    def is_ready(self) -> bool:
        return self.broken is None

    @property
    def origin(self) -> str:
        return "log.example/memory"

    @property
    def public_key(self) -> str:
        return "log.example/memory+00000000+unsigned"

    @property
    def kinds(self) -> list[str]:
        """Kinds of the entries, in order."""
        return [item.kind for item in self.items]

    def break_down(self) -> None:
        """Let every further append fail as a full disk would."""
        self.broken = LogUnavailable("the log could not be written")

    async def append(
        self,
        item: Item,
        *,
        linger: bool = False,
        abandoned: Callable[[Receipt | TransireError], None] | None = None,
    ) -> Receipt:
        return self._write(item)

    def enqueue(self, item: Item, *, linger: bool = False) -> Job:
        """As `LogWriter.enqueue`; here the entry is durable at once."""
        loop = asyncio.get_running_loop()
        job = Job(
            number=len(self.items) + 1,
            item=item,
            loop=loop,
            future=loop.create_future(),
            due=0.0,
            is_lingering=linger,
        )
        job.future.set_result(self._write(item))
        return job

    async def get(self, key: str) -> str | None:
        return self.state.get(key)

    def peek(self, key: str) -> str | None:
        return self.state.get(key)

    async def scan(self, prefix: str) -> list[tuple[str, str]]:
        return sorted((k, v) for k, v in self.state.items() if k.startswith(prefix))

    async def newest(self, prefix: str, *, before: str | None, limit: int) -> list[tuple[str, str]]:
        rows = [row for row in await self.scan(prefix) if before is None or row[0] < before]
        return rows[::-1][:limit]

    async def read_entries(self, kinds: frozenset[str]) -> list[dict[str, JsonValue]]:
        """`bundle.acts.Entries`: what was appended is what is read."""
        return [entry for entry in self.entries if entry["kind"] in kinds]

    async def blob(self, digest: str) -> bytes | None:
        return self.blobs.get(digest)

    def _write(self, item: Item) -> Receipt:
        if self.broken is not None:
            raise self.broken
        if self.meanwhile is not None:
            faster, self.meanwhile = self.meanwhile, None
            faster()
        self._judge(item)
        index = len(self.items)
        fields: dict[str, JsonValue] = {"id": f"ent_{index:026d}", **item.fields}
        fields |= {"v": 1, "kind": item.kind, "salt": f"{index:032x}"}
        leaf = encode_entry(fields)
        self.state |= sums_after(self.state.get, item.spends)
        for change in item.changes:
            if change.value is None:
                self.state.pop(change.key, None)
            else:
                self.state[change.key] = change.value
        self.blobs.update(item.blobs)
        self.items.append(item)
        self.entries.append(fields)
        self._hashes.append(leaf_hash(leaf))
        return Receipt(
            entry_id=str(fields["id"]),
            index=index,
            tree_size=index + 1,
            leaf_hash=self._hashes[-1],
            origin=self.origin,
            checkpoint=f"{self.origin}\n{index + 1}\n{root_of(self._hashes).hex()}\n",
        )

    def _judge(self, item: Item) -> None:
        for condition in item.conditions:
            if self.state.get(condition.key) != condition.equals:
                message = f"`{condition.key}` is not what this act was based on"
                if condition.stale:
                    raise StaleError(message)
                raise ConflictError(message, facts={"key": condition.key})
        sums_after(self.state.get, item.spends)
        for digest, data in item.blobs.items():
            if hashlib.sha256(data).hexdigest() != digest:
                raise IntegrityError("a blob does not have the digest it is stored under")


async def nothing_to_prepare(_: object) -> None:
    """Nobody runs the bundle that is activated."""


@dataclass
class FakeJudge:
    """Allows exactly the listed (person, action) pairs; rights can be taken away between acts.

    Attributes:
        asked: What it was asked: person, action, and whether in a solo installation.
    """

    rights: set[tuple[str, str]] = field(default_factory=set)
    asked: list[tuple[str, str, bool]] = field(default_factory=list)

    @classmethod
    def of(cls, **actions: Iterable[str]) -> "FakeJudge":
        """Rights by person: `FakeJudge.of(ana=["propose"])`."""
        return cls({(person, action) for person, names in actions.items() for action in names})

    def allows(
        self,
        person: str,
        action: str,
        resource: Mapping[str, Any],
        *,
        now: datetime,
        solo: bool = False,
    ) -> bool:
        self.asked.append((person, action, solo))
        return (person, action) in self.rights
