"""The stage: what one request is permitted, and what its record says of that."""

import hashlib
from datetime import timedelta
from typing import Any

import orjson
import pytest
from tests.unit.authorize.worlds import (
    APPLICATION,
    EU,
    GRANT,
    HOUSE,
    NOW,
    US,
    acceptance,
    asking,
    classes,
    facts,
    judged,
    pack,
    redacted,
    ruled,
    with_acceptances,
    with_application,
)

from transire.authorize.cedar import CedarAuthorizer
from transire.bundle.compiled import CompiledBundle
from transire.domain.authorization import Authorization, Effect, Form, Obligation, Pair, Verdict
from transire.domain.bundle import Quarantine
from transire.domain.classification import Classification, PartState, Redaction
from transire.domain.ids import Purpose, Stakes, TenantId
from transire.domain.request import Assertions
from transire.errors import AuthenticationError, RequestError

FREE = Quarantine()
PURPOSE_BOUND = """
@id("grant.clinical")
permit (principal in Tenant::"acme", action in Action::"dispatch", resource)
when { context.purpose == Purpose::"clinical" };
"""
CONFIDENTIAL_ONLY = """
@id("grant.confidential")
permit (principal in Tenant::"acme", action in Action::"dispatch", resource)
when { context.dataClasses.contains(DataClass::"CONFIDENTIAL") };
"""
NO_CONTACT = """
@id("no-contact") @reason("why")
forbid (principal, action in Action::"dispatch", resource)
when { context.dataClasses.contains(DataClass::"CONTACT") };
"""
CAREFUL = """
@id("review.placeholders") @reason("why") @queue("high-stakes")
forbid (principal, action == Action::"route_unreviewed", resource)
when { context.dataClasses.contains(DataClass::"PSEUDONYMISED") };
"""


def _authorize(
    compiled: CompiledBundle,
    assertions: Assertions | None = None,
    *found: str,
    redaction: Redaction | None = None,
    quarantine: Quarantine = FREE,
    **classified: Any,
) -> Authorization:
    return CedarAuthorizer(compiled).authorize(
        asking(assertions),
        judged(*found, **classified),
        redaction,
        quarantine=quarantine,
        now=NOW,
    )


def _of(authorization: Authorization, deployment: Any, form: Form = Form.RAW) -> Verdict:
    found = authorization.verdict(Pair(deployment=deployment, form=form))
    assert found is not None
    return found


def test_every_deployment_has_a_raw_verdict_and_without_redaction_no_other() -> None:
    authorization = _authorize(pack())

    expected = {Pair(deployment=d, form=Form.RAW) for d in pack().bundle.catalog.deployments}
    assert expected == {verdict.pair for verdict in authorization.verdicts}


def test_personal_data_stays_where_a_contract_covers_it() -> None:
    authorization = _authorize(pack(), None, "CONTACT")

    assert _of(authorization, EU).effect is Effect.PERMIT
    assert ("contract.dpa-in-force", "residency.personal") == _of(authorization, US).policies


def test_a_purpose_bound_grant_needs_a_key_of_that_purpose() -> None:
    compiled = with_application(
        ruled(PURPOSE_BOUND), purposes=(Purpose("document_qa"), Purpose("clinical"))
    )
    claimed = Assertions(purpose=Purpose("clinical"))
    held = asking(purpose=Purpose("clinical"))

    by_claim = _authorize(compiled, claimed)
    by_key = CedarAuthorizer(compiled).authorize(held, judged(), None, quarantine=FREE, now=NOW)

    assert {Effect.FORBID} == {verdict.effect for verdict in by_claim.verdicts}
    assert {Effect.PERMIT} == {verdict.effect for verdict in by_key.verdicts}


def test_a_claim_that_gives_a_grant_away_is_taken_at_its_word() -> None:
    compiled = with_application(
        ruled(PURPOSE_BOUND), purposes=(Purpose("clinical"), Purpose("document_qa"))
    )
    request = asking(Assertions(purpose=Purpose("document_qa")), purpose=Purpose("clinical"))

    found = CedarAuthorizer(compiled).authorize(request, judged(), None, quarantine=FREE, now=NOW)

    assert found.permitted == ()


def test_an_asserted_class_cannot_satisfy_a_grant() -> None:
    claims = Assertions(data_classes=classes("CONFIDENTIAL"))

    assert _authorize(ruled(CONFIDENTIAL_ONLY), claims).permitted == ()
    assert _authorize(ruled(CONFIDENTIAL_ONLY), claims, "CONFIDENTIAL").permitted != ()


def test_asserted_stakes_add_a_review_that_the_facts_do_not_ask_for() -> None:
    plain = _of(_authorize(pack()), EU)
    careful = _of(_authorize(pack(), Assertions(stakes=Stakes("high"))), EU)

    assert (frozenset(), frozenset({"high-stakes"})) == (plain.queues, careful.queues)


def test_redaction_opens_the_redacted_form_alone_and_obliges_to_it() -> None:
    compiled = ruled(GRANT + NO_CONTACT)

    found = _authorize(compiled, None, "CONTACT", redaction=redacted(judged()))

    raw, other = _of(found, EU), _of(found, EU, Form.REDACTED)
    assert (Effect.FORBID, ("no-contact",)) == (raw.effect, raw.policies)
    kinds = ("irreversible", "irreversible_arguments", "redact")
    expected = tuple(Obligation(kind=kind) for kind in kinds)
    assert (Effect.PERMIT, expected) == (other.effect, other.obligations)


RESTORE = """
@id("restore") permit (principal, action == Action::"restore", resource)
when { context.redacted };
"""
ARGUMENTS = """
@id("restore.arguments") permit (principal, action == Action::"restore_arguments", resource)
when { context.redacted };
"""
NOT_CLINICAL = """
@id("no-restore") @reason("why")
forbid (principal, action == Action::"restore", resource)
when { context.purpose == Purpose::"clinical" };
"""
ERRING = """
@id("erring") @reason("why")
forbid (principal, action == Action::"restore", resource)
when { context.unscannedParts + 9223372036854775807 > 0 };
"""


@pytest.mark.parametrize(
    ("rules", "restores"),
    [
        ("", (False, False)),
        (ARGUMENTS, (False, False)),
        (RESTORE, (True, False)),
        (RESTORE + ARGUMENTS, (True, True)),
        (RESTORE + ARGUMENTS + NOT_CLINICAL, (True, True)),
    ],
)
def test_values_come_back_where_policy_says_so(rules: str, restores: tuple[bool, bool]) -> None:
    found = _authorize(ruled(GRANT + rules), None, "CONTACT", redaction=redacted(judged()))

    verdict = _of(found, EU, Form.REDACTED)
    assert (verdict.is_reversible, verdict.restores_arguments) == restores
    assert not _of(found, EU).is_reversible


def test_an_assertion_never_brings_a_value_back_and_may_keep_it() -> None:
    compiled = with_application(
        ruled(GRANT + RESTORE + NOT_CLINICAL),
        purposes=(Purpose("document_qa"), Purpose("clinical")),
        redaction=True,
    )
    claimed = Assertions(purpose=Purpose("clinical"))
    plain = _authorize(compiled, None, "CONTACT", redaction=redacted(judged()))
    narrowed = _authorize(compiled, claimed, "CONTACT", redaction=redacted(judged()))

    assert _of(plain, EU, Form.REDACTED).is_reversible
    verdict = _of(narrowed, EU, Form.REDACTED)
    assert not verdict.is_reversible
    assert "no-restore" in {obligation.policy for obligation in verdict.obligations}


def test_a_rule_that_errs_on_restoring_keeps_the_values() -> None:
    unread = (PartState.NOT_SCANNED,)  # what the sum overflows by
    found = _authorize(
        ruled(GRANT + RESTORE + ERRING),
        None,
        "CONTACT",
        redaction=redacted(judged(states=unread)),
        states=unread,
    )

    verdict = _of(found, EU, Form.REDACTED)
    assert (verdict.effect, verdict.is_reversible) == (Effect.PERMIT, False)


def test_an_asserted_class_survives_redaction() -> None:
    claims = Assertions(data_classes=classes("CONTACT"))

    found = _authorize(ruled(GRANT + NO_CONTACT), claims, "CONTACT", redaction=redacted(judged()))

    assert found.permitted == ()


def test_a_redacted_form_is_always_known_to_hold_placeholders() -> None:
    found = _authorize(ruled(GRANT + CAREFUL), None, "CONTACT", redaction=redacted(judged()))

    assert frozenset() == _of(found, EU).queues
    assert frozenset({"high-stakes"}) == _of(found, EU, Form.REDACTED).queues


def test_an_application_that_may_not_redact_gets_no_redacted_form() -> None:
    compiled = with_application(ruled(GRANT), redaction=False)

    found = _authorize(compiled, None, "CONTACT", redaction=redacted(judged()))

    assert {Form.RAW} == {verdict.pair.form for verdict in found.verdicts}


@pytest.mark.parametrize(("asked", "form"), [("require", Form.REDACTED), ("forbid", Form.RAW)])
def test_a_caller_can_ask_for_one_form_alone(asked: str, form: Form) -> None:
    found = _authorize(
        ruled(GRANT), Assertions(redaction=asked), "CONTACT", redaction=redacted(judged())
    )

    assert {form} == {verdict.pair.form for verdict in found.permitted}


def test_a_quarantine_closes_at_once_what_was_remembered_as_open() -> None:
    authorizer = CedarAuthorizer(ruled(GRANT))
    closing = Quarantine(version=1, deployments=frozenset({EU}))

    def ask(quarantine: Quarantine) -> Authorization:
        return authorizer.authorize(asking(), judged(), None, quarantine=quarantine, now=NOW)

    before, after, lifted = ask(FREE), ask(closing), ask(Quarantine(version=2))

    effects = [_of(found, EU).effect for found in (before, after, lifted)]
    assert [Effect.PERMIT, Effect.FORBID, Effect.PERMIT] == effects
    assert ("quarantine",) == _of(after, EU).limits
    assert [0, 1, 2] == [found.quarantine_version for found in (before, after, lifted)]


def test_what_a_limit_closes_keeps_no_obligation() -> None:
    found = _authorize(pack(), Assertions(stakes=Stakes("high"), models=frozenset({HOUSE})))

    assert ((), ("asserted.model",)) == (_of(found, EU).obligations, _of(found, EU).limits)


def test_an_acceptance_is_read_anew_for_each_request() -> None:
    expires = NOW + timedelta(seconds=1)
    authorizer = CedarAuthorizer(
        with_acceptances(pack(), acceptance("names", "IDENTITY", expires=expires))
    )
    gap = judged(uncovered={"IDENTITY": {"text"}})

    def ask(moment: Any) -> Authorization:
        return authorizer.authorize(asking(), gap, None, quarantine=FREE, now=moment)

    before, after = ask(NOW), ask(expires)

    assert (Effect.PERMIT, Effect.FORBID) == (_of(before, US).effect, _of(after, US).effect)
    assert ("names",) == before.facts[Form.RAW][0].acceptances


def test_a_second_equal_request_is_a_memo_hit_with_the_same_bytes() -> None:
    authorizer = CedarAuthorizer(pack())

    def ask(classification: Classification) -> Authorization:
        return authorizer.authorize(
            asking(Assertions(stakes=Stakes("high"))),
            classification,
            None,
            quarantine=FREE,
            now=NOW,
        )

    first, other, again = ask(judged("CONTACT")), ask(judged("HEALTH")), ask(judged("CONTACT"))

    assert [False, False, True] == [f.is_memo_hit for f in (first, other, again)]
    assert (first.evaluation, first.evaluation_digest) == (
        again.evaluation,
        again.evaluation_digest,
    )
    assert first.evaluation != other.evaluation


def test_a_memo_hit_still_carries_this_requests_own_facts() -> None:
    authorizer = CedarAuthorizer(ruled(GRANT))

    def ask(*found: str) -> Authorization:
        return authorizer.authorize(asking(), judged(*found), None, quarantine=FREE, now=NOW)

    ask("CONTACT")
    again = ask("CONFIDENTIAL")

    assert again.is_memo_hit
    assert classes("CONFIDENTIAL") == again.facts[Form.RAW][0].data_classes


def test_what_was_remembered_without_assertions_is_no_answer_to_a_request_with_them() -> None:
    authorizer = CedarAuthorizer(ruled(GRANT + NO_CONTACT))

    def ask(assertions: Assertions) -> Authorization:
        return authorizer.authorize(asking(assertions), judged(), None, quarantine=FREE, now=NOW)

    plain, claimed = ask(Assertions()), ask(Assertions(data_classes=classes("CONTACT")))

    assert EU in {verdict.pair.deployment for verdict in plain.permitted}
    assert claimed.permitted == ()
    assert ask(Assertions()).permitted == plain.permitted


def test_limits_alone_make_a_new_evaluation_without_asking_cedar() -> None:
    authorizer = CedarAuthorizer(pack())

    def ask(**asserted: Any) -> Authorization:
        request = asking(Assertions(**asserted))
        return authorizer.authorize(request, judged(), None, quarantine=FREE, now=NOW)

    whole, narrowed = ask(), ask(models=frozenset({EU}))

    assert narrowed.is_memo_hit
    assert whole.evaluation_digest != narrowed.evaluation_digest
    assert {EU} == {verdict.pair.deployment for verdict in narrowed.permitted}


def test_the_evaluation_is_every_verdict_in_canonical_json() -> None:
    found = _authorize(pack(), Assertions(stakes=Stakes("high")), "CONTACT")

    rows = orjson.loads(found.evaluation)

    assert sorted(pack().bundle.catalog.deployments) == [row["deployment"] for row in rows]
    assert orjson.dumps(rows, option=orjson.OPT_SORT_KEYS) == found.evaluation
    assert hashlib.sha256(found.evaluation).hexdigest() == found.evaluation_digest
    assert rows[[row["deployment"] for row in rows].index(EU)] == {
        "deployment": EU,
        "form": "raw",
        "effect": "permit",
        "policies": ["grant.acme.eu-fleet"],
        "obligations": [{"kind": "review", "queue": "high-stakes", "policy": "review.high-stakes"}],
        "limits": [],
        "errors": [],
    }


def test_an_unknown_name_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(RequestError, match=r"data_classes"):
        _authorize(pack(), Assertions(data_classes=classes("NOPE")))


def test_a_key_of_another_tenant_is_refused() -> None:
    with pytest.raises(AuthenticationError):
        CedarAuthorizer(pack()).authorize(
            asking(tenant=TenantId("globex")), judged(), None, quarantine=FREE, now=NOW
        )


def test_policy_tests_see_cedar_alone() -> None:
    found = CedarAuthorizer(pack()).verdicts(APPLICATION, facts(redacted=True), NOW)

    assert {Form.REDACTED} == {verdict.pair.form for verdict in found.values()}
    assert {()} == {verdict.limits for verdict in found.values()}
    expected = (Obligation(kind="irreversible_arguments"), Obligation(kind="redact"))
    assert expected == found[EU].obligations
