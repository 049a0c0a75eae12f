"""Reading a log's files without opening it for writing, and verifying all of it."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from transire.errors import IntegrityError, NotFoundError
from transire.record.checkpoint import Checkpoint
from transire.record.disclosure import disclosure_digest
from transire.record.entry import decode_entry
from transire.record.merkle import CompactRange, leaf_hash
from transire.record.note import VerifierKey, open_note
from transire.record.signer import PUBLIC_FILE
from transire.record.sql import Reader
from transire.storage.sqlite import LOG_FILE, open_reader

__all__ = ["ReadOnlyLog"]

_STEP = 5_000


class ReadOnlyLog:
    """A log's files, for auditors at the command line.

    Args:
        path: The data folder, or the log's SQLite file in it.
    """

    def __init__(self, path: Path) -> None:
        file = path / LOG_FILE if path.is_dir() else path
        if not file.is_file():
            raise NotFoundError(f"no log at `{file}`")
        self.directory = file.parent
        self.reader = Reader(open_reader(file))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.reader.close()

    def leaves(self) -> Iterator[tuple[int, bytes]]:
        """Every stored leaf, in order."""
        start = 0
        while rows := self.reader.leaves(start, start + _STEP):
            yield from rows
            start = rows[-1][0] + 1

    def tail(self, count: int) -> list[tuple[int, Mapping[str, Any]]]:
        """The newest entries, oldest of them first."""
        size = self.reader.size()
        rows = self.reader.leaves(max(0, size - count), size)
        return [(index, orjson.loads(leaf)) for index, leaf in rows]

    def find(self, which: str) -> list[tuple[int, Mapping[str, Any]]]:
        """By index, or every entry that names a decision."""
        if which.isdigit():
            rows = self.reader.leaves(int(which), int(which) + 1)
            found = [(index, orjson.loads(leaf)) for index, leaf in rows]
        else:
            entries = ((index, orjson.loads(leaf)) for index, leaf in self.leaves())
            found = [(i, e) for i, e in entries if which in (e.get("id"), e.get("decision_id"))]
        if not found:
            raise NotFoundError("no such entry")
        return found

    def keys(self, trusted: str | None) -> list[VerifierKey]:
        """The verifier keys: the trusted one, or the one beside the log."""
        text = trusted or (self.directory / PUBLIC_FILE).read_text()
        return [VerifierKey.parse(line) for line in text.split()]

    def verify(self, trusted: str | None) -> str:
        """Check everything; returns a sentence.

        Raises:
            IntegrityError: names what is wrong and where.
        """
        keys = self.keys(trusted)
        notes = self.reader.checkpoints()
        tree, at = CompactRange(), iter(notes)
        upcoming = next(at, None)
        for index, leaf in self.leaves():
            if index != tree.size:
                raise IntegrityError(f"entry {tree.size} is missing")
            try:
                decode_entry(leaf)
            except IntegrityError as error:
                raise IntegrityError(f"entry {index}: {error.message}") from None
            tree.append(leaf_hash(leaf))
            if upcoming is not None and upcoming[0] == tree.size:
                _check_note(upcoming, tree, keys)
                upcoming = next(at, None)
        if upcoming is not None:
            raise IntegrityError(f"entries up to {upcoming[0]} are signed, {tree.size} are there")
        if not notes or notes[-1][0] != tree.size:
            raise IntegrityError("the newest entries are covered by no checkpoint")
        stored = self.reader.leaf_hashes(tree.size)
        if any(leaf_hash(leaf) != stored[index] for index, leaf in self.leaves()):
            raise IntegrityError("a stored leaf hash is not its entry's")
        self._check_side_data()
        trust = (
            "the given key" if trusted else f"{PUBLIC_FILE} beside the log (the operator's word)"
        )
        return f"ok: {tree.size} entries, {len(notes)} checkpoints, trusting {trust}"

    def _check_side_data(self) -> None:
        for digest, data in self.reader.blobs():
            if hashlib.sha256(data).hexdigest() != digest:
                raise IntegrityError(f"blob {digest[:16]}… was altered")
        entries = dict(self.leaves())
        for index, digest, encoded in self.reader.disclosures():
            named = orjson.loads(entries[index]).get("sd", []) if index in entries else []
            if disclosure_digest(encoded) != digest or digest not in named:
                raise IntegrityError(f"a disclosure of entry {index} was altered")


def _check_note(note: tuple[int, str], tree: CompactRange, keys: list[VerifierKey]) -> None:
    size, text = note
    try:
        checkpoint = Checkpoint.parse(open_note(text, keys))
    except IntegrityError as error:
        raise IntegrityError(f"checkpoint {size}: {error.message}") from None
    if checkpoint.size != size or checkpoint.root != tree.root():
        raise IntegrityError(f"checkpoint {size} has another root than the entries below it")
