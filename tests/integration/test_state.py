"""State is what entries made of it: a row changed by hand is found at the next start."""

import sqlite3
from pathlib import Path

import pytest

from transire.clock import SystemClock
from transire.domain.log import Change, Item
from transire.errors import IntegrityError
from transire.record.log import LogWriter
from transire.record.opening import create_log, is_whole, open_log


def opened(directory: Path) -> LogWriter:
    return open_log(directory, clock=SystemClock(), replica="r1")


@pytest.fixture
async def data(tmp_path: Path) -> Path:
    """A log of three entries, closed."""
    create_log(tmp_path / "data", origin="log.example/state")
    log = opened(tmp_path / "data")
    await log.append(Item(kind="test", fields={}, changes=(Change(key="review", value="open"),)))
    changes = (Change(key="review", value="denied"), Change(key="gone", value=None))
    await log.append(Item(kind="test", fields={}, changes=changes))
    await log.append(Item(kind="test", fields={}))
    await log.close()
    return tmp_path / "data"


async def test_an_honest_log_opens_again_and_goes_on(data: Path) -> None:
    for _ in range(2):
        log = opened(data)
        await log.append(Item(kind="test", fields={}, changes=(Change(key="n", value="1"),)))
        await log.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE state SET value='approved' WHERE key='review'",
        "DELETE FROM state WHERE key='review'",
        "INSERT INTO state (log_id, key, value) VALUES (0, 'quarantine', 'none')",
    ],
)
async def test_a_row_changed_by_hand_is_refused(data: Path, statement: str) -> None:
    with sqlite3.connect(data / "log.sqlite") as database:
        database.execute(statement)
    with pytest.raises(IntegrityError, match="state"):
        opened(data)
    # What the router refuses to start on is not called whole by the way out of it either.
    with pytest.raises(IntegrityError, match="state"):
        is_whole(data)
