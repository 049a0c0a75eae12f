"""What a writer process has not answered yet: bounded, in order, each known by its number."""

import asyncio
from collections.abc import Iterator

import pytest

from transire.domain.log import Item
from transire.errors import LogUnavailable
from transire.record.pending import Job
from transire.record.unanswered import _MAX_LINGERING, Sent, Unanswered

ITEM = Item(kind="test", fields={})


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


def sent(loop: asyncio.AbstractEventLoop, number: int, *, linger: bool = False) -> Sent:
    job = Job(
        number=number,
        item=ITEM,
        loop=loop,
        future=loop.create_future(),
        due=0.0,
        is_lingering=linger,
    )
    return Sent(job, f"ent_{number}", b"")


def test_an_answer_ends_the_item_of_its_number_once(loop: asyncio.AbstractEventLoop) -> None:
    waiting = Unanswered(9)
    twins = [sent(loop, number) for number in (1, 2)]
    for twin in twins:
        waiting.add(twin)

    assert waiting.end(2) is twins[1].job
    assert waiting.end(2) is None
    assert (len(waiting), 1 in waiting, 2 in waiting) == (1, True, False)


def test_items_may_end_while_all_are_walked(loop: asyncio.AbstractEventLoop) -> None:
    waiting = Unanswered(9)
    for number in (3, 1, 2):
        waiting.add(sent(loop, number))

    assert [waiting.end(one.job.number) is one.job for one in waiting] == [True] * 3
    assert len(waiting) == 0


def test_decisions_are_refused_where_as_many_wait_as_may_and_outcomes_are_not(
    loop: asyncio.AbstractEventLoop,
) -> None:
    waiting = Unanswered(1)
    waiting.add(sent(loop, 1, linger=True))
    waiting.make_sure_of_room(linger=False)
    waiting.add(sent(loop, 2))

    waiting.make_sure_of_room(linger=True)
    with pytest.raises(LogUnavailable, match="queue is full"):
        waiting.make_sure_of_room(linger=False)
    waiting.end(2)
    waiting.make_sure_of_room(linger=False)


def test_outcomes_are_refused_where_far_too_many_wait(loop: asyncio.AbstractEventLoop) -> None:
    waiting = Unanswered(1)
    for number in range(_MAX_LINGERING):
        waiting.add(sent(loop, number, linger=True))

    with pytest.raises(LogUnavailable, match="too many outcomes"):
        waiting.make_sure_of_room(linger=True)
    waiting.end(0)
    waiting.make_sure_of_room(linger=True)
