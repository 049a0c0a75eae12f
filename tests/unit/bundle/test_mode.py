from datetime import UTC, datetime, timedelta

import pytest
from tests.fakes import FakeJudge, MemoryLog
from tests.unit.bundle.bundles import CATALOG, small_files

from transire.bundle.acts import Act
from transire.bundle.compiled import CompiledBundle
from transire.bundle.genesis import genesis
from transire.bundle.mode import ask_solo, grant_solo, make_team
from transire.domain.ids import PersonId
from transire.errors import AccessError, BundleError, ConflictError

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)


async def founded(mode: str, catalog: str = CATALOG) -> tuple[MemoryLog, CompiledBundle]:
    log = MemoryLog()
    files = small_files(catalog=catalog)
    active = await genesis(log, files, mode=mode, by=PersonId("carl"), now=NOW)  # type: ignore[arg-type]
    return log, active


def act(active: CompiledBundle, person: str, now: datetime = NOW) -> Act:
    judge = FakeJudge.of(ben=["activate"], carl=["activate"])
    return Act(person=PersonId(person), now=now, active=active, judge=judge)


async def test_one_person_makes_a_team() -> None:
    log, active = await founded("solo")

    await make_team(log, act(active, "carl"))

    assert log.state["bundle/mode"] == "team"
    assert log.kinds[-1] == "policy.mode_changed"


async def test_one_person_alone_is_no_team() -> None:
    catalog = CATALOG.replace("  ana: {tenant: acme, roles: [author]}\n", "")
    catalog = catalog.replace("  ben: {tenant: acme, roles: [approver]}\n", "")
    log, active = await founded("solo", catalog)

    with pytest.raises(BundleError, match="another person approve"):
        await make_team(log, act(active, "carl"))
    assert log.state["bundle/mode"] == "solo"


async def test_a_team_becomes_solo_by_two_people() -> None:
    log, active = await founded("team")

    await ask_solo(log, act(active, "ben"))
    with pytest.raises(ConflictError):
        await grant_solo(log, act(active, "ben"))
    await grant_solo(log, act(active, "carl"))

    assert log.state["bundle/mode"] == "solo"
    assert log.entries[-1]["asked_by"] == "ben"


async def test_nobody_grants_what_nobody_asked() -> None:
    log, active = await founded("team")

    with pytest.raises(ConflictError):
        await grant_solo(log, act(active, "carl"))


async def test_a_wish_lapses_after_seven_days() -> None:
    log, active = await founded("team")
    await ask_solo(log, act(active, "ben"))

    with pytest.raises(ConflictError):
        await grant_solo(log, act(active, "carl", NOW + timedelta(days=7)))


async def test_only_those_whom_the_active_bundle_lets_change_the_mode() -> None:
    log, active = await founded("team")

    with pytest.raises(AccessError):
        await ask_solo(log, act(active, "ana"))


async def test_the_mode_does_not_change_to_what_it_is() -> None:
    team, active = await founded("team")
    solo, _ = await founded("solo")

    with pytest.raises(ConflictError):
        await make_team(team, act(active, "carl"))
    with pytest.raises(ConflictError):
        await ask_solo(solo, act(active, "carl"))
