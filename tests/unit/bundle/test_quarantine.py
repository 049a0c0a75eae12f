from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from tests.fakes import FakeJudge, MemoryLog
from tests.unit.bundle.bundles import small_files

from transire.bundle.acts import Act
from transire.bundle.compiled import CompiledBundle
from transire.bundle.genesis import genesis
from transire.bundle.quarantine import (
    Quarantined,
    list_quarantined,
    quarantine_at,
    read_quarantine,
)
from transire.bundle.quarantine_acts import impose, lift, ratify
from transire.domain.bundle import Quarantine
from transire.domain.ids import DeploymentId, PersonId, ProviderId, TenantId
from transire.errors import AccessError, ConflictError, IntegrityError, NotFoundError, RequestError

START = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
ACTS = ["quarantine", "lift_quarantine"]


@dataclass
class Office:
    log: MemoryLog
    active: CompiledBundle
    judge: FakeJudge = field(default_factory=lambda: FakeJudge.of(omar=ACTS, ben=ACTS, carl=ACTS))
    now: datetime = START

    def by(self, person: str) -> Act:
        return Act(person=PersonId(person), now=self.now, active=self.active, judge=self.judge)


async def founded(mode: str = "team") -> Office:
    log = MemoryLog()
    active = await genesis(log, small_files(), mode=mode, by=PersonId("ana"), now=START)  # type: ignore[arg-type]
    return Office(log, active)


async def blocked() -> Office:
    office = await founded()
    await impose(office.log, office.by("omar"), "deployment", "eu-one", "leaks")
    return office


async def test_one_person_blocks_at_once() -> None:
    office = await founded()

    await impose(office.log, office.by("omar"), "deployment", "eu-one", "leaks")
    await impose(office.log, office.by("omar"), "provider", "nordwind", "breach")
    await impose(office.log, office.by("omar"), "tenant", "acme", "fraud")

    assert await read_quarantine(office.log) == Quarantine(
        version=3,
        deployments=frozenset({DeploymentId("eu-one")}),
        providers=frozenset({ProviderId("nordwind")}),
        tenants=frozenset({TenantId("acme")}),
    )
    assert office.log.state["quarantine/version"] == "3"
    assert office.log.kinds[1:] == ["quarantine.imposed"] * 3


async def test_only_those_whom_the_active_bundle_lets_may_quarantine() -> None:
    office = await founded()

    with pytest.raises(AccessError):
        await impose(office.log, office.by("ana"), "deployment", "eu-one", "leaks")


async def test_a_name_nobody_knows_is_refused() -> None:
    office = await founded()

    with pytest.raises(NotFoundError):
        await impose(office.log, office.by("omar"), "deployment", "eu-onne", "leaks")


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
async def test_a_quarantine_needs_a_short_reason(reason: str) -> None:
    office = await founded()

    with pytest.raises(RequestError):
        await impose(office.log, office.by("omar"), "deployment", "eu-one", reason)


async def test_blocking_twice_is_refused() -> None:
    office = await blocked()

    with pytest.raises(ConflictError):
        await impose(office.log, office.by("ben"), "deployment", "eu-one", "leaks")


async def test_another_person_ratifies_and_nothing_moves() -> None:
    office = await blocked()
    with pytest.raises(AccessError):
        await ratify(office.log, office.by("omar"), "deployment", "eu-one")

    await ratify(office.log, office.by("ben"), "deployment", "eu-one")

    assert [q.ratified_by for q in await list_quarantined(office.log)] == ["ben"]
    assert office.log.state["quarantine/version"] == "1"
    with pytest.raises(ConflictError):
        await ratify(office.log, office.by("carl"), "deployment", "eu-one")


async def test_lifting_needs_two_people() -> None:
    office = await blocked()

    assert not await lift(office.log, office.by("omar"), "deployment", "eu-one")
    assert (await read_quarantine(office.log)).deployments == {"eu-one"}
    with pytest.raises(ConflictError, match="a second person"):
        await lift(office.log, office.by("omar"), "deployment", "eu-one")
    assert await lift(office.log, office.by("ben"), "deployment", "eu-one")
    assert await read_quarantine(office.log) == Quarantine(version=2)
    assert office.log.entries[-1]["asked_by"] == "omar"


async def test_one_person_lifts_in_a_solo_installation() -> None:
    office = await founded("solo")
    await impose(office.log, office.by("omar"), "deployment", "eu-one", "leaks")

    assert await lift(office.log, office.by("omar"), "deployment", "eu-one")


async def test_a_wish_to_lift_lapses_after_seven_days() -> None:
    office = await blocked()
    await lift(office.log, office.by("omar"), "deployment", "eu-one")
    office.now = START + timedelta(days=7)

    assert not await lift(office.log, office.by("ben"), "deployment", "eu-one")
    assert (await read_quarantine(office.log)).deployments == {"eu-one"}


async def test_a_wish_by_someone_who_lost_the_right_does_not_count() -> None:
    office = await blocked()
    await lift(office.log, office.by("omar"), "deployment", "eu-one")
    office.judge.rights.discard(("omar", "lift_quarantine"))

    assert not await lift(office.log, office.by("ben"), "deployment", "eu-one")
    assert await lift(office.log, office.by("carl"), "deployment", "eu-one")


async def test_what_is_not_blocked_can_neither_be_ratified_nor_lifted() -> None:
    office = await founded()

    for act in (ratify, lift):
        with pytest.raises(NotFoundError):
            await act(office.log, office.by("omar"), "deployment", "eu-one")


@pytest.mark.parametrize(
    ("key", "value"),
    [("quarantine", "{}"), ("quarantine", "x"), ("quarantine/version", "7")],
)
async def test_a_state_that_contradicts_itself_stops_everything(key: str, value: str) -> None:
    office = await blocked()
    office.log.state[key] = value

    with pytest.raises(IntegrityError):
        await read_quarantine(office.log)


async def test_what_was_blocked_at_an_earlier_version_can_be_replayed() -> None:
    office = await blocked()
    await lift(office.log, office.by("omar"), "deployment", "eu-one")
    await lift(office.log, office.by("ben"), "deployment", "eu-one")

    blocked_then = [(await quarantine_at(office.log, v)).deployments for v in (0, 1, 2)]

    assert blocked_then == [frozenset(), {"eu-one"}, frozenset()]
    with pytest.raises(NotFoundError):
        await quarantine_at(office.log, 3)


async def test_what_is_kept_for_replay_holds_no_word_that_an_erasure_would_miss() -> None:
    office = await founded()
    await impose(office.log, office.by("omar"), "deployment", "eu-one", "CANARY a leak")

    kept = {k: v for k, v in office.log.state.items() if k.startswith("quarantine/at/")}
    assert len(kept) == 2
    assert "CANARY" not in "".join(kept.values())
    assert [b.reason for b in await list_quarantined(office.log)] == ["CANARY a leak"]


async def test_an_earlier_version_that_cannot_be_read_is_never_guessed() -> None:
    office = await blocked()
    office.log.state["quarantine/at/0"] = office.log.state["quarantine/at/1"]

    with pytest.raises(IntegrityError):
        await quarantine_at(office.log, 0)


async def test_a_state_in_another_spelling_was_written_by_somebody_else() -> None:
    office = await blocked()
    office.log.state["quarantine"] = office.log.state["quarantine"].replace(",", ", ")

    with pytest.raises(IntegrityError, match="spelling"):
        await read_quarantine(office.log)


async def test_before_genesis_nothing_is_known_of_quarantines() -> None:
    with pytest.raises(ConflictError, match="transire init"):
        await read_quarantine(MemoryLog())


async def test_each_change_of_what_is_blocked_is_a_version() -> None:
    office = await founded()
    first = await impose(office.log, office.by("omar"), "deployment", "eu-one", "leaks")
    second = await impose(office.log, office.by("omar"), "tenant", "acme", "fraud")

    assert [first, second] == [1, 2]


async def test_only_deployments_providers_and_tenants_can_be_blocked() -> None:
    office = await founded()
    with pytest.raises(RequestError, match="only a deployment"):
        await impose(office.log, office.by("omar"), "planet", "mars", "dust")  # type: ignore[arg-type] # as a client might


async def test_an_act_on_one_thing_leaves_every_other_one_blocked() -> None:
    office = await blocked()
    await impose(office.log, office.by("omar"), "tenant", "acme", "fraud")

    def names(items: list[Quarantined]) -> list[str]:
        return [item.name for item in items]

    for act, person in ((ratify, "ben"), (lift, "omar")):
        await act(office.log, office.by(person), "deployment", "eu-one")
        assert names(await list_quarantined(office.log)) == ["deployment/eu-one", "tenant/acme"]
    await lift(office.log, office.by("ben"), "deployment", "eu-one")
    assert names(await list_quarantined(office.log)) == ["tenant/acme"]
    assert (await read_quarantine(office.log)).tenants == {"acme"}


async def test_one_person_ratifies_their_own_in_a_solo_installation_alone() -> None:
    office = await founded("solo")
    await impose(office.log, office.by("omar"), "deployment", "eu-one", "leaks")
    await ratify(office.log, office.by("omar"), "deployment", "eu-one")

    assert [q.ratified_by for q in await list_quarantined(office.log)] == ["omar"]


async def test_a_wish_from_the_future_does_not_count() -> None:
    office = await blocked()
    office.now = START + timedelta(days=1)
    await lift(office.log, office.by("omar"), "deployment", "eu-one")
    office.now = START

    assert not await lift(office.log, office.by("ben"), "deployment", "eu-one")
    assert (await read_quarantine(office.log)).deployments == {"eu-one"}


async def test_only_a_lifting_names_who_asked_for_it() -> None:
    office = await blocked()
    await lift(office.log, office.by("omar"), "deployment", "eu-one")
    await ratify(office.log, office.by("ben"), "deployment", "eu-one")

    assert "asked_by" not in office.log.entries[-1]


async def test_a_reason_may_fill_its_bound() -> None:
    office = await founded()
    await impose(office.log, office.by("omar"), "deployment", "eu-one", "x" * 500)

    assert [len(q.reason) for q in await list_quarantined(office.log)] == [500]
