"""The pool is bounded, kills what hangs, and never hands one caller another's answer."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence

import pytest

from transire.classify.pool import POOL_BROKEN, POOL_FULL, POOL_LATE, ScanPool
from transire.classify.recognizer import Hit
from transire.classify.scan import Scan
from transire.domain.pack import NO_PACK, Pack

ENTITIES = frozenset({"EMAIL_ADDRESS"})


def obey(
    texts: Sequence[str], _seconds: float, _entities: frozenset[str], _pack: Pack = NO_PACK
) -> list[Scan]:
    """Does what its text says, in a worker; answers with its process id and the text's size."""
    (text,) = texts
    if text.startswith("sleep"):
        time.sleep(float(text.removeprefix("sleep ")))
    if text == "die":
        os._exit(3)
    if text == "raise":
        raise ValueError(text)
    return [Scan((Hit(os.getpid(), len(text), "PID", 100),), ())]


def pid_of(answer: tuple[Scan, ...] | str) -> int:
    assert not isinstance(answer, str)
    return answer[0].hits[0].start


@pytest.fixture
async def pool() -> AsyncIterator[ScanPool]:
    made = ScanPool(workers=1, queue=1, work=obey)
    await made.scan(("warm",), 10, ENTITIES)
    yield made
    made.close()


async def test_a_text_is_scanned_in_another_process() -> None:
    real = ScanPool(workers=1)
    try:
        await real.warm_up()
        answer = await real.scan(("to bob@acme.com", "none"), 5, ENTITIES)
    finally:
        real.close()

    hits = (Hit(3, 15, "EMAIL_ADDRESS", 100),)
    assert answer == (Scan(hits, ()), Scan((), ()))


async def test_a_worker_serves_one_scan_after_another(pool: ScanPool) -> None:
    first, second = [pid_of(await pool.scan((text,), 5, ENTITIES)) for text in ("a", "b")]

    assert first == second != os.getpid()


async def test_a_hung_worker_is_killed_and_the_next_scan_gets_a_fresh_one(pool: ScanPool) -> None:
    before = pid_of(await pool.scan(("a",), 5, ENTITIES))

    late = await pool.scan(("sleep 60",), 0.05, ENTITIES)
    after = pid_of(await pool.scan(("b",), 5, ENTITIES))

    assert late == POOL_LATE
    assert before != after
    with pytest.raises(ProcessLookupError):
        await _until_gone(before)


async def test_the_scan_of_a_caller_who_went_away_is_killed(pool: ScanPool) -> None:
    before = pid_of(await pool.scan(("a",), 5, ENTITIES))
    task = asyncio.create_task(pool.scan(("sleep 60",), 60, ENTITIES))
    await asyncio.sleep(0.05)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    after = await pool.scan(("four",), 5, ENTITIES)

    assert pid_of(after) != before
    assert not isinstance(after, str)
    assert after[0].hits[0].end == len("four")
    assert pool.pending == 0


@pytest.mark.parametrize("text", ["die", "raise"])
async def test_a_scan_that_dies_or_raises_is_broken_and_the_pool_lives(
    pool: ScanPool, text: str
) -> None:
    assert await pool.scan((text,), 5, ENTITIES) == POOL_BROKEN
    assert pid_of(await pool.scan(("a",), 5, ENTITIES)) > 0


async def test_a_full_queue_refuses_at_once(pool: ScanPool) -> None:
    running = asyncio.create_task(pool.scan(("sleep 0.3",), 5, ENTITIES))
    waiting = asyncio.create_task(pool.scan(("a",), 5, ENTITIES))
    await asyncio.sleep(0)

    assert await pool.scan(("b",), 5, ENTITIES) == POOL_FULL
    assert pid_of(await running) == pid_of(await waiting)
    assert pool.pending == 0


async def test_one_party_with_much_to_scan_takes_no_turn_of_another() -> None:
    pool = ScanPool(workers=1, queue=2, work=obey)
    order: list[str] = []

    async def ask(party: str) -> tuple[Scan, ...] | str:
        answer = await pool.scan(("sleep 0.2",), 5, ENTITIES, party=party)
        order.append(party)
        return answer

    try:
        await pool.scan(("warm",), 10, ENTITIES)
        loud = [asyncio.create_task(ask("loud")) for _ in range(3)]
        await asyncio.sleep(0)
        quiet = await ask("quiet")
        answers = await asyncio.gather(*loud)
    finally:
        pool.close()

    assert not isinstance(quiet, str)
    assert [a for a in answers if isinstance(a, str)] == [POOL_FULL]
    assert order == ["loud", "loud", "quiet", "loud"]  # gave way, ran, quiet, waited


async def test_a_killed_worker_takes_no_sibling_with_it() -> None:
    pool = ScanPool(workers=2, queue=2, work=obey)
    try:
        warm = await asyncio.gather(*(pool.scan(("sleep 0.2",), 10, ENTITIES) for _ in range(2)))
        slow = asyncio.create_task(pool.scan(("sleep 1.5",), 10, ENTITIES))
        await asyncio.sleep(0)
        late = await pool.scan(("sleep 60",), 0.01, ENTITIES)
        survivor = await slow
    finally:
        pool.close()

    assert late == POOL_LATE
    assert pid_of(survivor) in {pid_of(answer) for answer in warm}


async def test_the_event_loop_runs_on_while_a_text_is_scanned(pool: ScanPool) -> None:
    scan = asyncio.create_task(pool.scan(("sleep 0.2",), 5, ENTITIES))
    turns = 0
    while not scan.done():
        await asyncio.sleep(0.005)
        turns += 1

    assert turns > 10


async def test_a_closed_pool_refuses(pool: ScanPool) -> None:
    pool.close()

    assert await pool.scan(("a",), 5, ENTITIES) == POOL_BROKEN


def pack_seen(
    _texts: Sequence[str], _seconds: float, _entities: frozenset[str], pack: Pack = NO_PACK
) -> list[Scan]:
    """Answers with its process id and the pack it was given."""
    return [Scan((Hit(os.getpid(), 1, f"PACK {pack.digest}", 100),), ())]


async def test_every_idle_worker_learns_a_pack_when_it_is_warmed() -> None:
    pool = ScanPool(workers=2, queue=4, work=pack_seen)
    pack = Pack(digest="p1")
    try:
        await pool.warm_up()
        await pool.warm_up(pack)
        cold = sum(not worker.is_warm_for(pack) for worker in pool._idle)
        answers = await asyncio.gather(*(pool.scan(("a",), 5, ENTITIES, pack) for _ in range(2)))
    finally:
        pool.close()

    assert cold == 0
    assert [a[0].hits[0].entity for a in answers if not isinstance(a, str)] == ["PACK p1"] * 2
    assert pool.pending == 0


async def test_a_scan_takes_the_worker_that_knows_its_pack() -> None:
    pool = ScanPool(workers=2, queue=4, work=pack_seen)
    old, new = Pack(digest="old"), Pack(digest="new")
    try:
        await asyncio.gather(*(pool.scan(("a",), 5, ENTITIES, pack) for pack in (old, new)))
        knows = {worker._pack: worker for worker in pool._idle}
        pids = [pid_of(await pool.scan(("a",), 5, ENTITIES, p)) for p in (old, new, old, new)]
    finally:
        pool.close()

    assert set(knows) == {"old", "new"}
    assert pids == [pids[0], pids[1]] * 2
    assert pids[0] != pids[1]


async def _until_gone(pid: int) -> None:
    for _ in range(200):
        os.kill(pid, 0)
        await asyncio.sleep(0.01)
