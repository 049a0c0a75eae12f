"""Reading a log's files without opening it for writing, and verifying all of it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
from sqlalchemy.exc import SQLAlchemyError

from transire.errors import IntegrityError, NotFoundError
from transire.record.checkpoint import Checkpoint
from transire.record.note import VerifierKey, open_note
from transire.record.signer import PUBLIC_FILE
from transire.record.sql import Reader
from transire.record.verify import verify_log
from transire.storage.sqlite import LOG_FILE, open_reader

__all__ = ["ReadOnlyLog"]


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
        return ((index, leaf) for index, leaf, _ in self.reader.rows())

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
        """The verifier keys: the trusted ones, or those beside the log; one a line."""
        text = trusted or _read_public(self.directory)
        return [VerifierKey.parse(line) for line in text.split()]

    def checkpoint(self) -> str:
        """The newest signed note.

        Raises:
            NotFoundError: nothing was signed yet.
        """
        newest = self.reader.checkpoint()
        if newest is None:
            raise NotFoundError("this log has no checkpoint yet")
        return newest[1]

    def held(self, note: str, trusted: str | None) -> Checkpoint:
        """Open a note that somebody kept of this log.

        Raises:
            IntegrityError: no trusted key has signed it.
        """
        keys = self.keys(trusted)
        checkpoint = Checkpoint.parse(open_note(note, keys))
        if checkpoint.origin not in {key.name for key in keys}:
            raise IntegrityError("it is of another log")
        return checkpoint

    def verify(self, trusted: str | None, held: Checkpoint | None = None) -> str:
        """Check everything; returns a sentence.

        Args:
            held: A checkpoint that somebody kept (`held`).

        Raises:
            IntegrityError: names what is wrong and where.
        """
        keys = self.keys(trusted)
        try:
            # One snapshot, or commits that happen meanwhile would look like missing checkpoints.
            with self.reader.snapshot():
                report = verify_log(self.reader, keys, held)
        except SQLAlchemyError:
            raise IntegrityError("the database cannot be read to its end") from None
        trust = (
            "the given key" if trusted else f"{PUBLIC_FILE} beside the log (the operator's word)"
        )
        erased = f", {report.erased_fields} fields erased" if report.erased_fields else ""
        continues = (
            f", continuing {report.continues.origin} from its size {report.continues.size}"
            if report.continues
            else ""
        )
        kept = f", the checkpoint held at size {held.size} among them" if held else ""
        unknown = f"; not judged: {', '.join(report.not_judged)}" if report.not_judged else ""
        return (
            f"ok: {report.size} entries, {report.checkpoints} checkpoints{kept}, "
            f"{report.open_permits} permits without outcome{erased}{continues}, "
            f"trusting {trust}{unknown}"
        )


def _read_public(directory: Path) -> str:
    try:
        return (directory / PUBLIC_FILE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise IntegrityError(f"no key: give one, or put `{PUBLIC_FILE}` beside the log") from None
