"""Two acts that exclude each other meet in the log's batch: one is written, the other refused."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.conftest import FakeClock
from tests.integration.logs import entries
from tests.unit.review.reviews import ReviewDesk, held_case, sent
from tests.unit.score.fleets import deployment

from transire.bundle.acts import ACTIVE_KEY
from transire.bundle.quarantine import VERSION_KEY
from transire.domain.decision import Choice
from transire.domain.ids import ReviewId
from transire.domain.log import Change, Item
from transire.domain.outward import Wire
from transire.domain.ports import Release
from transire.errors import AuthenticationError, ConflictError, PolicyDenied, StaleError
from transire.identity.keys import revoked_key
from transire.record.log import LogWriter
from transire.record.opening import create_log, open_log

HOUR_S = 60 * 60.0
"""What the queue `stakes` promises; the review then expires."""


class Desk(ReviewDesk):
    """Reviews over a real log, and the request that was held."""

    def __init__(self, clock: FakeClock, log: LogWriter) -> None:
        super().__init__(clock, log)
        self.real = log

    async def permit(self, release: Release | None, attempt: int = 1) -> None:
        case, hold = held_case("stakes")
        name = ReviewId(release.review_id) if release else None
        case = replace(case, request=sent(review_id=name, id=f"dec_{attempt}"))
        await self.recorder.permit(
            case,
            Choice(candidate=hold.candidate, released_by=name),
            Wire(deployment=deployment("eu-medical"), body=b"{}", digest=b"w"),
            attempt=attempt,
            cause="first",
            release=release,
            budgets={},
        )

    async def kinds(self) -> list[str]:
        return [str(entry["kind"]) for entry in await entries(self.real)][1:]


@pytest.fixture
async def desk(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Desk]:
    create_log(tmp_path, origin="log.example/acts")
    log = open_log(tmp_path, clock=clock, replica="r1")
    changes = (Change(key=ACTIVE_KEY, value="0" * 64), Change(key=VERSION_KEY, value="0"))
    await log.append(Item(kind="test", fields={}, changes=changes))
    yield Desk(clock, log)
    await log.close()


async def _released(desk: Desk) -> tuple[str, Release]:
    """A review that was approved, and a release of it that is not used yet."""
    review_id = await desk.hold("stakes")
    await desk.approve(review_id)
    return review_id, await desk.release(review_id)


async def test_a_release_that_was_let_go_before_the_expiry_is_not_written_after_it(
    desk: Desk,
) -> None:
    review_id, release = await _released(desk)
    desk.clock.advance(HOUR_S)
    assert await desk.queue.sweep() == 1

    with pytest.raises(ConflictError):
        await desk.permit(release)
    with pytest.raises(PolicyDenied, match="expired"):
        await desk.release(review_id)
    assert await desk.kinds() == ["decision", "review.approved", "review.expired"]


async def test_a_release_is_not_written_after_the_end_even_where_nobody_has_swept(
    desk: Desk,
) -> None:
    _, release = await _released(desk)
    desk.clock.advance(HOUR_S)

    with pytest.raises(ConflictError, match="over"):
        await desk.permit(release)
    assert await desk.kinds() == ["decision", "review.approved"]


async def test_a_review_that_was_spent_in_time_does_not_expire(desk: Desk) -> None:
    _, release = await _released(desk)
    rows = await desk.real.scan("open-review/")
    await desk.permit(release)
    desk.clock.advance(HOUR_S)

    async def earlier(prefix: str) -> list[tuple[str, str]]:
        return rows

    desk.real.scan = earlier  # type: ignore[method-assign] # read before the release
    assert await desk.queue.sweep() == 0
    assert await desk.kinds() == ["decision", "review.approved", "decision"]


async def test_an_approval_does_not_undo_an_expiry_that_was_faster(desk: Desk) -> None:
    review_id = await desk.hold("stakes")
    before = await desk.real.get(f"review/{review_id}")
    desk.clock.advance(HOUR_S)
    await desk.queue.sweep()
    desk.clock.advance(-HOUR_S)  # to somebody whose clock is behind, it still waits
    get = desk.real.get

    async def stale(key: str) -> str | None:
        return before if key == f"review/{review_id}" else await get(key)

    desk.real.get = stale  # type: ignore[method-assign] # read before the expiry
    with pytest.raises(ConflictError):
        await desk.approve(review_id)
    assert await desk.kinds() == ["decision", "review.expired"]


@pytest.mark.parametrize("attempt", [1, 2])
async def test_nothing_is_permitted_to_a_key_that_was_revoked_meanwhile(
    desk: Desk, attempt: int
) -> None:
    key_id = held_case("stakes")[0].request.principal.key_id
    change = Change(key=revoked_key(key_id), value="now")
    await desk.real.append(Item(kind="test", fields={}, changes=(change,)))

    with pytest.raises(AuthenticationError, match="revoked"):
        await desk.permit(None, attempt)
    with pytest.raises(AuthenticationError, match="revoked"):
        await desk.hold("stakes")
    assert await desk.kinds() == ["test"]


async def test_an_entry_is_never_older_than_its_permit(desk: Desk) -> None:
    desk.recorder._clock = ahead = FakeClock()
    ahead.advance(0.000_001)

    with pytest.raises(StaleError, match="clock"):
        await desk.permit(None)
    desk.clock.advance(0.000_001)
    await desk.permit(None)
    assert await desk.kinds() == ["decision"]


Act = Callable[[Desk, str, Release], Awaitable[object]]
ACTS: dict[str, Act] = {
    "a release": lambda desk, _, release: desk.permit(release),
    "a second release": lambda desk, _, release: desk.permit(release, 1),
    "an expiry": lambda desk, _, __: desk.queue.sweep(),
}


async def test_of_many_acts_at_once_exactly_one_is_written(desk: Desk) -> None:
    review_id, release = await _released(desk)
    desk.clock.advance(HOUR_S - 0.000_001)
    sweeper = desk.queue._clock = FakeClock()
    sweeper.advance(HOUR_S)  # whose clock is ahead of the log's

    done = await asyncio.gather(
        *(act(desk, review_id, release) for act in ACTS.values()), return_exceptions=True
    )

    written = (await desk.kinds())[2:]
    assert written == ["decision"]
    assert sorted(type(each).__name__ for each in done) == ["ConflictError", "NoneType", "int"]
