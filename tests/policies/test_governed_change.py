"""The pack's people change the pack: lifecycle and quarantine under real Cedar."""

from datetime import UTC, datetime

import pytest
from tests.fakes import MemoryLog, nothing_to_prepare
from tests.unit.bundle.bundles import pack_files, untested

from transire.authorize.cedar import CedarAuthorizer
from transire.bundle.acts import Act
from transire.bundle.compiled import CompiledBundle
from transire.bundle.genesis import genesis
from transire.bundle.lifecycle import activate, active_digest, approve, propose
from transire.bundle.quarantine import read_quarantine
from transire.bundle.quarantine_acts import impose, lift, ratify
from transire.domain.ids import PersonId
from transire.errors import AccessError, BundleError

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)


def act(active: CompiledBundle, person: str) -> Act:
    return Act(person=PersonId(person), now=NOW, active=active, judge=CedarAuthorizer(active))


def without_american_fleet() -> dict[str, bytes]:
    files = {n: d for n, d in pack_files().items() if not n.startswith("tests/")}
    rules = files["rules/grants.cedar"].decode()
    start = rules.index('@id("grant.acme.us-fleet")')
    end = rules.index('@id("grant.globex.eu-fleet")')
    files["rules/grants.cedar"] = (rules[:start] + rules[end:]).encode()
    return files


async def test_two_people_of_the_pack_change_it_and_no_others() -> None:
    log = MemoryLog()
    pack = await genesis(log, pack_files(), mode="team", by=PersonId("ana"), now=NOW)

    digest = (await propose(log, act(pack, "ana"), without_american_fleet(), prove=untested)).digest
    for person in ("ana", "omar", "rita", "aud", "priya", "nobody"):
        with pytest.raises(AccessError):
            await approve(log, act(pack, person), digest)
    await approve(log, act(pack, "ben"), digest)
    changed = await activate(log, act(pack, "ana"), digest, entries=log, prepare=nothing_to_prepare)

    assert await active_digest(log) == changed.digest
    assert "grant.acme.us-fleet" not in changed.bundle.annotations


async def test_a_bundle_that_takes_the_only_approver_away_is_refused() -> None:
    log = MemoryLog()
    pack = await genesis(log, pack_files(), mode="team", by=PersonId("ana"), now=NOW)
    files = without_american_fleet()
    people = files["catalog/people.yaml"].decode()
    files["catalog/people.yaml"] = people.replace("roles: [approver]", "roles: [auditor]").encode()

    with pytest.raises(BundleError, match="nobody could ever replace this bundle"):
        await propose(log, act(pack, "ana"), files, prove=untested)


async def test_the_person_on_call_quarantines_and_two_lift() -> None:
    log = MemoryLog()
    pack = await genesis(log, pack_files(), mode="team", by=PersonId("ana"), now=NOW)

    await impose(log, act(pack, "omar"), "provider", "atlantic", "breach reported")
    await ratify(log, act(pack, "ben"), "provider", "atlantic")
    with pytest.raises(AccessError):
        await lift(log, act(pack, "rita"), "provider", "atlantic")
    assert not await lift(log, act(pack, "omar"), "provider", "atlantic")
    assert await lift(log, act(pack, "priya"), "provider", "atlantic")

    assert (await read_quarantine(log)).providers == frozenset()


async def test_the_operator_alone_changes_a_solo_installation() -> None:
    log = MemoryLog()
    pack = await genesis(log, pack_files(), mode="solo", by=PersonId("omar"), now=NOW)

    digest = (
        await propose(log, act(pack, "omar"), without_american_fleet(), prove=untested)
    ).digest
    await approve(log, act(pack, "omar"), digest)
    await activate(log, act(pack, "omar"), digest, entries=log, prepare=nothing_to_prepare)

    assert await active_digest(log) == digest
