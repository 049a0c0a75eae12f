"""Children start, fail and end each for itself."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio

from transire.errors import GovernanceUnavailable
from transire.validate import isolation
from transire.validate.isolation import BusyError, Isolation, OverTimeError

BROKEN = "[1,"


@pytest_asyncio.fixture(name="children")
async def _children() -> AsyncIterator[Isolation]:
    made = Isolation(children=2, deadline_s=60.0)
    yield made
    await made.close()


class Gate:
    """Holds every exchange up until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.opened = asyncio.Event(), asyncio.Event()
        self._exchange = isolation._exchange
        monkeypatch.setattr(isolation, "_exchange", self)

    async def __call__(self, child: Any, frame: bytes) -> Mapping[str, Any]:
        self.reached.set()
        await self.opened.wait()
        return await self._exchange(child, frame)


async def test_a_child_that_cannot_start_takes_no_busy_one_with_it(
    children: Isolation, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unable(*_: Any, **__: Any) -> None:
        raise OSError

    expected = await children.repair(BROKEN)
    gate = Gate(monkeypatch)
    busy = asyncio.ensure_future(children.repair(BROKEN))
    await gate.reached.wait()
    monkeypatch.setattr(asyncio, "create_subprocess_exec", unable)
    with pytest.raises(GovernanceUnavailable):
        await children.repair(BROKEN)
    gate.opened.set()

    assert await busy == expected
    assert len(children._all) == 1


async def test_a_job_that_is_cancelled_while_its_child_starts_leaves_no_child(
    children: Isolation, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    job = asyncio.ensure_future(children.repair(BROKEN))
    await gate.reached.wait()
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job

    assert children._all == set()


async def test_closing_ends_a_running_job_as_over_time_and_takes_no_later_one(
    children: Isolation, monkeypatch: pytest.MonkeyPatch
) -> None:
    await children.repair(BROKEN)  # its child is there, and idle
    sent = asyncio.Event()

    async def unanswered(child: Any, _: bytes) -> Mapping[str, Any]:
        sent.set()
        await child.stdout.readexactly(1)  # nothing was asked: only its end is heard
        raise AssertionError("unreachable")

    monkeypatch.setattr(isolation, "_exchange", unanswered)
    job = asyncio.ensure_future(children.repair(BROKEN))
    await sent.wait()
    await children.close()

    with pytest.raises(OverTimeError):
        await job
    assert children._all == set()
    with pytest.raises(GovernanceUnavailable, match="closed"):
        await asyncio.wait_for(children.repair(BROKEN), timeout=60)


async def test_one_partys_jobs_wait_behind_each_other_and_not_before_anothers(
    children: Isolation, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = await children.repair(BROKEN)
    gate = Gate(monkeypatch)
    order: list[str] = []

    async def job(party: str) -> None:
        assert await children.repair(BROKEN, party) == expected
        order.append(party)

    many = [asyncio.ensure_future(job("many")) for _ in range(6)]
    await gate.reached.wait()
    one = asyncio.ensure_future(job("one"))
    await asyncio.sleep(0)
    gate.opened.set()
    await asyncio.gather(one, *many)

    assert order.index("one") <= 3  # two had begun, and of those that end together any may be first


async def test_a_job_that_never_gets_a_child_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    children = Isolation(children=1, deadline_s=0.01)
    gate = Gate(monkeypatch)
    async with children._turns.turn("a"):
        with pytest.raises(BusyError):
            await children.repair(BROKEN, "b")

    assert not gate.reached.is_set()
    await children.close()
