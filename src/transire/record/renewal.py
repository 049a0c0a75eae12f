"""A new log after a lost one: in a new folder, naming the old one, starting where it stood.

The lost log's folder is only read. Its key signs a succession: its last known checkpoint, what
governed (`standing`), and the new log's key. The new log's first entry carries that note, and its
genesis may be of that bundle and that mode alone, with the quarantine that stood. People's
credentials and application keys were in the lost database; they are issued anew.

What a crash here leaves behind: an incomplete new folder, which no router starts on; remove it and
run the command again.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import orjson
from sqlalchemy.exc import SQLAlchemyError

from transire.domain.log import Continuation
from transire.errors import ConflictError, IntegrityError
from transire.record.checkpoint import Checkpoint
from transire.record.guard import Guard
from transire.record.note import VerifierKey, open_note
from transire.record.opening import create_log, hold, is_whole
from transire.record.signer import KEY_FILE, Signer
from transire.record.standing import STANDING_FILE, Standing, Succession

__all__ = ["PREDECESSOR_FILE", "read_predecessor", "renew_log"]

PREDECESSOR_FILE: Final = "predecessor"
_GENERATION: Final = re.compile(r"(.*)/(\d{1,6})", re.ASCII | re.DOTALL)


def renew_log(lost: Path, new: Path, *, entropy: Callable[[int], bytes] = os.urandom) -> Succession:
    """Make the files of a log that continues a lost one.

    Args:
        lost: The folder of the lost log: its key, guard and standing must have survived.
        new: A folder that is empty or does not exist.

    Raises:
        ConflictError: the log is not lost, or `new` is in use.
        IntegrityError: what survived does not prove what governed.
    """
    if new.exists() and any(new.iterdir()):
        raise ConflictError(f"`{new}` is not empty")
    if not (lost / KEY_FILE).exists():
        raise IntegrityError(f"`{lost / KEY_FILE}` is missing; without it nothing can be continued")
    with hold(lost):
        signer = Signer.load(lost)
        last = Checkpoint.parse(open_note(Guard(lost).read(), [signer.key]))
        standing = _standing_of(lost, signer.key)
        if _is_whole(lost):
            raise ConflictError(f"the log in `{lost}` is whole; start the router on it")
        succession = Succession(last, standing.lines(), "")

        def announce(successor: VerifierKey) -> bytes:
            nonlocal succession
            succession = Succession(last, standing.lines(), str(successor))
            note = signer.sign_text(succession.text())
            said = {"key": str(signer.key), "note": note, "quarantine": standing.quarantine}
            return orjson.dumps(said)

        create_log(
            new,
            origin=_next_origin(signer.key.name),
            entropy=entropy,
            predecessor=lambda key: (PREDECESSOR_FILE, announce(key)),
        )
    return succession


def read_predecessor(directory: Path) -> Continuation | None:
    """What the log in this folder continues; None where it is a first one.

    Raises:
        IntegrityError: the file does not say what the lost log's key signed.
    """
    path = directory / PREDECESSOR_FILE
    if not path.exists():
        return None
    try:
        stored = orjson.loads(path.read_bytes())
        key, note = str(stored["key"]), str(stored["note"])
        quarantine = str(stored["quarantine"])
    except (OSError, orjson.JSONDecodeError, TypeError, KeyError):
        raise IntegrityError(f"`{path.name}` beside the log cannot be read") from None
    lines = Succession.parse(open_note(note, [VerifierKey.parse(key)])).lines
    digest, mode = lines[0].removeprefix("bundle "), lines[1].removeprefix("mode ")
    if Standing(digest, mode, quarantine).lines() != lines:
        raise IntegrityError(f"`{path.name}` beside the log does not say what was signed")
    return Continuation(key=key, note=note, bundle_digest=digest, mode=mode, quarantine=quarantine)


def _standing_of(lost: Path, key: VerifierKey) -> Standing:
    try:
        data = (lost / STANDING_FILE).read_bytes()
    except OSError:
        raise IntegrityError(
            f"`{lost / STANDING_FILE}` is missing: nothing says which bundle governed; restore it "
            "from a backup"
        ) from None
    return Standing.read(data, key)


def _is_whole(lost: Path) -> bool:
    try:
        return is_whole(lost)
    except (IntegrityError, SQLAlchemyError):
        return False


def _next_origin(origin: str) -> str:
    """`name`, `name/2`, `name/3`: one origin never has two histories (c2sp.org/tlog-checkpoint)."""
    match = _GENERATION.fullmatch(origin)
    return f"{match[1]}/{int(match[2]) + 1}" if match else f"{origin}/2"
