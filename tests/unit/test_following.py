"""What a start hears of the log: every entry once, in order, however often and late it looks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from transire.errors import LogUnavailable
from transire.following import Follower

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


@dataclass
class Told:
    entries: Sequence[tuple[int, Mapping[str, Any]]]


@dataclass
class Written:
    """Search columns over a log of two kinds in turn, one entry a second, the last at noon."""

    size: int
    broken: str = ""
    asked: list[str] = field(default_factory=list)

    async def tail(
        self, *, before: int | None, limit: int, tenant: str | None, kind: str | None
    ) -> Told:
        assert tenant is None
        assert kind is not None
        if kind == self.broken:
            raise LogUnavailable("the disk is away")
        self.asked.append(kind)
        at = [n for n in range(self.size) if n % 2 == (kind == "outcome")]
        rows = [n for n in reversed(at) if before is None or n < before][:limit]
        return Told([(n, self.entry(n)) for n in rows])

    def entry(self, number: int) -> dict[str, Any]:
        written = NOON - timedelta(seconds=self.size - 1 - number)
        kind = "outcome" if number % 2 else "decision"
        return {"kind": kind, "number": number, "ts": written.isoformat()}


@dataclass
class Hearing:
    """A follower, and what it told."""

    written: Written
    within: timedelta | None = None
    heard: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.follower = Follower(
            self.written,
            ("decision", "outcome"),
            lambda entry: self.heard.append(entry["number"]),
            now=lambda: NOON,
            within=self.within,
        )


async def test_every_entry_is_told_once_and_in_order_over_kinds_and_pages() -> None:
    hearing = Hearing(Written(size=2_301))

    await hearing.follower.catch_up()
    await hearing.follower.catch_up()
    hearing.written.size = 2_310
    await hearing.follower.catch_up()

    assert hearing.heard == list(range(2_310))


async def test_what_is_older_than_it_may_be_is_not_told_nor_looked_for() -> None:
    hearing = Hearing(Written(size=5_000), within=timedelta(seconds=9))

    await hearing.follower.catch_up()

    assert hearing.heard == list(range(4_990, 5_000))
    assert hearing.written.asked == ["decision", "outcome"]


async def test_what_could_not_be_read_is_told_the_next_time() -> None:
    hearing = Hearing(Written(size=6, broken="outcome"))

    with pytest.raises(LogUnavailable):
        await hearing.follower.catch_up()
    assert hearing.heard == []
    hearing.written.broken = ""
    await hearing.follower.catch_up()

    assert hearing.heard == list(range(6))


async def test_a_start_reads_no_more_than_the_newest_twenty_thousand_of_a_kind() -> None:
    hearing = Hearing(Written(size=50_000))

    await hearing.follower.catch_up()

    assert hearing.heard == list(range(10_000, 50_000))
