"""Erasing what decisions say of people: disclosures go, entries and proofs stay (RFC 9901 §4.2).

What people wrote stands beside the tree, salted, and only its digest inside it: the comments of
those who reviewed a decision, the reason of a quarantine. Deleting the rows and saying so is one
transaction of the log's writer: nothing is ever missing without an `erasure` that names it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from transire.domain.log import Item
from transire.errors import ConflictError, NotFoundError
from transire.record.entries import entries_near, entries_of_review, entry_near
from transire.record.front import LogFront
from transire.record.ownership import EVERYBODY, owner_of
from transire.record.sql import Reader

__all__ = ["Erased", "erase", "is_kept"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What an erasure did.

    Attributes:
        index: Where its entry stands.
        fields: How many disclosures were deleted with it.
    """

    index: int
    fields: int


async def erase(
    log: LogFront,
    decisions: Sequence[str],
    entries: Sequence[str],
    *,
    tenant: str,
    by: str,
    reason: str,
) -> Erased:
    """Delete every disclosure about these decisions and of these entries; say so in one entry.

    Args:
        entries: Ids of entries of their own, of this tenant or everybody's (`ownership`).
        reason: Itself a disclosure, because it may name the very person.

    Raises:
        NotFoundError: the tenant has no such decision or entry; nothing was erased.
        ConflictError: nothing personal is kept about any of them.
    """
    digests = await log.read(
        lambda reader: reader.disclosed(
            _about(reader, decisions, tenant) | _of_own(reader, entries, tenant)
        )
    )
    if not digests:
        raise ConflictError("nothing personal is kept about these, or not any more")
    named = {"decisions": sorted(set(decisions)), "entries": sorted(set(entries))}
    receipt = await log.append(
        Item(
            kind="erasure",
            fields={"by": by, "tenant": tenant, **{k: ids for k, ids in named.items() if ids}},
            disclosures={"reason": reason},
            erases=digests,
        )
    )
    return Erased(index=receipt.index, fields=len(digests))


async def is_kept(log: LogFront, entry: Mapping[str, Any]) -> bool:
    """Whether everything an entry disclosed is still there; one that disclosed nothing is."""
    named = frozenset(entry.get("sd") or ())
    if not named:
        return True
    return named == await log.read(lambda reader: reader.disclosed(named))


def _about(reader: Reader, decisions: Sequence[str], tenant: str) -> frozenset[str]:
    """Digests of what was disclosed about these decisions."""
    named: set[str] = set()
    for decision in decisions:
        entries = [entry for _, entry in entries_near(reader, decision)]
        if not entries or entries[0].get("tenant") != tenant:
            raise NotFoundError("no such decision")
        reviews = {entry["review_id"] for entry in entries if entry.get("review_id")}
        for review in sorted(reviews):
            entries += entries_of_review(reader, review)
        named.update(digest for entry in entries for digest in entry.get("sd") or ())
    return frozenset(named)


def _of_own(reader: Reader, entries: Sequence[str], tenant: str) -> frozenset[str]:
    """Digests of what these entries disclosed, each of which stands for itself."""
    named: set[str] = set()
    for entry_id in entries:
        entry = entry_near(reader, entry_id)
        if entry is None or owner_of(entry) not in (tenant, EVERYBODY):
            raise NotFoundError("no such entry")
        named.update(entry.get("sd") or ())
    return frozenset(named)
