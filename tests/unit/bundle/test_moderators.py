"""Moderators in a bundle: a section of their own, and resources that no route ever has."""

import pytest
from tests.unit.bundle.bundles import small_files

from transire.bundle.compile import compile_bundle
from transire.bundle.compiled import CompiledBundle
from transire.domain.guarding import ALL_GUARDS, Guard
from transire.domain.ids import DeploymentId
from transire.errors import BundleError

MODERATOR = """\
moderators:
  house-guard:
    provider: nordwind
    model: breeze.1
    tier: economy
    regions: [DE]
    address: http://127.0.0.1:9200/v1/
    upstream_model: guard-1
    credential: guard-key
    categories: {hate: hate, hate/threatening: hate, self-harm: self_harm}
"""
PERMIT = """
@id("moderate.acme")
permit (principal in Tenant::"acme", action == Action::"moderate", resource);
"""
READS = """
@id("guards.hate") @reason("hate is denied")
forbid (principal, action == Action::"route", resource)
when { context.raisedGuards.contains(Guard::"hate") };
"""


def compiled(moderator: str = MODERATOR, rules: str = PERMIT + READS) -> CompiledBundle:
    files = small_files()
    return compile_bundle(
        {
            **files,
            "catalog/moderators.yaml": moderator.encode(),
            "rules/moderation.cedar": rules.encode() or b" ",
        },
        must_hold_limits=False,
    )


def test_a_moderator_is_none_of_the_deployments() -> None:
    catalog = compiled().bundle.catalog

    assert set(catalog.moderators) == {"house-guard"}
    assert "house-guard" not in catalog.deployments
    assert catalog.moderators[DeploymentId("house-guard")].guards == {"hate", "self_harm"}
    assert "guard-key" in catalog.credentials


def test_policy_may_ask_for_a_guard_that_only_a_moderator_provides() -> None:
    bundle = compiled().bundle

    assert bundle.taxonomy.guards == (*ALL_GUARDS, Guard("hate"))
    assert bundle.guards == {"hate"}


def test_without_the_moderator_its_guard_is_nothing_a_rule_may_ask_for() -> None:
    with pytest.raises(BundleError, match="hate"):
        compiled(moderator="moderators: {}")


@pytest.mark.parametrize(
    ("moderator", "problem"),
    [
        (MODERATOR.replace("house-guard:", "eu-one:"), "a deployment has this name already"),
        (MODERATOR.replace("[DE]", "[FR]"), "jurisdiction `FR`"),
        (MODERATOR.replace("nordwind", "nobody"), "provider `nobody`"),
        (MODERATOR.replace("hate: hate,", "hate: Hate!,"), "categories"),
        (MODERATOR + "    context_tokens: 8000\n", "context_tokens"),
        (MODERATOR + "    timeout_ms: 0\n", "timeout_ms"),
    ],
    ids=["name", "region", "provider", "guard", "field of answers", "no time"],
)
def test_what_a_moderator_may_not_say_is_refused_with_its_place(
    moderator: str, problem: str
) -> None:
    with pytest.raises(BundleError) as refused:
        compiled(moderator=moderator)

    assert any(p.startswith("catalog/moderators.yaml:") for p in refused.value.problems)
    assert problem in str(refused.value.problems)


@pytest.mark.parametrize(
    ("rules", "note"),
    [
        (READS, "no rule permits `moderate`"),
        (PERMIT, "`house-guard` is never asked"),
        (
            PERMIT
            + READS
            + '@id("answers.hate") @reason("r") forbid (principal, action == Action::"receive", '
            'resource) when { context.raisedGuards.contains(Guard::"hate") };',
            "`hate` is never said of an answer",
        ),
    ],
    ids=["no permit", "no reader", "of answers"],
)
def test_a_moderator_that_has_no_effect_is_said_to_have_none(rules: str, note: str) -> None:
    assert any(note in warning for warning in compiled(rules=rules).warnings)
    assert not any(note in warning for warning in compiled().warnings)
