"""Asking Cedar: what it can answer wrongly, and how that is a refusal here."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import cedarpy
import orjson
import pytest
from tests.unit.authorize.worlds import (
    APPLICATION,
    EU,
    GRANT,
    HOUSE,
    NOW,
    US,
    classes,
    facts,
    pack,
    ruled,
)

from transire.authorize.engine import CedarEngine, ask, context_of
from transire.bundle.compiled import CompiledBundle
from transire.bundle.entities import reference, uid
from transire.domain.authorization import Effect, Facts
from transire.domain.ids import ApplicationId, DataClass, DeploymentId
from transire.errors import GovernanceUnavailable

OVERFLOWING = """
@id("overflows") @reason("why")
forbid (principal, action in Action::"dispatch", resource)
when { context.unscannedParts * 9223372036854775807 > 1 };
"""


def _evaluate(compiled: CompiledBundle, fact: Facts | None = None) -> dict[DeploymentId, Any]:
    return dict(CedarEngine(compiled).evaluate(APPLICATION, fact or facts(), NOW)[0])


def _with_rows(compiled: CompiledBundle, *rows: dict[str, Any]) -> CompiledBundle:
    """The registry with some rows exchanged or added."""
    names = [row["uid"] for row in rows]
    kept = [row for row in compiled.entity_rows if row["uid"] not in names]
    text = orjson.dumps([*kept, *rows]).decode()
    entities = cedarpy.Entities.from_json_str(text, compiled.schema)
    return replace(compiled, entities=entities, entity_rows=(*kept, *rows))


def _row(compiled: CompiledBundle, kind: str, name: str) -> dict[str, Any]:
    row = next(row for row in compiled.entity_rows if row["uid"] == uid(kind, name))
    return {**row, "attrs": dict(row["attrs"])}


def test_every_deployment_of_the_catalog_is_judged() -> None:
    assert set(pack().bundle.catalog.deployments) == set(_evaluate(pack()))


def test_a_forbid_that_errs_denies_although_cedar_says_allow() -> None:
    found = _evaluate(ruled(GRANT + OVERFLOWING), facts(unscanned_parts=2))

    assert {(Effect.FORBID, ("overflows",))} == {(e.effect, e.errors) for e in found.values()}


def test_the_same_forbid_does_not_deny_where_it_can_be_evaluated() -> None:
    found = _evaluate(ruled(GRANT + OVERFLOWING), facts(unscanned_parts=0))

    assert {Effect.PERMIT} == {e.effect for e in found.values()}


def test_a_contract_that_a_tag_names_in_vain_denies() -> None:
    rule = """
    @id("needs-dpa") @reason("why")
    forbid (principal, action in Action::"dispatch", resource)
    when {
      principal.tenant.hasTag(resource.provider) &&
      !principal.tenant.getTag(resource.provider).dpa
    };
    """
    compiled = ruled(GRANT + rule)
    tenant = _row(compiled, "Tenant", "acme")
    tenant["tags"] = {**tenant["tags"], "nordwind": reference("Contract", "gone")}

    found = _evaluate(_with_rows(compiled, tenant))

    assert (Effect.FORBID, ("needs-dpa",)) == (found[EU].effect, found[EU].errors)
    assert found[HOUSE].effect is Effect.PERMIT


@pytest.mark.parametrize(
    "fact",
    [
        facts(data_classes=frozenset({DataClass("NO_SUCH_CLASS")})),
        facts(capabilities=frozenset({"teleport"})),
        facts(purpose="no purpose"),
        facts(stakes="no stakes"),
        facts(subject_region="Atlantis"),
        facts(unscanned_parts=2**63),
    ],
    ids=["class", "capability", "purpose", "stakes", "region", "count"],
)
def test_facts_outside_the_vocabulary_deny_everything(fact: Facts) -> None:
    found = _evaluate(ruled(GRANT), fact)

    assert {(Effect.FORBID, ("NoDecision",))} == {(e.effect, e.errors) for e in found.values()}


def test_an_application_that_does_not_exist_is_refused_before_asking() -> None:
    with pytest.raises(GovernanceUnavailable):
        CedarEngine(ruled(GRANT)).evaluate(ApplicationId("gone"), facts(), NOW)


def test_a_failing_binding_is_a_refusal_that_carries_nothing_of_it() -> None:
    bad: Any = object()

    with pytest.raises(GovernanceUnavailable) as refused:
        ask([{"principal": uid("User", "secret")}], bad, bad, None)

    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


def test_a_panic_of_the_binding_is_a_refusal_too(monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicError(BaseException):
        """As PyO3's: not an `Exception`."""

    def panic(*_: object) -> None:
        raise PanicError

    monkeypatch.setattr(cedarpy, "is_authorized_batch", panic)

    with pytest.raises(GovernanceUnavailable):
        _evaluate(ruled(GRANT))


def test_names_that_look_like_cedar_are_data_and_never_syntax() -> None:
    compiled = ruled(GRANT)
    hostile = 'x", action, resource); permit (principal'
    question = {
        "principal": uid("Application", hostile),
        "action": uid("Action", "route"),
        "resource": uid("Deployment", EU),
        "context": context_of(facts(), NOW),
    }

    (answer,) = ask([question], compiled.policies, compiled.entities, compiled.schema)

    assert not answer.is_allowed


def test_nothing_asked_is_nothing_answered() -> None:
    compiled = ruled(GRANT)

    assert ask([], compiled.policies, compiled.entities, compiled.schema) == []


def test_an_absent_fact_is_left_out_of_the_context() -> None:
    bare = orjson.loads(context_of(facts(), NOW))
    full = orjson.loads(context_of(facts(user="ana", subject_region="DE"), NOW))

    assert {"user", "subjectRegion"} == set(full) - set(bare)


def test_what_an_evaluation_says_is_remembered_for_equal_facts() -> None:
    engine = CedarEngine(pack())

    _, first = engine.evaluate(APPLICATION, facts(), NOW)
    _, second = engine.evaluate(APPLICATION, facts(), NOW + timedelta(days=1))

    assert (False, True) == (first, second)


@pytest.mark.parametrize(
    "changed", [{"data_classes": classes("PHI")}, {"stakes": "high"}, {"unscanned_parts": 1}]
)
def test_what_no_rule_reads_is_remembered_across_and_what_one_reads_is_not(
    changed: dict[str, Any],
) -> None:
    engine = CedarEngine(pack())
    engine.evaluate(APPLICATION, facts(), NOW)

    _, is_known = engine.evaluate(APPLICATION, facts(**changed), NOW)

    assert ("unscanned_parts" in changed) is is_known


def test_a_contract_that_ends_is_not_remembered_beyond_its_end() -> None:
    engine = CedarEngine(pack())
    end = pack().bundle.catalog.tenants[next(iter(pack().bundle.catalog.tenants))]
    moment = next(iter(end.contracts.values())).valid_until
    fact = facts(data_classes=classes("PERSONAL"))

    before, _ = engine.evaluate(APPLICATION, fact, moment - timedelta(milliseconds=1))
    after, is_known = engine.evaluate(APPLICATION, fact, moment)

    assert (Effect.PERMIT, Effect.FORBID) == (before[EU].effect, after[EU].effect)
    assert not is_known


def test_equal_deployments_are_asked_about_once() -> None:
    compiled = ruled(GRANT)
    twin = {**_row(compiled, "Deployment", EU), "uid": uid("Deployment", "twin")}
    compiled = _with_rows(compiled, twin)

    profiles = CedarEngine(compiled)._profiles

    assert [EU, "twin"] in profiles
    assert [US] in profiles


def test_a_deployment_that_a_rule_names_is_asked_about_alone() -> None:
    naming = f"""
    @id("named") @reason("why")
    forbid (principal, action in Action::"dispatch", resource == Deployment::"{EU}");
    """
    compiled = ruled(GRANT + naming)
    twin = {**_row(compiled, "Deployment", EU), "uid": uid("Deployment", "twin")}

    found = _evaluate(_with_rows(compiled, twin))

    assert found[EU].effect is Effect.FORBID
    assert found[DeploymentId("twin")].effect is Effect.PERMIT


def test_a_deployment_that_another_entity_names_is_asked_about_alone() -> None:
    compiled = ruled(GRANT)
    twin = {**_row(compiled, "Deployment", EU), "uid": uid("Deployment", "twin")}
    group = _row(compiled, "DeploymentGroup", "eu-fleet")
    group["attrs"]["favourite"] = reference("Deployment", EU)  # no schema of ours has this yet

    profiles = CedarEngine(
        replace(compiled, entity_rows=(*compiled.entity_rows, twin, group))
    )._profiles

    assert [EU] in profiles
    assert ["twin"] in profiles
