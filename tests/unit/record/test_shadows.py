"""A shadow's entries: what they say, and what becomes of a permit nobody waits for any more."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.conftest import FakeClock
from tests.fakes import MemoryLog
from tests.unit.test_shadowing import TARGET, World, compiled

from transire.domain.authorization import Form, Pair
from transire.domain.ids import PolicyId
from transire.domain.log import Item, Receipt
from transire.domain.shadow import Shadow
from transire.domain.trial import CONTROL, Trial
from transire.errors import LogUncertain, TransireError
from transire.record.recorder import LogRecorder
from transire.record.shadows import LogShadowRecorder


class Uncertain(MemoryLog):
    """Does not say in time that it has written a permit, and then says that it has."""

    async def append(
        self,
        item: Item,
        *,
        linger: bool = False,
        abandoned: Callable[[Receipt | TransireError], None] | None = None,
    ) -> Receipt:
        receipt = await super().append(item, linger=linger)
        assert abandoned is not None
        abandoned(receipt)
        raise LogUncertain("the log did not commit in time")


def shadow_of(case: Any) -> Shadow:
    draw = Trial(
        experiment="try",
        digest="d",
        kind="shadow",
        unit="request",
        variant=TARGET,
        task="default",
        point_ppm=999_999,
        shares=((CONTROL, 900_000), (TARGET, 100_000)),
    )
    return Shadow(
        case=case,
        pair=Pair(deployment=TARGET, form=Form.RAW),
        policies=(PolicyId("shadow.support"),),
        draw=draw,
        daily_micro_usd=10**9,
    )


async def test_a_permit_that_came_too_late_is_closed_unused(clock: FakeClock) -> None:
    world = World(clock).open(compiled())
    routed = await world.ask()
    log = Uncertain(world.log.state)
    entries: Any = log
    recorder = LogShadowRecorder(LogRecorder(entries, clock), clock, log.state.get)
    deployment = world.bundle.catalog.deployments[TARGET]
    wire = world.forwarder.prepare(routed.case.request.body, deployment, is_stream=False)

    with pytest.raises(LogUncertain):
        await recorder.permit(shadow_of(routed.case), wire, budgets={})

    assert log.kinds == ["shadow.permitted", "shadow.ended"]
    ended = log.entries[-1]
    assert (ended["status"], ended["failure"], ended["attempt"]) == ("cancelled", "not_sent", 0)
    assert ended["charged_micro_usd"] == 0
    # What it had reserved is given back.
    assert log.state["budget/shadow/try/day"].endswith(" 0")


async def test_a_shadows_entry_says_what_it_stands_on_and_ranks_nothing(clock: FakeClock) -> None:
    world = World(clock).open(compiled())

    await world.copied()

    [entry] = world.entries("shadow.permitted")
    decision = world.entries("decision")[0]
    assert "ranking" not in entry
    assert entry["decision_id"] == decision["id"]
    assert entry["bundle"] == decision["bundle"] == entry["permit"]["bundle"]
    assert entry["facts"] in world.log.blobs
    assert entry["evaluation"] in world.log.blobs
    assert entry["permit"]["content"] == decision["request"]["content"]
