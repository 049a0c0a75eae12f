"""What an erasure takes, of whom, and what it leaves."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.logs import entries

from transire.clock import SystemClock
from transire.domain.ids import make_ulid
from transire.domain.log import Item
from transire.errors import ConflictError, NotFoundError
from transire.record.erasing import erase, is_kept
from transire.record.log import LogWriter
from transire.record.opening import create_log, open_log


def _id(prefix: str, of: str) -> str:
    now_ms = int(SystemClock().now().timestamp() * 1_000)
    return make_ulid(prefix, now_ms=now_ms, entropy=hashlib.sha256(of.encode()).digest()[:10])


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[LogWriter]:
    create_log(tmp_path, origin="log.example/erasing")
    opened = open_log(tmp_path, clock=SystemClock(), replica="r1")
    yield opened
    await opened.close()


async def _reviewed(log: LogWriter, name: str, tenant: str = "acme") -> str:
    """A hold whose two queues said why; its decision's id."""
    decision, review = _id("dec", name), _id("rev", name)
    held = {"id": decision, "tenant": tenant, "review_id": review, "outcome": "review_required"}
    await log.append(Item(kind="decision", fields=held))
    for queue in ("law", "risk"):
        await log.append(
            Item(
                kind="review.approved",
                fields={"review_id": review, "tenant": tenant, "queue": queue, "by": "rita"},
                disclosures={"comment": f"{queue} on {name}"},
            )
        )
    return decision


async def _whole(log: LogWriter) -> list[bool]:
    """Of each review's act, in order, whether its comment is there."""
    acts = [e for e in await entries(log) if str(e["kind"]).startswith("review.")]
    return [await is_kept(log, act) for act in acts]


async def _erase(log: LogWriter, *decisions: str, tenant: str = "acme") -> Any:
    return await erase(log, decisions, (), tenant=tenant, by="priya", reason="asked for")


async def test_all_that_a_decisions_reviewers_wrote_goes_and_nobody_elses(log: LogWriter) -> None:
    first, _ = await _reviewed(log, "first"), await _reviewed(log, "second")

    done = await _erase(log, first)

    assert (done.fields, await _whole(log)) == (2, [False, False, True, True])
    entry = (await entries(log))[done.index]
    assert (entry["kind"], entry["decisions"], entry["by"]) == ("erasure", [first], "priya")
    assert len(entry["erased"]) == 2
    assert "reason" not in entry
    assert await is_kept(log, entry)  # its own reason, a disclosure as well


async def test_several_decisions_go_with_one_entry(log: LogWriter) -> None:
    both = [await _reviewed(log, "first"), await _reviewed(log, "second")]

    done = await _erase(log, *both, *both)

    assert (done.fields, await _whole(log)) == (4, [False] * 4)
    assert (await entries(log))[done.index]["decisions"] == sorted(both)


@pytest.mark.parametrize("tenant", ["globex", ""])
async def test_decisions_of_another_tenant_are_not_there_and_nothing_is_erased(
    log: LogWriter, tenant: str
) -> None:
    ours, theirs = await _reviewed(log, "ours"), await _reviewed(log, "theirs", "globex")

    with pytest.raises(NotFoundError):
        await _erase(log, ours, theirs, tenant=tenant or "acme")
    with pytest.raises(NotFoundError):
        await _erase(log, ours, _id("dec", "nobody's"))
    assert await _whole(log) == [True] * 4


async def test_what_is_gone_is_not_erased_once_more(log: LogWriter) -> None:
    decision = await _reviewed(log, "first")
    await _erase(log, decision)
    before = len(await entries(log))

    with pytest.raises(ConflictError, match="nothing personal"):
        await _erase(log, decision)
    assert len(await entries(log)) == before


async def test_an_entry_that_disclosed_nothing_is_whole(log: LogWriter) -> None:
    assert await is_kept(log, {"kind": "decision"})
    assert not await is_kept(log, {"kind": "decision", "sd": ["nobody's digest"]})
