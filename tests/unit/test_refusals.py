"""Why nothing was picked: reasons are told by what a rule does, never by how it is called."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.conftest import FakeClock
from tests.unit.paths import COMPILED, FakeHealth, Path, request

from transire.domain.authorization import Authorization, Effect, Facts, Form, Pair, Verdict
from transire.domain.classification import Classification, Finding, Signals
from transire.domain.decision import Case
from transire.domain.ids import BundleDigest, DataClass, DeploymentId, PolicyId, Purpose, Stakes
from transire.domain.ranking import Ranking
from transire.domain.request import Assertions, Body, Part, PartKind
from transire.errors import TransireError
from transire.refusals import denial_reasons, refuse_empty

_GRANT = PolicyId("acme.may-use-eu")
_FORBID = PolicyId("grant.never-on-sundays")
_BUNDLE = replace(
    COMPILED.bundle,
    annotations={
        _GRANT: {"reason": "Acme may use every EU deployment"},
        _FORBID: {"reason": "Nothing runs on Sundays"},
    },
    permits=frozenset({_GRANT}),
)
_FACTS = Facts(
    purpose=Purpose("support"),
    stakes=Stakes("low"),
    data_classes=frozenset(),
    failed_classes=frozenset(),
    uncovered_classes=frozenset(),
    unscanned_parts=0,
    capabilities=frozenset(),
    redacted=False,
)


def authorization(*verdicts: Verdict) -> Authorization:
    return Authorization(
        verdicts=verdicts,
        facts={Form.RAW: (_FACTS, _FACTS)},
        bundle_digest=BundleDigest("b"),
        quarantine_version=0,
        evaluated_at=datetime(2026, 11, 25, tzinfo=UTC),
        evaluation=b"",
        evaluation_digest="",
    )


def forbidden(name: str, *policies: PolicyId, limits: tuple[str, ...] = ()) -> Verdict:
    pair = Pair(deployment=DeploymentId(name), form=Form.RAW)
    return Verdict(pair=pair, effect=Effect.FORBID, policies=policies, limits=limits)


def test_a_grant_beside_a_limit_is_no_reason_whatever_it_is_called() -> None:
    reasons = denial_reasons(
        authorization(forbidden("eu", _GRANT, limits=("quarantine",))), _BUNDLE
    )

    assert reasons == [("quarantine", "what would be permitted is quarantined")]


def test_a_forbid_is_a_reason_even_if_it_is_called_a_grant() -> None:
    reasons = denial_reasons(authorization(forbidden("eu", _FORBID)), _BUNDLE)

    assert reasons == [(_FORBID, "Nothing runs on Sundays")]


def test_what_decided_most_pairs_is_told_first() -> None:
    reasons = denial_reasons(
        authorization(
            forbidden("a", limits=("quarantine",)), forbidden("b", _FORBID), forbidden("c", _FORBID)
        ),
        _BUNDLE,
    )

    assert [name for name, _ in reasons] == [_FORBID, "quarantine"]


def test_a_compiled_bundle_knows_what_its_rules_do() -> None:
    permits = COMPILED.bundle.permits

    assert {p for p in permits if p.startswith("limits.")} == set()
    assert {p for p in COMPILED.bundle.annotations if p.startswith("grant.")} <= permits


def dropped(name: str, **changes: Any) -> Case:
    """A request that every permitted deployment was too little for."""
    signals = Signals(task="translation", cues=("translation",))
    pairs = [Pair(deployment=DeploymentId(d), form=Form.RAW) for d in ("us-economy", "eu-medical")]
    verdicts = tuple(Verdict(pair=pair, effect=Effect.PERMIT) for pair in pairs)
    return Case(
        request=request(**changes),
        classification=Classification(
            findings=(),
            states=(),
            found=frozenset(),
            failed=frozenset(),
            uncovered={},
            detector_digest="d",
            signals=signals,
        ),
        redaction=None,
        authorization=authorization(*verdicts),
        ranking=Ranking(
            candidates=(),
            filtered=tuple((pair, name) for pair in pairs),
            reason="none",
            scorer_digest="s",
            seed=1,
            target_ms=1,
            near_tie_permille=0,
        ),
    )


def refused(case: Case) -> TransireError:
    return refuse_empty(case, Path(clock=FakeClock()).governed(), FakeHealth())


def test_a_floor_is_told_with_who_set_it_and_the_best_there_is() -> None:
    error = refused(dropped("quality"))

    assert error.message.endswith("quality floor 0.75 of task `translation`; the best has 0.5")
    assert error.param is None


def test_only_the_callers_own_floor_names_the_callers_field() -> None:
    asserted = Assertions(min_quality_permille=990)
    error = refused(dropped("quality", assertions=asserted))

    assert "quality floor 0.99 of `min_quality`; the best has 0.5" in error.message
    assert error.param == "transire.min_quality"


def test_too_many_output_tokens_are_not_called_a_long_request() -> None:
    body = replace(request().body, max_output_tokens=100_000)
    error = refused(dropped("context", body=body))

    deployments = COMPILED.bundle.catalog.deployments
    most = max(deployments[DeploymentId(d)].max_output_tokens for d in ("us-economy", "eu-medical"))
    assert error.param == "max_tokens"
    assert error.message.endswith(f"room for: {most} fit")


def test_a_request_that_is_itself_too_long_is_still_called_so() -> None:
    body = replace(request().body, max_output_tokens=10, tokens_estimate=10_000_000)
    error = refused(dropped("context", body=body))

    assert (error.param, error.message) == (
        None,
        "the request is too long for every permitted deployment",
    )


@pytest.mark.parametrize(
    ("name", "param"),
    [("max_cost", "transire.max_cost_usd"), ("max_latency", "transire.max_latency_ms")],
)
def test_a_bound_only_the_caller_sets_names_the_callers_field(name: str, param: str) -> None:
    assert refused(dropped(name)).param == param


def denied_with(findings: tuple[Finding, ...], body: Body) -> TransireError:
    case = dropped("quality", body=body)
    seen = replace(case.classification, findings=findings)
    closed = authorization(forbidden("eu", _FORBID))
    bundle = replace(Path(clock=FakeClock()).governed(), bundle=_BUNDLE)
    return refuse_empty(
        replace(case, classification=seen, authorization=closed), bundle, FakeHealth()
    )


def test_a_credential_is_named_by_its_message_never_by_what_is_deeper() -> None:
    part = Part(
        pointer=("messages", 2, "tool_calls", 0, "s3cret"),
        kind=PartKind.TEXT,
        text="key: s3cret",
        role="user",
    )
    found = Finding(
        part=0,
        start=5,
        end=11,
        entity="PASSWORD",
        data_class=DataClass("CREDENTIAL"),
        score_pct=90,
    )
    error = denied_with((found, found), replace(request().body, parts=(part,)))

    assert error.param == "messages[2]"
    assert error.message.endswith("; remove the CREDENTIAL in `messages[2]` and send again")
    assert "s3cret" not in error.message


def test_fields_that_change_where_data_goes_are_named_a_few_and_the_rest_counted() -> None:
    fields = ("store", *(f"tools[{i}]" for i in range(6)))
    error = denied_with((), replace(request().body, asked_by=fields))

    assert "`store`, `tools[0]`, `tools[1]`, `tools[2]`, `tools[3]` and 2 more" in error.message
    assert error.param is None
