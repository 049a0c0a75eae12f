"""What the report says of experiments: counts, intervals, and what nobody was given."""

from collections.abc import Iterator
from random import Random
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from transire.workbench.experiments.estimate import VariantReport, estimate
from transire.workbench.experiments.render import report_lines, report_plot
from transire.workbench.experiments.tally import read_experiments


def decision(
    number: int, variant: str, propensity_ppm: int = 500_000, **more: Any
) -> dict[str, Any]:
    draw = {"id": "tone", "digest": "d", "variant": variant, "propensity_ppm": propensity_ppm}
    draw |= {"point_ppm": number, "unit": "request", **more}
    return {"kind": "decision", "id": f"dec_{number}", "permit": {"attempt": 1}, "experiment": draw}


def outcome(number: int, status: str = "ok", attempt: int = 1, **more: Any) -> dict[str, Any]:
    told = {"status": status, "attempt": attempt, "latency_ms": 100, "cost_micro_usd": 5}
    return {"kind": "outcome", "decision_id": f"dec_{number}", **told, **more}


def reported(entries: Iterator[dict[str, Any]] | list[dict[str, Any]]) -> dict[str, VariantReport]:
    [seen] = read_experiments(entries)
    return {one.variant: one for one in estimate(seen).variants}


def test_what_a_variant_breaks_and_another_attempt_mends_is_the_variants() -> None:
    told = reported(
        [
            decision(1, "terse"),
            outcome(1, "contract_violated"),
            {"kind": "attempt", "decision_id": "dec_1"},
            outcome(1, "ok", 2),
        ]
    )["terse"]

    assert told.count == 1
    assert told.success.value == told.violations.value == 1
    assert told.latency_ms.value == 200
    assert told.cost_micro_usd.value == 10


@pytest.mark.parametrize(
    ("first", "second"), [("superseded", "ok"), ("ok", "failed"), ("ok", "superseded")]
)
def test_a_decision_that_was_escalated_succeeds_by_whichever_answer_went_out(
    first: str, second: str
) -> None:
    told = reported(
        [
            decision(1, "terse"),
            {"kind": "attempt", "decision_id": "dec_1"},
            outcome(1, second, 2),
            outcome(1, first),
        ]
    )["terse"]

    assert (told.count, told.success.value, told.violations.value) == (1, 1, 0)
    assert told.cost_micro_usd.value == 10


@pytest.mark.parametrize("status", ["cancelled", "unknown", "partial"])
def test_what_the_caller_broke_off_counts_for_nothing(status: str) -> None:
    told = reported([decision(1, "control"), outcome(1, status)])["control"]

    assert told.count == 0
    assert told.success.value is None


def test_a_decision_counts_once_all_its_attempts_have_ended() -> None:
    waiting = [decision(1, "control"), outcome(1, "failed"), {"kind": "attempt"}]
    waiting[2]["decision_id"] = "dec_1"

    assert reported(waiting)["control"].count == 0


def drifting(random: Random, count: int) -> Iterator[dict[str, Any]]:
    """Draws whose propensity moves, as a bandit's do: 0.9 and 0.6 succeed."""
    for number in range(count):
        propensity = random.choice((100_000, 500_000, 900_000))
        terse = random.random() < propensity / 1_000_000
        chance = 0.6 if terse else 0.9
        variant, own = ("terse", propensity) if terse else ("control", 1_000_000 - propensity)
        yield decision(number, variant, own)
        yield outcome(number, "ok" if random.random() < chance else "failed")


def test_nineteen_of_twenty_estimates_for_everybody_hold_what_was_true() -> None:
    held = list[bool]()
    for seed in range(20):
        told = reported(list(drifting(Random(seed), 2_000)))
        for variant, true in (("control", 0.9), ("terse", 0.6)):
            for one in (told[variant].ips, told[variant].snips):
                assert one.low is not None
                assert one.high is not None
                assert one.high - one.low < 0.25
                held.append(one.low <= true <= one.high)

    assert len(held) == 80
    assert sum(held) >= 72  # of 95 % each, 76 are expected


def test_an_estimate_is_the_same_each_time() -> None:
    entries = list(drifting(Random(3), 500))

    assert reported(entries) == reported(entries)


def test_decisions_of_few_sessions_do_not_count_as_many() -> None:
    def asked(per_session: int) -> VariantReport:
        entries = []
        for number in range(200):
            session = number // per_session
            entries.append(decision(number, "control", point_ppm=session, unit="session"))
            entries.append(outcome(number, "ok" if session % 2 else "failed"))
        return reported(entries)["control"]

    alone, few = asked(1), asked(50)

    assert (alone.units, few.units) == (200, 4)
    assert alone.success.value == few.success.value == 0.5
    for wide, narrow in ((few.success, alone.success), (few.snips, alone.snips)):
        assert wide.low is not None
        assert narrow.low is not None
        assert (wide.low < 0.2, narrow.low > 0.4) == (True, True)


def test_four_successes_are_not_certainty_for_everybody() -> None:
    told = reported([e for n in range(4) for e in (decision(n, "control"), outcome(n))])["control"]

    assert told.snips.value == 1
    assert told.snips.low is not None
    assert told.snips.low < 0.6


def test_what_went_elsewhere_because_its_deployment_was_down_failed_at_first() -> None:
    told = reported(
        [
            decision(1, "terse", unwell=True),
            outcome(1),
            decision(2, "terse"),
            outcome(2, "failed"),
            {"kind": "attempt", "decision_id": "dec_2"},
            outcome(2, "ok", 2),
            decision(3, "terse"),
            outcome(3),
        ]
    )["terse"]

    assert told.success.value == 1
    assert told.failed_first.value == pytest.approx(2 / 3)


def test_a_roll_back_is_told_in_words_and_in_the_plot() -> None:
    back = {"kind": "experiment.rolled_back", "experiment": "tone", "digest": "d"}
    entries = [
        decision(1, "terse"),
        outcome(1, "failed"),
        back | {"variant": "terse", "metric": "error"},
        decision(2, "control"),
        outcome(2),
    ]
    reports = [estimate(seen) for seen in read_experiments(entries)]
    plot = report_plot(reports)

    assert any(
        "rolled back: worse than control by `error`" in line for line in report_lines(reports)
    )
    assert ET.fromstring(plot).tag.endswith("svg")
    assert "terse: 0.0%" in plot.replace("(rolled back)", "")
    assert [one.variant for one in reports[0].variants] == ["control", "terse"]


def test_a_log_without_experiments_says_so() -> None:
    assert report_lines([]) == ["no decision of this log took part in an experiment"]
    assert read_experiments([{"kind": "decision", "id": "x", "permit": {}}]) == []
