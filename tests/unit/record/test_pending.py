"""What waits to be written: urgent first, outcomes kept, decisions refused while any are owed."""

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from tests.conftest import FakeClock

from transire.domain.log import Item
from transire.errors import LogUnavailable
from transire.record.pending import _MAX_LINGERING, Job, Pending


class Waiting:
    """A queue of two urgent places, and jobs to put there."""

    def __init__(self, clock: FakeClock, loop: asyncio.AbstractEventLoop) -> None:
        self.clock, self.loop = clock, loop
        self.numbers = itertools.count(1)
        self.pending = Pending(clock, size=2)

    def job(self, name: str, *, lingers: bool = False) -> Job:
        return Job(
            number=next(self.numbers),
            item=Item(kind=name, fields={}),
            loop=self.loop,
            future=self.loop.create_future(),
            due=self.clock.monotonic() + 1 if lingers else 0.0,
            is_lingering=lingers,
        )

    def put(self, *names: str) -> list[Job]:
        """Queue jobs; outcomes have names in lower case."""
        jobs = [self.job(name, lingers=name.islower()) for name in names]
        for job in jobs:
            self.pending.put(job)
        return jobs

    def take(self, limit: int = 9) -> list[str] | None:
        """Names of the next batch; never waits, because something is always due by now."""
        taken = self.pending.take(limit, self.clock.monotonic())
        return None if taken is None else [job.item.kind for job in taken]

    def fail(self, limit: int = 9) -> list[str]:
        """One failing commit; names of what is handed back."""
        taken = self.pending.take(limit, self.clock.monotonic())
        assert taken is not None
        return [job.item.kind for job in self.pending.failed(taken)]


@pytest.fixture
def waiting(clock: FakeClock) -> Iterator[Waiting]:
    loop = asyncio.new_event_loop()
    yield Waiting(clock, loop)
    loop.close()


def test_decisions_go_first_and_outcomes_ride_along(waiting: Waiting) -> None:
    waiting.put("a", "A", "b", "B")

    assert waiting.take() == ["A", "B", "a", "b"]
    assert len(waiting.pending) == 0


def test_a_batch_is_bounded_and_keeps_the_order(waiting: Waiting) -> None:
    waiting.put("a", "A", "b", "B")

    assert [waiting.take(1), waiting.take(2), waiting.take(1)] == [["A"], ["B", "a"], []]
    waiting.clock.advance(1)
    assert waiting.take(1) == ["b"]


def test_an_outcome_alone_waits_for_company_until_it_is_due(waiting: Waiting) -> None:
    waiting.put("a")
    assert waiting.take() == []
    waiting.clock.advance(1)

    assert waiting.take() == ["a"]


def test_a_full_queue_refuses_decisions_and_takes_outcomes(waiting: Waiting) -> None:
    waiting.put("A", "B", "a")
    with pytest.raises(LogUnavailable, match="full"):
        waiting.put("C")

    assert waiting.take() == ["A", "B", "a"]


def test_outcomes_are_bounded_too(waiting: Waiting) -> None:
    job = waiting.job("a", lingers=True)
    for _ in range(_MAX_LINGERING):
        waiting.pending.put(job)
    with pytest.raises(LogUnavailable, match="too many"):
        waiting.pending.put(job)


def test_a_failed_commit_hands_decisions_back_and_keeps_outcomes_in_order(
    waiting: Waiting,
) -> None:
    waiting.put("a", "b", "A")
    assert waiting.fail() == ["A"]
    waiting.put("c")
    waiting.clock.advance(9)

    assert waiting.take() == ["a", "b", "c"]


def test_while_outcomes_are_owed_decisions_are_refused(waiting: Waiting) -> None:
    waiting.put("a", "A")
    waiting.fail()
    with pytest.raises(LogUnavailable, match="outcomes wait"):
        waiting.put("B")
    assert not waiting.pending.is_ready
    waiting.clock.advance(9)
    taken = waiting.pending.take(9, 9.0)
    assert taken is not None
    waiting.pending.succeeded(taken)

    assert waiting.pending.is_ready
    waiting.put("B")


def test_an_outcome_that_fails_twice_is_owed_once(waiting: Waiting) -> None:
    waiting.put("a", "b")
    for _ in range(3):
        waiting.clock.advance(9)
        waiting.fail()
    waiting.clock.advance(9)
    taken = waiting.pending.take(9, waiting.clock.monotonic())
    assert taken is not None
    waiting.pending.succeeded(taken[:1])
    assert not waiting.pending.is_ready
    waiting.pending.succeeded(taken[1:])

    assert waiting.pending.is_ready


def test_an_outcome_that_can_never_be_written_is_owed_no_more(waiting: Waiting) -> None:
    (job,) = waiting.put("a")
    waiting.clock.advance(1)
    waiting.fail()
    waiting.pending.discard(job)
    waiting.pending.succeeded([])

    assert waiting.pending.is_ready


def test_after_a_failure_the_writer_waits_longer_each_time_and_at_most_a_second(
    waiting: Waiting,
) -> None:
    waiting.put("a")
    waiting.clock.advance(1)
    for wait_s in (0.05, 0.2, 1.0, 1.0):
        waiting.fail()
        assert waiting.pending.is_failing
        waiting.clock.advance(wait_s - 0.001)
        assert waiting.take() == []
        waiting.clock.advance(0.001)


def test_a_decision_is_tried_at_once_although_the_last_commit_failed(waiting: Waiting) -> None:
    waiting.put("A")
    waiting.fail()
    waiting.put("B")

    assert waiting.take() == ["B"]


def test_a_closing_log_takes_nothing_more_and_writes_what_waits(waiting: Waiting) -> None:
    waiting.put("A", "a")
    waiting.pending.close()
    with pytest.raises(LogUnavailable, match="closing"):
        waiting.put("B")
    with pytest.raises(LogUnavailable, match="closing"):
        waiting.put("b")

    assert not waiting.pending.is_ready
    assert waiting.take() == ["A", "a"]
    assert waiting.take() is None


def test_a_closing_log_gives_up_on_a_dead_disk_and_hands_over_what_is_lost(
    waiting: Waiting,
) -> None:
    waiting.put("a")
    waiting.pending.close()
    for _ in range(4):
        assert waiting.fail() == []
        waiting.clock.advance(1)

    assert waiting.take() is None
    assert [job.item.kind for job in waiting.pending.drain()] == ["a"]
    assert waiting.pending.drain() == []


def test_waiting_ends_at_the_moment_the_writer_named(waiting: Waiting) -> None:
    assert waiting.pending.take(9, waiting.clock.monotonic()) == []


def _names(jobs: Any) -> list[str]:
    return [job.item.kind for job in jobs]


def test_what_was_given_up_comes_out_with_decisions_first(waiting: Waiting) -> None:
    waiting.put("a", "A", "b")

    assert _names(waiting.pending.drain()) == ["A", "a", "b"]
