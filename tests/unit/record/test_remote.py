"""The front of a log that another process writes, with a writer that does as the test says."""

import asyncio
import io
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.conftest import FakeClock

from transire.domain.log import Change, Item, Receipt
from transire.errors import IntegrityError, LogUnavailable, LogUncertain, TransireError
from transire.observe.logging import configure_logging
from transire.record.draft import Names
from transire.record.line import Greeting, Line, WriterOptions
from transire.record.message import Frame, Frames, decode_item, spell_error
from transire.record.pending import Job
from transire.record.remote import RemoteLog

OPTIONS = WriterOptions(
    directory=Path("nowhere"),
    names=Names(replica="r1", boot="b1"),
    queue_size=8,
    commit_timeout_s=0.01,
    linger_s=0.005,
    level="error",
)


def greeting(**changes: Any) -> Greeting:
    plain: dict[str, Any] = {
        "origin": "log.example/test",
        "public_key": "key",
        "state": {},
        "size": 0,
        "note": "",
        "written": {},
        "is_ready": True,
    }
    return Greeting(**{**plain, **changes})


class StandIn(Line):
    """A line to nobody.

    Attributes:
        received: What the front has sent.
        since: What the front has asked for.
    """

    def __init__(
        self,
        says: Greeting | TransireError,
        ended: Callable[[Line], None],
        early: tuple[Any, ...] = (),
        *,
        leaves: bool = True,
    ) -> None:
        self.says, self.leaves = says, leaves
        self.received: list[Frame] = []
        self.since: int | None = None
        self.is_killed = self.is_finished = False
        self._to_end = ended
        self._frames, self._heard, self._early = Frames(), None, list(early)

    @property
    def pid(self) -> int:
        return 7

    async def open(self, options: WriterOptions, since: int | None) -> Greeting:
        self.since = since
        if isinstance(self.says, TransireError):
            raise self.says
        return self.says

    def write(self, data: bytes) -> None:
        self.received += self._frames.feed(data)

    async def finish(self, within_s: float) -> bool:
        self.is_finished = True
        return self.leaves

    async def kill(self) -> None:
        self.is_killed = True

    def tell(self, **told: Any) -> None:
        """Say this to the front, as the writer would."""
        assert self._heard is not None
        self._heard({"ready": True, "commits": [], "failed": [], **told})

    def die(self) -> None:
        """End, as a killed writer does."""
        self._to_end(self)


class Stage:
    """A front, and the writers it will be given one after the other."""

    def __init__(self, clock: FakeClock, *scripts: Any) -> None:
        self.lines: list[StandIn] = []
        self._scripts = list(scripts)
        self.log = RemoteLog(OPTIONS, clock=clock, entropy=bytes, spawn=self._spawn)

    def _spawn(self, ended: Callable[[Line], None]) -> Awaitable[Line]:
        async def spawn() -> Line:
            script = self._scripts.pop(0)
            if isinstance(script, LogUnavailable):
                raise script
            self.lines.append(script(ended))
            return self.lines[-1]

        return spawn()

    async def following(self, count: int) -> StandIn:
        """The newest writer, once there have been so many."""
        await until(lambda: len(self.lines) == count and self.log.is_current)
        return self.lines[-1]

    async def start(self) -> StandIn:
        await self.log._start(since=None)
        return self.lines[-1]


def speaking(
    says: Greeting | TransireError, **how: Any
) -> Callable[[Callable[[Line], None]], Line]:
    return lambda ended: StandIn(says, ended, **how)


def item(n: int = 1, **more: Any) -> Item:
    return Item(kind="test", fields={"n": n}, **more)


def commit(*rows: tuple[Job, int], size: int) -> list[Any]:
    """One commit as the writer tells of it."""
    told = [(job.number, f"ent_{index}", index, f"{index:064x}") for job, index in rows]
    return [f"checkpoint {size}", size, told]


async def rounds(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.005)


async def test_before_a_writer_has_greeted_nothing_is_taken_or_current(clock: FakeClock) -> None:
    log = Stage(clock).log

    assert not log.is_ready
    assert not log.is_current
    with pytest.raises(LogUnavailable):
        log.enqueue(item())


async def test_of_two_equal_items_the_one_whose_caller_was_refused_is_dropped(
    clock: FakeClock,
) -> None:
    stage = Stage(clock, speaking(greeting()))
    line = await stage.start()
    twin = item()
    kept = stage.log.enqueue(twin)
    with pytest.raises(LogUncertain):
        await stage.log.append(twin)
    last = stage.log.enqueue(twin)
    await rounds()

    numbers = [frame.number for frame in line.received]
    dropped = [frame.read()["drop"] for frame in line.received if not frame.number]
    assert numbers == [kept.number, dropped[0], 0, last.number]
    assert len({kept.number, dropped[0], last.number}) == 3
    assert not kept.is_dropped
    assert not last.is_dropped


async def test_an_answered_item_is_dropped_no_more(clock: FakeClock) -> None:
    stage = Stage(clock, speaking(greeting()))
    line = await stage.start()
    job = stage.log.enqueue(item())
    line.tell(commits=[commit((job, 0), size=1)])
    stage.log._drop(job)
    await rounds()

    assert [frame.number for frame in line.received] == [job.number]


async def test_state_is_told_before_whoever_changed_it_hears_of_it(clock: FakeClock) -> None:
    stage = Stage(clock, speaking(greeting(state={"k": "0"})))
    line = await stage.start()
    seen: list[str | None] = []
    jobs = [stage.log.enqueue(item(n, changes=(Change(key="k", value=str(n)),))) for n in (1, 2)]
    jobs[0].future.add_done_callback(lambda _: seen.append(stage.log.peek("k")))
    assert stage.log.peek("k") == "0"
    line.tell(commits=[commit((jobs[1], 1), (jobs[0], 0), size=2)])
    receipts = [await job.future for job in jobs]
    await rounds()

    assert seen == ["2"]
    assert [(r.index, r.tree_size, r.checkpoint, r.leaf_hash) for r in receipts] == [
        (0, 2, "checkpoint 2", bytes(32)),
        (1, 2, "checkpoint 2", bytes(31) + b"\1"),
    ]


async def test_side_data_that_is_stored_is_not_sent_again(clock: FakeClock) -> None:
    stage = Stage(clock, speaking(greeting()))
    line = await stage.start()
    first = stage.log.enqueue(item(blobs={"aa": b"data"}))
    await rounds()
    line.tell(commits=[commit((first, 0), size=1)])
    stage.log.enqueue(item(blobs={"aa": b"data"}))
    await rounds()

    assert [frame.side for frame in line.received] == [b"data", b""]


async def test_what_a_writer_tells_right_behind_its_greeting_counts(clock: FakeClock) -> None:
    early = {"ready": False, "commits": [], "failed": []}
    stage = Stage(clock, speaking(greeting(), early=(early,)))
    await stage.start()

    assert stage.log.is_current
    assert not stage.log.is_ready


async def test_a_log_that_takes_no_entries_says_so_in_its_greeting(clock: FakeClock) -> None:
    stage = Stage(clock, speaking(greeting(is_ready=False)))
    await stage.start()

    with pytest.raises(LogUnavailable):
        stage.log.enqueue(item())


async def test_what_waited_is_resolved_sent_again_or_refused_by_the_next_writer(
    clock: FakeClock,
) -> None:
    def again(ended: Callable[[Line], None]) -> Line:
        written = {"dec_1": (4, b"h" * 32), "out_1": (5, b"i" * 32)}
        return StandIn(greeting(size=6, note="checkpoint 6", written=written), ended)

    stage = Stage(clock, speaking(greeting(size=4)), again)
    line = await stage.start()
    ids = ("dec_1", "dec_2", "out_1", "out_2")
    kept, lost, told, unwritten = (
        stage.log.enqueue(Item(kind="test", fields={"id": name}), linger=name.startswith("out"))
        for name in ids
    )
    line.die()
    assert not stage.log.is_current
    await until(lambda: stage.log.is_ready)
    await rounds()
    following = stage.lines[-1]

    assert (line.is_killed, following.since) == (True, 4)
    receipt = await kept.future
    assert (receipt.entry_id, receipt.index, receipt.checkpoint) == ("dec_1", 4, "checkpoint 6")
    assert (await told.future).leaf_hash == b"i" * 32
    with pytest.raises(LogUnavailable, match="ended before this"):
        await lost.future
    assert not unwritten.future.done()
    assert [decode_item(frame)[0].fields["id"] for frame in following.received] == ["out_2"]
    assert stage.log.depth == 1


async def test_state_of_the_next_writer_replaces_what_was_known(clock: FakeClock) -> None:
    stage = Stage(
        clock, speaking(greeting(state={"a/k": "1"})), speaking(greeting(state={"a/l": "2"}))
    )
    line = await stage.start()
    line.die()
    assert stage.log.peek("a/k") == "1"
    await until(lambda: stage.log.is_current)

    assert await stage.log.scan("a/") == [("a/l", "2")]


async def test_a_start_that_fails_is_said_and_tried_again(clock: FakeClock) -> None:
    said = io.StringIO()
    configure_logging(stream=said)
    refused = speaking(IntegrityError("another process has it"))
    stage = Stage(
        clock, speaking(greeting()), LogUnavailable("not started"), refused, speaking(greeting())
    )
    line = await stage.start()
    line.die()
    await until(lambda: stage.log.is_current)
    events = [orjson.loads(line) for line in said.getvalue().splitlines()]

    assert [(e["event"], e.get("problem")) for e in events] == [
        ("log.writer_ended", None),
        ("log.writer_unstarted", "not started"),
        ("log.writer_unstarted", "another process has it"),
        ("log.writer_started", None),
    ]
    assert stage.lines[1].is_killed


async def test_a_log_that_is_shorter_than_it_acknowledged_is_refused(clock: FakeClock) -> None:
    said = io.StringIO()
    configure_logging(stream=said)
    stage = Stage(
        clock, speaking(greeting(size=4)), speaking(greeting(size=4)), speaking(greeting(size=5))
    )
    line = await stage.start()
    job = stage.log.enqueue(item())
    line.tell(commits=[commit((job, 4), size=5)])
    line.die()
    await until(lambda: len(stage.lines) == 2 and stage.lines[1].is_killed)
    assert not stage.log.is_current
    await until(lambda: stage.log.is_current)

    assert "the log has 4 entries and has acknowledged 5" in said.getvalue()


async def test_closing_waits_for_the_writer_and_leaves_nothing_unanswered(
    clock: FakeClock,
) -> None:
    stage = Stage(clock, speaking(greeting()))
    line = await stage.start()
    job = stage.log.enqueue(item(), linger=True)
    await stage.log.close()

    assert [frame.number for frame in line.received] == [job.number]
    assert line.is_finished
    with pytest.raises(LogUncertain):
        await job.future


async def test_a_writer_that_had_to_be_killed_is_said_in_the_log(clock: FakeClock) -> None:
    said = io.StringIO()
    configure_logging(stream=said)
    stage = Stage(clock, speaking(greeting(), leaves=False))
    await stage.start()
    stage.log.enqueue(item(), linger=True)
    await stage.log.close()
    [event] = [orjson.loads(line) for line in said.getvalue().splitlines()]

    assert (event["event"], event["seconds"], event["count"]) == ("log.writer_killed", 30, 1)


async def test_closing_while_a_writer_is_being_started_starts_none(clock: FakeClock) -> None:
    stage = Stage(clock, speaking(greeting()), LogUnavailable("no"), speaking(greeting()))
    line = await stage.start()
    line.die()
    await stage.log.close()

    assert stage.log._restarting is not None
    assert stage.log._restarting.done()
    assert len(stage.lines) == 1


async def test_an_error_about_an_item_is_its_callers_alone(clock: FakeClock) -> None:
    stage = Stage(clock, speaking(greeting()))
    line = await stage.start()
    bad, good = stage.log.enqueue(item(1)), stage.log.enqueue(item(2))
    line.tell(
        failed=[(bad.number, spell_error(IntegrityError("this one")))],
        commits=[commit((good, 0), size=1)],
    )

    with pytest.raises(IntegrityError, match="this one"):
        await bad.future
    assert isinstance(await good.future, Receipt)


async def test_what_ends_every_writer_is_found_alone_and_refused_and_the_others_are_written(
    clock: FakeClock,
) -> None:
    """Three writers end over a batch; the fourth takes one of it alone, the fifth ends over it."""
    later = speaking(greeting(size=1))
    stage = Stage(clock, *(speaking(greeting()) for _ in range(4)), later)
    line = await stage.start()
    good, fatal, other = (stage.log.enqueue(item(n), linger=True) for n in range(3))
    for given in range(2, 5):
        await rounds()
        assert len(line.received) == 3
        line.die()
        line = await stage.following(given)
    late = stage.log.enqueue(item(3), linger=True)
    await rounds()
    assert [f.number for f in line.received] == [good.number]
    assert not stage.log.is_ready
    with pytest.raises(LogUnavailable):
        stage.log.enqueue(item(4))
    line.tell(commits=[commit((good, 0), size=1)])
    await rounds()
    assert [f.number for f in line.received] == [good.number, fatal.number]
    line.die()
    line = await stage.following(5)
    await rounds()

    with pytest.raises(LogUnavailable, match="ends every writer"):
        await fatal.future
    assert [f.number for f in line.received] == [other.number]
    line.tell(commits=[commit((other, 1), size=2)])
    await rounds()
    assert [f.number for f in line.received] == [other.number, late.number]
    line.tell(commits=[commit((late, 2), size=3)])
    assert stage.log.is_ready
    assert [(await job.future).index for job in (good, other, late)] == [0, 1, 2]


async def test_what_a_lone_item_had_written_before_its_writer_ended_is_not_refused(
    clock: FakeClock,
) -> None:
    stage = Stage(clock, *(speaking(greeting()) for _ in range(4)))
    line = await stage.start()
    job = stage.log.enqueue(Item(kind="test", fields={"id": "out_1"}), linger=True)
    for given in range(2, 5):
        line.die()
        line = await stage.following(given)
    stage._scripts.append(speaking(greeting(size=1, written={"out_1": (0, b"h" * 32)})))
    line.die()

    assert (await job.future).index == 0
    await until(lambda: stage.log.is_ready)
