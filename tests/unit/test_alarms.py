"""Alarms ring once, in order, and not after they were cancelled; blocks end as asyncio's do."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from transire.alarms import _FEW, _of_loop, ring_in, within

SOON, LATER, NEVER = 0.01, 0.03, 60.0

Bound = Callable[[float], AbstractAsyncContextManager[object]]


@asynccontextmanager
async def ours(seconds: float) -> AsyncIterator[None]:
    with within(seconds):
        yield


@pytest.fixture(params=[asyncio.timeout, ours], ids=["asyncio", "ours"])
def bound(request: pytest.FixtureRequest) -> Bound:
    """Everything said of a block here holds of asyncio's own as well."""
    made: Bound = request.param
    return made


async def test_a_block_that_takes_too_long_is_cut_off(bound: Bound) -> None:
    with pytest.raises(TimeoutError):
        async with bound(SOON):
            await asyncio.sleep(NEVER)


async def test_a_block_without_any_time_is_cut_off_where_it_waits(bound: Bound) -> None:
    with pytest.raises(TimeoutError):
        async with bound(-1.0):
            await asyncio.sleep(NEVER)


async def test_a_block_that_ends_in_time_is_left_alone_for_good(bound: Bound) -> None:
    async with bound(SOON):
        pass

    await asyncio.sleep(LATER)


async def test_an_error_of_the_block_stays_what_it_is(bound: Bound) -> None:
    with pytest.raises(ZeroDivisionError):
        async with bound(SOON):
            raise ZeroDivisionError


async def test_the_inner_of_two_blocks_is_cut_off_alone(bound: Bound) -> None:
    async with bound(NEVER):
        with pytest.raises(TimeoutError):
            async with bound(SOON):
                await asyncio.sleep(NEVER)
        await asyncio.sleep(0)


async def test_the_outer_of_two_blocks_is_cut_off_with_the_inner(bound: Bound) -> None:
    with pytest.raises(TimeoutError):
        async with bound(SOON), bound(NEVER):
            await asyncio.sleep(NEVER)


async def test_a_cancellation_from_outside_goes_on_upwards(bound: Bound) -> None:
    async def work() -> None:
        async with bound(NEVER):
            await asyncio.sleep(NEVER)

    task = asyncio.ensure_future(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_from_outside_wins_over_a_block_that_is_late_as_well(
    bound: Bound,
) -> None:
    async def work() -> None:
        async with bound(SOON):
            try:
                await asyncio.sleep(NEVER)
            finally:
                await asyncio.sleep(LATER)  # still here when the second one comes

    task = asyncio.ensure_future(work())
    await asyncio.sleep(SOON * 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_was_cut_off_can_wait_again(bound: Bound) -> None:
    with pytest.raises(TimeoutError):
        async with bound(SOON):
            await asyncio.sleep(NEVER)

    await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


def test_a_block_outside_of_any_task_is_refused() -> None:
    with pytest.raises(RuntimeError), within(SOON):
        pass


async def test_alarms_ring_by_their_time_and_not_by_when_they_were_set() -> None:
    rung: list[str] = []
    ring_in(LATER, lambda: rung.append("later"))
    ring_in(SOON, lambda: rung.append("soon"))

    await asyncio.sleep(LATER * 2)

    assert rung == ["soon", "later"]


async def test_an_alarm_set_by_an_alarm_holds_back_no_other() -> None:
    rung = asyncio.Event()
    ring_in(SOON, lambda: ring_in(NEVER, lambda: None))
    ring_in(LATER, rung.set)

    async with asyncio.timeout(20):
        await rung.wait()


async def test_an_alarm_that_raises_holds_back_no_other() -> None:
    rung, raised = asyncio.Event(), list[object]()
    asyncio.get_running_loop().set_exception_handler(lambda _, said: raised.append(said))

    def fail() -> None:
        raise ZeroDivisionError

    ring_in(SOON, fail)
    ring_in(SOON, rung.set)

    async with asyncio.timeout(20):
        await rung.wait()
    assert len(raised) == 1


async def test_a_cancelled_alarm_rings_never_and_may_be_cancelled_again() -> None:
    rung: list[int] = []
    alarm = ring_in(SOON, lambda: rung.append(1))
    alarm.cancel()
    alarm.cancel()
    await asyncio.sleep(LATER)

    assert rung == []
    assert alarm.is_over


async def test_cancelled_alarms_do_not_pile_up() -> None:
    lasting = ring_in(NEVER, lambda: None)
    for _ in range(_FEW * 5):
        ring_in(NEVER, lambda: None).cancel()

    waiting = _of_loop(asyncio.get_running_loop())._heap
    assert len(waiting) <= _FEW + 2
    assert any(entry[2] is lasting for entry in waiting)
    lasting.cancel()


def test_each_loop_has_alarms_of_its_own() -> None:
    async def wait() -> None:
        with pytest.raises(TimeoutError), within(SOON):
            await asyncio.sleep(NEVER)

    asyncio.run(wait())
    asyncio.run(wait())
