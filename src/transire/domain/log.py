"""The decision log as the path sees it: items that go in, receipts that come out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from transire.domain.budget import Spend, sums_after
from transire.domain.request import JsonValue

__all__ = ["KINDS", "Change", "Condition", "Continuation", "DecisionLog", "Item", "Receipt"]

KINDS: Final = frozenset(
    {"policy.genesis", "policy.proposed", "policy.approved", "policy.activated"}
    | {"policy.mode_changed", "policy.solo_asked"}
    | {"quarantine.imposed", "quarantine.ratified", "quarantine.lift_asked", "quarantine.lifted"}
    | {"access.key_created", "access.key_revoked", "access.invited"}
    | {"access.credential_set", "access.credential_revoked"}
    | {
        "decision",
        "attempt",
        "outcome",
        "advice",
        "throttled",
        "export",
        "cache.purged",
        "feedback",
    }
    | {"review.claimed", "review.viewed", "review.approved", "review.denied"}
    | {"review.cancelled", "review.expired", "erasure"}
    | {"experiment.rolled_back", "shadow.permitted", "shadow.ended"}
    | {"moderation.permitted", "moderation.ended", "judge.permitted", "judge.ended"}
)
"""Every kind of entry (audit/FORMAT.md)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A compare on the log database's key → value state, judged inside the batch.

    A mismatch fails this item alone: with `StaleError` where `stale`, else `ConflictError`.

    Attributes:
        equals: The expected value; None means the key must be absent.
    """

    key: str
    equals: str | None
    stale: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A write to that state in the entry's own transaction; None deletes the key."""

    key: str
    value: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One entry to append, with everything that must be atomic with it.

    Attributes:
        kind: `decision`, `attempt`, `outcome`, `advice`, `review.*`, `policy.*`, `access.*`, ….
        fields: The entry's own fields; the log adds `v`, `kind`, `ts`, `salt`, `replica`, `boot`,
            `sd`, and `id` where none is given.
        blobs: SHA-256 (hex) → bytes, stored once beside the tree; the writer checks the digest.
        disclosures: Personal fields, name → value, stored as RFC 9901 disclosures; only their
            digests enter the entry.
        erases: Digests of disclosures that are deleted with this entry, which says so (`erased`).
        spends: Changes to budgets' sums, judged where the entry is written: with the sums as they
            are then, one item after the other.
        since: The entry's `ts` may not be earlier; a clock went back, and the item is stale.
        until: The entry's `ts` must be earlier; what the act was based on is over, a conflict.
    """

    kind: str
    fields: Mapping[str, JsonValue]
    conditions: tuple[Condition, ...] = ()
    changes: tuple[Change, ...] = ()
    blobs: Mapping[str, bytes] = field(default_factory=dict)
    disclosures: Mapping[str, str] = field(default_factory=dict)
    erases: frozenset[str] = frozenset()
    spends: tuple[Spend, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    def writes(self, get: Callable[[str], str | None]) -> tuple[Change, ...]:
        """Its changes, and the sums of budgets that its spends lead to.

        Args:
            get: The state right before this item.

        Raises:
            BudgetExceeded: a budget has not enough left.
        """
        if not self.spends:
            return self.changes
        sums = sums_after(get, self.spends)
        return (*self.changes, *(Change(key=key, value=value) for key, value in sums.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuation:
    """What a new log takes over from a lost one, as the lost log's own key signed it.

    Attributes:
        key: The lost log's verifier key.
        note: The signed succession (audit/FORMAT.md).
        bundle_digest: The only bundle the new log may be founded with.
        mode: `solo` or `team`, kept.
        quarantine: What was blocked and stays so, as the state value, JSON.
    """

    key: str
    note: str
    bundle_digest: str
    mode: str
    quarantine: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Where an entry stands, and the signed checkpoint that covers it."""

    entry_id: str
    index: int
    tree_size: int
    leaf_hash: bytes
    origin: str
    checkpoint: str


class DecisionLog(Protocol):
    """An append-only, signed log.

    Durability: `append` returns only when the entry is on stable storage and covered by a signed
    checkpoint of the same transaction. Ordering: items are judged and sequenced one after the
    other; a batch's earlier changes are visible to its later conditions. Concurrency: any number
    of coroutines. Retries: nobody but the caller; a cancelled `append` may still be written.

    Raises (by `append`):
        LogUnavailable: full, slow, read-only or failing; nothing may be forwarded.
        StaleError, ConflictError: a condition did not hold; nothing was written.
        BudgetExceeded: a budget has not enough left; nothing was written.
    """

    @property
    def is_ready(self) -> bool:
        """False while outcomes wait that could not be written."""

    @property
    def origin(self) -> str:
        """The log's name (c2sp.org/tlog-checkpoint)."""

    @property
    def public_key(self) -> str:
        """The verifier key string (c2sp.org/signed-note)."""

    async def append(self, item: Item, *, linger: bool = False) -> Receipt:
        """Append one item; with `linger` it may wait some milliseconds to share a commit."""

    async def get(self, key: str) -> str | None:
        """The current value of a state key."""

    async def scan(self, prefix: str) -> list[tuple[str, str]]:
        """All state keys with this prefix, sorted, with their values."""

    async def newest(self, prefix: str, *, before: str | None, limit: int) -> list[tuple[str, str]]:
        """The last `limit` state keys with this prefix, or of those below `before`, descending.

        For what may be many: read from the database, not from memory, and off the event loop.
        """

    async def blob(self, digest: str) -> bytes | None:
        """Side data by its digest."""
