"""A writer process and the line to it, from start to end."""

import asyncio
import errno
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.integration.logs import item, options_for, until

from transire.errors import IntegrityError, LogUnavailable
from transire.record.line import Greeting, Line
from transire.record.message import encode_item, message
from transire.record.opening import create_log, hold


@pytest.fixture
def place(tmp_path: Path) -> Path:
    create_log(tmp_path / "data", origin="log.example/test")
    return tmp_path / "data"


class Ends:
    """Which lines have ended."""

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def __call__(self, line: Line) -> None:
        self.lines.append(line)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_writer_greets_with_what_the_log_holds_and_leaves_when_asked(place: Path) -> None:
    ended = Ends()
    line = await Line.spawn(ended)
    greeting = await line.open(options_for(place), None)

    assert (greeting.origin, greeting.size, greeting.is_ready) == ("log.example/test", 0, True)
    assert await line.finish(20)
    assert not _is_alive(line.pid)
    assert ended.lines == [line]
    hold(place).close()


async def test_what_is_on_the_line_is_written_and_told_before_the_writer_leaves(
    place: Path,
) -> None:
    told: list[Any] = []
    line = await Line.spawn(Ends())
    await line.open(options_for(place, linger_s=30.0), None)
    line.listen(told.append)
    many = [encode_item(n + 1, item(n), linger=True, entry_id=None, blobs={}) for n in range(999)]
    line.write(b"".join(many))

    assert await line.finish(20)
    rows = [row for each in told for _, _, rows in each["commits"] for row in rows]
    assert sorted(row[0] for row in rows) == list(range(1, 1_000))


async def test_a_router_that_is_slow_to_read_is_told_everything_all_the_same(place: Path) -> None:
    told: list[Any] = []
    line = await Line.spawn(Ends())
    await line.open(options_for(place, linger_s=30.0), None)
    line.listen(told.append)
    assert line._transport is not None
    line._transport.pause_reading()
    many = [encode_item(n + 1, item(n), linger=True, entry_id=None, blobs={}) for n in range(6_000)]
    line.write(b"".join(many))
    leaving = asyncio.ensure_future(line.finish(20))
    await until(lambda: _is_free(place))
    line._transport.resume_reading()

    assert await leaving
    assert sum(len(rows) for each in told for _, _, rows in each["commits"]) == 6_000


def _is_free(place: Path) -> bool:
    try:
        hold(place).close()
    except IntegrityError:
        return False
    return True


async def test_what_is_told_before_anybody_listens_is_heard_first(place: Path) -> None:
    heard: list[Any] = []
    line = await Line.spawn(Ends())
    await line.open(options_for(place), None)
    line.data_received(message({"n": 1}) + message({"n": 2}))
    line.listen(heard.append)
    line.data_received(message({"n": 3}))
    await line.finish(20)

    assert heard[:3] == [{"n": 1}, {"n": 2}, {"n": 3}]


async def test_a_greeting_lists_what_was_written_since(place: Path) -> None:
    line = await Line.spawn(Ends())
    await line.open(options_for(place), None)
    items = [encode_item(n, item(n), linger=True, entry_id=f"e{n}", blobs={}) for n in (1, 2, 3)]
    line.write(b"".join(items))
    await line.finish(20)
    line = await Line.spawn(Ends())
    greeting = await line.open(options_for(place), 1)
    await line.finish(20)

    assert {name: index for name, (index, _) in greeting.written.items()} == {"e2": 1, "e3": 2}


async def test_a_writer_that_does_not_leave_in_time_is_killed(place: Path) -> None:
    line = await Line.spawn(Ends())
    await line.open(options_for(place), None)
    os.kill(line.pid, signal.SIGSTOP)

    assert not await line.finish(0.1)
    assert not _is_alive(line.pid)
    hold(place).close()


async def test_a_writer_that_dies_while_it_opens_is_told_as_that(place: Path) -> None:
    ended = Ends()
    line = await Line.spawn(ended)
    os.kill(line.pid, signal.SIGKILL)

    with pytest.raises(LogUnavailable, match="ended while it opened"):
        await line.open(options_for(place), None)
    await line.kill()
    assert ended.lines == [line]


async def test_killing_what_has_ended_changes_nothing(place: Path) -> None:
    ended = Ends()
    line = await Line.spawn(ended)
    await line.open(options_for(place), None)
    await line.kill()
    await line.kill()

    assert not _is_alive(line.pid)
    assert ended.lines == [line]


async def test_a_writer_whose_router_went_away_leaves_the_directory_free(place: Path) -> None:
    line = await Line.spawn(Ends())
    await line.open(options_for(place), None)
    assert line._transport is not None
    line._transport.abort()

    assert await line.finish(20)
    hold(place).close()


@pytest.mark.parametrize("trouble", [errno.EMFILE, errno.ENOMEM])
async def test_a_system_without_room_for_a_writer_is_told_as_unavailable(
    monkeypatch: pytest.MonkeyPatch, trouble: int
) -> None:
    def refuse() -> Any:
        raise OSError(trouble, os.strerror(trouble))

    monkeypatch.setattr(socket, "socketpair", refuse)
    with pytest.raises(LogUnavailable, match="could not be started"):
        await Line.spawn(Ends())


async def test_a_program_that_is_not_there_is_told_as_unavailable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = _descriptors()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    with pytest.raises(LogUnavailable, match="could not be started"):
        await Line.spawn(Ends())

    assert _descriptors() == before


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("told", [{}, [], None, {"written": 7}, {"error": ["x"]}])
def test_a_writer_of_another_version_is_told_as_that(told: Any) -> None:
    with pytest.raises(LogUnavailable, match="another version"):
        Greeting.of(told)


async def test_a_writer_that_fails_in_a_way_nobody_foresaw_says_so(place: Path) -> None:
    line = await Line.spawn(Ends())
    strange = options_for(place, linger_s="soon")  # type: ignore[arg-type] # as a bug would

    with pytest.raises(LogUnavailable, match="could not open the log"):
        async with asyncio.timeout(20):
            await line.open(strange, "since")  # type: ignore[arg-type]
    await line.kill()
