"""People's credentials: nobody makes their own second person, and no token works twice."""

import stat
from datetime import timedelta
from pathlib import Path

import pytest
from tests.conftest import FakeClock
from tests.unit.identity.offices import Office

from transire.errors import (
    AccessError,
    AuthenticationError,
    ConflictError,
    LogUnavailable,
    NotFoundError,
)
from transire.identity.people import FIRST_CREDENTIAL_FILE


@pytest.fixture
def office(clock: FakeClock) -> Office:
    return Office(clock)


def knows(office: Office, text: str) -> str | None:
    """Whom a credential proves, if anybody."""
    try:
        return office.people.authenticate(text, office.catalog).person
    except AuthenticationError:
        return None


async def test_an_invited_person_sets_a_credential_and_is_recognised_by_it(office: Office) -> None:
    text = await office.credential("rita")
    principal = office.people.authenticate(text, office.catalog)

    assert (principal.kind, principal.person, principal.tenant) == ("person", "rita", "acme")
    assert principal.key_id == text.split("_")[1]
    assert principal.application is None
    assert office.log.kinds == ["access.invited", "access.credential_set"]
    assert (office.log.entries[0]["person"], office.log.entries[0]["by"]) == ("rita", "omar")
    assert {entry["tenant"] for entry in office.log.entries} == {"acme"}


async def test_no_secret_stands_in_the_log_or_its_state(office: Office) -> None:
    token = await office.people.invite(office.catalog, "rita", by="omar")
    _, text = await office.people.redeem(token, office.catalog)

    for secret in (token.split("_", 2)[2], text.split("_", 2)[2]):
        assert secret not in repr(office.log.entries)
        assert secret not in repr(office.log.state)


async def test_a_token_works_once(office: Office) -> None:
    token = await office.people.invite(office.catalog, "rita", by="omar")
    await office.people.redeem(token, office.catalog)

    with pytest.raises(AuthenticationError, match="spent"):
        await office.people.redeem(token, office.catalog)


async def test_of_two_who_redeem_at_once_one_is_refused(office: Office) -> None:
    token = await office.people.invite(office.catalog, "rita", by="omar")
    key = f"invite/{token.split('_')[1]}"
    stored = office.log.state[key]
    await office.people.redeem(token, office.catalog)
    office.people._peek = {key: stored}.get

    with pytest.raises(ConflictError):
        await office.people.redeem(token, office.catalog)


async def test_no_token_replaces_a_credential(office: Office) -> None:
    token = await office.people.invite(office.catalog, "rita", by="omar")
    kept = {key: text for key, text in office.log.state.items() if key.startswith("invite/")}
    text = (await office.people.redeem(token, office.catalog))[1]
    office.log.state.update(kept)

    with pytest.raises(ConflictError):
        await office.people.redeem(token, office.catalog)
    assert knows(office, text) == "rita"


async def test_a_token_is_good_for_a_day(office: Office) -> None:
    token = await office.people.invite(office.catalog, "rita", by="omar")
    office.clock.advance(timedelta(hours=24).total_seconds())

    with pytest.raises(AuthenticationError, match="expired"):
        await office.people.redeem(token, office.catalog)


async def test_a_token_is_good_until_then(office: Office) -> None:
    token = await office.people.invite(office.catalog, "rita", by="omar")
    office.clock.advance(timedelta(hours=24).total_seconds() - 1)

    assert (await office.people.redeem(token, office.catalog))[0] == "rita"


async def test_a_new_token_voids_the_persons_earlier_one_and_nobody_elses(office: Office) -> None:
    first = await office.people.invite(office.catalog, "rita", by="omar")
    others = await office.people.invite(office.catalog, "ben", by="omar")
    second = await office.people.invite(office.catalog, "rita", by="omar")

    with pytest.raises(AuthenticationError):
        await office.people.redeem(first, office.catalog)
    assert (await office.people.redeem(second, office.catalog))[0] == "rita"
    assert (await office.people.redeem(others, office.catalog))[0] == "ben"


@pytest.mark.parametrize("spoil", ["secret", "prefix", "id", "form"])
async def test_no_other_text_is_the_token(office: Office, spoil: str) -> None:
    token = await office.people.invite(office.catalog, "rita", by="omar")
    other = await office.people.invite(office.catalog, "ben", by="omar")
    kind, identifier, secret = token.split("_", 2)
    spoiled = {
        "secret": f"{kind}_{identifier}_{other.split('_', 2)[2]}",
        "prefix": f"tsp_{identifier}_{secret}",
        "id": f"{kind}_{'a' * 16}_{secret}",
        "form": f"{token} ",
    }[spoil]

    with pytest.raises(AuthenticationError, match="unknown or spent"):
        await office.people.redeem(spoiled, office.catalog)


async def test_a_person_who_left_the_catalog_is_neither_invited_nor_let_in(office: Office) -> None:
    token = await office.people.invite(office.catalog, "rita", by="omar")
    gone = office.without_person("rita")

    with pytest.raises(AuthenticationError, match="not in the active catalog"):
        await office.people.redeem(token, gone)
    with pytest.raises(NotFoundError):
        await office.people.invite(gone, "rita", by="omar")
    _, text = await office.people.redeem(token, office.catalog)
    with pytest.raises(AuthenticationError):
        office.people.authenticate(text, gone)


async def test_somebody_who_has_a_credential_is_not_invited(office: Office) -> None:
    await office.credential("rita")

    with pytest.raises(ConflictError, match="has a credential"):
        await office.people.invite(office.catalog, "rita", by="omar")


async def test_an_invitation_that_lost_a_race_against_a_credential_is_refused(
    office: Office,
) -> None:
    await office.credential("rita")
    office.people._peek = lambda _: None

    with pytest.raises(ConflictError):
        await office.people.invite(office.catalog, "rita", by="omar")


async def test_a_revoked_credential_is_void_at_once_and_the_entry_says_by_whom(
    office: Office,
) -> None:
    text = await office.credential("rita")
    await office.people.revoke(office.catalog, "rita", by="ben")

    assert knows(office, text) is None
    entry = office.log.entries[-1]
    assert (entry["kind"], entry["person"], entry["by"]) == (
        "access.credential_revoked",
        "rita",
        "ben",
    )
    assert not [key for key in office.log.state if key.startswith("credential/")]


async def test_an_old_credential_stays_void_beside_a_new_one(office: Office) -> None:
    old = await office.credential("rita")
    await office.people.revoke(office.catalog, "rita", by="ben")
    new = await office.credential("rita")

    assert (knows(office, old), knows(office, new)) == (None, "rita")


async def test_whoever_revoked_somebody_cannot_invite_them(office: Office) -> None:
    await office.credential("rita")
    await office.people.revoke(office.catalog, "rita", by="omar")

    with pytest.raises(AccessError, match="another person"):
        await office.people.invite(office.catalog, "rita", by="omar")
    assert await office.credential("rita", by="ben")


async def test_another_person_who_confirms_the_revocation_frees_the_first_to_invite(
    office: Office,
) -> None:
    await office.credential("rita")
    await office.people.revoke(office.catalog, "rita", by="omar")
    await office.people.revoke(office.catalog, "rita", by="ben")

    assert await office.credential("rita", by="omar")


async def test_nobody_confirms_their_own_revocation(office: Office) -> None:
    await office.credential("rita")
    await office.people.revoke(office.catalog, "rita", by="omar")

    with pytest.raises(NotFoundError):
        await office.people.revoke(office.catalog, "rita", by="omar")
    with pytest.raises(NotFoundError):
        await office.people.revoke(office.catalog, "ben", by="omar")


async def test_who_gave_up_their_own_credential_may_be_invited_by_whoever_invites(
    office: Office,
) -> None:
    await office.credential("omar", by="genesis")
    await office.people.revoke(office.catalog, "omar", by="omar")

    assert await office.credential("omar", by="omar")


async def test_a_new_credential_forgets_who_revoked_the_last_one(office: Office) -> None:
    await office.credential("rita")
    await office.people.revoke(office.catalog, "rita", by="omar")
    await office.credential("rita", by="ben")

    assert "revoked/rita" not in office.log.state


async def test_one_person_alone_may_revoke_and_invite(office: Office) -> None:
    office.solo, office.log.state["bundle/mode"] = True, "solo"
    await office.credential("rita")
    await office.people.revoke(office.catalog, "rita", by="omar")

    assert await office.credential("rita", by="omar")


async def test_a_revocation_that_lost_a_race_is_refused(office: Office) -> None:
    await office.credential("rita")
    seen = dict(office.log.state)
    await office.people.revoke(office.catalog, "rita", by="ben")
    await office.credential("rita")
    office.people._peek = seen.get

    with pytest.raises(ConflictError):
        await office.people.revoke(office.catalog, "rita", by="omar")


@pytest.mark.parametrize("spoil", ["secret", "prefix", "id", "form"])
async def test_no_other_text_is_the_credential(office: Office, spoil: str) -> None:
    text = await office.credential("rita")
    other = await office.credential("ben")
    kind, identifier, secret = text.split("_", 2)
    spoiled = {
        "secret": f"{kind}_{identifier}_{other.split('_', 2)[2]}",
        "prefix": f"tsk_{identifier}_{secret}",
        "id": f"{kind}_{'a' * 16}_{secret}",
        "form": f"{text} ",
    }[spoil]

    assert knows(office, spoiled) is None


async def test_a_pointer_without_its_person_proves_nobody(office: Office) -> None:
    text = await office.credential("rita")
    del office.log.state["person/rita"]

    assert knows(office, text) is None


async def test_without_an_entry_nobody_is_invited_and_nobody_logs_in(office: Office) -> None:
    token = await office.people.invite(office.catalog, "rita", by="omar")
    office.log.break_down()
    with pytest.raises(LogUnavailable):
        await office.people.invite(office.catalog, "ben", by="omar")
    with pytest.raises(LogUnavailable):
        await office.people.redeem(token, office.catalog)


async def test_the_first_token_is_readable_by_its_owner_alone_and_voids_the_one_before(
    office: Office, tmp_path: Path
) -> None:
    path = await office.people.write_first(tmp_path, office.catalog, "ana")
    first = path.read_text().split()
    again = (await office.people.write_first(tmp_path, office.catalog, "ana")).read_text().split()

    assert path == tmp_path / FIRST_CREDENTIAL_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (first[0], again[0]) == ("ana", "ana")
    with pytest.raises(AuthenticationError):
        await office.people.redeem(first[1], office.catalog)
    assert (await office.people.redeem(again[1], office.catalog))[0] == "ana"
    assert office.log.entries[0]["by"] == "genesis"


async def test_an_invitation_by_who_revokes_in_the_same_moment_is_refused(office: Office) -> None:
    """Judged before the revocation and written after it, it would be one person's work."""
    await office.credential("rita")
    await office.people.revoke(office.catalog, "rita", by="ben")
    office.log.meanwhile = lambda: office.log.state.update({"revoked/rita": "omar"})

    with pytest.raises(ConflictError):
        await office.people.invite(office.catalog, "rita", by="omar")
