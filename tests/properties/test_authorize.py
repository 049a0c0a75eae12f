"""Eligibility, for any bundle: callers only narrow, forbids only take away, errors deny (I2–I5)."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeAlias

from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit.authorize.worlds import (
    APPLICATION,
    EU,
    HOUSE,
    NOW,
    asking,
    facts,
    judged,
    redacted,
    ruled,
)
from tests.unit.bundle.bundles import pack_files

from transire.authorize.cedar import CedarAuthorizer
from transire.authorize.effects import Answer, Evaluation, combine, keeping
from transire.authorize.engine import CedarEngine, ask, context_of
from transire.bundle.compile import compile_bundle
from transire.bundle.compiled import CompiledBundle
from transire.bundle.entities import uid
from transire.domain.authorization import Authorization, Effect, Facts, Form, Pair, Verdict
from transire.domain.bundle import Quarantine
from transire.domain.ids import (
    DataClass,
    DeploymentId,
    Jurisdiction,
    ProviderId,
    Purpose,
    Stakes,
    TenantId,
)
from transire.domain.request import Assertions

Rule: TypeAlias = tuple[str, str, list[tuple[bool, str]]]

CLASSES = ["PERSONAL", "CONTACT", "HEALTH", "CREDENTIAL", "CONFIDENTIAL", "PHI"]
PURPOSES = ["document_qa", "support", "clinical"]
OVERFLOW = "context.unscannedParts * 9223372036854775807 > 1"
ATOMS = [
    'context.dataClasses.contains(DataClass::"CONTACT")',
    'context.dataClasses.contains(DataClass::"HEALTH")',
    'context.dataClasses.containsAny([DataClass::"PHI", DataClass::"CREDENTIAL"])',
    'context.dataClasses == [DataClass::"PERSONAL", DataClass::"CONTACT"]',
    "context.dataClasses.isEmpty()",
    'context.purpose == Purpose::"document_qa"',
    'context.purpose == Purpose::"clinical"',
    'context.stakes == Stakes::"high"',
    'context.stakes == Stakes::"minimal"',
    "context.redacted",
    'context has user && context.user in Role::"operator"',
    "context has subjectRegion",
    "context.unscannedParts > 0",
    'context.uncoveredClasses.contains(DataClass::"PERSONAL")',
    "context.failedClasses.isEmpty()",
    'context.capabilities.contains(Capability::"store")',
    'context.now < datetime("2026-11-25T09:00:00Z")',
    'context.now <= datetime("2026-11-25T09:00:00Z")',
    'context.now == datetime("2026-11-25T09:00:00Z")',
    "principal.tenant.hasTag(resource.provider) && "
    "context.now < principal.tenant.getTag(resource.provider).validUntil",
    'resource in Jurisdiction::"EEA"',
    "resource.onPremise",
    'resource == Deployment::"eu-premium"',
    'principal.entitlements.contains(Tier::"premium")',
    OVERFLOW,
]
ARITHMETIC = [
    'context.now.toTime() < duration("9h")',
    'context.now.offset(duration("-30s")) < datetime("2026-11-25T09:00:00Z")',
]
SCOPES = [
    'action == Action::"route"',
    'action == Action::"route_unreviewed"',
    'action in Action::"dispatch"',
    'action == Action::"restore"',
    'action in [Action::"restore", Action::"restore_arguments"]',
]
GRANT = """@id("always.one")
permit (
  principal in Tenant::"acme", action == Action::"route", resource in DeploymentGroup::"on-premise"
);
"""


def _rules(atoms: list[str]) -> st.SearchStrategy[Rule]:
    return st.tuples(
        st.sampled_from(["permit", "permit", "forbid"]),
        st.sampled_from(SCOPES),
        st.lists(st.tuples(st.booleans(), st.sampled_from(atoms)), min_size=1, max_size=3),
    )


CONTACT = 'context.dataClasses.contains(DataClass::"CONTACT")'
rules = _rules(ATOMS)
bundles = st.lists(rules, min_size=1, max_size=6)
timed_bundles = st.lists(_rules(ATOMS + 3 * ARITHMETIC), min_size=1, max_size=4)
classes = st.frozensets(st.sampled_from(CLASSES).map(DataClass), max_size=3)
assertions = st.builds(
    Assertions,
    models=st.none() | st.frozensets(st.sampled_from([EU, DeploymentId("us-economy"), HOUSE])),
    purpose=st.none() | st.sampled_from(["document_qa", "clinical"]).map(Purpose),
    stakes=st.none() | st.sampled_from(["minimal", "limited", "high"]).map(Stakes),
    data_classes=classes,
    jurisdictions=st.frozensets(st.sampled_from(["DE", "EEA", "US"]).map(Jurisdiction)),
    redaction=st.none() | st.sampled_from(["require", "forbid"]),
)
contents = st.tuples(classes, st.booleans(), st.booleans())
"""Classes found, whether a scan failed, whether an image came along."""
all_facts = st.builds(
    facts,
    purpose=st.sampled_from(PURPOSES).map(Purpose),
    stakes=st.sampled_from(["minimal", "limited", "high"]).map(Stakes),
    data_classes=classes,
    failed_classes=classes,
    uncovered_classes=classes,
    unscanned_parts=st.integers(0, 3),
    capabilities=st.frozensets(st.just("store")),
    redacted=st.booleans(),
    user=st.none() | st.sampled_from(["omar", "stranger"]),
)


def _text(index: int, rule: Rule) -> str:
    effect, scope, parts = rule
    clauses = " && ".join(f"({atom})" if positive else f"!({atom})" for positive, atom in parts)
    return (
        f'@id("generated.{index}") @reason("generated")\n'
        f"{effect} (principal, {scope}, resource) when {{ {clauses} }};\n"
    )


def _compiled(generated: list[Rule]) -> CompiledBundle:
    """The pack's registry, with redaction allowed for two purposes, under generated rules."""
    compiled = ruled(GRANT + "".join(_text(i, rule) for i, rule in enumerate(generated)))
    catalog = compiled.bundle.catalog
    application = replace(
        catalog.applications[APPLICATION], purposes=(Purpose("document_qa"), Purpose("clinical"))
    )
    catalog = replace(catalog, applications={**catalog.applications, APPLICATION: application})
    return replace(compiled, bundle=replace(compiled.bundle, catalog=catalog))


def _authorize(
    compiled: CompiledBundle,
    asserted: Assertions,
    content: tuple[frozenset[DataClass], bool, bool],
    *,
    quarantine: Quarantine | None = None,
) -> Authorization:
    found, is_failed, has_image = content
    unknown = frozenset(map(DataClass, ["CREDENTIAL"])) if is_failed else frozenset()
    gaps = {"CONTACT": {"image"}} if has_image else {}
    return CedarAuthorizer(compiled).authorize(
        asking(asserted),
        judged(*found, failed=unknown, uncovered=gaps),
        redacted(judged("PSEUDONYMISED", failed=unknown, uncovered=gaps)),
        quarantine=quarantine or Quarantine(),
        now=NOW,
    )


def _is_no_more(less: Verdict, more: Verdict) -> bool:
    """`less` permits only where `more` does, and asks at least as much.

    A review that no policy asked for (nothing permits `route_unreviewed`) is any human's; a forbid
    that asks for one says whose, and takes its place.
    """
    if less.effect is Effect.FORBID:
        return True
    asked = {o for o in more.obligations if o.policy or o.kind != "review"}
    is_reviewed = bool(less.queues) or not more.queues
    return more.effect is Effect.PERMIT and asked <= set(less.obligations) and is_reviewed


def _pairwise(less: Authorization, more: Authorization) -> bool:
    others = {verdict.pair: verdict for verdict in more.verdicts}
    return {v.pair for v in less.verdicts} == set(others) and all(
        _is_no_more(verdict, others[verdict.pair]) for verdict in less.verdicts
    )


def _pairs(authorization: Authorization) -> set[Pair]:
    return {verdict.pair for verdict in authorization.permitted}


@given(bundles, assertions, contents)
def test_no_request_gets_more_than_the_same_body_without_assertions(
    generated: list[Rule], asserted: Assertions, content: tuple[frozenset[DataClass], bool, bool]
) -> None:
    compiled = _compiled(generated)
    plain = _authorize(compiled, Assertions(), content)
    narrowed = _authorize(compiled, asserted, content)

    assert _pairwise(narrowed, plain)


@given(bundles, assertions, assertions, contents)
def test_a_limit_added_to_assertions_never_opens_a_pair(
    generated: list[Rule],
    asserted: Assertions,
    further: Assertions,
    content: tuple[frozenset[DataClass], bool, bool],
) -> None:
    compiled = _compiled(generated)
    before = _authorize(compiled, replace(asserted, models=None, redaction=None), content)
    limited = replace(asserted, models=further.models, redaction=further.redaction)

    assert _pairwise(_authorize(compiled, limited, content), before)


@given(bundles, rules, assertions, contents)
@example(
    [("permit", 'action == Action::"route"', [(False, CONTACT)])],
    ("permit", 'action == Action::"route_unreviewed"', [(False, CONTACT)]),
    Assertions(),
    (frozenset(), False, False),
)
def test_a_new_forbid_never_opens_a_pair(
    generated: list[Rule],
    added: Rule,
    asserted: Assertions,
    content: tuple[frozenset[DataClass], bool, bool],
) -> None:
    before = _authorize(_compiled(generated), asserted, content)
    after = _authorize(_compiled([*generated, ("forbid", *added[1:])]), asserted, content)

    assert _pairwise(after, before)


@given(bundles, assertions, contents, st.sampled_from(["nordwind", "atlantic", "acme-it"]))
def test_a_quarantine_never_opens_a_pair_and_closes_all_of_its_target(
    generated: list[Rule],
    asserted: Assertions,
    content: tuple[frozenset[DataClass], bool, bool],
    provider: str,
) -> None:
    compiled = _compiled(generated)
    blocked = Quarantine(version=1, providers=frozenset({ProviderId(provider)}))
    free = _authorize(compiled, asserted, content)
    quarantined = _authorize(compiled, asserted, content, quarantine=blocked)
    deployments = compiled.bundle.catalog.deployments

    assert _pairwise(quarantined, free)
    assert all(deployments[v.pair.deployment].provider != provider for v in quarantined.permitted)
    assert {
        pair for pair in _pairs(free) if deployments[pair.deployment].provider != provider
    } == _pairs(quarantined)


@given(bundles, assertions, contents)
def test_a_redacted_form_changes_no_raw_verdict(
    generated: list[Rule], asserted: Assertions, content: tuple[frozenset[DataClass], bool, bool]
) -> None:
    compiled = _compiled(generated)
    both = _authorize(compiled, asserted, content)
    found, is_failed, has_image = content
    alone = CedarAuthorizer(compiled).authorize(
        asking(asserted),
        judged(
            *found,
            failed=frozenset(map(DataClass, ["CREDENTIAL"])) if is_failed else frozenset(),
            uncovered={"CONTACT": {"image"}} if has_image else {},
        ),
        None,
        quarantine=Quarantine(),
        now=NOW,
    )

    assert alone.verdicts == tuple(v for v in both.verdicts if v.pair.form is Form.RAW)


@given(timed_bundles, st.lists(all_facts, min_size=1, max_size=2), st.integers(-70_000, 70_000))
def test_profiles_and_memo_answer_as_asking_one_by_one_does(
    generated: list[Rule], many: list[Facts], shift_ms: int
) -> None:
    compiled = _compiled(generated)
    engine, now = CedarEngine(compiled), NOW + timedelta(milliseconds=shift_ms)
    for fact in many:
        for moment in (now, NOW, now + timedelta(milliseconds=1), now):
            found, _ = engine.evaluate(APPLICATION, fact, moment)
            for name, evaluation in found.items():
                assert _one_by_one(compiled, name, fact, engine.judged(moment)) == evaluation


def _one_by_one(
    compiled: CompiledBundle, deployment: str, fact: Facts, moment: datetime
) -> Evaluation:
    def answer(action: str) -> Answer:
        return ask(
            [
                {
                    "principal": uid("Application", APPLICATION),
                    "action": uid("Action", action),
                    "resource": uid("Deployment", deployment),
                    "context": context_of(fact, moment),
                }
            ],
            compiled.policies,
            compiled.entities,
            compiled.schema,
        )[0]

    route, annotations = answer("route"), compiled.bundle.annotations
    unreviewed = answer("route_unreviewed") if route.is_allowed else None
    evaluation = combine(route, unreviewed, annotations)
    if not fact.redacted or not route.is_allowed:
        return evaluation
    restore = answer("restore")
    return keeping(evaluation, restore, answer("restore_arguments") if restore.is_allowed else None)


@given(bundles, all_facts)
def test_whatever_errs_is_forbidden(generated: list[Rule], fact: Facts) -> None:
    erring: Rule = ("forbid", SCOPES[2], [(True, OVERFLOW)])
    compiled = _compiled([*generated, erring])

    verdicts = CedarAuthorizer(compiled).verdicts(
        APPLICATION, replace(fact, unscanned_parts=2), NOW
    )

    assert {v.effect for v in verdicts.values()} == {Effect.FORBID}
    assert all(f"generated.{len(generated)}" in v.errors for v in verdicts.values())


@given(bundles, assertions, contents)
def test_recorded_facts_lead_to_the_same_evaluation_again(
    generated: list[Rule], asserted: Assertions, content: tuple[frozenset[DataClass], bool, bool]
) -> None:
    compiled = _compiled(generated)
    first = _authorize(compiled, asserted, content)
    again = {
        Form(form): (Facts.from_json(base.to_json()), Facts.from_json(other.to_json()))
        for form, (base, other) in first.facts.items()
    }
    replayed = CedarAuthorizer(compiled).assemble(
        APPLICATION,
        TenantId("acme"),
        again,
        asserted,
        quarantine=Quarantine(),
        now=first.evaluated_at,
    )

    assert first.evaluation == replayed.evaluation
    assert first.evaluation_digest == replayed.evaluation_digest


@given(assertions, contents)
def test_a_forbidden_deployment_more_changes_no_other_verdict(
    asserted: Assertions, content: tuple[frozenset[DataClass], bool, bool]
) -> None:
    asserted = replace(asserted, purpose=None)
    before, after = (_authorize(c, asserted, content) for c in (SMALL, LARGE))
    added = {v for v in after.verdicts if v.pair.deployment == "us-shady"}

    assert set(after.verdicts) - added == set(before.verdicts)
    assert {v.effect for v in added} == {Effect.FORBID}


def _with_one_more(files: dict[str, bytes]) -> dict[str, bytes]:
    """The pack's files and a deployment in no group, which no grant reaches."""
    text = files["catalog/deployments.yaml"].decode()
    block = text[text.index("  us-economy:") : text.index("  onprem-general:")]
    added = block.replace("us-economy:", "us-shady:").replace("groups: [us-fleet]", "groups: []")
    return {**files, "catalog/deployments.yaml": (text.rstrip() + "\n" + added).encode()}


FILES = {n: d for n, d in pack_files().items() if not n.startswith("tests/")}
SMALL, LARGE = compile_bundle(FILES), compile_bundle(_with_one_more(FILES))
