"""Why nothing was picked: reasons are told by what a rule does, never by how it is called."""

from dataclasses import replace
from datetime import UTC, datetime

from tests.unit.paths import COMPILED

from transire.domain.decision import Authorization, Effect, Facts, Form, Pair, Verdict
from transire.domain.ids import BundleDigest, DeploymentId, PolicyId, Purpose, Stakes
from transire.refusals import denial_reasons

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
