"""The Merkle tree of RFC 6962 §2.1: hashes, an appendable compact range, and both proofs.

Indexes and sizes count leaves from 0. A compact range is the list of roots of the maximal perfect
subtrees of a tree, left to right: one per set bit of the size, largest first.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import TypeAlias

from transire.errors import IntegrityError

__all__ = [
    "EMPTY_ROOT",
    "CompactRange",
    "Prover",
    "leaf_hash",
    "node_hash",
    "root_of",
    "verify_consistency",
    "verify_inclusion",
]

Read: TypeAlias = Callable[[int, int], Sequence[bytes]]
"""Returns the leaf hashes from its first argument on, short of its second."""

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """`SHA-256(0x00 ‖ data)` (RFC 6962 §2.1)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """`SHA-256(0x01 ‖ left ‖ right)` (RFC 6962 §2.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class CompactRange:
    """The state needed to append: amortised two hashes per leaf, O(log n) memory."""

    __slots__ = ("hashes", "size")

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        if len(hashes) != size.bit_count():
            raise IntegrityError("a compact range has one hash per set bit of its size")
        self.size = size
        self.hashes = list(hashes)

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash, folding equal subtrees."""
        size = self.size
        while size & 1:
            leaf = node_hash(self.hashes.pop(), leaf)
            size >>= 1
        self.hashes.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """The tree's root hash."""
        if not self.hashes:
            return EMPTY_ROOT
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root

    def copy(self) -> "CompactRange":
        """An independent copy, to try a batch on."""
        return CompactRange(self.size, self.hashes)


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes; O(n)."""
    tree = CompactRange()
    for leaf in leaves:
        tree.append(leaf)
    return tree.root()


class Prover:
    """Inclusion proofs over one log, which only ever grows.

    Roots of whole blocks are remembered: the first proof reads every leaf hash, later ones those of
    two blocks or so, however long the log is. About 30 bytes in a thousand leaves. Used by one
    thread at a time.
    """

    def __init__(self, block: int = 1_024) -> None:
        self._block = block
        self._roots: dict[tuple[int, int], bytes] = {}

    def path(self, read: Read, index: int, size: int) -> list[bytes]:
        """The audit path of a leaf in the tree of the first `size` leaves (RFC 6962 §2.1.1).

        Args:
            read: Reads the log.

        Raises:
            IntegrityError: there is no such leaf, or the log is shorter than it was.
        """
        if not 0 <= index < size:
            raise IntegrityError("an inclusion proof needs an index inside the tree")
        low, high, steps = 0, size, list[bytes]()
        while high - low > 1:
            middle = low + _split(high - low)
            if index < middle:
                steps.append(self._root(read, middle, high))
                high = middle
            else:
                steps.append(self._root(read, low, middle))
                low = middle
        return steps[::-1]

    def _root(self, read: Read, low: int, high: int) -> bytes:
        """The root over a range that a split of the tree begins."""
        count = high - low
        known = self._roots.get((low, high))
        if known is not None:
            return known
        if count <= self._block:
            leaves = read(low, high)
            if len(leaves) != count:
                raise IntegrityError("the log holds fewer entries than its checkpoint says")
            root = root_of(leaves)
        else:
            middle = low + _split(count)
            root = node_hash(self._root(read, low, middle), self._root(read, middle, high))
        if count >= self._block and count.bit_count() == 1:  # complete: it never changes again
            self._roots[low, high] = root
        return root


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Check an audit path (RFC 9162 §2.1.3.2).

    Raises:
        IntegrityError: the leaf is not at this index of the tree with this root.
    """
    if not 0 <= index < size:
        raise IntegrityError("the index lies outside the tree")
    if len(leaf) != len(EMPTY_ROOT):
        raise IntegrityError("a leaf hash has 32 bytes")
    position, last, computed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise IntegrityError("the inclusion proof is too long")
        if position & 1 or position == last:
            computed = node_hash(sibling, computed)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        position, last = position >> 1, last >> 1
    if last != 0:
        raise IntegrityError("the inclusion proof is too short")
    if computed != root:
        raise IntegrityError("the inclusion proof does not lead to the root")


def verify_consistency(
    old_size: int, new_size: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes
) -> None:
    """Check that one tree is a prefix of another (RFC 9162 §2.1.4.2).

    An old size of 0 is refused: nothing can be proven about an empty tree (a witness that starts
    a log handles that case itself).

    Raises:
        IntegrityError: the trees are not consistent.
    """
    if not 0 < old_size <= new_size:
        raise IntegrityError("a consistency proof needs 0 < old size ≤ new size")
    if old_size == new_size:
        if proof or old_root != new_root:
            raise IntegrityError("trees of one size must have one root and an empty proof")
        return
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    if not path:
        raise IntegrityError("the consistency proof is empty")
    position, last = old_size - 1, new_size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise IntegrityError("the consistency proof is too long")
        if position & 1 or position == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        position, last = position >> 1, last >> 1
    if last != 0:
        raise IntegrityError("the consistency proof is too short")
    if old != old_root or new != new_root:
        raise IntegrityError("the consistency proof does not lead to both roots")


def _split(size: int) -> int:
    return 1 << ((size - 1).bit_length() - 1)
