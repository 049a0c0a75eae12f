"""Where a copy of a request may go, for any bundle: by its own rule, and past no other (I2, I5)."""

from typing import TypeAlias

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.authorize.worlds import APPLICATION, EU, HOUSE, NOW, facts, ruled

from transire.authorize.cedar import CedarAuthorizer
from transire.domain.authorization import Effect, Facts
from transire.domain.ids import DataClass, DeploymentId, PolicyId, Stakes

Rule: TypeAlias = tuple[str, str, str]

DEPLOYMENTS = [EU, HOUSE, DeploymentId("us-economy")]
CONDITIONS = [
    "context.dataClasses.isEmpty()",
    'context.dataClasses.contains(DataClass::"CONTACT")',
    'context.stakes == Stakes::"high"',
    "context.redacted",
    "!context.redacted",
    'resource in Jurisdiction::"EEA"',
    "resource.onPremise",
    "context.unscannedParts * 9223372036854775807 > 1",
]
FORBIDDEN = [
    'action == Action::"route"',
    'action == Action::"route_unreviewed"',
    'action in Action::"dispatch"',
    'action == Action::"shadow"',
]
GENERAL = [
    *FORBIDDEN[:3],
    'action in [Action::"route", Action::"route_unreviewed"]',
]
PERMIT = """
@id("shadow.any")
permit (principal == Application::"docs-qa", action == Action::"shadow", resource);
"""
BASE = """
@id("base") permit (principal, action == Action::"route", resource)
when { context.unscannedParts < 0 };
"""

permits = st.lists(
    st.tuples(st.just("permit"), st.sampled_from(GENERAL), st.sampled_from(CONDITIONS)), max_size=3
)
forbids = st.lists(
    st.tuples(st.just("forbid"), st.sampled_from(FORBIDDEN), st.sampled_from(CONDITIONS)),
    max_size=3,
)
all_facts = st.builds(
    facts,
    stakes=st.sampled_from(["minimal", "high"]).map(Stakes),
    data_classes=st.frozensets(st.sampled_from(["CONTACT", "HEALTH"]).map(DataClass)),
    unscanned_parts=st.integers(0, 2),
    redacted=st.booleans(),
)
pairs_of_facts = st.tuples(all_facts, all_facts)


def authorizer(*rules: Rule, own: str = PERMIT) -> CedarAuthorizer:
    text = BASE
    for index, (effect, scope, condition) in enumerate(rules):
        who = "principal" if effect == "forbid" else 'principal == Application::"docs-qa"'
        text += f'@id("r.{index}") @reason("r") {effect} ({who}, {scope}, resource) '
        text += f"when {{ {condition} }};\n"
    return CedarAuthorizer(ruled(text + own))


def asked(of: CedarAuthorizer, both: tuple[Facts, Facts]) -> set[DeploymentId]:
    return {name for name in DEPLOYMENTS if of.shadow(APPLICATION, both, name, now=NOW)}


@given(permits=permits, forbids=forbids, both=pairs_of_facts)
def test_no_rule_of_routes_lets_a_copy_go(
    permits: list[Rule], forbids: list[Rule], both: tuple[Facts, Facts]
) -> None:
    assert asked(authorizer(*permits, *forbids, own=""), both) == set()


@given(permits=permits, forbids=forbids, added=forbids, both=pairs_of_facts)
def test_a_further_forbid_only_takes_shadows_away(
    permits: list[Rule], forbids: list[Rule], added: list[Rule], both: tuple[Facts, Facts]
) -> None:
    fewer = asked(authorizer(*permits, *forbids, *added), both)

    assert fewer <= asked(authorizer(*permits, *forbids), both)


@given(permits=permits, forbids=forbids, both=pairs_of_facts)
def test_a_copy_goes_only_where_neither_evaluation_forbids_or_holds_the_route(
    permits: list[Rule], forbids: list[Rule], both: tuple[Facts, Facts]
) -> None:
    judge = authorizer(*permits, *forbids)

    for name in asked(judge, both):
        for each in both:
            verdict = judge.verdicts(APPLICATION, each, NOW)[name]
            is_unsaid = verdict.effect is Effect.FORBID and not (verdict.policies or verdict.errors)
            is_free = verdict.effect is Effect.PERMIT and not verdict.queues
            assert is_unsaid or is_free


@given(forbids=forbids, both=pairs_of_facts)
def test_assertions_only_take_shadows_away(forbids: list[Rule], both: tuple[Facts, Facts]) -> None:
    judge = authorizer(*forbids)
    base, _ = both

    assert asked(judge, both) <= asked(judge, (base, base))


def test_the_rule_that_permits_is_named() -> None:
    found = authorizer().shadow(APPLICATION, (facts(), facts()), EU, now=NOW)

    assert found == (PolicyId("shadow.any"),)


@given(permits=permits, forbids=forbids, asked_for=st.lists(pairs_of_facts, max_size=4))
def test_what_is_remembered_is_what_would_be_said_anew(
    permits: list[Rule], forbids: list[Rule], asked_for: list[tuple[Facts, Facts]]
) -> None:
    judge = authorizer(*permits, *forbids)

    told = [asked(judge, both) for both in (*asked_for, *asked_for)]

    assert told == [asked(authorizer(*permits, *forbids), both) for both in asked_for] * 2
