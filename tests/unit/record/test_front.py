"""Callers of a log who leave, or are refused, before they hear of their entry."""

import asyncio

import pytest

from transire.domain.log import Item, Receipt
from transire.errors import LogUnavailable, LogUncertain, TransireError
from transire.record.draft import Names
from transire.record.front import LogFront, settle
from transire.record.pending import Job

RECEIPT = Receipt(
    entry_id="ent_1", index=0, tree_size=1, leaf_hash=b"", origin="log", checkpoint=""
)
ITEM = Item(kind="test", fields={})


class Front(LogFront):
    """Takes items and leaves it to the test what becomes of them."""

    is_ready = is_current = True
    origin = public_key = "log"
    depth = 0

    def __init__(self, commit_timeout_s: float = 60.0) -> None:
        super().__init__({}, names=Names(replica="r", boot="b"), commit_timeout_s=commit_timeout_s)
        self.jobs: list[Job] = []

    def enqueue(self, item: Item, *, linger: bool = False) -> Job:
        self.jobs.append(self._job(item, linger=linger))
        return self.jobs[-1]

    async def close(self) -> None:
        self._stop_reading()


async def begun(front: Front, told: list[Receipt | TransireError]) -> "asyncio.Task[Receipt]":
    asking = asyncio.ensure_future(front.append(ITEM, abandoned=told.append))
    await asyncio.sleep(0)
    return asking


async def passed() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_who_waits_is_told_and_nobody_else() -> None:
    front, told = Front(), list[Receipt | TransireError]()
    asking = await begun(front, told)

    settle([(front.jobs[0], RECEIPT)])

    assert await asking == RECEIPT
    assert told == []


async def test_what_became_of_an_entry_is_told_where_its_caller_has_left() -> None:
    front, told = Front(), list[Receipt | TransireError]()
    asking = await begun(front, told)
    asking.cancel()
    await passed()

    settle([(front.jobs[0], RECEIPT)])
    await passed()

    assert asking.cancelled()
    assert told == [RECEIPT]


@pytest.mark.parametrize("end", [RECEIPT, LogUnavailable("not written")])
async def test_it_is_told_once_where_the_caller_leaves_as_it_becomes_known(
    end: Receipt | TransireError,
) -> None:
    front, told = Front(), list[Receipt | TransireError]()
    asking = await begun(front, told)

    settle([(front.jobs[0], end)])
    asking.cancel()
    await passed()

    assert asking.cancelled()
    assert told == [end]


async def test_what_is_late_is_refused_and_told_once_it_is_known() -> None:
    front, told = Front(commit_timeout_s=0.01), list[Receipt | TransireError]()
    asking = await begun(front, told)
    with pytest.raises(LogUncertain):
        await asking
    assert front.jobs[0].is_dropped
    assert told == []

    settle([(front.jobs[0], RECEIPT)])
    await passed()

    assert told == [RECEIPT]


async def test_a_caller_who_leaves_as_it_is_refused_hears_what_became_of_it_all_the_same() -> None:
    front, told = Front(), list[Receipt | TransireError]()
    asking = await begun(front, told)

    front._expire(front.jobs[0])
    asking.cancel()
    await passed()
    assert told == []

    settle([(front.jobs[0], RECEIPT)])
    await passed()
    assert told == [RECEIPT]
