"""What the report says of shadows: each target beside the answers of the same requests."""

from typing import Any

import pytest

from transire.workbench.experiments.shadows import (
    Copied,
    ShadowReport,
    read_shadows,
    shadow_lines,
    shadow_report,
)

DRAW = {"id": "try", "digest": "d", "variant": "eu-premium", "unit": "request", "point_ppm": 7}


def outcome(number: int, status: str = "ok", **more: Any) -> dict[str, Any]:
    told = {"status": status, "attempt": 1, "latency_ms": 100, "cost_micro_usd": 5}
    return {"kind": "outcome", "decision_id": f"dec_{number}", **told, **more}


def permitted(number: int, **draw: Any) -> dict[str, Any]:
    drawn = {**DRAW, **draw}
    return {"kind": "shadow.permitted", "decision_id": f"dec_{number}", "experiment": drawn}


def ended(number: int, status: str = "ok", **more: Any) -> dict[str, Any]:
    told = {"status": status, "attempt": 0, "latency_ms": 250, "cost_micro_usd": 9}
    said = {"appraisal": {"verdicts": []}, "primary": {"attempt": 1, "verdicts": []}}
    return {"kind": "shadow.ended", "decision_id": f"dec_{number}", **told, **said, **more}


def reported(*entries: dict[str, Any]) -> ShadowReport:
    [copied] = read_shadows(entries)
    return shadow_report(copied)


def test_a_target_is_set_beside_the_answer_of_the_same_request() -> None:
    told = reported(outcome(1), permitted(1), ended(1), outcome(2), permitted(2), ended(2))

    assert dict(told.statuses) == {"ok": 2}
    assert [e.value for e in told.latency_ms] == [250, 100, 150]
    assert [e.value for e in told.cost_micro_usd] == [9, 5, 4]
    assert told.success.value == 1


def test_broken_contracts_count_on_both_sides() -> None:
    told = reported(
        outcome(1, "contract_violated"),
        outcome(1, attempt=2),
        permitted(1),
        ended(1),
        outcome(2),
        permitted(2),
        ended(2, "contract_violated"),
        outcome(3),
        permitted(3),
        ended(3, "failed", latency_ms=1),
    )

    assert told.violations[0].value == pytest.approx(1 / 3)
    assert told.violations[1].value == pytest.approx(1 / 3)
    assert told.success.value == pytest.approx(1 / 3)
    assert told.latency_ms[0].value == 250


def test_refusals_are_told_only_of_answers_that_were_looked_at() -> None:
    refused = {"verdicts": ["refusal"]}
    told = reported(
        outcome(1),
        permitted(1),
        ended(1, appraisal=refused, primary={"attempt": 1}),
        outcome(2),
        permitted(2),
        ended(2),
    )

    assert told.refusals[0].value == 0.5
    assert told.refusals[1].value == 0.0
    assert (
        reported(outcome(1), permitted(1), ended(1, primary={"attempt": 1})).refusals[1].value
        is None
    )


@pytest.mark.parametrize("status", ["cancelled", "unknown"])
def test_what_a_stop_cut_off_says_nothing_of_a_target(status: str) -> None:
    told = reported(outcome(1), permitted(1), ended(1, status))

    assert dict(told.statuses) == {status: 1}
    assert told.success.value is None


def test_an_unknown_cost_is_no_cost_of_zero() -> None:
    told = reported(outcome(1), permitted(1), ended(1, cost_micro_usd=None))

    assert told.cost_micro_usd[0].value is None


def test_each_target_and_each_change_of_a_shadow_stands_for_itself() -> None:
    entries = [
        outcome(1),
        permitted(1),
        ended(1),
        outcome(2),
        permitted(2, digest="e"),
        outcome(3),
        permitted(3, variant="onprem"),
        outcome(4),
        permitted(4, id="other"),
    ]

    found = [(c.experiment, c.digest, c.target) for c in read_shadows(entries)]

    assert found == [
        ("try", "d", "eu-premium"),
        ("try", "e", "eu-premium"),
        ("try", "d", "onprem"),
        ("other", "d", "eu-premium"),
    ]
    assert [c.experiment for c in read_shadows(entries, "other")] == ["other"]


def test_copies_of_one_session_are_no_more_than_one_witness() -> None:
    def asked(unit: str) -> ShadowReport:
        copies = ((outcome(n), permitted(n, unit=unit), ended(n)) for n in range(30))
        return reported(*(entry for copy in copies for entry in copy))

    alone, together = asked("request"), asked("session")

    assert alone.success.value == together.success.value == 1
    assert (together.success.low or 1) < (alone.success.low or 0)


def test_the_lines_and_the_json_say_the_same() -> None:
    told = reported(outcome(1), permitted(1), ended(1))

    assert shadow_lines([told]) == [
        "shadow try (d) → eu-premium: 1 ok",
        "  success 100.0% (20.7% to 100.0%)",
        "  contract violations 0.0% (0.0% to 79.3%), of the answers 0.0% (0.0% to 79.3%)",
        "  refusals 0.0% (0.0% to 79.3%), of the answers 0.0% (0.0% to 79.3%)",
        "  mean 250 ms, of the answers 100; +150 for the same request",
        "  mean 9 micro-USD, of the answers 5; +4 for the same request",
    ]
    assert told.to_json()["latency_ms"]["difference"]["value"] == 150
    assert told.to_json()["copies"] == {"ok": 1}


def test_a_target_without_copies_yet_is_said_to_have_none() -> None:
    lines = shadow_lines([shadow_report(Copied("try", "d", "eu-premium"))])

    assert lines[0].endswith("no copies")
    assert lines[-1] == "  mean micro-USD unknown"
