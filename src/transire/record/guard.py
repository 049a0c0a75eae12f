"""The rollback guard: the last signed checkpoint, kept outside the database.

A database that is shorter than the guard, or has another root at the guard's size, is an old
backup or a fork, and is refused (FiloSottile/sunlight keeps its last checkpoint apart likewise).
The guard is synced after commits, at most once a second, so it may lag; it never runs ahead.
"""

import os
from pathlib import Path
from typing import Final

from transire.errors import IntegrityError
from transire.observe.logging import log as operational_log

__all__ = ["GUARD_FILE", "Guard", "write_durably"]

GUARD_FILE: Final = "checkpoint"
_INTERVAL_S: Final = 1.0


class Guard:
    """Owned by the writer thread."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / GUARD_FILE
        self._pending: str | None = None
        self._synced_at = float("-inf")
        self._is_failing = False

    def read(self) -> str:
        """The stored note.

        Raises:
            IntegrityError: it cannot be read.
        """
        try:
            return self._path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise IntegrityError(f"`{self._path.name}` beside the log cannot be read") from None

    def note(self, checkpoint: str) -> None:
        """Remember the newest committed checkpoint; `sync` writes it."""
        if checkpoint:
            self._pending = checkpoint

    def write(self, name: str, data: bytes) -> None:
        """Replace another file beside the log."""
        write_durably(self._path.with_name(name), data)

    @property
    def due(self) -> float | None:
        """Monotonic second at which a sync is due; None where nothing waits."""
        return None if self._pending is None else self._synced_at + _INTERVAL_S

    def sync_if_due(self, now: float) -> None:
        """Sync at most once per interval."""
        if self.due is not None and now >= self.due:
            self._synced_at = now
            self.sync()

    def sync(self) -> None:
        """Write and sync what waits, by atomic rename.

        A failure is not an error of the log: the guard then lags, which is always sound, but an
        old copy of the database is no longer told from the newest one. So it is logged.
        """
        if self._pending is None:
            return
        try:
            write_durably(self._path, self._pending.encode())
        except OSError as error:
            if not self._is_failing:  # it is tried every second
                operational_log().error("log.guard_unwritten", error_type=type(error).__name__)
            self._is_failing = True
            return
        self._is_failing = False
        self._pending = None


def write_durably(path: Path, data: bytes) -> None:
    """Replace a file by atomic rename, synced; a crash leaves the old one or the new one."""
    temporary = path.with_suffix(".new")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make a rename durable; without it a power cut may bring the old file back."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
