"""The log written by a process of its own, against a real SQLite file."""

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest

from transire.clock import SystemClock
from transire.domain.log import Change, Condition, Item, Receipt
from transire.errors import ConflictError, IntegrityError, LogUnavailable, StaleError
from transire.record.checkpoint import Checkpoint
from transire.record.draft import Names
from transire.record.guard import GUARD_FILE
from transire.record.merkle import root_of
from transire.record.note import VerifierKey, open_note
from transire.record.opening import create_log, open_log
from transire.record.remote import RemoteLog, WriterOptions, open_remote_log

REPOSITORY = Path(__file__).resolve().parents[2]
KILLS = 10


def _item(n: int, **more: object) -> Item:
    return Item(kind="test", fields={"n": n}, **more)  # type: ignore[arg-type]


@asynccontextmanager
async def opened(place: Path, **options: float) -> AsyncIterator[RemoteLog]:
    names = Names(replica="r1", boot="b1")
    told = WriterOptions(directory=place, names=names, level="error", **options)  # type: ignore[arg-type]
    log = await open_remote_log(told, clock=SystemClock())
    try:
        yield log
    finally:
        await log.close()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    create_log(tmp_path / "data", origin="log.example/test")
    return tmp_path / "data"


async def entries(log: RemoteLog) -> list[dict[str, object]]:
    rows = await log.read(lambda reader: reader.leaves(0, 1_000_000))
    return [orjson.loads(leaf) for _, leaf in rows]


def verified(place: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(REPOSITORY / "audit" / "verify.py"), str(place)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.005)


async def test_a_receipt_names_a_checkpoint_that_covers_the_entry(place: Path) -> None:
    async with opened(place) as log:
        receipt = await log.append(_item(1))

        key = VerifierKey.parse(log.public_key)
        checkpoint = Checkpoint.parse(open_note(receipt.checkpoint, [key]))
        assert receipt.index < checkpoint.size == receipt.tree_size
        hashes = await log.read(lambda reader: reader.leaf_hashes(checkpoint.size))
        assert root_of(hashes) == checkpoint.root
        assert hashes[receipt.index] == receipt.leaf_hash
        stored = await entries(log)
        assert (stored[0]["id"], stored[0]["boot"]) == (receipt.entry_id, "b1")


async def test_conditions_are_judged_by_the_writer_and_fail_their_item_alone(place: Path) -> None:
    async with opened(place) as log:
        await log.append(_item(0, changes=(Change(key="k", value="1"),)))
        one = (Condition(key="k", equals="1"),)
        stale = (Condition(key="k", equals="1", stale=True),)
        taken, lost, moved, other = await asyncio.gather(
            log.append(_item(1, conditions=one, changes=(Change(key="k", value="2"),))),
            log.append(_item(2, conditions=one)),
            log.append(_item(3, conditions=stale)),
            log.append(_item(4)),
            return_exceptions=True,
        )

        assert isinstance(lost, ConflictError)
        assert isinstance(moved, StaleError)
        assert moved.facts == {"key": "k"}
        assert isinstance(taken, Receipt)
        assert isinstance(other, Receipt)
        assert log.peek("k") == "2"


async def test_state_of_an_earlier_start_is_known_at_once(place: Path) -> None:
    async with opened(place) as log:
        await log.append(_item(0, changes=(Change(key="a/k", value="1"),)))

    async with opened(place) as log:
        assert await log.scan("a/") == [("a/k", "1")]


async def test_side_data_is_kept_under_its_digest_however_often_it_is_named(place: Path) -> None:
    data = b"\x00side data\xff"
    digest = hashlib.sha256(data).hexdigest()
    async with opened(place) as log:
        for n in range(3):
            await log.append(_item(n, blobs={digest: data}))

        assert await log.blob(digest) == data


async def test_side_data_under_another_digest_is_refused(place: Path) -> None:
    async with opened(place) as log:
        with pytest.raises(IntegrityError, match="digest"):
            await log.append(_item(0, blobs={"00" * 32: b"side data"}))


async def test_what_cannot_be_encoded_fails_alone(place: Path) -> None:
    async with opened(place) as log:
        bad = log.append(Item(kind="test", fields={"text": "\ud800"}))
        refused, written = await asyncio.gather(bad, log.append(_item(1)), return_exceptions=True)

        assert isinstance(refused, IntegrityError)
        assert isinstance(written, Receipt)


async def test_a_lingering_outcome_rides_with_the_next_decision(place: Path) -> None:
    async with opened(place, linger_s=30.0) as log:
        outcome = asyncio.ensure_future(log.append(_item(1), linger=True))
        await asyncio.sleep(0)
        decision = await log.append(_item(2))

        assert (await outcome).tree_size == decision.tree_size == 2


async def test_closing_writes_what_waits(place: Path) -> None:
    async with opened(place, linger_s=30.0) as log:
        waiting = [log.enqueue(_item(n), linger=True).future for n in range(50)]

    assert [future.result().index for future in waiting] == list(range(50))
    with pytest.raises(LogUnavailable, match="closing"):
        log.enqueue(_item(0))


async def test_more_than_may_wait_is_refused_at_once(place: Path) -> None:
    async with opened(place, queue_size=3) as log:
        results = await asyncio.gather(
            *(log.append(_item(n)) for n in range(10)), return_exceptions=True
        )

        assert sum(isinstance(r, LogUnavailable) for r in results) == 7


async def test_a_log_that_is_not_what_it_was_is_refused_with_the_reason(place: Path) -> None:
    async with opened(place) as log:
        await log.append(_item(1))
    (place / GUARD_FILE).unlink()

    with pytest.raises(IntegrityError, match="checkpoint` is missing"):
        async with opened(place):
            pass


async def test_two_routers_do_not_share_a_directory(place: Path) -> None:
    async with opened(place):
        with pytest.raises(IntegrityError, match="another process"):
            open_log(place, clock=SystemClock(), replica="r2")


async def test_the_router_that_reads_what_strangers_send_holds_no_signing_key(place: Path) -> None:
    async with opened(place) as log:
        await log.append(_item(1))

        held = [str(fd.resolve()) for fd in Path("/proc/self/fd").iterdir()]
        assert str(place / "lock") not in held
        assert not hasattr(log, "_signer")


@pytest.mark.slow
async def test_ten_times_killed_the_writer_loses_and_doubles_nothing(place: Path) -> None:
    """Acknowledged is written, refused is not, and outcomes survive, each exactly once."""
    acknowledged, refused, outcomes, number = set[int](), set[int](), set[int](), 0
    async with opened(place) as log:
        for round_ in range(KILLS):

            async def produce(start: int) -> None:
                for n in range(start, start + 200, 2):
                    try:
                        await log.append(_item(n))
                    except LogUnavailable:
                        refused.add(n)
                    else:
                        acknowledged.add(n)
                        log.enqueue(_item(n + 1), linger=True)
                        outcomes.add(n + 1)

            tasks = [asyncio.create_task(produce(number + worker * 200)) for worker in range(8)]
            number += 1_600
            enough = len(acknowledged) + 20 + 9 * round_
            while len(acknowledged) < enough:
                await asyncio.sleep(0.001)
            assert log.writer_pid is not None
            os.kill(log.writer_pid, signal.SIGKILL)
            await asyncio.gather(*tasks)
            await until(lambda: log.is_ready)
        stored = Counter(int(str(e["n"])) for e in await _settled(log, outcomes))

    assert refused
    assert acknowledged <= stored.keys()
    assert not refused & stored.keys()
    assert set(stored.values()) == {1}
    checked = verified(place)
    assert checked.returncode == 0, checked.stderr


async def _settled(log: RemoteLog, outcomes: set[int]) -> list[dict[str, object]]:
    """Every entry, once all outcomes are among them."""
    async with asyncio.timeout(30):
        while True:
            found = await entries(log)
            if outcomes <= {int(str(e["n"])) for e in found}:
                return found
            await asyncio.sleep(0.01)


async def test_while_no_writer_can_be_started_everything_is_refused(place: Path) -> None:
    async with opened(place) as log:
        await log.append(_item(1))
        guard = (place / GUARD_FILE).rename(place / "elsewhere")
        assert log.writer_pid is not None
        os.kill(log.writer_pid, signal.SIGKILL)
        await until(lambda: not log.is_ready)
        kept = log.enqueue(_item(2), linger=True)

        with pytest.raises(LogUnavailable):
            await log.append(_item(3))
        guard.rename(place / GUARD_FILE)
        await until(lambda: log.is_ready)

        assert (await kept.future).index == 1
        assert (await log.append(_item(4))).index == 2
