"""The writer's thread against a real SQLite file: faults, roll-back, what cannot be undone."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import exc
from tests.integration.logs import item, until

from transire.clock import SystemClock
from transire.domain.log import Item
from transire.errors import IntegrityError, LogUnavailable
from transire.record.draft import Draft
from transire.record.log import LogWriter
from transire.record.opening import create_log, open_log


@asynccontextmanager
async def opened(directory: Path, **options: object) -> AsyncIterator[LogWriter]:
    log = open_log(directory, clock=SystemClock(), replica="r1", **options)  # type: ignore[arg-type]
    try:
        yield log
    finally:
        await log.close()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    create_log(tmp_path / "data", origin="log.example/test")
    return tmp_path / "data"


def _limit(log: LogWriter, pages: int) -> None:
    log._store._connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")


async def test_a_full_disk_refuses_and_recovers_between_two_good_writes(place: Path) -> None:
    async with opened(place) as log:
        await log.append(item(1))
        _limit(log, 1)
        with pytest.raises(LogUnavailable):
            await log.append(Item(kind="test", fields={"pad": "x" * 40_000}))
        _limit(log, 1 << 30)

        receipt = await log.append(item(3))
        assert receipt.index == 1


async def test_an_outcome_that_cannot_be_written_is_kept_and_refuses_decisions(
    place: Path,
) -> None:
    async with opened(place, linger_s=0.0) as log:
        await log.append(item(1))
        _limit(log, 1)
        waiting = asyncio.ensure_future(
            log.append(Item(kind="outcome", fields={"pad": "x" * 40_000}), linger=True)
        )
        await until(lambda: not log.is_ready)
        with pytest.raises(LogUnavailable):
            await log.append(item(2))
        _limit(log, 1 << 30)

        assert (await waiting).index == 1
        await until(lambda: log.is_ready)


async def test_a_read_only_database_refuses(place: Path) -> None:
    async with opened(place) as log:
        log._store._connection.exec_driver_sql("PRAGMA query_only=ON")
        with pytest.raises(LogUnavailable):
            await log.append(item(1))


async def test_an_entry_that_breaks_its_batch_is_refused_and_the_others_are_written(
    place: Path,
) -> None:
    async with opened(place, linger_s=30.0) as log:
        write = log._store.write

        def choosy(draft: Draft, note: str) -> None:
            if any(b'"poison"' in data for _, data, _ in draft.leaves):
                raise ValueError("a bug in writing this very entry")
            write(draft, note)

        log._store.write = choosy  # type: ignore[method-assign] # a bug that nobody foresaw
        outcome = asyncio.ensure_future(log.append(item(1), linger=True))
        await asyncio.sleep(0)
        with pytest.raises(LogUnavailable, match="this entry"):
            await log.append(Item(kind="test", fields={"word": "poison"}))

        assert (await outcome).index == 0
        assert log.is_ready
        assert (await log.append(item(2))).index == 1


async def test_a_lingering_entry_that_the_database_refuses_is_tried_no_more(place: Path) -> None:
    """A constraint is about the entry; taken for the disk's trouble, it would block decisions."""
    async with opened(place) as log:
        write = log._store.write

        def choosy(draft: Draft, note: str) -> None:
            if any(b'"poison"' in data for _, data, _ in draft.leaves):
                raise exc.IntegrityError("INSERT", {}, sqlite3.IntegrityError("a constraint"))
            write(draft, note)

        log._store.write = choosy  # type: ignore[method-assign] # a database that minds this entry
        with pytest.raises(LogUnavailable, match="this entry"):
            await log.append(Item(kind="test", fields={"word": "poison"}), linger=True)

        assert log.is_ready
        assert (await log.append(item(1))).index == 0


async def test_an_old_backup_is_refused(place: Path, tmp_path: Path) -> None:
    async with opened(place) as log:
        await log.append(item(1))
    shutil.copytree(place, tmp_path / "backup")
    async with opened(place) as log:
        await log.append(item(2))
    for name in ("log.sqlite", "log.sqlite-wal", "log.sqlite-shm"):
        (place / name).unlink(missing_ok=True)
    shutil.copy(tmp_path / "backup" / "log.sqlite", place / "log.sqlite")

    with pytest.raises(IntegrityError, match="old backup"):
        open_log(place, clock=SystemClock(), replica="r1")


@pytest.mark.parametrize("missing", ["log.sqlite", "log.key"])
async def test_deleting_a_part_of_the_log_is_no_way_around_it(place: Path, missing: str) -> None:
    async with opened(place) as log:
        await log.append(item(1))
    for file in place.glob(f"{missing}*"):
        file.unlink()

    with pytest.raises(IntegrityError):
        open_log(place, clock=SystemClock(), replica="r1")
    with pytest.raises(IntegrityError):
        create_log(place, origin="log.example/test")


async def test_history_cannot_be_changed_through_sql(place: Path) -> None:
    async with opened(place) as log:
        await log.append(item(1))
        run: Callable[[str], object] = log._store._connection.exec_driver_sql
        for statement in ("UPDATE log SET leaf=x'00'", "DELETE FROM log", "DELETE FROM checkpoint"):
            with pytest.raises(Exception, match="append-only"):
                run(statement)
