"""The writer against a real SQLite file: durability, conditions, faults, roll-back."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from transire.clock import SystemClock
from transire.domain.log import Change, Condition, Item
from transire.errors import ConflictError, IntegrityError, LogUnavailable, StaleError
from transire.record.checkpoint import Checkpoint
from transire.record.draft import Draft
from transire.record.log import LogWriter
from transire.record.merkle import root_of
from transire.record.note import VerifierKey, open_note
from transire.record.opening import create_log, open_log


def _item(n: int, **more: object) -> Item:
    return Item(kind="test", fields={"n": n}, **more)  # type: ignore[arg-type]


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


async def test_a_receipt_names_a_checkpoint_that_covers_the_entry(place: Path) -> None:
    async with opened(place) as log:
        receipt = await log.append(_item(1))

        checkpoint = Checkpoint.parse(
            open_note(receipt.checkpoint, [VerifierKey.parse(log.public_key)])
        )
        assert receipt.index < checkpoint.size == receipt.tree_size
        hashes = await log.read(lambda reader: reader.leaf_hashes(checkpoint.size))
        assert root_of(hashes) == checkpoint.root


async def test_many_producers_get_distinct_indexes_without_gaps(place: Path) -> None:
    async with opened(place) as log:
        receipts = await asyncio.gather(*(log.append(_item(n)) for n in range(300)))

        assert sorted(r.index for r in receipts) == list(range(300))


async def test_a_condition_that_does_not_hold_fails_its_item_alone(place: Path) -> None:
    async with opened(place) as log:
        await log.append(_item(0, changes=(Change(key="k", value="1"),)))
        taken, lost, stale, other = await asyncio.gather(
            log.append(
                _item(
                    1,
                    conditions=(Condition(key="k", equals="1"),),
                    changes=(Change(key="k", value="2"),),
                )
            ),
            log.append(_item(2, conditions=(Condition(key="k", equals="1"),))),
            log.append(_item(3, conditions=(Condition(key="k", equals="1", stale=True),))),
            log.append(_item(4)),
            return_exceptions=True,
        )

        assert isinstance(lost, ConflictError)
        assert isinstance(stale, StaleError)
        assert not isinstance(taken, BaseException)
        assert not isinstance(other, BaseException)
        assert await log.get("k") == "2"
        assert other.tree_size == 3


async def test_a_lingering_outcome_rides_with_the_next_decision(place: Path) -> None:
    async with opened(place, linger_s=30.0) as log:
        outcome = asyncio.ensure_future(log.append(_item(1), linger=True))
        await asyncio.sleep(0)
        decision = await log.append(_item(2))

        assert (await outcome).tree_size == decision.tree_size == 2


async def test_a_lingering_outcome_does_not_wait_for_ever(place: Path) -> None:
    async with opened(place, linger_s=0.001) as log:
        assert (await log.append(_item(1), linger=True)).tree_size == 1


def _limit(log: LogWriter, pages: int) -> None:
    log._store._connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")


async def test_a_full_disk_refuses_and_recovers_between_two_good_writes(place: Path) -> None:
    async with opened(place) as log:
        await log.append(_item(1))
        _limit(log, 1)
        with pytest.raises(LogUnavailable):
            await log.append(Item(kind="test", fields={"pad": "x" * 40_000}))
        _limit(log, 1 << 30)

        receipt = await log.append(_item(3))
        assert receipt.index == 1


async def test_an_outcome_that_cannot_be_written_is_kept_and_refuses_decisions(
    place: Path,
) -> None:
    async with opened(place, linger_s=0.0) as log:
        await log.append(_item(1))
        _limit(log, 1)
        waiting = asyncio.ensure_future(
            log.append(Item(kind="outcome", fields={"pad": "x" * 40_000}), linger=True)
        )
        await _until(lambda: not log.is_ready)
        with pytest.raises(LogUnavailable):
            await log.append(_item(2))
        _limit(log, 1 << 30)

        assert (await waiting).index == 1
        await _until(lambda: log.is_ready)


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.005)


async def test_a_locked_database_refuses_in_time(place: Path) -> None:
    from transire.storage.sqlite import open_writer

    async with opened(place, commit_timeout_s=0.2) as log:
        other = open_writer(place / "log.sqlite")
        other.exec_driver_sql("BEGIN EXCLUSIVE")
        with pytest.raises(LogUnavailable):
            await log.append(_item(1))
        other.exec_driver_sql("ROLLBACK")
        other.close()
        other.engine.dispose()


async def test_a_read_only_database_refuses(place: Path) -> None:
    async with opened(place) as log:
        log._store._connection.exec_driver_sql("PRAGMA query_only=ON")
        with pytest.raises(LogUnavailable):
            await log.append(_item(1))


async def test_an_entry_outside_the_profile_is_refused_alone(place: Path) -> None:
    async with opened(place) as log:
        with pytest.raises(IntegrityError):
            await log.append(Item(kind="test", fields={"score": 0.5}))
        assert (await log.append(_item(1))).index == 0


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
        outcome = asyncio.ensure_future(log.append(_item(1), linger=True))
        await asyncio.sleep(0)
        with pytest.raises(LogUnavailable, match="this entry"):
            await log.append(Item(kind="test", fields={"word": "poison"}))

        assert (await outcome).index == 0
        assert log.is_ready
        assert (await log.append(_item(2))).index == 1


async def test_a_second_process_on_the_same_log_is_refused(place: Path) -> None:
    async with opened(place):
        with pytest.raises(IntegrityError, match="another process"):
            open_log(place, clock=SystemClock(), replica="r2")


async def test_an_old_backup_is_refused(place: Path, tmp_path: Path) -> None:
    async with opened(place) as log:
        await log.append(_item(1))
    shutil.copytree(place, tmp_path / "backup")
    async with opened(place) as log:
        await log.append(_item(2))
    for name in ("log.sqlite", "log.sqlite-wal", "log.sqlite-shm"):
        (place / name).unlink(missing_ok=True)
    shutil.copy(tmp_path / "backup" / "log.sqlite", place / "log.sqlite")

    with pytest.raises(IntegrityError, match="old backup"):
        open_log(place, clock=SystemClock(), replica="r1")


@pytest.mark.parametrize("missing", ["log.sqlite", "log.key"])
async def test_deleting_a_part_of_the_log_is_no_way_around_it(place: Path, missing: str) -> None:
    async with opened(place) as log:
        await log.append(_item(1))
    for file in place.glob(f"{missing}*"):
        file.unlink()

    with pytest.raises(IntegrityError):
        open_log(place, clock=SystemClock(), replica="r1")
    with pytest.raises(IntegrityError):
        create_log(place, origin="log.example/test")


async def test_history_cannot_be_changed_through_sql(place: Path) -> None:
    async with opened(place) as log:
        await log.append(_item(1))
        run: Callable[[str], object] = log._store._connection.exec_driver_sql
        for statement in ("UPDATE log SET leaf=x'00'", "DELETE FROM log", "DELETE FROM checkpoint"):
            with pytest.raises(Exception, match="append-only"):
                run(statement)


async def test_a_cancelled_caller_neither_loses_nor_doubles_its_entry(place: Path) -> None:
    async with opened(place) as log:
        task: asyncio.Future[object] = asyncio.ensure_future(_as_object(log.append(_item(1))))
        await asyncio.sleep(0)
        task.cancel()
        receipt = await log.append(_item(2))

        assert receipt.index == 1


async def _as_object(awaitable: Awaitable[object]) -> object:
    return await awaitable
