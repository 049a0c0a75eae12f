"""Opening a log: what must be true of the files before a single entry is written.

Refused with an `IntegrityError` that says what to do: a database beside no key, a key or guard
beside an empty database, a database shorter than its guard or with another root there, a head that
does not match its rows, a last checkpoint that is not this key's or has another root, and a second
process on the same directory.
"""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

from transire.domain.ports import Clock
from transire.errors import IntegrityError
from transire.record.checkpoint import Checkpoint
from transire.record.guard import Guard
from transire.record.log import LogWriter, Names
from transire.record.merkle import CompactRange
from transire.record.note import open_note
from transire.record.signer import KEY_FILE, Signer
from transire.record.sql import LogStore, Reader
from transire.storage.sqlite import LOG_FILE, open_reader, open_writer

__all__ = ["create_log", "has_log", "open_log"]

_LOCK_FILE: Final = "lock"


def has_log(directory: Path) -> bool:
    """True where any part of a log exists, even a damaged one."""
    return (directory / LOG_FILE).exists() or (directory / KEY_FILE).exists()


def create_log(
    directory: Path, *, origin: str, entropy: Callable[[int], bytes] = os.urandom
) -> None:
    """Make the key pair and the empty database of a new log.

    Raises:
        IntegrityError: part of a log exists already; deleting one file is no way around it.
    """
    if has_log(directory) or Guard(directory).read() is not None:
        raise IntegrityError(
            f"`{directory}` holds part of a log already; restore the missing file from backup"
        )
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    Signer.create(directory, origin, entropy(32))
    LogStore(open_writer(directory / LOG_FILE)).close()


def open_log(
    directory: Path,
    *,
    clock: Clock,
    replica: str,
    entropy: Callable[[int], bytes] = os.urandom,
    queue_size: int = 4096,
    commit_timeout_s: float = 5.0,
    linger_s: float = 0.005,
) -> LogWriter:
    """Open an existing log, having checked that it is the one this directory last held.

    Raises:
        IntegrityError: see the module's docstring.
    """
    for name in (LOG_FILE, KEY_FILE):
        if not (directory / name).exists():
            raise IntegrityError(
                f"`{directory / name}` is missing; restore it, or see docs/how-to/lost-log.md"
            )
    lock = _lock(directory)
    try:
        signer, guard = Signer.load(directory), Guard(directory)
        store = LogStore(open_writer(directory / LOG_FILE))
        reader = Reader(open_reader(directory / LOG_FILE))
        _check_head(store.head(), reader, signer)
        _check_guard(guard, reader, signer)
    except BaseException:
        lock.close()
        raise
    return LogWriter(
        store,
        reader,
        signer,
        _Unlocking(directory, lock),
        names=Names(replica=replica, boot=entropy(8).hex()),
        clock=clock,
        entropy=entropy,
        queue_size=queue_size,
        commit_timeout_s=commit_timeout_s,
        linger_s=linger_s,
    )


class _Unlocking(Guard):
    """A guard that gives the directory free when the log closes."""

    def __init__(self, directory: Path, lock: IO[str]) -> None:
        super().__init__(directory)
        self._lock = lock

    def close(self) -> None:
        super().close()
        self._lock.close()


def _lock(directory: Path) -> IO[str]:
    lock = (directory / _LOCK_FILE).open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise IntegrityError(f"another process has `{directory}` open; one writes a log") from None
    return lock


def _check_head(tree: CompactRange, reader: Reader, signer: Signer) -> None:
    newest = reader.checkpoint()
    last = reader.leaves(tree.size - 1, tree.size + 1)
    if newest is None:
        if tree.size or last:
            raise IntegrityError("the log has entries but no checkpoint; restore it from backup")
        return
    checkpoint = Checkpoint.parse(open_note(newest[1], [signer.key]))
    is_whole = [index for index, _ in last] == [tree.size - 1]
    if checkpoint.size != tree.size or checkpoint.root != tree.root() or not is_whole:
        raise IntegrityError("the log's head does not match its last checkpoint; run audit verify")


def _check_guard(guard: Guard, reader: Reader, signer: Signer) -> None:
    note = guard.read()
    if note is None:
        return
    guarded = Checkpoint.parse(open_note(note, [signer.key]))
    stored = reader.checkpoint(guarded.size)
    if stored is None or Checkpoint.parse(open_note(stored[1], [signer.key])) != guarded:
        raise IntegrityError(
            f"this database is not the one that reached size {guarded.size}: an old backup or a "
            "fork; restore the newest one, or see docs/how-to/lost-log.md"
        )
