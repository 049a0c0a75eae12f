"""Application keys: bound, expiring, revocable, each act an entry; their text is shown once."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.conftest import FakeClock
from tests.unit.identity.offices import Office

from transire.domain.ids import Purpose
from transire.errors import (
    AuthenticationError,
    ConflictError,
    LogUnavailable,
    NotFoundError,
    RequestError,
)


@pytest.fixture
def office(clock: FakeClock) -> Office:
    return Office(clock)


async def test_a_key_says_who_asks_and_for_what(office: Office) -> None:
    record, text = await office.key(priority=7)
    principal = office.keys.authenticate(text, office.catalog)

    assert (principal.kind, principal.tenant, principal.application) == (
        "application",
        "acme",
        "docs-qa",
    )
    assert (principal.purpose, principal.key_id) == ("document_qa", record.id)
    assert (principal.priority, principal.person, principal.user) == (7, None, None)


@pytest.mark.parametrize("scopes", [("chat",), ("decisions",), ("chat", "decisions")])
async def test_a_key_is_for_what_it_was_made_for_and_the_entry_says_so(
    office: Office, scopes: tuple[str, ...]
) -> None:
    _, text = await office.key(scopes=scopes)

    assert office.keys.authenticate(text, office.catalog).scopes == frozenset(scopes)
    assert office.log.entries[-1]["scopes"] == list(scopes)


async def test_creating_a_key_is_an_entry_that_names_both_people_and_no_secret(
    office: Office,
) -> None:
    record, text = await office.key()
    secret = text.rpartition("_")[2]
    entry = office.log.entries[-1]

    assert entry["kind"] == "access.key_created"
    assert {name: entry[name] for name in ("key_id", "tenant", "application", "purpose")} == {
        "key_id": record.id,
        "tenant": "acme",
        "application": "docs-qa",
        "purpose": "document_qa",
    }
    assert (entry["minted_by"], entry["holder"]) == ("omar", "hal")
    assert entry["expires_at"] == record.expires_at
    assert secret not in repr(office.log.entries)
    assert secret not in repr(office.log.state)
    assert "digest" not in record.public()


async def test_without_an_entry_there_is_no_key(office: Office) -> None:
    office.log.break_down()
    with pytest.raises(LogUnavailable):
        await office.key()

    assert await office.keys.list() == []


async def test_a_key_is_only_made_for_what_the_catalog_has(office: Office) -> None:
    with pytest.raises(NotFoundError):
        await office.key(application="nobody")
    with pytest.raises(RequestError, match="purpose"):
        await office.key(purpose="marketing")

    assert office.log.entries == []


async def test_no_key_takes_the_place_of_another(office: Office) -> None:
    record, _ = await office.key()
    office.keys._entropy = Office(office.clock).keys._entropy

    with pytest.raises(ConflictError):
        await office.key()
    assert [r.id for r in await office.keys.list()] == [record.id]


async def test_a_key_expires_to_the_second(office: Office) -> None:
    _, text = await office.key(days=1)
    day = timedelta(days=1).total_seconds()
    office.clock.advance(day - 1)
    office.keys.authenticate(text, office.catalog)
    office.clock.advance(1)

    with pytest.raises(AuthenticationError, match="expired"):
        office.keys.authenticate(text, office.catalog)


async def test_a_revoked_key_is_void_at_once_and_the_entry_says_by_whom(office: Office) -> None:
    record, text = await office.key()
    await office.keys.revoke(record.id, by="ben")

    with pytest.raises(AuthenticationError, match="revoked"):
        office.keys.authenticate(text, office.catalog)
    entry = office.log.entries[-1]
    assert (entry["kind"], entry["key_id"], entry["by"]) == (
        "access.key_revoked",
        record.id,
        "ben",
    )
    with pytest.raises(ConflictError):
        await office.keys.revoke(record.id, by="ben")
    with pytest.raises(NotFoundError):
        await office.keys.revoke("nobody", by="ben")


async def test_a_revocation_of_a_key_that_moved_meanwhile_is_refused(office: Office) -> None:
    record, _ = await office.key()
    seen = office.log.state[f"key/{record.id}"]
    moved = replace(record, holder="ivy").to_json()
    peeked = iter([seen])
    office.keys._peek = lambda _: next(peeked)
    office.log.state[f"key/{record.id}"] = moved

    with pytest.raises(ConflictError):
        await office.keys.revoke(record.id, by="ben")


async def test_a_revoked_key_keeps_all_else_it_said(office: Office) -> None:
    record, _ = await office.key()
    revoked = await office.keys.revoke(record.id, by="ben")

    assert revoked == replace(record, revoked_at=office.clock.now().isoformat())
    assert await office.keys.list() == [revoked]


@pytest.mark.parametrize("spoil", ["secret", "prefix", "id", "form", "nothing"])
async def test_no_other_text_is_the_key(office: Office, spoil: str) -> None:
    _, text = await office.key()
    _, other = await office.key()
    kind, identifier, secret = text.split("_", 2)
    spoiled = {
        "secret": f"{kind}_{identifier}_{other.split('_', 2)[2]}",
        "prefix": f"tsp_{identifier}_{secret}",
        "id": f"{kind}_{'a' * 16}_{secret}",
        "form": f"{text}=",
        "nothing": "",
    }[spoil]

    with pytest.raises(AuthenticationError, match="no valid key"):
        office.keys.authenticate(spoiled, office.catalog)


async def test_a_persons_credential_is_no_application_key(office: Office) -> None:
    text = await office.credential()

    with pytest.raises(AuthenticationError):
        office.keys.authenticate(text, office.catalog)


async def test_a_key_ends_with_its_place_in_the_catalog(office: Office) -> None:
    _, text = await office.key()
    for catalog in (
        office.without_application(),
        office.with_application(tenant=office.other_tenant),
        office.with_application(purposes=(Purpose("other"),)),
    ):
        with pytest.raises(AuthenticationError, match="not in the active catalog"):
            office.keys.authenticate(text, catalog)


async def test_the_keys_of_one_tenant_are_listed_in_order_of_creation(office: Office) -> None:
    first, _ = await office.key()
    office.clock.advance(1)
    second, _ = await office.key()

    assert [r.id for r in await office.keys.list("acme")] == [first.id, second.id]
    assert await office.keys.list("other") == []


async def test_who_holds_or_minted_a_key_could_have_made_its_requests(office: Office) -> None:
    record, _ = await office.key()

    assert office.keys.holders(record.id) == {"hal", "omar"}
    assert office.keys.holders("nobody") == frozenset()


async def test_a_key_record_is_read_back_as_written(office: Office) -> None:
    record, _ = await office.key()
    read: Any = type(record).from_json(record.to_json())

    assert read == record
