"""Opening a log: what must be true of the files before a single entry is written.

Refused with an `IntegrityError` that says what to do: a missing database, key or guard beside the
others; a database that is empty, shorter than its guard, or has another root there; a head that
does not match its rows; a last checkpoint that is not this key's or has another root; and a second
process on the same directory. These are checks of the ends, at a cost that does not grow with the
entries' bytes; `verify` checks everything between.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Final

import orjson
from sqlalchemy.exc import DBAPIError

from transire.domain.ports import Clock
from transire.errors import IntegrityError, LogUnavailable
from transire.record.checkpoint import Checkpoint
from transire.record.draft import Names
from transire.record.guard import GUARD_FILE, Guard, write_durably
from transire.record.log import LogWriter
from transire.record.merkle import EMPTY_ROOT
from transire.record.note import VerifierKey, open_note
from transire.record.signer import KEY_FILE, Signer
from transire.record.sql import LogStore, Reader
from transire.storage.sqlite import LOG_FILE, open_reader, open_writer

__all__ = ["create_log", "has_log", "hold", "is_whole", "open_log"]

_LOCK_FILE: Final = "lock"
_LOOK_S: Final = 0.05
"""Seconds between two looks at a directory that is held."""
_PARTS: Final = (LOG_FILE, KEY_FILE, GUARD_FILE)
_ADVICE: Final = "see docs/how-to/lost-log.md"


def has_log(directory: Path) -> bool:
    """True where any part of a log exists, even a damaged one."""
    return any((directory / name).exists() for name in _PARTS)


def create_log(
    directory: Path,
    *,
    origin: str,
    entropy: Callable[[int], bytes] = os.urandom,
    predecessor: Callable[[VerifierKey], tuple[str, bytes]] | None = None,
) -> None:
    """Make the key pair, the empty database and the guard of a new log.

    The guard holds a signed checkpoint of size 0, so that an empty database without a guard is
    known to have lost something. A crash in between leaves a folder that `open_log` refuses.

    Args:
        predecessor: For a log that continues another: the file that says so, made for its key and
            written before the log can be opened.

    Raises:
        IntegrityError: part of a log exists already; deleting one file is no way around it.
    """
    if has_log(directory):
        raise IntegrityError(f"`{directory}` holds part of a log already; {_ADVICE}")
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    signer = Signer.create(directory, origin, entropy(32))
    if predecessor is not None:
        name, content = predecessor(signer.key)
        write_durably(directory / name, content)
    LogStore(open_writer(directory / LOG_FILE)).close()
    guard = Guard(directory)
    guard.note(signer.sign(Checkpoint(origin, 0, EMPTY_ROOT)))
    guard.sync()


def open_log(
    directory: Path,
    *,
    clock: Clock,
    replica: str,
    entropy: Callable[[int], bytes] = os.urandom,
    queue_size: int = 4096,
    commit_timeout_s: float = 5.0,
    linger_s: float = 0.005,
    boot: str | None = None,
    held_s: float = 0.0,
) -> LogWriter:
    """Open an existing log, having checked that it is the one this directory last held.

    Args:
        boot: The boot's name where another process chose it.
        held_s: Seconds to wait where another process has the directory.

    Raises:
        IntegrityError: see the module's docstring.
        LogUnavailable: the system does not let us open what is there.
    """
    with _in_words(directory), ExitStack() as undo:
        _miss_nothing(directory)
        lock = hold(directory, wait_s=held_s)
        undo.callback(lock.close)
        signer, guard = Signer.load(directory), Guard(directory)
        store = LogStore(open_writer(directory / LOG_FILE))
        undo.callback(store.close)
        reader = Reader(open_reader(directory / LOG_FILE))
        undo.callback(reader.close)
        _check(reader, signer, guard)
        writer = LogWriter(
            store,
            reader,
            signer,
            guard,
            names=Names(replica=replica, boot=boot or entropy(8).hex()),
            clock=clock,
            entropy=entropy,
            release=lock.close,
            queue_size=queue_size,
            commit_timeout_s=commit_timeout_s,
            linger_s=linger_s,
        )
        undo.pop_all()
    return writer


def is_whole(directory: Path) -> bool:
    """Whether `open_log` would accept what is there; whoever asks holds the directory.

    Raises:
        IntegrityError, SQLAlchemyError: it would not.
    """
    if not all((directory / name).exists() for name in _PARTS):
        return False
    signer = Signer.load(directory)
    reader = Reader(open_reader(directory / LOG_FILE))
    try:
        _check(reader, signer, Guard(directory))
    finally:
        reader.close()
    return True


def hold(directory: Path, *, wait_s: float = 0.0) -> IO[str]:
    """Take the directory; the kernel gives it free when the process ends, however it ends.

    Raises:
        IntegrityError: another process has it, and did not give it free within `wait_s`.
    """
    lock = (directory / _LOCK_FILE).open("a", encoding="utf-8")
    until = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < until:
                time.sleep(_LOOK_S)
                continue
            lock.close()
            raise IntegrityError(
                f"another process has `{directory}` open; one writes a log"
            ) from None
        except OSError:  # no locks here: a file system that cannot keep two writers apart
            lock.close()
            raise
        return lock


@contextmanager
def _in_words(directory: Path) -> Iterator[None]:
    """What the system says about the files, as errors that say what to do."""
    try:
        yield
    except DBAPIError:
        raise IntegrityError(f"`{LOG_FILE}` cannot be opened and read; {_ADVICE}") from None
    except OSError as error:
        place = error.filename or os.fspath(directory)
        raise LogUnavailable(f"`{place}` cannot be opened: {error.strerror}") from None


def _miss_nothing(directory: Path) -> None:
    for name in _PARTS:
        if not (directory / name).exists():
            raise IntegrityError(f"`{directory / name}` is missing; restore it, or {_ADVICE}")


def _check(reader: Reader, signer: Signer, guard: Guard) -> None:
    with reader.snapshot():
        _check_head(reader, signer)
        _check_guard(guard, reader, signer)
        _check_state(reader, signer)


def _check_head(reader: Reader, signer: Signer) -> None:
    tree, newest = reader.head(), reader.checkpoint()
    rows, last = reader.count(), reader.leaves(tree.size - 1, tree.size)
    if newest is None:
        if tree.size or rows:
            raise IntegrityError(f"the log has entries but no checkpoint; restore it, or {_ADVICE}")
        return
    checkpoint = Checkpoint.parse(open_note(newest[1], [signer.key]))
    is_whole = rows == tree.size and len(last) == 1
    if (checkpoint.size, checkpoint.root) != (tree.size, tree.root()) or not is_whole:
        raise IntegrityError(
            "the log's head does not match its entries and last checkpoint; run audit/verify.py"
        )


def _check_state(reader: Reader, signer: Signer) -> None:
    """The rows of state are those that the newest entry was written over."""
    size = reader.head().size
    rows = reader.leaves(size - 1, size) if size else []
    sealed = orjson.loads(rows[0][1]).get("state") if rows else None
    seal = signer.state_seal
    if sealed is None:  # nothing written yet, or by a version that did not seal
        is_sound = bool(rows) or not reader.state()
    else:
        is_sound = sealed == seal.spelled(seal.of(reader.state()))
    if not is_sound:
        raise IntegrityError(
            f"the state beside the log was changed by something else than its entries; restore "
            f"`{LOG_FILE}` from a backup"
        )


def _check_guard(guard: Guard, reader: Reader, signer: Signer) -> None:
    guarded = Checkpoint.parse(open_note(guard.read(), [signer.key]))
    if guarded.size == 0:
        return
    stored = reader.checkpoint(guarded.size)
    if stored is None or Checkpoint.parse(open_note(stored[1], [signer.key])) != guarded:
        raise IntegrityError(
            f"this database is not the one that reached size {guarded.size}: an old backup or a "
            f"fork; restore the newest one, or {_ADVICE}"
        )
