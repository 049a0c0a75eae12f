"""Jobs of a running router keep their pace and do not wait for one another."""

import asyncio

import pytest
from structlog.testing import capture_logs

from transire.errors import LogUnavailable
from transire.observe.fields import admit
from transire.upkeep import Upkeep


class Turns:
    """A pause that lasts until the test lets all jobs go on."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self._waiting: list[asyncio.Future[None]] = []

    async def pause(self, seconds: float) -> None:
        self.asked.append(seconds)
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        await turn

    async def pass_once(self) -> None:
        """Every job that waits has its turn, as far as it gets."""
        await settled()
        waiting, self._waiting = self._waiting, []
        for turn in waiting:
            turn.set_result(None)
        await settled()


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class Counted:
    """A job that ends as told: an error, or well."""

    def __init__(self, error: Exception | None = None) -> None:
        self.runs = 0
        self._error = error

    async def __call__(self) -> None:
        self.runs += 1
        if self._error is not None:
            raise self._error


async def test_each_job_has_its_own_pace() -> None:
    turns, often, seldom = Turns(), Counted(), Counted()
    upkeep = Upkeep({"often": (often, 2.0), "seldom": (seldom, 10.0)}, pause=turns.pause)
    upkeep.start()
    await turns.pass_once()
    await upkeep.close()

    assert sorted(turns.asked) == [2.0, 2.0, 10.0, 10.0]
    assert (often.runs, seldom.runs) == (1, 1)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (LogUnavailable("full"), {"code": "governance_unavailable"}),
        (ValueError("a bug"), {"error_type": "ValueError"}),
    ],
)
async def test_a_job_that_fails_is_named_and_tried_again(
    error: Exception, why: dict[str, str]
) -> None:
    turns, failing, other = Turns(), Counted(error), Counted()
    upkeep = Upkeep({"failing": (failing, 1.0), "other": (other, 1.0)}, pause=turns.pause)
    with capture_logs() as lines:
        upkeep.start()
        await turns.pass_once()
        await turns.pass_once()
        await upkeep.close()

    assert (failing.runs, other.runs) == (2, 2)
    for line in lines:
        del line["log_level"]
    assert [admit(line) for line in lines] == [
        {"event": "upkeep.failed", "job": "failing", **why}
    ] * 2


async def test_a_job_that_hangs_keeps_no_other_back_and_ends_when_closed() -> None:
    turns, other, ended = Turns(), Counted(), asyncio.Event()

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    upkeep = Upkeep({"hanging": (hang, 1.0), "other": (other, 1.0)}, pause=turns.pause)
    upkeep.start()
    await turns.pass_once()
    await turns.pass_once()
    await upkeep.close()

    assert other.runs == 2
    assert ended.is_set()
