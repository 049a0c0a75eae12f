"""The governed state follows the log, whatever overtakes what."""

import asyncio
import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.fakes import FakeJudge, MemoryLog
from tests.unit.bundle.bundles import pack_files, small_files

from transire.authorize.cedar import CedarAuthorizer
from transire.bundle.acts import ACTIVE_KEY, Act
from transire.bundle.compile import compile_bundle
from transire.bundle.compiled import CompiledBundle
from transire.bundle.genesis import genesis
from transire.bundle.quarantine import QUARANTINE_KEY, VERSION_KEY
from transire.bundle.quarantine_acts import impose
from transire.bundle.source import archive
from transire.domain.bundle import Quarantine
from transire.domain.governed import Governed
from transire.domain.ids import PersonId
from transire.domain.log import Item, Receipt
from transire.domain.pack import Pack
from transire.errors import GovernanceUnavailable, IntegrityError, LogUncertain, NotFoundError
from transire.steering import Steering

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


class LostAnswers(MemoryLog):
    """Writes what it is given, and its answer gets lost while `is_mute`."""

    is_mute = False

    async def append(self, item: Item, **options: Any) -> Receipt:
        receipt = await super().append(item, **options)
        if self.is_mute:
            raise LogUncertain("the log did not commit in time")
        return receipt


async def no_workers(pack: Pack) -> None:
    """There are none."""


async def test_workers_know_a_new_bundles_recognizers_before_it_takes_over() -> None:
    log: Any = MemoryLog()
    files = pack_files()
    first = await genesis(log, files, mode="team", by=PersonId("omar"), now=NOW)
    second = compile_bundle({**files, "recognizers.yaml": RECOGNIZERS})
    steps: list[str] = []

    async def warm_up(pack: Pack) -> None:
        active = steering.current().bundle.digest
        steps.append(f"warmed {pack.digest} while {active}")

    steering = Steering(ungoverned, log, warm_up)
    await steering.follow(first)
    log.state[ACTIVE_KEY] = second.digest
    await steering.follow(second)

    pack = second.bundle.recognizers
    assert steps == [f"warmed {pack.digest} while {first.digest}"]
    assert steering.current().bundle.digest == second.digest


async def test_a_bundle_that_was_made_ready_takes_over_without_being_built_again() -> None:
    log: Any = MemoryLog()
    files = pack_files()
    first = await genesis(log, files, mode="team", by=PersonId("omar"), now=NOW)
    second = compile_bundle({**files, "recognizers.yaml": RECOGNIZERS})
    built: list[str] = []

    def build(compiled: CompiledBundle) -> Governed:
        built.append(compiled.digest)
        return ungoverned(compiled)

    steering = Steering(build, log, no_workers)
    await steering.follow(first)
    await steering.prepare(second)
    assert steering.current().bundle.digest == first.digest
    log.state[ACTIVE_KEY] = second.digest
    await steering.follow(second)

    assert steering.current().bundle.digest == second.digest
    assert built == [first.digest, second.digest]


async def test_what_was_made_ready_and_not_activated_never_runs() -> None:
    log: Any = MemoryLog()
    files = pack_files()
    first = await genesis(log, files, mode="team", by=PersonId("omar"), now=NOW)
    steering = Steering(ungoverned, log, no_workers)
    await steering.follow(first)

    await steering.prepare(compile_bundle({**files, "recognizers.yaml": RECOGNIZERS}))
    await steering.follow()

    assert steering.current().bundle.digest == first.digest


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
        return ungoverned(built)

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


async def test_a_quarantine_whose_answer_was_lost_is_caught_up_with() -> None:
    log: Any = LostAnswers()
    active = await genesis(log, small_files(), mode="team", by=PersonId("ana"), now=NOW)
    steering = Steering(ungoverned, log, no_workers)
    await steering.follow(active)
    log.is_mute = True
    with pytest.raises(LogUncertain):
        await impose(log, acting(active, "omar"), "deployment", "eu-one", "leaks")
    unaware = steering.current().quarantine.deployments
    await steering.catch_up()

    assert unaware == frozenset()
    assert steering.current().quarantine.deployments == {"eu-one"}


async def test_a_bundle_whose_activation_nobody_told_of_is_caught_up_with() -> None:
    log: Any = MemoryLog()
    steering, other = await _behind_by_a_bundle(log)
    log.blobs[other.digest] = archive(other.bundle.files)
    await steering.catch_up()

    assert steering.current().bundle.digest == other.digest
    assert steering.compiled is not None
    assert steering.compiled.digest == other.digest


async def test_where_nothing_was_missed_nothing_is_touched() -> None:
    log: Any = MemoryLog()
    active = await genesis(log, small_files(), mode="team", by=PersonId("ana"), now=NOW)
    steering = Steering(ungoverned, log, no_workers)
    await steering.follow(active)
    before = steering.current()
    await steering.catch_up()

    assert steering.current() is before


async def test_before_anything_runs_there_is_nothing_to_catch_up_with() -> None:
    log: Any = MemoryLog()
    await genesis(log, small_files(), mode="team", by=PersonId("ana"), now=NOW)
    steering = Steering(ungoverned, log, no_workers)
    await steering.catch_up()

    with pytest.raises(GovernanceUnavailable):
        steering.current()


async def test_a_bundle_that_cannot_be_caught_up_with_is_tried_again() -> None:
    log: Any = MemoryLog()
    steering, other = await _behind_by_a_bundle(log)
    before = steering.compiled
    with pytest.raises(NotFoundError):
        await steering.catch_up()
    after_failure = steering.compiled
    log.blobs[other.digest] = archive(other.bundle.files)
    await steering.catch_up()

    assert after_failure is before
    assert steering.current().bundle.digest == other.digest


async def test_what_was_blocked_counts_although_the_bundle_cannot_be_loaded() -> None:
    log: Any = MemoryLog()
    steering, other = await _behind_by_a_bundle(log)
    assert steering.compiled is not None
    log.state[ACTIVE_KEY] = steering.compiled.digest
    await impose(log, acting(steering.compiled, "omar"), "deployment", "eu-one", "leaks")
    log.state[ACTIVE_KEY] = other.digest
    with pytest.raises(NotFoundError):
        await steering.catch_up()

    assert steering.current().quarantine.deployments == {"eu-one"}


async def test_a_quarantine_that_cannot_be_read_lifts_nothing() -> None:
    log: Any = MemoryLog()
    active = await genesis(log, small_files(), mode="team", by=PersonId("ana"), now=NOW)
    await impose(log, acting(active, "omar"), "deployment", "eu-one", "leaks")
    steering = Steering(ungoverned, log, no_workers)
    await steering.follow(active)
    log.state |= {QUARANTINE_KEY: "{}", VERSION_KEY: "2"}
    with pytest.raises(IntegrityError):
        await steering.catch_up()

    assert steering.current().quarantine.deployments == {"eu-one"}


async def test_a_bundle_that_is_being_built_is_not_built_a_second_time() -> None:
    log: Any = MemoryLog()
    files = small_files()
    active = await genesis(log, files, mode="team", by=PersonId("ana"), now=NOW)
    other = compile_bundle(files | {"routing.yaml": files["routing.yaml"] + b"# other\n"})
    reached, go_on = threading.Event(), threading.Event()
    built: list[str] = []

    def build(compiled: CompiledBundle) -> Governed:
        built.append(compiled.digest)
        if compiled is other:
            reached.set()
            go_on.wait(10)
        return ungoverned(compiled)

    steering = Steering(build, log, no_workers)
    await steering.follow(active)
    log.state[ACTIVE_KEY] = other.digest
    activating = asyncio.create_task(steering.follow(other))
    await asyncio.to_thread(reached.wait, 10)
    await steering.catch_up()
    during = steering.current().bundle.digest
    go_on.set()
    await activating

    assert during == active.digest
    assert built == [active.digest, other.digest]


async def _behind_by_a_bundle(log: MemoryLog) -> tuple[Steering, CompiledBundle]:
    """Runs one bundle while the log names another, whose sources it does not hold yet."""
    of_log: Any = log
    files = small_files()
    active = await genesis(of_log, files, mode="team", by=PersonId("ana"), now=NOW)
    other = compile_bundle(files | {"routing.yaml": files["routing.yaml"] + b"# other\n"})
    steering = Steering(ungoverned, of_log, no_workers)
    await steering.follow(active)
    log.state[ACTIVE_KEY] = other.digest
    return steering, other
