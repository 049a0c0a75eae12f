"""Erasing what decisions say of people: disclosures go, entries and proofs stay (RFC 9901 §4.2).

What is personal about a decision stands beside the tree, salted, and only its digest inside it: the
comments of those who reviewed it. Deleting the rows and saying so is one transaction of the log's
writer: nothing is ever missing without an `erasure` entry that names it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from transire.domain.log import Item
from transire.errors import ConflictError, NotFoundError
from transire.record.entries import entries_near, entries_of_review
from transire.record.front import LogFront
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
    log: LogFront, decisions: Sequence[str], *, tenant: str, by: str, reason: str
) -> Erased:
    """Delete every disclosure about these decisions, of this tenant, and say so in one entry.

    Args:
        reason: Itself a disclosure, because it may name the very person.

    Raises:
        NotFoundError: the tenant has no such decision; nothing was erased.
        ConflictError: nothing personal is kept about any of them.
    """
    digests = await log.read(lambda reader: _digests(reader, decisions, tenant))
    if not digests:
        raise ConflictError("nothing personal is kept about these decisions, or not any more")
    receipt = await log.append(
        Item(
            kind="erasure",
            fields={"by": by, "tenant": tenant, "decisions": sorted(set(decisions))},
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


def _digests(reader: Reader, decisions: Sequence[str], tenant: str) -> frozenset[str]:
    """Digests of what is still disclosed about these decisions."""
    named: set[str] = set()
    for decision in decisions:
        entries = [entry for _, entry in entries_near(reader, decision)]
        if not entries or entries[0].get("tenant") != tenant:
            raise NotFoundError("no such decision")
        reviews = {entry["review_id"] for entry in entries if entry.get("review_id")}
        for review in sorted(reviews):
            entries += entries_of_review(reader, review)
        named.update(digest for entry in entries for digest in entry.get("sd") or ())
    return reader.disclosed(named)
