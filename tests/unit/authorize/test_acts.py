"""People's acts through Cedar: allowed only where everything is known and clear."""

from typing import Any

import pytest
from tests.unit.authorize.worlds import NOW, pack, ruled

from transire.authorize.acts import may_act
from transire.authorize.cedar import CedarAuthorizer
from transire.bundle.acts import installation, policy_bundle
from transire.bundle.entities import reference, uid
from transire.domain.ids import BundleDigest

AUTHORIZER = CedarAuthorizer(pack())
DIGEST = BundleDigest("0" * 64)


def _item(**changed: Any) -> dict[str, Any]:
    attrs = {
        "tenant": reference("Tenant", "acme"),
        "queue": "high-stakes",
        "stakes": reference("Stakes", "high"),
        "dataClasses": [reference("DataClass", "PHI")],
        "keyHolders": [reference("User", "omar")],
        **changed,
    }
    return {"type": "ReviewItem", "id": "rev_1", "attrs": attrs, "parents": [uid("Tenant", "acme")]}


def _allows(person: str, action: str, resource: dict[str, Any], *, solo: bool = False) -> bool:
    return AUTHORIZER.allows(person, action, resource, now=NOW, solo=solo)


def test_a_reviewer_releases_items_of_the_own_tenant() -> None:
    assert _allows("rita", "release", _item())
    assert not _allows("rita", "release", _item(tenant=reference("Tenant", "globex")))


def test_nobody_releases_what_they_asked_for_or_hold_the_key_of() -> None:
    assert not _allows("rita", "release", _item(requestedBy=reference("User", "rita")))
    assert not _allows("rita", "release", _item(keyHolders=[reference("User", "rita")]))


def test_an_author_cannot_approve_the_own_bundle_and_another_can() -> None:
    assert _allows("ben", "approve", policy_bundle(DIGEST, "ana"))
    assert not _allows("ben", "approve", policy_bundle(DIGEST, "ben"))


def test_a_solo_installation_lifts_four_eyes_and_grants_no_role() -> None:
    assert not _allows("ben", "approve", policy_bundle(DIGEST, "ben"), solo=False)
    assert _allows("ben", "approve", policy_bundle(DIGEST, "ben"), solo=True)
    assert not _allows("rita", "approve", policy_bundle(DIGEST, "ana"), solo=True)


def test_an_entity_of_the_registry_is_named_without_attributes() -> None:
    assert _allows("omar", "quarantine", installation())
    assert _allows("omar", "mint_key", {"type": "Application", "id": "sales"})
    assert _allows("aud", "read_audit", {"type": "AuditLog", "id": "acme"})


@pytest.mark.parametrize(
    ("person", "action", "resource"),
    [
        ("nobody", "quarantine", {"type": "Installation", "id": "this"}),
        ("", "quarantine", {"type": "Installation", "id": "this"}),
        ("omar", "no_such_action", {"type": "Installation", "id": "this"}),
        ("omar", "mint_key", {"type": "Application", "id": "gone"}),
        ("omar", "mint_key", {"type": "Installation", "id": "this"}),
        ("omar", "route", {"type": "Deployment", "id": "eu-premium"}),
        ("rita", "release", {**_item(), "attrs": {"tenant": "acme"}}),
        ("rita", "release", {**_item(), "attrs": {**_item()["attrs"], "extra": 1}}),
        ("rita", "release", {**_item(), "attrs": {**_item()["attrs"], "queue": "\ud800"}}),
        ("rita", "release", {**_item(), "attrs": {**_item()["attrs"], "queue": object()}}),
        ("rita", "release", {**_item(), "parents": ["acme"]}),
        ("omar", "mint_key", {"type": "Application", "id": "sales", "attrs": {}}),
    ],
    ids=[
        "an unknown person",
        "nobody at all",
        "an unknown action",
        "an unknown resource",
        "an action that does not apply",
        "an application's action",
        "attributes of the wrong type",
        "an attribute too many",
        "text that is not Unicode",
        "a value that is not JSON",
        "a parent that is no uid",
        "a known entity with attributes of the caller's",
    ],
)
def test_whatever_is_unclear_is_refused(person: str, action: str, resource: dict[str, Any]) -> None:
    assert _allows(person, action, resource) is False


def test_a_described_entity_cannot_replace_one_of_the_registry() -> None:
    forged = {
        "type": "Application",
        "id": "globex-assistant",
        "attrs": {
            "tenant": reference("Tenant", "acme"),
            "stakes": reference("Stakes", "minimal"),
            "entitlements": [],
        },
    }

    assert not _allows("omar", "mint_key", forged)


def test_a_described_entity_lives_for_one_question() -> None:
    _allows("rita", "release", _item())

    assert not _allows("rita", "release", {"type": "ReviewItem", "id": "rev_1"})


def test_a_rule_that_errs_denies_the_act() -> None:
    compiled = ruled("""
    @id("all") permit (principal, action == Action::"quarantine", resource)
    when { principal in Role::"operator" };
    @id("errs") @reason("why") forbid (principal, action == Action::"quarantine", resource)
    when { 9223372036854775807 + (if context.solo then 1 else 0) > 0 };
    """)

    def may(*, solo: bool) -> bool:
        return may_act(compiled, ("User", "omar"), "quarantine", installation(), now=NOW, solo=solo)

    assert not may(solo=True)


EVERYBODY = """
@id("all") permit (principal, action in [Action::"release", Action::"quarantine"], resource)
when { context.solo || !context.solo };
"""


def test_even_a_rule_for_everybody_lets_only_people_of_the_registry_act() -> None:
    def may(person: str, kind: str = "User") -> bool:
        return may_act(ruled(EVERYBODY), (kind, person), "quarantine", installation(), now=NOW)

    assert may("omar")
    assert not may("mallory")
    assert not may("omar", "Person")


def test_even_a_rule_for_everything_lets_nobody_act_on_what_is_not_there() -> None:
    def may(resource: dict[str, Any]) -> bool:
        return may_act(ruled(EVERYBODY), ("User", "omar"), "quarantine", resource, now=NOW)

    assert may(installation())
    assert not may({"type": "Installation", "id": "another"})
    assert not may({"type": "ReviewItem", "id": "rev_1"})


def test_an_application_explains_only_where_a_rule_lets_it() -> None:
    log = {"type": "AuditLog", "id": "acme"}
    letting = CedarAuthorizer(
        ruled("""
        @id("explain") permit (principal is Application, action == Action::"explain", resource)
        when { principal.tenant == resource.tenant };
        """)
    )

    assert not AUTHORIZER.allows_application("sales", "explain", log, now=NOW)
    assert letting.allows_application("sales", "explain", log, now=NOW)
    assert not letting.allows_application("globex-assistant", "explain", log, now=NOW)
    assert not letting.allows_application("gone", "explain", log, now=NOW)
