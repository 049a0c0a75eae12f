"""What is measured, under which names, and how little of it can be a caller's word."""

import contextvars
import re
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.score.fleets import authorization_of, classification_of, request_of, verdict

from transire.domain.authorization import Effect, Verdict
from transire.domain.classification import Classification
from transire.domain.decision import Case
from transire.domain.ids import DataClass, DeploymentId, PolicyId
from transire.domain.permit import Outcome, OutcomeStatus
from transire.domain.ranking import Ranking
from transire.observe.metrics import MAX_LABEL_VALUES, Metrics, is_only_unscanned
from transire.observe.names import METRICS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "metrics.md"


def case_of(*verdicts: Verdict, classification: Classification | None = None) -> Case:
    return Case(
        request=request_of(),
        classification=classification or classification_of(),
        redaction=None,
        authorization=authorization_of(*verdicts),
        ranking=Ranking(
            candidates=(),
            filtered=tuple((v.pair, "health") for v in verdicts if v.effect is Effect.PERMIT),
            reason="none",
            scorer_digest="",
            seed=1,
            target_ms=1,
            near_tie_permille=0,
        ),
    )


def forbidden(*policies: str, limits: tuple[str, ...] = ()) -> Verdict:
    return replace(
        verdict("a"),
        effect=Effect.FORBID,
        policies=tuple(PolicyId(p) for p in policies),
        limits=limits,
    )


def value(metrics: Metrics, sample: str) -> float:
    for line in metrics.render().decode().splitlines():
        if line.startswith(f"{sample} "):
            return float(line.rsplit(" ", 1)[1])
    return 0.0


def test_every_metric_is_documented_and_every_documented_one_exists() -> None:
    documented = set(re.findall(r"^\| `([a-z_]+)` \|", PAGE.read_text(), re.MULTILINE))

    expected = {m.name + ("_total" if m.kind == "counter" else "") for m in METRICS}
    assert documented == expected


def test_every_named_metric_is_rendered() -> None:
    text = Metrics().render().decode()

    assert [m.name for m in METRICS if f"# TYPE {m.name}" not in text] == []


def test_requests_are_counted_by_code() -> None:
    metrics = Metrics()

    metrics.decided(None, "rate_limited")
    metrics.decided(case_of(), "ok")
    metrics.decided(case_of(), "ok")

    assert value(metrics, 'transire_requests_total{code="ok"}') == 2
    assert value(metrics, 'transire_requests_total{code="rate_limited"}') == 1


def test_labels_stop_growing() -> None:
    metrics = Metrics()

    for number in range(MAX_LABEL_VALUES + 50):
        metrics.attempted(DeploymentId(f"d{number}"), Outcome(status=OutcomeStatus.OK))

    text = metrics.render().decode()
    assert text.count("transire_attempts_total{") == MAX_LABEL_VALUES + 1
    assert value(metrics, 'transire_attempts_total{deployment="other",failure="none"}') == 50


def test_attempts_are_counted_by_failure_class() -> None:
    metrics = Metrics()

    failed = Outcome(status=OutcomeStatus.FAILED, failure="timeout")
    metrics.attempted(DeploymentId("eu"), failed)
    metrics.attempted(DeploymentId("eu"), Outcome(status=OutcomeStatus.OK))

    assert value(metrics, 'transire_attempts_total{deployment="eu",failure="timeout"}') == 1
    assert value(metrics, 'transire_attempts_total{deployment="eu",failure="none"}') == 1


def test_every_attempt_adds_its_own_time_tokens_and_cost() -> None:
    metrics = Metrics()
    violated = Outcome(
        status=OutcomeStatus.CONTRACT_VIOLATED,
        latency_ms=250,
        tokens_in=10,
        tokens_out=5,
        cost_micro_usd=42,
    )
    failed = Outcome(status=OutcomeStatus.FAILED, failure="timeout", latency_ms=750)

    metrics.attempted(DeploymentId("eu"), violated)
    metrics.attempted(DeploymentId("us"), failed)

    assert value(metrics, 'transire_tokens_total{direction="in"}') == 10
    assert value(metrics, 'transire_tokens_total{direction="out"}') == 5
    assert value(metrics, "transire_cost_micro_usd_total") == 42
    assert value(metrics, "transire_attempt_seconds_sum") == 1.0
    assert value(metrics, "transire_attempt_seconds_count") == 2


def test_an_answer_adds_both_overheads() -> None:
    metrics = Metrics()

    def one_request() -> None:
        metrics.stage("classify", 0.25)
        metrics.answered(0.75)

    contextvars.copy_context().run(one_request)

    assert value(metrics, "transire_overhead_seconds_sum") == 0.75
    assert value(metrics, "transire_overhead_unclassified_seconds_sum") == 0.5


def test_an_answer_that_contradicts_the_catalog_is_a_failure_class() -> None:
    metrics = Metrics()

    metrics.attempted(
        DeploymentId("eu"), Outcome(status=OutcomeStatus.OK, facts={"contradicts": ["region"]})
    )

    labels = '{deployment="eu",failure="contradicts_catalog"}'
    assert value(metrics, f"transire_attempts_total{labels}") == 1


def test_classification_of_one_request_is_not_subtracted_from_another() -> None:
    metrics = Metrics()

    contextvars.copy_context().run(metrics.stage, "classify", 5.0)
    contextvars.copy_context().run(metrics.answered, 1.0)

    assert value(metrics, "transire_overhead_unclassified_seconds_sum") == 1.0


def test_hostile_numbers_never_count_down() -> None:
    metrics = Metrics()

    metrics.answered(-3.0)
    metrics.attempted(
        DeploymentId("eu"),
        Outcome(status=OutcomeStatus.OK, latency_ms=-1, tokens_in=-5, cost_micro_usd=-1),
    )

    assert value(metrics, 'transire_tokens_total{direction="in"}') == 0
    assert value(metrics, "transire_overhead_seconds_sum") == 0
    assert value(metrics, "transire_attempt_seconds_sum") == 0


@pytest.mark.parametrize(
    ("changes", "sample"),
    [
        ({}, 'transire_scans_total{outcome="clean",recognizer=""}'),
        (
            {"found": frozenset({DataClass("PERSONAL")})},
            'transire_scans_total{outcome="found",recognizer=""}',
        ),
        (
            {"uncovered": {DataClass("PERSONAL"): frozenset({"text"})}},
            'transire_scans_total{outcome="uncovered",recognizer=""}',
        ),
        ({"failures": ("iban",)}, 'transire_scans_total{outcome="failed",recognizer="iban"}'),
    ],
)
def test_scan_is_counted_by_its_outcome(changes: dict[str, object], sample: str) -> None:
    metrics = Metrics()
    scanned = replace(classification_of(), **changes)  # type: ignore[arg-type] # table of fields

    metrics.decided(case_of(classification=scanned), "ok")

    assert value(metrics, sample) == 1


def test_filters_are_counted_by_name() -> None:
    metrics = Metrics()

    metrics.decided(case_of(verdict("a")), "deployments_unavailable")

    assert value(metrics, 'transire_refusals_total{filter="health"}') == 1


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ((forbidden("limits.scan-failed"),), True),
        ((forbidden("limits.uncovered-contract", "limits.uncovered-residency"),), True),
        ((forbidden("residency.personal"), forbidden("limits.credential-failed")), True),
        ((forbidden("limits.scan-failed", "residency.personal"),), False),
        ((forbidden("limits.credential-found"),), False),
        ((forbidden(),), False),
        ((forbidden("limits.scan-failed", limits=("quarantine",)),), False),
        ((verdict("a"),), False),
        ((), False),
    ],
)
def test_denial_counts_as_unscanned_only_where_nothing_else_forbade(
    verdicts: tuple[Verdict, ...], expected: bool
) -> None:
    metrics = Metrics()
    case = case_of(*verdicts)

    metrics.decided(case, "policy_denied")

    assert is_only_unscanned(case) is expected
    assert value(metrics, "transire_denials_only_unscanned_total") == float(expected)


def test_gauges_show_what_they_are_told() -> None:
    metrics = Metrics()

    metrics.log_queue_depth.set(3)
    metrics.held_reviews.set(2)
    metrics.in_flight.set(1)

    assert value(metrics, "transire_log_queue_depth") == 3
    assert value(metrics, "transire_held_reviews") == 2
    assert value(metrics, "transire_in_flight") == 1


def test_two_processes_worth_of_metrics_do_not_share_a_registry() -> None:
    first, second = Metrics(), Metrics()

    first.decided(None, "ok")

    assert value(second, 'transire_requests_total{code="ok"}') == 0


def test_policies_that_speak_of_scans_exist_in_the_protected_pack() -> None:
    from transire.observe import metrics as module

    pack = (PAGE.parents[2] / "policies" / "rules" / "limits" / "detector.cedar").read_text()

    assert [p for p in module._UNSCANNED_POLICIES if f'@id("{p}")' not in pack] == []


def test_a_repaired_answer_counts_once_for_each_rule() -> None:
    metrics = Metrics()

    for rules in (("closing", "fence"), ("closing",), ()):
        metrics.attempted(DeploymentId("eu"), Outcome(status=OutcomeStatus.OK, repaired=rules))

    counted = 'transire_repaired_answers_total{deployment="eu",rule='
    assert value(metrics, counted + '"closing"}') == 2
    assert value(metrics, counted + '"fence"}') == 1
