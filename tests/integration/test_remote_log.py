"""The log written by a process of its own: what only that one has to answer for."""

import asyncio
import os
import shutil
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.integration.logs import entries, item, options_for, until, verified
from tests.unit.record.cases import CHOICE, WIRE, case

from transire.bundle.acts import ACTIVE_KEY
from transire.bundle.quarantine import VERSION_KEY
from transire.clock import SystemClock
from transire.domain.log import Change, Item
from transire.errors import IntegrityError, LogUnavailable, StaleError
from transire.record.guard import GUARD_FILE
from transire.record.message import frame
from transire.record.opening import create_log
from transire.record.recorder import LogRecorder
from transire.record.remote import RemoteLog, open_remote_log
from transire.record.sql import Reader
from transire.storage.sqlite import LOG_FILE, open_reader

KILLS = 10


@asynccontextmanager
async def opened(place: Path, **options: Any) -> AsyncIterator[RemoteLog]:
    log = await open_remote_log(options_for(place, **options), clock=SystemClock())
    try:
        yield log
    finally:
        await log.close()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    create_log(tmp_path / "data", origin="log.example/test")
    return tmp_path / "data"


def kill(log: RemoteLog) -> None:
    assert log.writer_pid is not None
    os.kill(log.writer_pid, signal.SIGKILL)


async def test_more_than_may_wait_is_refused_at_once(place: Path) -> None:
    async with opened(place, queue_size=3) as log:
        results = await asyncio.gather(
            *(log.append(item(n)) for n in range(10)), return_exceptions=True
        )

        assert sum(isinstance(r, LogUnavailable) for r in results) == 7


async def test_the_router_that_reads_what_strangers_send_holds_no_signing_key(place: Path) -> None:
    async with opened(place) as log:
        await log.append(item(1))

        held = [str(fd.resolve()) for fd in Path("/proc/self/fd").iterdir()]
        assert str(place / "lock") not in held
        assert not hasattr(log, "_signer")


Poison = Callable[[bytes], bytes]
POISONS: dict[str, Poison] = {
    "no JSON": lambda _: b"{",
    "no item": lambda _: b"[]",
    "half an item": lambda _: b'{"kind":"test","linger":false}',
    "fields that are none": lambda good: good.replace(b'{"n":2}', b"2"),
    "side data that is not there": lambda good: good.replace(b'"blobs":[]', b'"blobs":[["00",9]]'),
}


@pytest.mark.parametrize("linger", [False, True])
@pytest.mark.parametrize("poison", POISONS)
async def test_an_item_that_cannot_be_read_fails_alone(
    place: Path, poison: str, linger: bool
) -> None:
    async with opened(place) as log:
        pid = log.writer_pid
        first, bad = log.enqueue(item(1)), log.enqueue(item(2), linger=linger)
        last = log.enqueue(item(3))
        good = log._out[1][16:]
        log._out[1] = frame(bad.number, POISONS[poison](good))  # what no item of ours becomes

        assert log._out[1][16:] != good
        with pytest.raises(IntegrityError, match=r"cannot read this item|not JSON"):
            await bad.future
        assert ((await first.future).index, (await last.future).index) == (0, 1)
        assert (log.writer_pid, log.is_ready) == (pid, True)


async def _permit_of(log: RemoteLog, recorder: LogRecorder) -> Any:
    made = case()
    authorization = made.authorization
    values = {
        ACTIVE_KEY: authorization.bundle_digest,
        VERSION_KEY: str(authorization.quarantine_version),
    }
    changes = tuple(Change(key=key, value=value) for key, value in values.items())
    await log.append(item(0, changes=changes))
    return await recorder.permit(
        made, CHOICE, WIRE, attempt=1, cause="first", release=None, budgets={}
    )


async def test_no_permit_is_vouched_for_while_the_writer_is_away(place: Path) -> None:
    async with opened(place) as log:
        recorder = LogRecorder(log, SystemClock())
        permit = await _permit_of(log, recorder)
        recorder.vouch(permit)
        kill(log)
        await until(lambda: not log.is_current)

        with pytest.raises(StaleError, match="writer is back"):
            recorder.vouch(permit)
        await until(lambda: log.is_ready)
        recorder.vouch(permit)
        with pytest.raises(IntegrityError):
            recorder.vouch(replace(permit))


async def test_a_quarantine_that_was_committed_unheard_voids_permits(place: Path) -> None:
    async with opened(place) as log:
        recorder = LogRecorder(log, SystemClock())
        permit = await _permit_of(log, recorder)
        line, moved = log._line, item(1, changes=(Change(key=VERSION_KEY, value="1"),))
        assert line is not None
        line.listen(lambda _: None)  # the writer dies before its word is heard
        acting = log.enqueue(moved)
        await until(lambda: _size(place) == 3)
        assert not acting.future.done()
        kill(log)

        assert (await acting.future).index == 2
        assert log.is_current
        with pytest.raises(StaleError, match="quarantine"):
            recorder.vouch(permit)


def _size(place: Path) -> int:
    reader = Reader(open_reader(place / LOG_FILE))
    try:
        return reader.size()
    finally:
        reader.close()


@pytest.mark.slow
async def test_ten_times_killed_the_writer_loses_and_doubles_nothing(place: Path) -> None:
    """Acknowledged is written, refused is not, and outcomes survive, each exactly once."""
    acknowledged, refused, outcomes, number = set[int](), set[int](), set[int](), 0
    async with opened(place) as log:
        for round_ in range(KILLS):

            async def produce(start: int) -> None:
                for n in range(start, start + 200, 2):
                    try:
                        await log.append(item(n))
                    except LogUnavailable:
                        refused.add(n)
                    else:
                        acknowledged.add(n)
                        log.enqueue(item(n + 1), linger=True)
                        outcomes.add(n + 1)

            tasks = [asyncio.create_task(produce(number + worker * 200)) for worker in range(8)]
            number += 1_600
            enough = len(acknowledged) + 20 + 9 * round_
            while len(acknowledged) < enough:
                await asyncio.sleep(0.001)
            kill(log)
            await asyncio.gather(*tasks)
            await until(lambda: log.is_ready)
        stored = Counter(int(str(e["n"])) for e in await _settled(log, outcomes))

    assert refused
    assert acknowledged <= stored.keys()
    assert not refused & stored.keys()
    assert set(stored.values()) == {1}
    checked = verified(place)
    assert checked.returncode == 0, checked.stderr


DEADLY = {
    "as it is read": """
from transire.record import message
read = message.decode_item

def deadly(frame):
    found = read(frame)
    if found[0].fields.get("word") == "poison":
        os.kill(os.getpid(), signal.SIGKILL)
    return found

message.decode_item = deadly
""",
    "in the middle of its commit": """
from transire.record.sql import LogStore
write = LogStore.write

def deadly(store, draft, note):
    write(store, draft, note)
    if any(b'"poison"' in data for _, data, _ in draft.leaves):
        os.kill(os.getpid(), signal.SIGKILL)

LogStore.write = deadly
""",
}


@pytest.mark.slow
@pytest.mark.parametrize("when", DEADLY)
async def test_an_entry_that_ends_every_writer_is_found_and_refused_alone(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Real processes, and a bug in them that nobody foresaw: each dies of this very entry."""
    bug = tmp_path / "bug"
    bug.mkdir()
    (bug / "sitecustomize.py").write_text(f"import os, signal\n{DEADLY[when]}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(bug), *sys.path]))
    async with opened(place) as log:
        writers = {log.writer_pid}
        await log.append(item(0))
        outcomes = [log.enqueue(item(n), linger=True) for n in range(1, 4)]
        poison = log.enqueue(Item(kind="test", fields={"word": "poison"}), linger=True)
        outcomes += [log.enqueue(item(n), linger=True) for n in range(4, 7)]
        while not poison.future.done():
            writers.add(log.writer_pid)
            await asyncio.sleep(0.005)

        with pytest.raises(LogUnavailable, match="this entry ends every writer"):
            await poison.future
        await asyncio.gather(*(job.future for job in outcomes))
        await until(lambda: log.is_ready)
        assert (
            len({*writers, log.writer_pid}) == 5
        )  # three with others, one alone, and one that lives
        assert (await log.append(item(7))).index == 7
        stored = [e["n"] for e in await entries(log)]

    assert sorted(stored) == list(range(8))
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
        await log.append(item(1))
        guard = (place / GUARD_FILE).rename(place / "elsewhere")
        kill(log)
        await until(lambda: not log.is_ready)
        kept = log.enqueue(item(2), linger=True)

        with pytest.raises(LogUnavailable):
            await log.append(item(3))
        guard.rename(place / GUARD_FILE)
        await until(lambda: log.is_ready)

        assert (await kept.future).index == 1
        assert (await log.append(item(4))).index == 2


async def test_a_log_that_was_closed_is_whole_in_its_file(place: Path, tmp_path: Path) -> None:
    async with opened(place) as log:
        for number in range(3):
            await log.append(item(number))
        held = len(await entries(log))
    alone = tmp_path / "copied.sqlite"
    shutil.copy(place / LOG_FILE, alone)
    with closing(sqlite3.connect(alone)) as database:
        (found,) = database.execute("SELECT count(*) FROM log").fetchone()

    assert found == held >= 3
