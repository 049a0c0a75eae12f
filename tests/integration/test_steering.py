"""The governed state follows the log, whatever overtakes what."""

import asyncio
import threading
from datetime import UTC, datetime
from typing import Any

from tests.fakes import MemoryLog
from tests.unit.bundle.bundles import pack_files

from transire.authorize.cedar import CedarAuthorizer
from transire.bootstrap import Steering
from transire.bundle.acts import ACTIVE_KEY, Act
from transire.bundle.compile import compile_bundle
from transire.bundle.compiled import CompiledBundle
from transire.bundle.lifecycle import genesis
from transire.bundle.quarantine import impose
from transire.domain.bundle import Quarantine
from transire.domain.ids import PersonId
from transire.domain.pack import Pack
from transire.domain.ports import Governed

RECOGNIZERS = b"""
terms:
  codenames:
    entity: CONFIDENTIAL_MARKING
    terms: [Wolpertinger, Project Nightjar]
"""
NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)


async def no_workers(pack: Pack) -> None:
    """There are none."""


async def test_workers_know_a_new_bundles_recognizers_before_it_takes_over() -> None:
    log: Any = MemoryLog()
    files = pack_files()
    first = await genesis(log, files, mode="team", by=PersonId("omar"), now=NOW)
    second = compile_bundle({**files, "recognizers.yaml": RECOGNIZERS})
    steps: list[str] = []

    def build(built: CompiledBundle) -> Governed:
        nothing: Any = None
        return Governed(
            bundle=built.bundle,
            quarantine=Quarantine(),
            detector=nothing,
            authorizer=nothing,
            scorer=nothing,
        )

    async def warm_up(pack: Pack) -> None:
        active = steering.current().bundle.digest
        steps.append(f"warmed {pack.digest} while {active}")

    steering = Steering(build, log, warm_up)
    await steering.follow(first)
    log.state[ACTIVE_KEY] = second.digest
    await steering.follow(second)

    pack = second.bundle.recognizers
    assert steps == [f"warmed {pack.digest} while {first.digest}"]
    assert steering.current().bundle.digest == second.digest


async def test_a_quarantine_that_comes_while_a_bundle_is_built_is_not_forgotten() -> None:
    log: Any = MemoryLog()
    compiled = await genesis(log, pack_files(), mode="team", by=PersonId("omar"), now=NOW)
    reached, go_on = threading.Event(), threading.Event()

    def build(built: CompiledBundle) -> Governed:
        reached.set()
        go_on.wait(10)
        nothing: Any = None
        return Governed(
            bundle=built.bundle,
            quarantine=Quarantine(),
            detector=nothing,
            authorizer=nothing,
            scorer=nothing,
        )

    steering = Steering(build, log, no_workers)
    activating = asyncio.create_task(steering.follow(compiled))
    await asyncio.to_thread(reached.wait, 10)
    judge = CedarAuthorizer(compiled)
    act = Act(person=PersonId("omar"), now=NOW, active=compiled, judge=judge)
    await impose(log, act, "deployment", "us-premium", "incident")
    quarantining = asyncio.create_task(steering.follow())
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(activating, quarantining)

    assert steering.current().quarantine.version == 1
