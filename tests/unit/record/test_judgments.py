"""A judgment's entries: what they say, and what becomes of a permit nobody waits for any more."""

from typing import Any

import pytest
from tests.conftest import FakeClock
from tests.unit.record.test_shadows import Uncertain
from tests.unit.test_judging import JUDGE, World, compiled

from transire.domain.authorization import Form, Pair
from transire.domain.ids import PolicyId
from transire.domain.judgment import Judgment
from transire.errors import LogUncertain
from transire.record.judgments import LogJudgeRecorder
from transire.record.recorder import LogRecorder


async def test_a_permit_that_came_too_late_is_closed_unused(clock: FakeClock) -> None:
    world = World(clock).open(compiled())
    routed = await world.ask()
    log = Uncertain(world.log.state)
    entries: Any = log
    recorder = LogJudgeRecorder(LogRecorder(entries, clock), clock, log.state.get)
    deployment = world.bundle.catalog.deployments[JUDGE]
    wire = world.judge.prepare(routed.case.request.body, deployment, is_stream=False)
    judgment = Judgment(
        case=routed.case,
        pair=Pair(deployment=JUDGE, form=Form.RAW),
        policies=(PolicyId("judge.support"),),
        rules=world.bundle.routing.judges["strict"],
        attempt=1,
    )

    with pytest.raises(LogUncertain):
        await recorder.permit(judgment, wire, budgets={})

    assert log.kinds == ["judge.permitted", "judge.ended"]
    ended = log.entries[-1]
    assert (ended["status"], ended["failure"]) == ("cancelled", "not_sent")
    assert (ended["attempt"], ended["charged_micro_usd"]) == (-1001, 0)
    # What it had reserved is given back.
    assert log.state["budget/judge/strict/day"].endswith(" 0")


async def test_a_judgments_entry_says_what_it_stands_on_and_ranks_nothing(
    clock: FakeClock,
) -> None:
    world = World(clock).open(compiled())

    await world.checked()

    [entry] = world.entries("judge.permitted")
    decision = world.entries("decision")[0]
    assert {"ranking", "prompt", "experiment", "request_bundle"}.isdisjoint(entry)
    assert entry["decision_id"] == decision["id"]
    assert entry["bundle"] == decision["bundle"] == entry["permit"]["bundle"]
    assert entry["facts"] in world.log.blobs
    assert entry["evaluation"] in world.log.blobs
