from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.fakes import FakeJudge, MemoryLog, nothing_to_prepare
from tests.unit.bundle.bundles import small_files, untested

from transire.bundle.acts import Act
from transire.bundle.compiled import CompiledBundle
from transire.bundle.genesis import genesis
from transire.bundle.lifecycle import (
    activate,
    active_digest,
    approve,
    list_proposals,
    load_bundle,
    propose,
    show_proposal,
)
from transire.bundle.proposal import Approval, Proposal
from transire.bundle.source import bundle_digest
from transire.domain.ids import BundleDigest, PersonId
from transire.errors import (
    AccessError,
    BundleError,
    ConflictError,
    IntegrityError,
    LogUnavailable,
    NotFoundError,
)

START = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)


def edition(number: int) -> dict[str, bytes]:
    files = small_files()
    return files | {"routing.yaml": files["routing.yaml"] + f"# {number}\n".encode()}


@dataclass
class Office:
    """An installation with its log, and people who act in it."""

    log: MemoryLog
    active: CompiledBundle
    judge: FakeJudge = field(
        default_factory=lambda: FakeJudge.of(
            ana=["propose", "activate"],
            ben=["approve", "activate"],
            carl=["propose", "approve", "activate"],
        )
    )
    now: datetime = START

    def by(self, person: str) -> Act:
        return Act(person=PersonId(person), now=self.now, active=self.active, judge=self.judge)

    async def approved(self, number: int) -> BundleDigest:
        digest = (await propose(self.log, self.by("ana"), edition(number), prove=untested)).digest
        await approve(self.log, self.by("ben"), digest)
        return digest


async def founded(mode: str = "team") -> Office:
    log = MemoryLog()
    active = await genesis(log, edition(0), mode=mode, by=PersonId("ana"), now=START)  # type: ignore[arg-type]
    return Office(log, active)


async def test_genesis_fixes_the_mode_and_the_first_bundle() -> None:
    office = await founded()

    assert office.log.kinds == ["policy.genesis"]
    assert await active_digest(office.log) == office.active.digest
    assert office.log.state["bundle/mode"] == "team"
    assert office.log.state["quarantine/version"] == "0"


async def test_there_is_only_one_genesis() -> None:
    office = await founded()

    with pytest.raises(ConflictError):
        await genesis(office.log, edition(1), mode="solo", by=PersonId("ana"), now=START)
    assert office.log.state["bundle/mode"] == "team"


async def test_the_founder_must_be_in_the_catalog() -> None:
    with pytest.raises(BundleError, match="the founder `mallory`"):
        await genesis(MemoryLog(), edition(0), mode="team", by=PersonId("mallory"), now=START)


async def test_a_bundle_becomes_active_once_another_person_approved_it() -> None:
    office = await founded()
    digest = await office.approved(1)

    compiled = await activate(
        office.log, office.by("ana"), digest, entries=office.log, prepare=nothing_to_prepare
    )

    assert await active_digest(office.log) == digest == compiled.digest
    assert office.log.kinds[1:] == ["policy.proposed", "policy.approved", "policy.activated"]
    assert office.log.entries[-1]["approved_by"] == ["ben"]
    assert (await show_proposal(office.log, digest)).is_activated


async def test_a_bundle_is_made_ready_before_the_entry_from_which_on_it_counts() -> None:
    office = await founded()
    digest = await office.approved(1)
    seen: list[object] = []

    async def prepare(compiled: CompiledBundle) -> None:
        seen.append((compiled.digest, await active_digest(office.log)))

    await activate(office.log, office.by("ana"), digest, entries=office.log, prepare=prepare)

    assert seen == [(digest, office.active.digest)]


async def test_a_bundle_that_cannot_be_made_ready_is_not_activated() -> None:
    office = await founded()
    digest = await office.approved(1)

    async def prepare(_: CompiledBundle) -> None:
        raise IntegrityError("no room for its models")

    with pytest.raises(IntegrityError, match="no room"):
        await activate(office.log, office.by("ana"), digest, entries=office.log, prepare=prepare)

    assert await active_digest(office.log) == office.active.digest
    assert "policy.activated" not in office.log.kinds


async def test_nothing_is_active_before_the_activation() -> None:
    office = await founded()
    await office.approved(1)

    assert await active_digest(office.log) == office.active.digest


async def test_without_an_approval_nothing_is_activated() -> None:
    office = await founded()
    proposal = await propose(office.log, office.by("ana"), edition(1), prove=untested)

    with pytest.raises(ConflictError, match="no approval counts"):
        await activate(
            office.log,
            office.by("ben"),
            proposal.digest,
            entries=office.log,
            prepare=nothing_to_prepare,
        )


async def test_a_refused_self_approval_names_the_command_that_adds_a_second_person() -> None:
    office = await founded()
    proposal = await propose(office.log, office.by("carl"), edition(1), prove=untested)

    with pytest.raises(AccessError, match="transire people add"):
        await approve(office.log, office.by("carl"), proposal.digest)


async def test_one_person_may_do_all_of_it_in_a_solo_installation() -> None:
    office = await founded("solo")
    proposal = await propose(office.log, office.by("carl"), edition(1), prove=untested)
    await approve(office.log, office.by("carl"), proposal.digest)

    await activate(
        office.log,
        office.by("carl"),
        proposal.digest,
        entries=office.log,
        prepare=nothing_to_prepare,
    )

    assert await active_digest(office.log) == proposal.digest


async def test_a_self_approval_from_solo_times_does_not_count_in_a_team() -> None:
    office = await founded("solo")
    proposal = await propose(office.log, office.by("carl"), edition(1), prove=untested)
    await approve(office.log, office.by("carl"), proposal.digest)
    office.log.state["bundle/mode"] = "team"

    with pytest.raises(ConflictError, match="no approval counts"):
        await activate(
            office.log,
            office.by("carl"),
            proposal.digest,
            entries=office.log,
            prepare=nothing_to_prepare,
        )


@pytest.mark.parametrize("person", ["ben", "mallory"])
async def test_only_those_whom_the_active_bundle_lets_may_propose(person: str) -> None:
    office = await founded()

    with pytest.raises(AccessError, match=f"does not allow `{person}` to propose"):
        await propose(office.log, office.by(person), edition(1), prove=untested)
    assert office.log.kinds == ["policy.genesis"]


async def test_only_those_whom_the_active_bundle_lets_may_approve_or_activate() -> None:
    office = await founded()
    proposal = await propose(office.log, office.by("carl"), edition(1), prove=untested)

    with pytest.raises(AccessError):
        await approve(office.log, office.by("ana"), proposal.digest)
    await approve(office.log, office.by("ben"), proposal.digest)
    with pytest.raises(AccessError):
        await activate(
            office.log,
            office.by("mallory"),
            proposal.digest,
            entries=office.log,
            prepare=nothing_to_prepare,
        )


async def test_an_unsound_bundle_is_not_even_proposed() -> None:
    office = await founded()

    with pytest.raises(BundleError):
        await propose(
            office.log,
            office.by("ana"),
            edition(1) | {"rules/main.cedar": b"permit"},
            prove=untested,
        )
    assert office.log.kinds == ["policy.genesis"]


async def test_an_approval_lapses_when_another_bundle_becomes_active() -> None:
    office = await founded()
    first, second = await office.approved(1), await office.approved(2)
    office.active = await activate(
        office.log, office.by("ben"), first, entries=office.log, prepare=nothing_to_prepare
    )

    with pytest.raises(ConflictError, match="another bundle became active since"):
        await activate(
            office.log, office.by("ben"), second, entries=office.log, prepare=nothing_to_prepare
        )
    with pytest.raises(ConflictError, match="another bundle became active since"):
        await approve(office.log, office.by("carl"), second)


async def test_a_stale_process_cannot_activate_against_an_older_parent() -> None:
    office = await founded()
    first, second = await office.approved(1), await office.approved(2)
    await activate(
        office.log, office.by("ben"), first, entries=office.log, prepare=nothing_to_prepare
    )

    with pytest.raises(ConflictError) as lost:  # `office.active` still names the old bundle
        await activate(
            office.log, office.by("ben"), second, entries=office.log, prepare=nothing_to_prepare
        )
    assert lost.value.facts == {"key": "bundle/active"}
    assert await active_digest(office.log) == first


@pytest.mark.parametrize(
    ("age", "counts"),
    [(timedelta(days=7) - timedelta(seconds=1), True), (timedelta(days=7), False)],
)
async def test_an_approval_counts_for_seven_days(age: timedelta, counts: bool) -> None:
    office = await founded()
    digest = await office.approved(1)
    office.now = START + age

    if counts:
        await activate(
            office.log, office.by("ben"), digest, entries=office.log, prepare=nothing_to_prepare
        )
    else:
        with pytest.raises(ConflictError, match="no approval counts"):
            await activate(
                office.log, office.by("ben"), digest, entries=office.log, prepare=nothing_to_prepare
            )


async def test_a_lapsed_approval_can_be_given_again() -> None:
    office = await founded()
    digest = await office.approved(1)
    office.now = START + timedelta(days=8)
    await approve(office.log, office.by("ben"), digest)

    await activate(
        office.log, office.by("ben"), digest, entries=office.log, prepare=nothing_to_prepare
    )

    assert await active_digest(office.log) == digest


async def test_an_approvers_right_is_judged_again_at_activation() -> None:
    office = await founded()
    digest = await office.approved(1)
    office.judge.rights.discard(("ben", "approve"))

    with pytest.raises(ConflictError, match="no approval counts"):
        await activate(
            office.log, office.by("ana"), digest, entries=office.log, prepare=nothing_to_prepare
        )


async def test_a_roll_back_is_a_proposal_like_any_other() -> None:
    office = await founded()
    original = office.active.digest
    office.active = await activate(
        office.log,
        office.by("ben"),
        await office.approved(1),
        entries=office.log,
        prepare=nothing_to_prepare,
    )

    with pytest.raises(NotFoundError):
        await activate(
            office.log, office.by("ben"), original, entries=office.log, prepare=nothing_to_prepare
        )
    office.active = await activate(
        office.log,
        office.by("ben"),
        await office.approved(0),
        entries=office.log,
        prepare=nothing_to_prepare,
    )
    assert await active_digest(office.log) == original


async def test_an_activated_proposal_cannot_be_activated_again() -> None:
    office = await founded()
    digest = await office.approved(1)
    office.active = await activate(
        office.log, office.by("ben"), digest, entries=office.log, prepare=nothing_to_prepare
    )

    with pytest.raises(ConflictError, match="a roll-back is a new proposal"):
        await activate(
            office.log, office.by("ben"), digest, entries=office.log, prepare=nothing_to_prepare
        )


async def test_proposing_what_is_active_or_proposed_is_refused() -> None:
    office = await founded()
    await propose(office.log, office.by("ana"), edition(1), prove=untested)

    with pytest.raises(ConflictError, match="is the active one already"):
        await propose(office.log, office.by("ana"), edition(0), prove=untested)
    with pytest.raises(ConflictError, match="is proposed already"):
        await propose(office.log, office.by("carl"), edition(1), prove=untested)


async def test_a_lost_race_for_an_approval_changes_nothing() -> None:
    office = await founded()
    digest = (await propose(office.log, office.by("ana"), edition(1), prove=untested)).digest
    key = f"bundle/proposal/{digest}"
    before = office.log.state[key]
    await approve(office.log, office.by("ben"), digest)
    after = office.log.state[key]

    class Late(MemoryLog):
        async def get(self, key: str) -> str | None:
            return before if key.startswith("bundle/proposal/") else self.state.get(key)

    late = Late(office.log.state)
    with pytest.raises(ConflictError):
        await approve(late, office.by("carl"), digest)
    assert late.state[key] == after


async def test_a_log_that_cannot_be_written_changes_nothing() -> None:
    office = await founded()
    digest = await office.approved(1)
    office.log.break_down()

    with pytest.raises(LogUnavailable):
        await activate(
            office.log, office.by("ben"), digest, entries=office.log, prepare=nothing_to_prepare
        )
    assert await active_digest(office.log) == office.active.digest


async def test_any_digest_compiles_again_from_the_log_alone() -> None:
    office = await founded()
    digest = await office.approved(1)

    assert (await load_bundle(office.log, digest)).digest == digest
    with pytest.raises(NotFoundError):
        await load_bundle(office.log, BundleDigest("0" * 64))


async def test_a_stored_bundle_that_was_changed_is_never_loaded() -> None:
    office = await founded()
    digest = office.active.digest
    office.log.blobs[digest] = office.log.blobs[bundle_digest(edition(0))][:-1] + b" "

    with pytest.raises(IntegrityError):
        await load_bundle(office.log, digest)


async def test_proposals_are_listed_newest_first_with_their_state() -> None:
    office = await founded()
    first = await office.approved(1)
    office.now += timedelta(hours=1)
    second = await office.approved(2)
    office.active = await activate(
        office.log, office.by("ben"), first, entries=office.log, prepare=nothing_to_prepare
    )

    listed = await list_proposals(office.log)

    assert [(p.digest, p.state(first)) for p in listed] == [
        (second, "lapsed"),
        (first, "activated"),
    ]


@pytest.mark.parametrize("text", ["{}", "x", "null", '{"digest":"d"}'])
async def test_a_proposal_that_cannot_be_read_stops_the_act(text: str) -> None:
    office = await founded()
    digest = await office.approved(1)
    office.log.state[f"bundle/proposal/{digest}"] = text

    with pytest.raises(IntegrityError):
        await activate(
            office.log, office.by("ben"), digest, entries=office.log, prepare=nothing_to_prepare
        )


async def test_before_genesis_nothing_can_be_proposed() -> None:
    office = await founded()

    with pytest.raises(ConflictError, match="transire init"):
        await propose(MemoryLog(), office.by("ana"), edition(1), prove=untested)


async def test_an_approval_written_into_the_state_is_none() -> None:
    office = await founded()
    proposal = await propose(office.log, office.by("ana"), edition(1), prove=untested)
    forged = proposal.approved(Approval(by=PersonId("ben"), at=START))
    office.log.state[f"bundle/proposal/{proposal.digest}"] = forged.to_text()

    with pytest.raises(IntegrityError, match=r"`policy\.approved` that the log's entries"):
        await activate(
            office.log,
            office.by("ana"),
            proposal.digest,
            entries=office.log,
            prepare=nothing_to_prepare,
        )
    assert await active_digest(office.log) == office.active.digest


async def test_an_authorship_written_into_the_state_is_none() -> None:
    office = await founded()
    digest = await office.approved(1)
    stored = Proposal.from_text(office.log.state[f"bundle/proposal/{digest}"])
    forged = replace(stored, author=PersonId("carl"))
    office.log.state[f"bundle/proposal/{digest}"] = forged.to_text()

    with pytest.raises(IntegrityError):
        await activate(
            office.log, office.by("ben"), digest, entries=office.log, prepare=nothing_to_prepare
        )


async def test_a_bundle_whose_own_tests_fail_is_not_even_proposed() -> None:
    office, proven = await founded(), list[CompiledBundle]()

    def prove(compiled: CompiledBundle) -> None:
        proven.append(compiled)
        raise BundleError(["tests/a_test.yaml:1: it permits what it should not"])

    with pytest.raises(BundleError, match="should not"):
        await propose(office.log, office.by("ana"), edition(1), prove=prove)

    assert [compiled.digest for compiled in proven] == [bundle_digest(edition(1))]
    assert office.log.kinds == ["policy.genesis"]


def alone(files: dict[str, bytes]) -> dict[str, bytes]:
    """The bundle without its approver and its other author."""
    changed = dict(files)
    (name,) = (name for name, data in files.items() if b"carl:" in data)
    for person, role in (("ben", "approver"), ("ana", "author")):
        line = f"  {person}: {{tenant: acme, roles: [{role}]}}\n".encode()
        assert line in changed[name]
        changed[name] = changed[name].replace(line, b"")
    return changed


async def test_a_bundle_that_no_two_people_could_replace_governs_no_team() -> None:
    office = await founded()
    with pytest.raises(BundleError, match="approve"):
        await propose(office.log, office.by("carl"), alone(edition(1)), prove=untested)
    with pytest.raises(BundleError, match="approve"):
        await genesis(MemoryLog(), alone(edition(1)), mode="team", by=PersonId("carl"), now=START)

    await genesis(MemoryLog(), alone(edition(1)), mode="solo", by=PersonId("carl"), now=START)


async def test_what_lapsed_can_be_proposed_again_and_needs_a_new_approval() -> None:
    office = await founded()
    first, second = await office.approved(1), await office.approved(2)
    office.active = await activate(
        office.log, office.by("ben"), first, entries=office.log, prepare=nothing_to_prepare
    )
    again = await propose(office.log, office.by("ana"), edition(2), prove=untested)

    assert (again.digest, again.parent, again.approvals) == (second, first, ())
    with pytest.raises(ConflictError, match="no approval counts"):
        await activate(
            office.log, office.by("ben"), second, entries=office.log, prepare=nothing_to_prepare
        )


async def test_a_digest_the_log_never_held_is_not_loaded() -> None:
    office = await founded()

    with pytest.raises(NotFoundError):
        await load_bundle(office.log, BundleDigest("0" * 64))
    with pytest.raises(NotFoundError):
        await show_proposal(office.log, BundleDigest("0" * 64))
    assert await active_digest(MemoryLog()) is None
