from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.unit.bundle.bundles import small_files
from tests.unit.bundle.test_moderators import MODERATOR

from transire.bundle.compile import compile_bundle
from transire.domain.authorization import Effect, Facts, Form, Obligation, Pair, Verdict
from transire.domain.ids import ApplicationId, DeploymentId, PolicyId
from transire.domain.receiving import Reception
from transire.errors import BundleError
from transire.workbench.test import TestReport, run_tests

HEAD = """\
name: t
now: 2026-11-25T09:00:00Z
principals: {desk: {application: helpdesk}}
facts: {plain: {}, mail: {data_classes: [CONTACT]}}
"""


class Oracle:
    """Answers every question with one verdict, and keeps what it was asked."""

    def __init__(self, effect: str = "permit", *, errors: tuple[str, ...] = ()) -> None:
        self.asked: list[tuple[str, Facts, datetime]] = []
        self._effect = effect
        self._errors = errors

    def verdicts(
        self, application: ApplicationId, facts: Facts, now: datetime
    ) -> Mapping[DeploymentId, Verdict]:
        self.asked.append((application, facts, now))
        queues = (Obligation(kind="review", queue="careful", policy="grant.fleet"),)
        verdict = Verdict(
            pair=Pair(deployment=DeploymentId("eu-one"), form=Form.RAW),
            effect=Effect.FORBID if self._effect == "deny" else Effect.PERMIT,
            obligations=queues if self._effect == "review" else (),
            policies=(PolicyId("grant.fleet"),),
            errors=self._errors,
        )
        return {DeploymentId("eu-one"): verdict}

    def judges_answers(self, application: ApplicationId | None) -> bool:
        return False

    def reception(self, *_: Any) -> Reception:
        raise AssertionError("no case here is about answers")

    def shadow(self, *_: Any, **__: Any) -> tuple[PolicyId, ...]:
        return (PolicyId("grant.fleet"),) if self._effect == "permit" else ()

    def cache(self, *_: Any, **__: Any) -> tuple[PolicyId, ...]:
        return self.shadow()

    def judge(self, *_: Any, **__: Any) -> tuple[PolicyId, ...]:
        return self.shadow()

    def moderate(self, *_: Any) -> tuple[PolicyId, ...]:
        return self.shadow()

    def allows(
        self,
        person: str,
        action: str,
        resource: Mapping[str, Any],
        *,
        now: datetime,
        solo: bool = False,
    ) -> bool:
        return self._effect == "permit"


def run(tests: str, oracle: Oracle) -> TestReport:
    files = small_files() | {"tests/a_test.yaml": (HEAD + tests).encode()}
    return run_tests(compile_bundle(files), oracle)


def case(expected: str, facts: str = "plain") -> str:
    return (
        "tests:\n  - name: c\n    principals: [desk]\n"
        f"    facts: [{facts}]\n    deployments: [eu-one]\n    expected: {expected}\n"
    )


@pytest.mark.parametrize("effect", ["permit", "review", "deny"])
@pytest.mark.parametrize("expected", ["permit", "review", "deny"])
def test_a_cell_passes_only_with_the_expected_effect(effect: str, expected: str) -> None:
    report = run(case(f"[{{effect: {expected}}}]"), Oracle(effect))

    assert (report.failures == ()) == (effect == expected)


def test_a_cell_that_is_not_listed_must_be_denied() -> None:
    assert run(case("[]"), Oracle("deny")).failures == ()
    report = run(case("[]"), Oracle("permit"))
    place = "tests/a_test.yaml:6: c: `desk` × `plain` → `eu-one`"
    assert [str(f) for f in report.failures] == [
        f"{place}: expected deny, got permit by grant.fleet"
    ]


def test_an_evaluation_error_fails_whatever_was_expected() -> None:
    report = run(case("[{effect: deny}]"), Oracle("deny", errors=("grant.fleet",)))

    assert "policies failed to evaluate: grant.fleet" in str(report.failures[0])


def test_named_policies_must_be_among_the_determining_ones() -> None:
    wanted = "[{effect: permit, policies: [people.propose]}]"

    assert "not by people.propose but grant.fleet" in str(
        run(case(wanted), Oracle("permit")).failures[0]
    )


def test_named_queues_must_be_exactly_those_that_review() -> None:
    assert run(case("[{effect: review, queues: [careful]}]"), Oracle("review")).failures == ()
    assert run(case("[{effect: review, queues: [default]}]"), Oracle("review")).failures != ()


def test_facts_are_closed_upward_and_now_is_fixed() -> None:
    oracle = Oracle("permit")
    run(case("[{effect: permit}]", facts="mail"), oracle)

    application, facts, now = oracle.asked[0]
    assert application == "helpdesk"
    assert facts.data_classes == {"CONTACT", "PERSONAL"}
    assert (facts.purpose, facts.stakes) == ("support", "limited")
    assert now == datetime(2026, 11, 25, 9, 0, tzinfo=UTC)


def test_people_who_are_not_listed_must_not_be_allowed() -> None:
    acts = "acts:\n  - {name: a, people: [ana, ben], actions: [propose], on: {bundle_by: ana}, allowed: [ana]}\n"  # noqa: E501

    report = run(acts, Oracle("permit"))

    assert [(f.about, f.expected) for f in report.failures] == [("`ben` propose", "denied")]


def test_a_bundle_without_tests_has_passed_none() -> None:
    assert run_tests(compile_bundle(small_files()), Oracle()).cells == 0


def test_a_policy_that_no_cell_shows_is_named() -> None:
    assert "limits.credential-found" in run(case("[]"), Oracle("deny")).uncovered


@pytest.mark.parametrize(
    ("tests", "problem"),
    [
        (case("[{effect: maybe}]"), "`tests.0.expected.0.effect`"),
        (case("[{effect: deny, facts: [mail]}]"), "no facts of this test is called `mail`"),
        (case("[{effect: deny, policies: [nope]}]"), "no policy is called `nope`"),
        (case("[{effect: review, queues: [nope]}]"), "no queue is called `nope`"),
        (case("[{effect: deny}, {effect: permit}]"), "two expectations are about desk × plain"),
        (case("[]", facts="nope"), "no facts of this file is called `nope`"),
        ("deployments: {x: [eu-two]}\n", "no deployment is called `eu-two`"),
        ("test: []\n", "`test`: extra inputs"),
        (
            "acts:\n  - {name: a, people: [eve], actions: [propose], on: {bundle_by: ana}}\n",
            "no person is called `eve`",
        ),
        (
            "acts:\n  - {name: a, people: [ana], actions: [propose], on: {}}\n",
            "exactly one target is needed",
        ),
    ],
)
def test_a_test_file_that_names_what_does_not_exist_is_refused(tests: str, problem: str) -> None:
    with pytest.raises(BundleError) as refused:
        run(tests, Oracle())

    assert problem in refused.value.problems[0]
    assert refused.value.problems[0].startswith("tests/a_test.yaml:")


@pytest.mark.parametrize("effect", ["permit", "deny"])
@pytest.mark.parametrize("expected", ["true", "false"])
def test_a_shadow_passes_only_where_it_may_be_sent_as_expected(effect: str, expected: str) -> None:
    report = run(shadow(expected), Oracle(effect))

    assert (report.failures == ()) == ((effect == "permit") == (expected == "true"))


@pytest.mark.parametrize(("effect", "expected"), [("permit", "true"), ("deny", "false")])
def test_a_judge_passes_only_where_it_may_be_asked_as_expected(effect: str, expected: str) -> None:
    judges = shadow(expected).replace("shadows:", "judges:").replace("shadowed:", "judged:")
    wrong = "false" if expected == "true" else "true"

    report, other = (
        run(text, Oracle(effect)) for text in (judges, judges.replace(expected, wrong))
    )

    assert (report.cells, report.failures) == (1, ())
    assert [f.test for f in other.failures] == ["s"]


def test_a_shadow_that_another_rule_permits_is_not_as_expected() -> None:
    report = run(shadow("true", policies="[people.propose]"), Oracle("permit"))

    assert "not by people.propose but grant.fleet" in str(report.failures[0])


def test_a_shadow_of_what_does_not_exist_is_refused() -> None:
    with pytest.raises(BundleError) as refused:
        run(shadow("true", policies="[nobody]"), Oracle("permit"))

    assert "no policy is called `nobody`" in refused.value.problems[0]


@pytest.mark.parametrize("effect", ["permit", "deny"])
@pytest.mark.parametrize("expected", ["true", "false"])
def test_a_moderation_passes_only_where_texts_may_go_as_expected(
    effect: str, expected: str
) -> None:
    report = run_tests(
        compile_bundle(moderated_files(expected), must_hold_limits=False), Oracle(effect)
    )

    assert (report.failures == ()) == ((effect == "permit") == (expected == "true"))


def test_a_deployment_that_answers_is_no_moderator() -> None:
    with pytest.raises(BundleError, match="no moderator is called `eu-one`"):
        run_tests(
            compile_bundle(moderated_files("true", "eu-one"), must_hold_limits=False),
            Oracle("permit"),
        )


def moderated_files(expected: str, name: str = "house-guard") -> dict[str, bytes]:
    case = (
        "moderations:\n  - name: m\n    principals: [desk]\n    facts: [plain]\n"
        f"    moderators: [{name}]\n    moderated: {expected}\n"
    )
    return small_files() | {
        "catalog/moderators.yaml": MODERATOR.encode(),
        "tests/a_test.yaml": (HEAD + case).encode(),
    }


def shadow(expected: str, policies: str = "[]") -> str:
    return (
        "shadows:\n  - name: s\n    principals: [desk]\n    facts: [plain]\n"
        f"    deployments: [eu-one]\n    shadowed: {expected}\n    policies: {policies}\n"
    )
