"""The log: whether it adds up, what its newest entry's time is, and what it says is active."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from transire.bundle.acts import ACTIVE_KEY, MODE_KEY
from transire.bundle.source import unarchive
from transire.cli.checkup.result import Check, fail, ok
from transire.errors import IntegrityError, TransireError
from transire.record.opening import has_log, is_whole
from transire.record.reading import ReadOnlyLog

__all__ = ["LogView", "look_at_log"]

_WHOLE_ENTRIES: Final = 5_000
"""Up to so many entries all of them are verified (about a second); longer logs by their head."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogView:
    """What else stands on the log.

    Attributes:
        newest: Time of the newest entry; None where there is none.
        files: The active bundle's files; None where nothing is active.
        mode: `solo` or `team`; None where nothing was founded.
    """

    check: Check | None = None
    newest: datetime | None = None
    files: Mapping[str, bytes] | None = None
    mode: str | None = None


def look_at_log(folder: Path) -> LogView:
    """Read the log's files; a running router may go on writing them."""
    if not has_log(folder):
        return LogView()
    view = LogView()
    try:
        view = _look(folder)
        _demand_whole(folder)
    except TransireError as error:
        found = error.message
    except (SQLAlchemyError, ValueError, OSError):
        found = "cannot be read"
    else:
        return view
    do = f"look with `transire audit verify {folder}`; docs/how-to/lost-log.md"
    return replace(view, check=fail("log", found, do))


def _look(folder: Path) -> LogView:
    with ReadOnlyLog(folder) as log:
        size = log.reader.size()
        newest = [entry for _, entry in log.tail(1)]
        state = log.reader.state()
        active = state.get(ACTIVE_KEY)
        blob = log.reader.blob(active) if active else None
        if size <= _WHOLE_ENTRIES:
            log.verify(None)
            found = f"{size} entries, all verified"
        else:
            found = f"{size} entries; head, guard and state verified"
    return LogView(
        check=ok("log", found),
        newest=datetime.fromisoformat(newest[0]["ts"]) if newest else None,
        files=unarchive(blob, active) if blob is not None and active else None,
        mode=state.get(MODE_KEY),
    )


def _demand_whole(folder: Path) -> None:
    """What opening the log would demand, asked without opening it for writing."""
    try:
        is_sound = is_whole(folder)
    except IntegrityError:
        # A commit between reading the log and reading the guard looks like a lost entry once.
        is_sound = is_whole(folder)
    if not is_sound:
        raise IntegrityError("a part of it is missing: database, key or checkpoint")
