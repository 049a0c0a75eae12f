"""Where texts may be sent for moderation, for any bundle: by its own rule, past no other."""

from dataclasses import replace
from functools import cache
from typing import TypeAlias

import cedarpy
from cedarpy import pst
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.authorize.worlds import APPLICATION, NOW, facts
from tests.unit.bundle.bundles import pack_files

from transire.authorize.cedar import CedarAuthorizer
from transire.bundle.compile import compile_bundle
from transire.bundle.compiled import CompiledBundle
from transire.bundle.rules import read_rules
from transire.domain.authorization import Effect, Facts, Form, Pair
from transire.domain.bundle import Quarantine
from transire.domain.guarding import Guard
from transire.domain.ids import DataClass, DeploymentId, PolicyId, Stakes, TenantId
from transire.domain.request import Assertions

Rule: TypeAlias = tuple[str, str, str]

EU, US = DeploymentId("eu-guard"), DeploymentId("us-guard")
MODERATORS = """
moderators:
  eu-guard: &
    provider: nordwind
    model: breeze-8b.2
    tier: economy
    groups: [eu-fleet]
    regions: [DE]
    address: http://127.0.0.1:9200/v1
    upstream_model: guard-1
    zero_retention: true
    categories: {violence: violence, hate: hate}
"""
CONDITIONS = [
    "context.dataClasses.isEmpty()",
    'context.dataClasses.contains(DataClass::"CONTACT")',
    'context.stakes == Stakes::"high"',
    "context.redacted",
    "!context.redacted",
    'resource in Jurisdiction::"EEA"',
    'context.raisedGuards.contains(Guard::"violence")',
    "!context.failedGuards.isEmpty()",
    "context.unscannedParts * 9223372036854775807 > 1",
]
SCOPES = [
    'action == Action::"route"',
    'action == Action::"route_unreviewed"',
    'action in Action::"dispatch"',
]
PERMIT = """
@id("moderate.any")
permit (principal == Application::"docs-qa", action == Action::"moderate", resource);
"""
BASE = """
@id("base") permit (principal, action == Action::"route", resource)
when { context.unscannedParts < 0 };
"""

permits = st.lists(
    st.tuples(st.just("permit"), st.sampled_from(SCOPES), st.sampled_from(CONDITIONS)), max_size=3
)
forbids = st.lists(
    st.tuples(
        st.just("forbid"),
        st.sampled_from([*SCOPES, 'action == Action::"moderate"']),
        st.sampled_from(CONDITIONS),
    ),
    max_size=3,
)
all_facts = st.builds(
    facts,
    stakes=st.sampled_from(["minimal", "high"]).map(Stakes),
    data_classes=st.frozensets(st.sampled_from(["CONTACT", "HEALTH"]).map(DataClass)),
    raised_guards=st.frozensets(st.just(Guard("violence"))),
    failed_guards=st.frozensets(st.just(Guard("jailbreak"))),
    unscanned_parts=st.integers(0, 2),
)
pairs_of_facts = st.tuples(all_facts, all_facts)


@cache
def registry() -> CompiledBundle:
    files = pack_files()
    eu = MODERATORS.replace(": &", ":")
    us = eu.replace("moderators:\n", "").replace("eu-guard", "us-guard").replace("[DE]", "[US]")
    return compile_bundle({**files, "catalog/moderators.yaml": (eu + us).encode()})


def authorizer(*rules: Rule, own: str = PERMIT) -> CedarAuthorizer:
    text = BASE
    for index, (effect, scope, condition) in enumerate(rules):
        who = "principal" if effect == "forbid" else 'principal == Application::"docs-qa"'
        text += f'@id("r.{index}") @reason("r") {effect} ({who}, {scope}, resource) '
        text += f"when {{ {condition} }};\n"
    base, read = registry(), read_rules({"rules/own.cedar": (text + own).encode()})
    tree = pst.PolicySet(
        templates={}, static_policies={rule.id: rule.node for rule in read}, template_links=()
    )
    annotations = {PolicyId(rule.id): dict(rule.node.annotations) for rule in read}
    return CedarAuthorizer(
        replace(
            base,
            bundle=replace(base.bundle, annotations=annotations),
            policies=cedarpy.PolicySet.from_pst(tree),
            tree=tree,
        )
    )


def asked(
    of: CedarAuthorizer,
    both: tuple[Facts, Facts],
    assertions: Assertions | None = None,
    quarantine: Quarantine | None = None,
) -> set[DeploymentId]:
    """Moderators that may be sent raw texts with these facts."""
    authorization = of.assemble_moderation(
        APPLICATION,
        TenantId("acme"),
        {Form.RAW: both},
        assertions or Assertions(),
        quarantine=quarantine or Quarantine(),
        now=NOW,
    )
    return {verdict.pair.deployment for verdict in authorization.permitted}


@given(permits=permits, forbids=forbids, both=pairs_of_facts)
def test_no_rule_of_routes_lets_texts_go_to_a_moderator(
    permits: list[Rule], forbids: list[Rule], both: tuple[Facts, Facts]
) -> None:
    assert asked(authorizer(*permits, *forbids, own=""), both) == set()


@given(permits=permits, forbids=forbids, added=forbids, both=pairs_of_facts)
def test_a_further_forbid_only_takes_moderators_away(
    permits: list[Rule], forbids: list[Rule], added: list[Rule], both: tuple[Facts, Facts]
) -> None:
    fewer = asked(authorizer(*permits, *forbids, *added), both)

    assert fewer <= asked(authorizer(*permits, *forbids), both)


@given(forbids=forbids, both=pairs_of_facts)
def test_assertions_only_take_moderators_away(
    forbids: list[Rule], both: tuple[Facts, Facts]
) -> None:
    judge = authorizer(*forbids)
    base, _ = both

    assert asked(judge, both) <= asked(judge, (base, base))


@given(permits=permits, forbids=forbids, both=pairs_of_facts)
def test_what_guards_say_decides_about_no_moderator(
    permits: list[Rule], forbids: list[Rule], both: tuple[Facts, Facts]
) -> None:
    judge = authorizer(*permits, *forbids)
    silent = tuple(replace(f, raised_guards=frozenset(), failed_guards=frozenset()) for f in both)

    assert asked(judge, both) == asked(judge, (silent[0], silent[1]))


@given(permits=permits, both=pairs_of_facts)
def test_no_rule_at_all_makes_a_moderator_a_route(
    permits: list[Rule], both: tuple[Facts, Facts]
) -> None:
    judge = authorizer(*permits)

    routes = judge.assemble(
        APPLICATION,
        TenantId("acme"),
        {Form.RAW: both},
        Assertions(),
        quarantine=Quarantine(),
        now=NOW,
    )

    assert not {EU, US} & {verdict.pair.deployment for verdict in routes.verdicts}


def test_what_is_quarantined_is_not_asked_and_the_rest_is() -> None:
    plain = (facts(), facts())
    blocked = Quarantine(version=1, deployments=frozenset({EU}))

    assert asked(authorizer(), plain) == {EU, US}
    assert asked(authorizer(), plain, quarantine=blocked) == {US}


def test_a_model_that_the_caller_names_narrows_answers_and_no_moderator() -> None:
    named = Assertions(models=frozenset({DeploymentId("eu-premium")}))

    assert asked(authorizer(), (facts(), facts()), named) == {EU, US}


def test_redaction_that_the_caller_requires_keeps_raw_texts_here() -> None:
    assert asked(authorizer(), (facts(), facts()), Assertions(redaction="require")) == set()


def test_each_moderator_has_a_verdict_that_names_its_rules() -> None:
    authorization = authorizer().assemble_moderation(
        APPLICATION,
        TenantId("acme"),
        {Form.RAW: (facts(), facts())},
        Assertions(),
        quarantine=Quarantine(),
        now=NOW,
    )

    verdict = authorization.verdict(Pair(deployment=EU, form=Form.RAW))
    assert verdict is not None
    assert (verdict.effect, verdict.policies) == (Effect.PERMIT, ("moderate.any",))
    assert verdict.obligations == ()
