"""A batch in the making: items judged in order, entries stamped, the tree extended. Pure.

An item whose conditions do not hold, or that leaves the profile, fails alone: it comes back as an
error and leaves no trace. Changes of earlier items are visible to the conditions of later ones.
"""

import hashlib
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from transire.domain.ids import make_ulid
from transire.domain.log import Change, Item
from transire.domain.request import JsonValue
from transire.errors import ConflictError, IntegrityError, StaleError, TransireError
from transire.record.disclosure import disclose
from transire.record.entry import encode_entry
from transire.record.merkle import CompactRange, leaf_hash
from transire.record.seal import StateSeal

__all__ = ["Draft", "Names", "Stamp", "Written"]

_SALT_BYTES: Final = 16
_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What every entry says about where it was written; `boot` is new for every start."""

    replica: str
    boot: str


@dataclass(frozen=True, slots=True)
class Written:
    """Where an entry came to stand; durable only once the batch is committed."""

    index: int
    entry_id: str
    leaf_hash: bytes


class Stamp:
    """Adds to an item's fields what every entry has; one per batch, so a batch has one time.

    Attributes:
        now: What the batch's entries say of their time.

    Args:
        entropy: Returns n random bytes.
    """

    def __init__(self, names: Names, now: datetime, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy
        self.now = now
        self._now_ms = int(now.timestamp() * 1_000)
        self._always: dict[str, JsonValue] = {
            "v": _VERSION,
            "ts": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "replica": names.replica,
            "boot": names.boot,
        }

    def fields(self, item: Item) -> tuple[dict[str, JsonValue], list[tuple[str, str]]]:
        """The whole entry, and its disclosures as (digest, encoded)."""
        fields: dict[str, JsonValue] = {**item.fields, **self._always}
        fields["kind"] = item.kind
        fields["salt"] = self._entropy(_SALT_BYTES).hex()
        if "id" not in fields:
            fields["id"] = make_ulid("ent", now_ms=self._now_ms, entropy=self._entropy(10))
        if item.erases:
            fields["erased"] = sorted(item.erases)
        if not item.disclosures:
            return fields, []
        salts = {name: self._entropy(_SALT_BYTES) for name in item.disclosures}
        disclosures = disclose(item.disclosures, salts)
        fields["sd"] = [digest for digest, _ in disclosures]
        return fields, disclosures


class Draft:
    """What one commit will add.

    Args:
        tree: The committed tree, extended in place.
        state: Committed values of every key the batch's conditions, changes and spends name.
        stored: Digests of blobs known to be stored already.
        seal: Seals state; with `sealed`, the seal of the committed state.

    Attributes:
        leaves: (index, bytes, leaf hash), in order.
        changes: State writes, in order; None deletes.
        blobs: Digest → bytes of blobs not stored yet.
        disclosures: (index, digest, encoded).
        erased: Digests of disclosures to delete.
        sealed: The seal after the last entry taken.
    """

    def __init__(
        self,
        *,
        tree: CompactRange,
        state: Mapping[str, str],
        stored: Container[str],
        stamp: Stamp,
        seal: StateSeal,
        sealed: int,
    ) -> None:
        self.sealed = sealed
        self._seal = seal
        self.tree = tree
        self.leaves: list[tuple[int, bytes, bytes]] = []
        self.changes: list[tuple[str, str | None]] = []
        self.blobs: dict[str, bytes] = {}
        self.disclosures: list[tuple[int, str, str]] = []
        self.erased: list[str] = []
        self._state: dict[str, str | None] = dict(state)
        self._stored = stored
        self._stamp = stamp

    def add(self, item: Item) -> Written | TransireError:
        """Take an item, or say why not."""
        try:
            self._judge(item)
            changes = item.writes(self._state.get)
            blobs = self._new_blobs(item)
            fields, disclosures = self._stamp.fields(item)
            sealed = self._sealed_after(changes)
            fields["state"] = self._seal.spelled(sealed)
            data = encode_entry(fields)
        except TransireError as error:
            return error
        except (TypeError, ValueError):  # a lone surrogate, a blob that is not bytes
            return IntegrityError(f"a `{item.kind}` entry cannot be encoded")
        self.sealed = sealed
        return self._take(item, changes, data, str(fields["id"]), blobs, disclosures)

    def _sealed_after(self, changes: Iterable[Change]) -> int:
        sealed, moved = self.sealed, dict[str, str | None]()
        for change in changes:
            old = moved.get(change.key, self._state.get(change.key))
            sealed = self._seal.moved(sealed, change.key, old, change.value)
            moved[change.key] = change.value
        return sealed

    def _judge(self, item: Item) -> None:
        if item.since is not None and self._stamp.now < item.since:
            raise StaleError("the clock went back since this was judged")
        if item.until is not None and self._stamp.now >= item.until:
            raise ConflictError("what this act was based on is over", facts={"is_over": True})
        for condition in item.conditions:
            if self._state.get(condition.key) != condition.equals:
                message = f"`{condition.key}` is not what this act was based on"
                kind = StaleError if condition.stale else ConflictError
                raise kind(message, facts={"key": condition.key})
        for change in item.changes:
            # What the database could not store must fail this item, not the batch. Sealing says
            # so of a value, and of a key that has one.
            change.key.encode()

    def _new_blobs(self, item: Item) -> dict[str, bytes]:
        new: dict[str, bytes] = {}
        for digest, data in item.blobs.items():
            if digest in self._stored or digest in self.blobs:
                continue
            if hashlib.sha256(data).hexdigest() != digest:
                raise IntegrityError("a blob does not have the digest it is stored under")
            new[digest] = bytes(data)
        return new

    def _take(
        self,
        item: Item,
        changes: Iterable[Change],
        data: bytes,
        entry_id: str,
        blobs: dict[str, bytes],
        disclosures: list[tuple[str, str]],
    ) -> Written:
        written = Written(self.tree.size, entry_id, leaf_hash(data))
        self.tree.append(written.leaf_hash)
        self.leaves.append((written.index, data, written.leaf_hash))
        for change in changes:
            self._state[change.key] = change.value
            self.changes.append((change.key, change.value))
        self.blobs.update(blobs)
        self.erased += sorted(item.erases)
        self.disclosures += [(written.index, digest, encoded) for digest, encoded in disclosures]
        return written
