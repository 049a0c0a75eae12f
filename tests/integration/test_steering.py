"""The governed state follows the log, whatever overtakes what."""

import asyncio
import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.fakes import FakeJudge, MemoryLog
from tests.unit.bundle.bundles import pack_files, small_files

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
from transire.errors import GovernanceUnavailable, NotFoundError

RECOGNIZERS = b"""
terms:
  codenames:
    entity: CONFIDENTIAL_MARKING
    terms: [Wolpertinger, Project Nightjar]
"""
NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)


def acting(active: CompiledBundle, person: str) -> Act:
    judge = FakeJudge.of(omar=["quarantine"])
    return Act(person=PersonId(person), now=NOW, active=active, judge=judge)


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


def ungoverned(built: CompiledBundle) -> Governed:
    """A state of this bundle, as far as these tests look at it."""
    nothing: Any = None
    return Governed(
        bundle=built.bundle,
        quarantine=Quarantine(),
        detector=nothing,
        authorizer=nothing,
        scorer=nothing,
    )


async def test_before_the_first_activation_nothing_is_decided() -> None:
    log: Any = MemoryLog()
    steering = Steering(ungoverned, log, no_workers)
    await steering.follow()

    with pytest.raises(GovernanceUnavailable):
        steering.current()


async def test_a_bundle_that_the_log_does_not_name_never_governs() -> None:
    log: Any = MemoryLog()
    files = small_files()
    active = await genesis(log, files, mode="team", by=PersonId("ana"), now=NOW)
    other = compile_bundle(files | {"routing.yaml": files["routing.yaml"] + b"# other\n"})
    steering = Steering(ungoverned, log, no_workers)
    await steering.follow(other)

    assert steering.current().bundle.digest == active.digest
    await steering.follow(other)
    assert steering.current().bundle.digest == active.digest


async def test_a_bundle_that_cannot_be_loaded_keeps_the_one_before() -> None:
    log: Any = MemoryLog()
    active = await genesis(log, small_files(), mode="team", by=PersonId("ana"), now=NOW)
    steering = Steering(ungoverned, log, no_workers)
    await steering.follow(active)
    log.state[ACTIVE_KEY] = "0" * 64
    with pytest.raises(NotFoundError):
        await steering.follow()

    assert steering.current().bundle.digest == active.digest
    assert steering.compiled is active


async def test_a_bundle_is_built_once_and_its_quarantine_read_each_time() -> None:
    log: Any = MemoryLog()
    active = await genesis(log, small_files(), mode="team", by=PersonId("ana"), now=NOW)
    built: list[str] = []

    def build(compiled: CompiledBundle) -> Governed:
        built.append(compiled.digest)
        return ungoverned(compiled)

    steering = Steering(build, log, no_workers)
    await steering.follow(active)
    await impose(log, acting(active, "omar"), "deployment", "eu-one", "leaks")
    await steering.follow()

    assert built == [active.digest]
    assert steering.current().quarantine.version == 1


async def test_a_quarantine_counts_at_once_although_another_bundle_is_being_built() -> None:
    log: Any = MemoryLog()
    files = small_files()
    active = await genesis(log, files, mode="team", by=PersonId("ana"), now=NOW)
    other = compile_bundle(files | {"routing.yaml": files["routing.yaml"] + b"# other\n"})
    reached, go_on = threading.Event(), threading.Event()

    def build(compiled: CompiledBundle) -> Governed:
        if compiled is other:
            reached.set()
            go_on.wait(10)
        return ungoverned(compiled)

    steering = Steering(build, log, no_workers)
    await steering.follow(active)
    log.state[ACTIVE_KEY] = other.digest
    activating = asyncio.create_task(steering.follow(other))
    await asyncio.to_thread(reached.wait, 10)
    log.state[ACTIVE_KEY] = active.digest
    await impose(log, acting(active, "omar"), "deployment", "eu-one", "leaks")
    log.state[ACTIVE_KEY] = other.digest
    quarantining = asyncio.create_task(steering.follow())
    await asyncio.sleep(0)
    during = steering.current()
    go_on.set()
    await asyncio.gather(activating, quarantining)
    after = steering.current()

    assert (during.bundle.digest, during.quarantine.version) == (active.digest, 1)
    assert (after.bundle.digest, after.quarantine.version) == (other.digest, 1)


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
