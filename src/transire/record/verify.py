"""Verifying a whole log: our own verifier, which raises at the first thing that is wrong. Pure.

It reads what a `Source` hands out and needs no other state. `audit/verify.py` checks the same
rules and shares no line with it, so that a mistake in one is not a mistake in both.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from transire.errors import IntegrityError
from transire.record.checkpoint import Checkpoint
from transire.record.disclosure import disclosure_digest
from transire.record.entry import REQUIRED, decode_entry
from transire.record.merkle import CompactRange, leaf_hash
from transire.record.note import VerifierKey, open_note
from transire.record.story import Story

__all__ = ["Report", "Source", "verify_log"]


class Source(Protocol):
    """One consistent view of everything a log holds."""

    def rows(self) -> Iterable[tuple[int, bytes, bytes]]:
        """(index, entry, stored leaf hash), by index."""

    def checkpoints(self) -> Sequence[tuple[int, str]]:
        """(size, note), by size."""

    def head(self) -> CompactRange:
        """The tree that the next batch would extend."""

    def blobs(self) -> Iterable[tuple[str, bytes]]:
        """(digest, data)."""

    def disclosures(self) -> Iterable[tuple[int, str, str]]:
        """(index, digest, encoded)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found to hold.

    Attributes:
        not_judged: Kinds of entries and fields that this version does not know, sorted.
    """

    size: int
    checkpoints: int
    root: bytes
    open_permits: int
    erased_fields: int
    continues: Checkpoint | None = None
    not_judged: tuple[str, ...] = ()


def verify_log(
    source: Source, keys: Sequence[VerifierKey], held: Checkpoint | None = None
) -> Report:
    """Check every entry, root, signature, blob, disclosure and rule.

    Args:
        keys: Every checkpoint must be signed by one of them.
        held: A checkpoint that somebody else kept; the log must have its root at its size.

    Raises:
        IntegrityError: names what is wrong and where.
    """
    signed = [_open(size, note, keys) for size, note in source.checkpoints()]
    if not signed:
        raise IntegrityError("there is no checkpoint")
    tree, story = _read_entries(source, signed, keys, held)
    head = source.head()
    if (head.size, head.hashes) != (tree.size, tree.hashes):
        raise IntegrityError("the stored head is not that of the entries")
    _check_blobs(source, story)
    return Report(
        size=tree.size,
        checkpoints=len(signed),
        root=tree.root(),
        open_permits=len(story.open_permits),
        erased_fields=_count_erased(source, story),
        continues=story.continues,
        not_judged=tuple(sorted(story.unknown)),
    )


def _open(size: int, note: str, keys: Sequence[VerifierKey]) -> Checkpoint:
    try:
        checkpoint = Checkpoint.parse(open_note(note, keys))
    except IntegrityError as error:
        raise IntegrityError(f"checkpoint {size}: {error.message}") from None
    if checkpoint.size != size or checkpoint.origin not in {key.name for key in keys}:
        raise IntegrityError(f"checkpoint {size} is signed for another size or log")
    return checkpoint


def _read_entries(
    source: Source,
    signed: Sequence[Checkpoint],
    keys: Sequence[VerifierKey],
    held: Checkpoint | None,
) -> tuple[CompactRange, Story]:
    tree, story, following = CompactRange(), Story(keys), iter(signed)
    upcoming = next(following, None)
    _compare(held, tree)
    for index, leaf, stored in source.rows():
        if index != tree.size:
            raise IntegrityError(f"entry {tree.size} is missing")
        hashed = leaf_hash(leaf)
        if stored != hashed:
            raise IntegrityError(f"entry {index} does not have the leaf hash stored for it")
        _tell(story, index, leaf)
        tree.append(hashed)
        if upcoming is not None and upcoming.size == tree.size:
            if upcoming.root != tree.root():
                raise IntegrityError(f"checkpoint {tree.size} has another root than the entries")
            upcoming = next(following, None)
        _compare(held, tree)
    if held is not None and held.size > tree.size:
        raise IntegrityError(
            f"the checkpoint held is of size {held.size}, this log ends at {tree.size}"
        )
    if upcoming is not None:
        raise IntegrityError(f"entries up to {signed[-1].size} are signed, {tree.size} are there")
    if signed[-1].size != tree.size:
        raise IntegrityError("the newest entries are covered by no checkpoint")
    return tree, story


def _compare(held: Checkpoint | None, tree: CompactRange) -> None:
    if held is not None and held.size == tree.size and held.root != tree.root():
        raise IntegrityError(
            f"at size {tree.size} this log has another root than the checkpoint held"
        )


def _tell(story: Story, index: int, leaf: bytes) -> None:
    try:
        entry = decode_entry(leaf)
    except IntegrityError as error:
        raise IntegrityError(f"entry {index}: {error.message}") from None
    if missing := REQUIRED - entry.keys():
        raise IntegrityError(f"entry {index} lacks `{min(missing)}`")
    story.tell(index, entry)


def _check_blobs(source: Source, story: Story) -> None:
    present = set()
    for digest, data in source.blobs():
        if hashlib.sha256(data).hexdigest() != digest:
            raise IntegrityError(f"blob {digest[:16]}… was altered")
        present.add(digest)
        story.stood_on.check(digest, data)
    for digest, index in story.blobs.items():
        if digest not in present:
            raise IntegrityError(f"blob {digest[:16]}…, named by entry {index}, is missing")


def _count_erased(source: Source, story: Story) -> int:
    """How many disclosures are gone; each by an entry that says so, and none of those is left."""
    kept = set()
    for index, digest, encoded in source.disclosures():
        if disclosure_digest(encoded) != digest or story.disclosed.get(digest) != index:
            raise IntegrityError(f"a disclosure of entry {index} was altered")
        if digest in story.erased:
            raise IntegrityError(f"a disclosure of entry {index} is there, and said to be erased")
        kept.add(digest)
    for digest in story.disclosed.keys() - kept - story.erased:
        raise IntegrityError(
            f"a disclosure of entry {story.disclosed[digest]} is missing, and no entry erases it"
        )
    return len(story.erased)
