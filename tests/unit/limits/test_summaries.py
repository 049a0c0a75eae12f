"""Counted refusals reach the log once each, whatever the log does meanwhile."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes import MemoryLog

from transire.domain.log import Item, Receipt
from transire.errors import LogUnavailable, LogUncertain
from transire.limits.summaries import Summaries
from transire.limits.tally import Tally


class FlakyLog(MemoryLog):
    """Appends as told: `ok`, `no` (refused), `late` (written, and nobody heard of it), `lost`."""

    def __init__(self) -> None:
        super().__init__()
        self.manners: list[str] = []

    async def append(
        self,
        item: Item,
        *,
        linger: bool = False,
        abandoned: Callable[[Receipt], None] | None = None,
    ) -> Receipt:
        manner = self.manners.pop(0) if self.manners else "ok"
        if manner == "no":
            raise LogUnavailable("full")
        receipt = await super().append(item) if manner != "lost" else None
        if manner != "ok" or receipt is None:
            raise LogUncertain("not in time")
        return receipt

    @property
    def counted(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for entry in self.entries:
            key, count = str(entry["key_id"]), entry["count"]
            assert isinstance(count, int)
            counts[key] = counts.get(key, 0) + count
        return counts


OWNERS = {"a": "acme"}


def summaries(log: MemoryLog, tally: Tally) -> Summaries:
    return Summaries(log, (tally.drain,), tally, replica="r1", tenant_of=OWNERS.get)


async def written(of: Summaries) -> bool:
    try:
        await of.write()
    except LogUnavailable:
        return False
    return True


async def test_counts_are_written_by_key_and_limit() -> None:
    log, tally = FlakyLog(), Tally()
    tally.add("a", "rate", 3)
    tally.add("b", "concurrency")
    await summaries(log, tally).write()

    told = [(e["key_id"], e["limit"], e["count"], e.get("tenant")) for e in log.entries]
    assert sorted(told, key=str) == [("a", "rate", 3, "acme"), ("b", "concurrency", 1, None)]


@given(
    st.lists(st.sampled_from(["ok", "no", "late", "lost"]), max_size=12),
    st.lists(st.sampled_from("abc"), max_size=12),
)
def test_every_refusal_is_counted_once_whatever_the_log_does(
    manners: list[str], refused: list[str]
) -> None:
    async def run() -> dict[str, int]:
        log, tally = FlakyLog(), Tally()
        writing = summaries(log, tally)
        log.manners = list(manners)
        for key in refused:
            tally.add(key, "rate")
            await written(writing)
        log.manners = []
        assert await written(writing)
        return log.counted

    assert asyncio.run(run()) == {key: refused.count(key) for key in set(refused)}


async def test_a_sweep_that_is_cancelled_loses_nothing() -> None:
    log, tally = MemoryLog(), Tally()
    writing = summaries(log, tally)
    append, started = log.append, asyncio.Event()

    async def hang(item: Item, **_: Any) -> Receipt:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    log.append = hang  # type: ignore[method-assign] # a log that does not answer
    for key in "abc":
        tally.add(key, "rate")
    task = asyncio.ensure_future(writing.write())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    log.append = append  # type: ignore[method-assign]
    await writing.write()

    assert sorted(str(e["key_id"]) for e in log.entries) == ["a", "b", "c"]
