"""Eligibility, for any bundle: callers only narrow, forbids only take away, errors deny (I2–I5)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

import cedarpy
import pytest
from cedarpy import pst
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.bundle.bundles import pack_files

from transire.authorize.cedar import CedarAuthorizer
from transire.authorize.engine import CedarEngine, ask, context_of
from transire.authorize.facts import asserted_facts, base_facts
from transire.bundle.compile import compile_bundle
from transire.bundle.compiled import CompiledBundle
from transire.bundle.entities import uid
from transire.bundle.rules import read_rules
from transire.domain.bundle import Quarantine
from transire.domain.decision import (
    Authorization,
    Classification,
    Effect,
    Facts,
    Form,
    Redaction,
    Signals,
    Verdict,
)
from transire.domain.ids import (
    ApplicationId,
    DataClass,
    DecisionId,
    DeploymentId,
    Jurisdiction,
    KeyId,
    PolicyId,
    ProviderId,
    Purpose,
    Stakes,
    TenantId,
)
from transire.domain.request import Assertions, Body, Principal, RoutingRequest

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
CLASSES = ["PERSONAL", "CONTACT", "HEALTH", "CREDENTIAL", "CONFIDENTIAL", "PHI"]
ATOMS = [
    'context.dataClasses.contains(DataClass::"CONTACT")',
    'context.dataClasses.contains(DataClass::"HEALTH")',
    "context.dataClasses.isEmpty()",
    'context.purpose == Purpose::"support"',
    'context.purpose == Purpose::"clinical"',
    'context.stakes == Stakes::"high"',
    'context.stakes == Stakes::"minimal"',
    "context.redacted",
    "context has user",
    "context.unscannedParts > 0",
    'context.uncoveredClasses.contains(DataClass::"PERSONAL")',
    "context.failedClasses.isEmpty()",
    'context.now < datetime("2026-11-25T09:00:00Z")',
    'context.now <= datetime("2026-11-25T09:00:00Z")',
    'resource in Jurisdiction::"EEA"',
    "resource.onPremise",
    'resource == Deployment::"eu-premium"',
    'principal.entitlements.contains(Tier::"premium")',
    "context.unscannedParts * 9223372036854775807 > 1",
]
SCOPES = [
    'action == Action::"route"',
    'action == Action::"route_unreviewed"',
    'action in Action::"dispatch"',
]

rules = st.builds(
    lambda effect, scope, parts: (effect, scope, parts),
    st.sampled_from(["permit", "permit", "forbid"]),
    st.sampled_from(SCOPES),
    st.lists(st.tuples(st.booleans(), st.sampled_from(ATOMS)), min_size=1, max_size=3),
)
bundles = st.lists(rules, min_size=1, max_size=6)
classes = st.frozensets(st.sampled_from(CLASSES), max_size=3).map(
    lambda names: frozenset(map(DataClass, names))
)
assertions = st.builds(
    Assertions,
    models=st.none()
    | st.frozensets(
        st.sampled_from(["eu-premium", "us-economy", "onprem-general"]).map(DeploymentId)
    ),
    purpose=st.none() | st.sampled_from(["sales", "clinical"]).map(Purpose),
    stakes=st.none() | st.sampled_from(["minimal", "limited", "high"]).map(Stakes),
    data_classes=classes,
    jurisdictions=st.frozensets(st.sampled_from(["DE", "EEA", "US"]).map(Jurisdiction)),
    redaction=st.none() | st.sampled_from(["require", "forbid"]),
)


def _text(index: int, rule: tuple[str, str, list[tuple[bool, str]]]) -> str:
    effect, scope, parts = rule
    clauses = " && ".join(f"({atom})" if positive else f"!({atom})" for positive, atom in parts)
    return (
        f'@id("generated.{index}") @reason("generated")\n'
        f"{effect} (principal, {scope}, resource) when {{ {clauses} }};\n"
    )


ALWAYS = """@id("always.one")
permit (
  principal in Tenant::"acme", action == Action::"route", resource in DeploymentGroup::"on-premise"
);
"""


def _compiled(rules_: list[tuple[str, str, list[tuple[bool, str]]]]) -> CompiledBundle:
    return _compiled_text(ALWAYS + "".join(_text(i, rule) for i, rule in enumerate(rules_)))


@cache
def _base() -> CompiledBundle:
    return compile_bundle(pack_files())


@cache
def _compiled_text(text: str) -> CompiledBundle:
    """The pack's registry under generated rules; only the rules are compiled anew."""
    base, rules_ = _base(), read_rules({"rules/generated.cedar": text.encode()})
    tree = pst.PolicySet(
        templates={}, static_policies={rule.id: rule.node for rule in rules_}, template_links=()
    )
    annotations = {PolicyId(rule.id): dict(rule.node.annotations) for rule in rules_}
    return replace(
        base,
        bundle=replace(base.bundle, annotations=annotations),
        policies=cedarpy.PolicySet.from_pst(tree),
        tree=tree,
    )


def _classification(found: frozenset[DataClass], *, image: bool = False) -> Classification:
    gaps = {DataClass("CONTACT"): frozenset({"image"})} if image else {}
    return Classification(
        findings=(),
        states=(),
        found=found,
        failed=frozenset(),
        uncovered=gaps,
        detector_digest="d",
        signals=Signals(),
    )


def _request(asserted: Assertions) -> RoutingRequest:
    return RoutingRequest(
        id=DecisionId("dec_X"),
        principal=Principal(
            kind="application",
            tenant=TenantId("acme"),
            key_id=KeyId("k"),
            application=ApplicationId("sales"),
            purpose=Purpose("sales"),
        ),
        asked_model="auto",
        body=BODY,
        assertions=asserted,
        is_stream=False,
        wants_usage=False,
        mac=b"",
        content_digest=b"",
        received_at=NOW,
        deadline_s=10,
    )


BODY = Body(
    fields={},
    parts=(),
    capabilities=frozenset(),
    needs=frozenset(),
    ignored=(),
    size_bytes=0,
    tokens_estimate=0,
)


def _authorize(
    compiled: CompiledBundle,
    asserted: Assertions,
    found: frozenset[DataClass],
    *,
    image: bool = False,
    quarantine: Quarantine | None = None,
    now: datetime = NOW,
) -> Authorization:
    redaction = Redaction(
        body=BODY,
        classification=_classification(frozenset({DataClass("PSEUDONYMISED")}), image=image),
        content_digest=b"",
        count=1,
    )
    return CedarAuthorizer(compiled).authorize(
        _request(asserted),
        _classification(found, image=image),
        redaction,
        quarantine=quarantine or Quarantine(),
        now=now,
    )


def _is_no_more(less: Verdict, more: Verdict) -> bool:
    """`less` permits only where `more` does, and asks at least as much."""
    if less.effect is Effect.FORBID:
        return True
    return more.effect is Effect.PERMIT and set(more.obligations) <= set(less.obligations)


def _pairwise(less: Authorization, more: Authorization) -> bool:
    return all(
        _is_no_more(verdict, other)
        for verdict in less.verdicts
        if (other := more.verdict(verdict.pair)) is not None
    )


@given(bundles, assertions, classes, st.booleans())
@settings(max_examples=60)
def test_no_request_gets_more_than_the_same_body_without_assertions(
    rules_: list[tuple[str, str, list[tuple[bool, str]]]],
    asserted: Assertions,
    found: frozenset[DataClass],
    image: bool,
) -> None:
    compiled = _compiled(rules_)
    plain = _authorize(compiled, Assertions(), found, image=image)
    narrowed = _authorize(compiled, asserted, found, image=image)

    assert _pairwise(narrowed, plain)


@given(bundles, rules, assertions, classes)
@settings(max_examples=30)
def test_a_new_forbid_never_opens_a_pair(
    rules_: list[tuple[str, str, list[tuple[bool, str]]]],
    added: tuple[str, str, list[tuple[bool, str]]],
    asserted: Assertions,
    found: frozenset[DataClass],
) -> None:
    before = _authorize(_compiled(rules_), asserted, found)
    after = _authorize(_compiled([*rules_, ("forbid", *added[1:])]), asserted, found)

    permitted = {v.pair for v in before.permitted}
    assert {v.pair for v in after.permitted} <= permitted


@given(bundles, assertions, classes, st.sampled_from(["nordwind", "atlantic", "acme-it"]))
@settings(max_examples=60)
def test_a_quarantine_never_opens_a_pair_and_closes_all_of_its_target(
    rules_: list[tuple[str, str, list[tuple[bool, str]]]],
    asserted: Assertions,
    found: frozenset[DataClass],
    provider: str,
) -> None:
    compiled = _compiled(rules_)
    blocked = Quarantine(version=1, providers=frozenset({ProviderId(provider)}))
    free = _authorize(compiled, asserted, found)
    quarantined = _authorize(compiled, asserted, found, quarantine=blocked)
    deployments = compiled.bundle.catalog.deployments

    assert _pairwise(quarantined, free)
    assert all(deployments[v.pair.deployment].provider != provider for v in quarantined.permitted)


facts = st.builds(
    Facts,
    purpose=st.sampled_from(["sales", "support", "clinical"]).map(Purpose),
    stakes=st.sampled_from(["minimal", "limited", "high"]).map(Stakes),
    data_classes=classes,
    failed_classes=classes,
    uncovered_classes=classes,
    unscanned_parts=st.integers(0, 3),
    capabilities=st.just(frozenset()),
    redacted=st.booleans(),
)


@given(bundles, st.lists(facts, min_size=1, max_size=2), st.integers(-1500, 1500))
@settings(max_examples=30)
def test_profiles_and_memo_answer_as_asking_one_by_one_does(
    rules_: list[tuple[str, str, list[tuple[bool, str]]]], many: list[Facts], shift_ms: int
) -> None:
    compiled = _compiled(rules_)
    engine, now = CedarEngine(compiled), NOW + timedelta(milliseconds=shift_ms)
    moments = [now, NOW, now]
    for fact in many:
        for moment in moments:
            found, _ = engine.evaluate(ApplicationId("sales"), fact, moment)
            for name, evaluation in found.items():
                naive = ask(
                    [
                        {
                            "principal": uid("Application", "sales"),
                            "action": uid("Action", action),
                            "resource": uid("Deployment", name),
                            "context": context_of(fact, moment),
                        }
                        for action in ("route", "route_unreviewed")
                    ],
                    compiled.policies,
                    compiled.entities,
                    compiled.schema,
                )
                is_open = naive[0].is_allowed and not naive[0].errors
                is_open = is_open and not naive[1].errors
                assert (evaluation.effect is Effect.PERMIT) == is_open
                if is_open:
                    assert bool(evaluation.obligations) != naive[1].is_allowed


@given(bundles, assertions, classes)
@settings(max_examples=40)
def test_recorded_facts_lead_to_the_same_evaluation_again(
    rules_: list[tuple[str, str, list[tuple[bool, str]]]],
    asserted: Assertions,
    found: frozenset[DataClass],
) -> None:
    compiled = _compiled(rules_)
    first = _authorize(compiled, asserted, found)
    again = {
        Form(form): (Facts.from_json(base.to_json()), Facts.from_json(other.to_json()))
        for form, (base, other) in first.facts.items()
    }
    replayed = CedarAuthorizer(compiled).assemble(
        ApplicationId("sales"),
        TenantId("acme"),
        again,
        asserted,
        quarantine=Quarantine(),
        now=first.evaluated_at,
    )

    assert first.evaluation_digest == replayed.evaluation_digest


def test_a_policy_that_errs_denies_even_where_cedar_says_allow() -> None:
    erring = ("forbid", SCOPES[2], [(True, ATOMS[-1])])
    opening = ("permit", SCOPES[0], [(True, "context.failedClasses.isEmpty()")])
    opening_2 = ("permit", SCOPES[1], [(True, "context.failedClasses.isEmpty()")])
    compiled = _compiled([opening, opening_2, erring])
    fact = replace(
        base_facts(
            _request(Assertions()),
            _classification(frozenset()),
            compiled.bundle,
            form=Form.RAW,
            now=NOW,
        ),
        unscanned_parts=2,
    )
    verdicts = CedarAuthorizer(compiled).verdicts(ApplicationId("sales"), fact, NOW)

    assert {v.effect for v in verdicts.values()} == {Effect.FORBID}
    assert all(v.errors == ("generated.2",) for v in verdicts.values())


def test_adding_a_forbidden_deployment_changes_no_other_verdict() -> None:
    files = {n: d for n, d in pack_files().items() if not n.startswith("tests/")}
    extra = files["catalog/deployments.yaml"].decode()
    block = extra[extra.index("  us-economy:") : extra.index("  onprem-general:")]
    added = block.replace("us-economy:", "us-shady:").replace("groups: [us-fleet]", "groups: []")
    more = {**files, "catalog/deployments.yaml": (extra.rstrip() + "\n" + added).encode()}
    small, large = compile_bundle(files), compile_bundle(more)
    found = frozenset({DataClass("CONTACT")})
    before, after = (_authorize(c, Assertions(), found) for c in (small, large))

    assert set(before.verdicts) < set(after.verdicts)
    assert {v.effect for v in set(after.verdicts) - set(before.verdicts)} == {Effect.FORBID}


@pytest.mark.parametrize("stakes", ["minimal", "limited", "high"])
def test_asserted_stakes_only_rise(stakes: str) -> None:
    compiled = _compiled([])
    request = _request(Assertions(stakes=Stakes(stakes)))
    base = base_facts(
        request, _classification(frozenset()), compiled.bundle, form=Form.RAW, now=NOW
    )
    levels = compiled.bundle.taxonomy.stakes

    raised = asserted_facts(base, request, compiled.bundle).stakes
    assert levels.index(raised) >= levels.index(base.stakes)
