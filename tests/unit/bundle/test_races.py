"""Every governed act is one entry that names who and what, and loses to whoever was faster."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.fakes import FakeJudge, MemoryLog, nothing_to_prepare
from tests.unit.bundle.bundles import small_files, untested

from transire.bundle.acts import Act
from transire.bundle.compiled import CompiledBundle
from transire.bundle.genesis import genesis
from transire.bundle.lifecycle import activate, approve, propose
from transire.bundle.mode import ask_solo, grant_solo, make_team, solo_asker
from transire.bundle.proposal import proposal_key
from transire.bundle.quarantine_acts import impose, lift, ratify
from transire.bundle.source import bundle_digest
from transire.domain.ids import BundleDigest, PersonId
from transire.domain.log import Continuation
from transire.errors import AccessError, BundleError, ConflictError, IntegrityError

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
RIGHTS = ("propose", "approve", "activate", "quarantine", "lift_quarantine")
ACTIVE, MODE, QUARANTINE, ASK = (
    "bundle/active",
    "bundle/mode",
    "quarantine",
    "bundle/mode/ask",
)
FILES = small_files()
NEXT = FILES | {"routing.yaml": FILES["routing.yaml"] + b"# next\n"}
DIGEST = BundleDigest(bundle_digest(NEXT))
PROPOSAL = proposal_key(DIGEST)
PLACE = ("deployment", "eu-one")


@dataclass
class Office:
    """An installation in which everybody may do everything."""

    log: MemoryLog
    active: CompiledBundle
    judge: FakeJudge = field(
        default_factory=lambda: FakeJudge.of(ana=RIGHTS, ben=RIGHTS, carl=RIGHTS)
    )

    def by(self, person: str) -> Act:
        return Act(person=PersonId(person), now=NOW, active=self.active, judge=self.judge)


async def founded(mode: str = "team") -> Office:
    log = MemoryLog()
    active = await genesis(log, FILES, mode=mode, by=PersonId("ana"), now=NOW)  # type: ignore[arg-type]
    return Office(log, active)


async def _propose(office: Office) -> object:
    return await propose(office.log, office.by("ana"), NEXT, prove=untested)


async def _approve(office: Office) -> object:
    return await approve(office.log, office.by("ben"), DIGEST)


async def _activate(office: Office) -> object:
    return await activate(
        office.log, office.by("carl"), DIGEST, entries=office.log, prepare=nothing_to_prepare
    )


async def _impose(office: Office) -> object:
    return await impose(office.log, office.by("ana"), "deployment", "eu-one", "leaks")


async def _ratify(office: Office) -> None:
    await ratify(office.log, office.by("ben"), "deployment", "eu-one")


async def _ask_to_lift(office: Office) -> object:
    return await lift(office.log, office.by("ana"), "deployment", "eu-one")


async def _lift(office: Office) -> object:
    return await lift(office.log, office.by("ben"), "deployment", "eu-one")


async def _ask_solo(office: Office) -> None:
    await ask_solo(office.log, office.by("ana"))


async def _grant_solo(office: Office) -> None:
    await grant_solo(office.log, office.by("ben"))


async def _make_team(office: Office) -> None:
    await make_team(office.log, office.by("ben"))


Step = Callable[[Office], Awaitable[object]]


@dataclass(frozen=True)
class Governed:
    """An act, what must come before it, what it depends on, and what its entry says."""

    act: Step
    kind: str
    depends_on: tuple[str, ...]
    says: dict[str, Any]
    before: tuple[Step, ...] = ()
    mode: str = "team"


BLOCKED = {"subject": "deployment", "subject_id": "eu-one"}
ACTS = {
    "propose": Governed(
        _propose, "policy.proposed", (ACTIVE, MODE, PROPOSAL), {"by": "ana", "to": DIGEST}
    ),
    "approve": Governed(
        _approve,
        "policy.approved",
        (ACTIVE, MODE, PROPOSAL),
        {"by": "ben", "author": "ana", "to": DIGEST},
        (_propose,),
    ),
    "activate": Governed(
        _activate,
        "policy.activated",
        (ACTIVE, MODE, PROPOSAL),
        {"by": "carl", "author": "ana", "approved_by": ["ben"], "to": DIGEST},
        (_propose, _approve),
    ),
    "impose": Governed(
        _impose,
        "quarantine.imposed",
        (ACTIVE, MODE, QUARANTINE),
        {"by": "ana", "version": 1, **BLOCKED},
    ),
    "ratify": Governed(
        _ratify,
        "quarantine.ratified",
        (ACTIVE, MODE, QUARANTINE),
        {"by": "ben", "version": 1, **BLOCKED},
        (_impose,),
    ),
    "ask to lift": Governed(
        _ask_to_lift,
        "quarantine.lift_asked",
        (ACTIVE, MODE, QUARANTINE),
        {"by": "ana", "version": 1, **BLOCKED},
        (_impose,),
    ),
    "lift": Governed(
        _lift,
        "quarantine.lifted",
        (ACTIVE, MODE, QUARANTINE),
        {"by": "ben", "version": 2, "asked_by": "ana", **BLOCKED},
        (_impose, _ask_to_lift),
    ),
    "lift alone": Governed(
        _lift,
        "quarantine.lifted",
        (ACTIVE, MODE, QUARANTINE),
        {"by": "ben", "version": 2, **BLOCKED},
        (_impose,),
        "solo",
    ),
    "ask for solo": Governed(_ask_solo, "policy.solo_asked", (ACTIVE, MODE), {"by": "ana"}),
    "grant solo": Governed(
        _grant_solo,
        "policy.mode_changed",
        (ACTIVE, MODE, ASK),
        {"by": "ben", "asked_by": "ana", "was": "team", "mode": "solo"},
        (_ask_solo,),
    ),
    "make a team": Governed(
        _make_team,
        "policy.mode_changed",
        (ACTIVE, MODE, ASK),
        {"by": "ben", "was": "solo", "mode": "team"},
        mode="solo",
    ),
}
RACES = [(name, key) for name, governed in ACTS.items() for key in governed.depends_on]


_READY: dict[tuple[str, tuple[Step, ...]], Office] = {}
"""Compiling is most of what these tests do; each goes on with a copy."""


async def ready(governed: Governed) -> Office:
    key = (governed.mode, governed.before)
    if key not in _READY:
        office = await founded(governed.mode)
        for step in governed.before:
            await step(office)
        _READY[key] = office
    known = _READY[key]
    return Office(known.log.copy(), known.active)


@pytest.mark.parametrize("name", ACTS)
async def test_an_act_is_one_entry_that_names_who_and_what(name: str) -> None:
    governed = ACTS[name]
    office = await ready(governed)
    before = len(office.log.entries)
    await governed.act(office)
    entry = dict(office.log.entries[-1])
    says = dict(governed.says)
    bundle = says.pop("to", office.active.digest)

    assert len(office.log.entries) == before + 1
    assert entry["kind"] == governed.kind
    assert entry["bundle_digest"] == bundle
    assert {key: entry[key] for key in says} == says
    assert {"reason", "asked_by"} & entry.keys() == {"reason", "asked_by"} & says.keys()
    if "to" in governed.says:
        assert entry["parent"] == office.active.digest


@pytest.mark.parametrize("name", ACTS)
async def test_policy_is_asked_in_the_mode_the_installation_is_in(name: str) -> None:
    """Asked as for one person alone, the pack lifts four eyes."""
    governed = ACTS[name]
    office = await ready(governed)
    await governed.act(office)

    assert {solo for _, _, solo in office.judge.asked} == {governed.mode == "solo"}


@pytest.mark.parametrize(("name", "key"), RACES)
async def test_an_act_that_lost_a_race_is_refused_and_changes_nothing(name: str, key: str) -> None:
    governed = ACTS[name]
    office = await ready(governed)
    office.log.meanwhile = lambda: office.log.state.__setitem__(key, "moved")
    before, entries = dict(office.log.state), len(office.log.entries)
    with pytest.raises(ConflictError):
        await governed.act(office)

    assert office.log.state == {**before, key: "moved"}
    assert len(office.log.entries) == entries


@pytest.mark.parametrize("name", ACTS)
async def test_nobody_acts_whom_the_active_bundle_does_not_let(name: str) -> None:
    governed = ACTS[name]
    office = await ready(governed)
    before, entries = dict(office.log.state), len(office.log.entries)
    person = str(governed.says["by"])
    office.judge.rights = {right for right in office.judge.rights if right[0] != person}
    with pytest.raises(AccessError):
        await governed.act(office)

    assert (office.log.state, len(office.log.entries)) == (before, entries)


@pytest.mark.parametrize("name", ACTS)
async def test_a_log_that_cannot_be_written_changes_nothing(name: str) -> None:
    governed = ACTS[name]
    office = await ready(governed)
    before = dict(office.log.state)
    office.log.break_down()
    with pytest.raises(Exception, match="could not be written"):
        await governed.act(office)

    assert office.log.state == before


@pytest.mark.parametrize("key", [ACTIVE, MODE])
async def test_a_genesis_that_lost_a_race_founds_nothing(key: str) -> None:
    log = MemoryLog()
    log.meanwhile = lambda: log.state.__setitem__(key, "founded")
    with pytest.raises(ConflictError):
        await genesis(log, FILES, mode="team", by=PersonId("ana"), now=NOW)

    assert log.state == {key: "founded"}


@pytest.mark.parametrize("name", sorted(set(ACTS) - {"make a team", "lift alone"}))
async def test_a_mode_that_is_neither_stops_every_act(name: str) -> None:
    governed = ACTS[name]
    office = await ready(governed)
    office.log.state[MODE] = "committee"

    with pytest.raises(IntegrityError):
        await governed.act(office)


async def test_what_was_asked_is_spent_by_what_was_granted() -> None:
    office = await ready(ACTS["grant solo"])
    assert await solo_asker(office.log, NOW) == "ana"
    await _grant_solo(office)

    assert await solo_asker(office.log, NOW) is None
    assert ASK not in office.log.state


async def test_whoever_asked_must_still_be_allowed_when_it_is_granted() -> None:
    office = await ready(ACTS["grant solo"])
    office.judge.rights.discard(("ana", "activate"))

    with pytest.raises(ConflictError, match="any more"):
        await _grant_solo(office)


@pytest.mark.parametrize("text", ["{", "{}", '{"at":"soon","by":"ana"}', "[]"])
async def test_a_wish_that_cannot_be_read_grants_nothing(text: str) -> None:
    office = await founded()
    office.log.state[ASK] = text

    with pytest.raises(IntegrityError):
        await _grant_solo(office)


LOST = Continuation(
    key="k",
    note="n",
    bundle_digest=bundle_digest(FILES),
    mode="team",
    quarantine='{"items":[],"version":4}',
)


async def test_a_log_that_continues_another_keeps_its_quarantine_and_says_so() -> None:
    log = MemoryLog()
    await genesis(log, FILES, mode="team", by=PersonId("ana"), now=NOW, continues=LOST)

    assert log.state["quarantine/version"] == "4"
    assert log.entries[0]["continues"] == {"key": "k", "note": "n"}


@pytest.mark.parametrize(("files", "mode"), [(NEXT, "team"), (FILES, "solo")])
async def test_a_log_that_continues_another_founds_nothing_else(
    files: dict[str, bytes], mode: Any
) -> None:
    log = MemoryLog()
    with pytest.raises(BundleError, match="continues one"):
        await genesis(log, files, mode=mode, by=PersonId("ana"), now=NOW, continues=LOST)

    assert log.entries == []
