"""What holds of a log in front of its users, whether a thread or a process of its own writes it."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.integration.logs import entries, item, options_for, verified

from transire.clock import SystemClock
from transire.domain.budget import Spend
from transire.domain.log import Change, Condition, Item, Receipt
from transire.errors import (
    BudgetExceeded,
    ConflictError,
    IntegrityError,
    LogUnavailable,
    LogUncertain,
    StaleError,
    TransireError,
)
from transire.record.checkpoint import Checkpoint
from transire.record.draft import Names
from transire.record.front import LogFront
from transire.record.guard import GUARD_FILE
from transire.record.merkle import root_of
from transire.record.note import VerifierKey, open_note
from transire.record.opening import create_log, hold, open_log
from transire.record.remote import open_remote_log
from transire.record.signer import KEY_FILE
from transire.storage.sqlite import LOG_FILE, open_writer

Opened = Callable[..., AbstractAsyncContextManager[LogFront]]


@asynccontextmanager
async def by_thread(place: Path, **options: Any) -> AsyncIterator[LogFront]:
    log = open_log(place, clock=SystemClock(), replica="r1", boot="b1", **options)
    try:
        yield log
    finally:
        await log.close()


@asynccontextmanager
async def by_process(place: Path, **options: Any) -> AsyncIterator[LogFront]:
    log = await open_remote_log(options_for(place, **options), clock=SystemClock())
    try:
        yield log
    finally:
        await log.close()


@pytest.fixture(params=[by_thread, by_process])
def opened(request: pytest.FixtureRequest) -> Opened:
    made: Opened = request.param
    return made


@pytest.fixture
def place(tmp_path: Path) -> Path:
    create_log(tmp_path / "data", origin="log.example/test")
    return tmp_path / "data"


def _set(key: str, value: str | None) -> Item:
    return item(0, changes=(Change(key=key, value=value),))


async def test_a_receipt_names_a_checkpoint_that_covers_the_entry(
    place: Path, opened: Opened
) -> None:
    async with opened(place) as log:
        receipt = await log.append(item(1))

        key = VerifierKey.parse(log.public_key)
        checkpoint = Checkpoint.parse(open_note(receipt.checkpoint, [key]))
        assert (receipt.origin, log.origin) == ("log.example/test", "log.example/test")
        assert receipt.index < checkpoint.size == receipt.tree_size
        hashes = await log.read(lambda reader: reader.leaf_hashes(0, checkpoint.size))
        assert root_of(hashes) == checkpoint.root
        assert hashes[receipt.index] == receipt.leaf_hash
        [stored] = await entries(log)
        assert (stored["id"], stored["n"]) == (receipt.entry_id, 1)
        assert Names(replica=stored["replica"], boot=stored["boot"]) == log.names


async def test_an_entry_that_has_an_id_keeps_it(place: Path, opened: Opened) -> None:
    async with opened(place) as log:
        receipt = await log.append(Item(kind="test", fields={"id": "dec_1"}))

        assert receipt.entry_id == "dec_1"
        assert [e["id"] for e in await entries(log)] == ["dec_1"]


async def test_many_producers_get_distinct_indexes_without_gaps(
    place: Path, opened: Opened
) -> None:
    async with opened(place) as log:
        receipts = await asyncio.gather(*(log.append(item(n)) for n in range(300)))

        assert sorted(r.index for r in receipts) == list(range(300))


async def test_no_two_jobs_have_one_number(place: Path, opened: Opened) -> None:
    twin = item(1)
    async with opened(place) as log:
        jobs = [log.enqueue(twin) for _ in range(3)]

        assert len({job.number for job in jobs}) == 3
        assert sorted([(await job.future).index for job in jobs]) == [0, 1, 2]


async def test_a_condition_that_does_not_hold_fails_its_item_alone(
    place: Path, opened: Opened
) -> None:
    async with opened(place) as log:
        await log.append(_set("k", "1"))
        one = (Condition(key="k", equals="1"),)
        stale = (Condition(key="k", equals="1", stale=True),)
        taken, lost, moved, other = await asyncio.gather(
            log.append(item(1, conditions=one, changes=(Change(key="k", value="2"),))),
            log.append(item(2, conditions=one)),
            log.append(item(3, conditions=stale)),
            log.append(item(4)),
            return_exceptions=True,
        )

        assert isinstance(lost, ConflictError)
        assert isinstance(moved, StaleError)
        assert moved.facts == {"key": "k"}
        assert isinstance(taken, Receipt)
        assert isinstance(other, Receipt)
        assert other.tree_size == 3
        assert log.peek("k") == await log.get("k") == "2"


async def test_state_is_told_as_soon_as_whoever_changed_it_is(place: Path, opened: Opened) -> None:
    async with opened(place) as log:
        assert log.is_current
        for value in ("1", "2", None):
            await log.append(_set("a/k", value))

            assert log.peek("a/k") == value


async def test_a_budget_is_never_overspent_and_its_sum_is_told(place: Path, opened: Opened) -> None:
    spend = Spend(budget="b", key="budget/b", period="2026-11", micro_usd=40, limit_micro_usd=100)
    async with opened(place) as log:
        ends = await asyncio.gather(
            *(log.append(item(n, spends=(spend,))) for n in range(20)), return_exceptions=True
        )

        assert [type(end) for end in ends if not isinstance(end, BudgetExceeded)] == [Receipt] * 2
        assert log.peek("budget/b") == "2026-11 80"
    async with opened(place) as log:
        assert log.peek("budget/b") == "2026-11 80"


async def test_state_of_an_earlier_start_is_known_at_once(place: Path, opened: Opened) -> None:
    async with opened(place) as log:
        await log.append(_set("a/k", "1"))

    async with opened(place) as log:
        assert await log.scan("a/") == [("a/k", "1")]


async def test_the_newest_of_many_keys_are_read_page_by_page(place: Path, opened: Opened) -> None:
    keys = [f"a/{n:02d}" for n in range(7)]
    changes = tuple(Change(key=key, value=key[2:]) for key in (*keys, "a0", "a", "b/1"))
    async with opened(place) as log:
        await log.append(Item(kind="test", fields={}, changes=changes))
        first = await log.newest("a/", before=None, limit=3)
        second = await log.newest("a/", before=first[-1][0], limit=3)
        third = await log.newest("a/", before=second[-1][0], limit=3)

        assert [key for key, _ in (*first, *second, *third)] == keys[::-1]
        assert [len(page) for page in (first, second, third)] == [3, 3, 1]
        assert first[0] == ("a/06", "06")
        assert await log.newest("a/", before="zz", limit=9) == [(k, k[2:]) for k in keys[::-1]]


async def test_a_lingering_outcome_rides_with_the_next_decision(
    place: Path, opened: Opened
) -> None:
    async with opened(place, linger_s=30.0) as log:
        outcome = asyncio.ensure_future(log.append(item(1), linger=True))
        await asyncio.sleep(0)
        decision = await log.append(item(2))

        assert (await outcome).tree_size == decision.tree_size == 2


async def test_a_lingering_outcome_does_not_wait_for_ever(place: Path, opened: Opened) -> None:
    async with opened(place, linger_s=0.001) as log:
        assert (await log.append(item(1), linger=True)).tree_size == 1


async def test_closing_writes_what_waits_and_takes_nothing_more(
    place: Path, opened: Opened
) -> None:
    async with opened(place, linger_s=30.0) as log:
        waiting = [log.enqueue(item(n), linger=True).future for n in range(5_000)]

    assert [future.result().index for future in waiting] == list(range(5_000))
    assert not log.is_ready
    with pytest.raises(LogUnavailable, match="closing"):
        log.enqueue(item(0))


async def test_side_data_is_kept_under_its_digest_however_often_it_is_named(
    place: Path, opened: Opened
) -> None:
    data = b"\x00side data\xff"
    digest = hashlib.sha256(data).hexdigest()
    async with opened(place) as log:
        for n in range(3):
            await log.append(item(n, blobs={digest: data}))

        assert await log.blob(digest) == data


async def test_side_data_under_another_digest_is_refused(place: Path, opened: Opened) -> None:
    async with opened(place) as log:
        with pytest.raises(IntegrityError, match="digest"):
            await log.append(item(0, blobs={"00" * 32: b"side data"}))


@pytest.mark.parametrize(
    "value",
    [0.5, "\ud800", datetime(2026, 11, 25, tzinfo=UTC), Names(replica="r", boot="b"), 1 << 60, b""],
    ids=lambda value: type(value).__name__,
)
async def test_what_leaves_the_profile_fails_alone(place: Path, opened: Opened, value: Any) -> None:
    async with opened(place) as log:
        bad = log.append(Item(kind="test", fields={"value": value}))
        refused, written = await asyncio.gather(bad, log.append(item(1)), return_exceptions=True)

        assert isinstance(refused, IntegrityError)
        assert isinstance(written, Receipt)
        assert log.is_ready


async def test_a_cancelled_caller_neither_loses_nor_doubles_its_entry(
    place: Path, opened: Opened
) -> None:
    async with opened(place) as log:
        asking = asyncio.ensure_future(log.append(item(1)))
        await asyncio.sleep(0)
        asking.cancel()
        receipt = await log.append(item(2))

        assert receipt.index == 1
        assert [e["n"] for e in await entries(log)] == [1, 2]


async def test_a_locked_database_refuses_in_time_and_says_what_became_of_it(
    place: Path, opened: Opened
) -> None:
    late: asyncio.Future[Receipt | TransireError] = asyncio.get_running_loop().create_future()
    async with opened(place, commit_timeout_s=0.2) as log:
        other = open_writer(place / LOG_FILE)
        other.exec_driver_sql("BEGIN EXCLUSIVE")
        with pytest.raises(LogUncertain):
            await log.append(item(1), abandoned=late.set_result)
        other.exec_driver_sql("ROLLBACK")
        other.close()
        other.engine.dispose()

        async with asyncio.timeout(20):
            told = await late
            stored = [e["n"] for e in await entries(log)]
    assert stored == ([1] if isinstance(told, Receipt) else [])


def _break(place: Path, what: str) -> None:
    key = place / KEY_FILE
    if what == "a guard that is gone":
        (place / GUARD_FILE).unlink()
    elif what == "a key that others can read":
        key.chmod(0o644)
    elif what == "a key that is none":
        key.write_text("nonsense")
    elif what == "a key that is no text":
        key.write_bytes(b"\xff\xfe")
    elif what == "a key that cannot be read":
        key.unlink()
        key.mkdir(mode=0o700)
    elif what == "a lock that cannot be taken":
        (place / "lock").mkdir()
    elif what == "a database that is none":
        (place / LOG_FILE).write_bytes(b"no database" * 1_000)


@pytest.mark.parametrize(
    ("what", "kind", "words"),
    [
        ("a guard that is gone", IntegrityError, "checkpoint` is missing"),
        ("a key that others can read", IntegrityError, "chmod 600"),
        ("a key that is none", IntegrityError, "does not hold `name"),
        ("a key that is no text", IntegrityError, "does not hold `name"),
        ("a key that cannot be read", LogUnavailable, "log.key` cannot be opened: Is a directory"),
        ("a lock that cannot be taken", LogUnavailable, "lock` cannot be opened: Is a directory"),
        ("a database that is none", IntegrityError, "cannot be opened and read"),
    ],
)
async def test_what_cannot_be_opened_is_refused_in_the_same_words(
    place: Path, opened: Opened, what: str, kind: type[TransireError], words: str
) -> None:
    _break(place, what)

    with pytest.raises(kind, match=words):
        async with opened(place):
            pass


@pytest.mark.slow
async def test_a_directory_that_another_process_has_is_refused_in_the_same_words(
    place: Path, opened: Opened
) -> None:
    lock = hold(place)
    with pytest.raises(IntegrityError, match="another process has"):
        async with opened(place):
            pass
    lock.close()

    async with opened(place) as log:
        assert log.is_ready


async def test_nobody_opens_a_directory_beside_it(place: Path, opened: Opened) -> None:
    async with opened(place):
        with pytest.raises(IntegrityError, match="another process"):
            open_log(place, clock=SystemClock(), replica="r2")


async def test_the_independent_verifier_accepts_what_was_written(
    place: Path, opened: Opened
) -> None:
    blob = b"{}"
    evaluation = hashlib.sha256(blob).hexdigest()
    async with opened(place) as log:
        await log.append(_set("a/k", "1"))
        await asyncio.gather(*(log.append(item(n)) for n in range(20)))
        await log.append(
            Item(kind="test", fields={"evaluation": evaluation}, blobs={evaluation: blob})
        )
        await log.append(item(0, disclosures={"name": "Ana"}))

    checked = verified(place)
    assert (checked.returncode, "23 entries" in checked.stdout) == (0, True), checked
