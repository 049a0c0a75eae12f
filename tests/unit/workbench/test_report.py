"""The report's numbers: sums, bounds, windows, and what is unknown."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transire.workbench.report.pins import find_pins
from transire.workbench.report.sample import KEPT, Sample
from transire.workbench.report.summary import OTHERS, Report, summarize
from transire.workbench.report.svg import report_svg
from transire.workbench.report.text import pins_text, plain, report_text
from transire.workbench.report.trace import Window

Entry = dict[str, Any]
EVERYTHING = Window()
STATUSES = ("ok", "failed", "contract_violated", "partial", "cancelled", "unknown")


def decision(number: int, outcome: str = "permitted", **more: Any) -> Entry:
    deployment, task = more.pop("deployment", "small"), more.pop("task", "faq")
    entry: Entry = {
        "kind": "decision",
        "id": f"dec_{number}",
        "ts": more.pop("ts", "2026-03-01T12:00:00.000000Z"),
        "tenant": more.pop("tenant", "acme"),
        "app": "support",
        "outcome": outcome,
        "signals": {"task": task},
        "request": {"asked_model": more.pop("asked", "auto")},
        **more,
    }
    if outcome in ("permitted", "review_required"):
        entry["chosen"] = {"deployment": deployment}
    if outcome == "permitted":
        entry["permit"] = {"deployment": deployment, "attempt": 1, "cause": "first"}
    return entry


def attempt(number: int, deployment: str, cause: str) -> Entry:
    permit = {"deployment": deployment, "attempt": 2, "cause": cause}
    return {"kind": "attempt", "decision_id": f"dec_{number}", "permit": permit}


def ended(number: int, status: str = "ok", deployment: str = "small", **more: Any) -> Entry:
    return {
        "kind": "outcome",
        "decision_id": f"dec_{number}",
        "deployment": deployment,
        "status": status,
        "latency_ms": 100,
        "first_byte_ms": 40,
        "tokens_in": 10,
        "tokens_out": 5,
        "cost_micro_usd": 8,
        **more,
    }


def feedback(number: int, score: Any) -> Entry:
    return {"kind": "feedback", "decision_id": f"dec_{number}", "score_permille": score}


def report(entries: list[Entry], window: Window = EVERYTHING, **blobs: Any) -> Report:
    return summarize(entries, window, blobs.get)


@st.composite
def logs(draw: st.DrawFn) -> list[Entry]:
    entries = []
    names = st.sampled_from(["small", "large", "other"])
    for number in range(draw(st.integers(0, 30))):
        outcome = draw(st.sampled_from(["permitted", "denied", "review_required", "refused"]))
        first = draw(names)
        task = draw(st.sampled_from(["faq", "code", "billing"]))
        entries.append(decision(number, outcome, deployment=first, task=task))
        if outcome == "permitted" and draw(st.booleans()):
            cost = draw(st.none() | st.integers(0, 10_000))
            status = draw(st.sampled_from(STATUSES))
            entries.append(ended(number, status, first, cost_micro_usd=cost))
            if status in ("failed", "contract_violated") and draw(st.booleans()):
                then = draw(names)
                entries += [attempt(number, then, "fallback"), ended(number, "ok", then)]
    return entries


@given(logs())
def test_sums_over_groups_are_the_totals(entries: list[Entry]) -> None:
    told = report(entries).to_json()

    counts = ("attempts", "ok", "contract_violated", "open", "cost_unknown_attempts")
    everywhere = ("permitted", "held", *counts)
    for name in (*everywhere, "decisions", "denied", "refused"):
        assert told["total"][name] == sum(row[name] for row in told["tasks"].values())
    for name in everywhere:
        assert told["total"][name] == sum(row[name] for row in told["deployments"].values())
    for groups in ("tasks", "deployments"):
        known = [row["cost_micro_usd"] or 0 for row in told[groups].values()]
        assert (told["total"]["cost_micro_usd"] or 0) == sum(known)


@given(logs())
def test_every_log_can_be_told_and_drawn(entries: list[Entry]) -> None:
    found = report(entries)

    assert report_text(found)
    assert ET.fromstring(report_svg(found)).tag.endswith("svg")


def test_an_unknown_cost_is_not_zero_and_is_said() -> None:
    entries = [decision(1), ended(1, cost_micro_usd=None), decision(2, task="code"), ended(2)]

    found = report(entries)

    told = found.to_json()
    assert told["tasks"]["faq"]["cost_micro_usd"] is None
    assert told["tasks"]["faq"]["cost_per_success_micro_usd"] is None
    assert told["total"]["cost_is_complete"] is False
    assert "the cost of 1 of 2 attempts is unknown" in report_text(found)
    assert "≥ $0.000008" in report_text(found)
    assert "faq: unknown" in report_svg(found)


def test_a_success_costs_what_the_failures_before_it_cost_too() -> None:
    entries = [
        decision(1),
        ended(1, "contract_violated", cost_micro_usd=30),
        attempt(1, "large", "contract"),
        ended(1, "ok", "large", cost_micro_usd=70),
    ]

    told = report(entries).to_json()

    assert told["tasks"]["faq"]["cost_per_success_micro_usd"] == 100
    assert told["tasks"]["faq"]["contract_rate"] == 0.5
    assert told["deployments"]["small"]["cost_per_success_micro_usd"] is None


def test_good_answers_that_were_repaired_are_a_share_of_the_good_ones() -> None:
    entries = [
        *(decision(1), ended(1, repaired=["closing"])),
        *(decision(2), ended(2)),
        *(decision(3), ended(3, "partial", repaired=["closing"])),
        *(decision(4, deployment="large"), ended(4, "ok", "large", repaired="closing")),
    ]

    found = report(entries)

    told = found.to_json()["deployments"]
    assert (told["small"]["repaired"], told["small"]["repair_rate"]) == (1, 0.5)
    assert (told["large"]["repaired"], told["large"]["repair_rate"]) == (0, 0.0)
    assert "of the answers: repaired 33.3%" in report_text(found)
    assert [line.split()[0] for line in report_text(found).splitlines() if "50.0%" in line] == [
        "small"
    ]


def test_an_outcome_counts_where_its_decision_does() -> None:
    early = decision(1, ts="2026-02-28T23:59:59.999999Z")
    entries = [early, decision(2), decision(3, tenant="umbra"), ended(1), ended(2), ended(3)]
    window = Window(since=datetime(2026, 3, 1, tzinfo=UTC), tenant="acme")

    told = report(entries, window).to_json()

    assert told["total"]["decisions"] == told["total"]["ok"] == 1


def test_a_release_is_the_same_request_again() -> None:
    entries = [decision(1, "review_required"), decision(2, review_id="rev_1"), ended(2)]

    told = report(entries).to_json()

    assert told["total"]["review_rate"] == 1
    assert told["total"]["released"] == 1


def test_a_denial_names_what_forbade_and_not_the_grants_a_limit_overrules() -> None:
    rows = [
        {"deployment": "small", "effect": "forbid", "policies": ["limits.x"], "limits": []},
        {"deployment": "large", "effect": "forbid", "policies": ["grant.y"], "limits": ["pin"]},
        {"deployment": "third", "effect": "forbid", "policies": [], "limits": []},
    ]

    told = report([decision(1, "denied", code="policy_denied", evaluation="e")], e=rows).to_json()

    assert told["denied_by_policy"] == {"limits.x": 1, "(no permit)": 1}
    assert told["denied_by_limit"] == {"pin": 1}
    assert told["deployments"]["small"]["forbidden"] == 1
    assert told["codes"] == {"policy_denied": 1}


def test_however_many_tasks_are_named_the_groups_stay_bounded() -> None:
    told = report([decision(n, task=f"task-{n}") for n in range(500)]).to_json()

    assert len(told["tasks"]) == 201
    assert told["tasks"][OTHERS]["decisions"] == 300


@pytest.mark.parametrize("junk", ["signals", "request", "permit", "chosen", "evaluation", "ts"])
def test_a_field_of_another_type_counts_as_absent(junk: str) -> None:
    entries = [decision(1) | {junk: 7}, ended(1, latency_ms=-1, cost_micro_usd=True)]

    told = report(entries).to_json()

    assert told["total"]["decisions"] == 1
    assert told["total"]["cost_micro_usd"] is None


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=200))
def test_a_quantile_is_a_value_that_was_seen(values: list[int]) -> None:
    sample = Sample(random.Random(1))
    for value in values:
        sample.add(value)

    half, all_of_it = sample.quantiles(0.5, 1.0)

    assert half == sorted(values)[(len(values) + 1) // 2 - 1]
    assert all_of_it == max(values)


def test_beyond_what_is_kept_the_rank_is_near_and_said_to_be_drawn() -> None:
    sample = Sample(random.Random(1))
    for value in range(10 * KEPT):
        sample.add(value)

    (p99,) = sample.quantiles(0.99)

    assert not sample.is_exact
    assert p99 is not None
    assert abs(p99 / (10 * KEPT) - 0.99) < 0.005


def test_names_move_no_cursor_and_open_no_tag() -> None:
    hostile = "a\x1b[2J<script>"

    found = report([decision(1, task=hostile), ended(1)])

    assert "\x1b" not in report_text(found)
    assert "<script>" not in report_svg(found)
    assert plain("\n") == "�"


def traffic(count: int, *, good: int, start: int = 0, **more: Any) -> list[Entry]:
    """So many answers, the first `good` of them ok."""
    entries, cost = list[Entry](), more.pop("cost", 8)
    for n in range(start, start + count):
        status = "ok" if n - start < good else "failed"
        entries += [
            decision(n, **more),
            ended(n, status, more.get("deployment", "small"), cost_micro_usd=cost),
        ]
    return entries


HIGH = {"raw": {"base": {"stakes": "high"}, "asserted": None}}


def pins(
    entries: list[Entry], *, high_stakes: bool = False, **facts: Mapping[str, Any]
) -> list[tuple[str, str | None]]:
    found = find_pins(entries, EVERYTHING, facts.get, high_stakes=high_stakes)
    return [(f.why, f.deployment) for f in found.findings]


def test_a_pin_that_costs_more_than_auto_is_named_with_its_numbers() -> None:
    entries = traffic(40, good=40) + traffic(40, good=40, start=40, asked="large", cost=80)

    found = find_pins(entries, EVERYTHING, lambda _: None)

    (finding,) = found.findings
    assert (finding.why, finding.deployment) == ("cost", "large")
    assert finding.numbers["pin_cost_micro_usd"] == 80
    assert "cost 80 µ$ (40 answers" in pins_text(found)


def test_nothing_is_suggested_on_too_few_answers() -> None:
    entries = traffic(29, good=29) + traffic(40, good=40, start=40, asked="large", cost=80)

    assert pins(entries) == []


def test_a_dearer_pin_that_answers_better_is_no_finding() -> None:
    entries = traffic(60, good=40) + traffic(60, good=60, start=60, asked="large", cost=80)

    assert pins(entries) == []


def test_a_pick_that_wanders_between_unequal_deployments_is_unstable() -> None:
    entries = traffic(50, good=25) + traffic(50, good=50, start=50, deployment="large")

    assert ("instability", "large") in pins(entries)


def test_a_load_spread_over_equals_is_no_finding() -> None:
    entries = traffic(50, good=49) + traffic(50, good=50, start=50, deployment="large")

    assert pins(entries) == []


def test_a_deployment_that_became_worse_is_named() -> None:
    entries = traffic(200, good=200) + traffic(100, good=50, start=200)

    assert pins(entries) == [("regression", None)]


def test_high_stakes_spread_over_deployments_are_named() -> None:
    entries = traffic(40, good=40, facts="f")
    entries += traffic(40, good=40, start=40, deployment="large", facts="f")

    assert pins(entries, f=HIGH)[0][0] == "high_stakes"


def test_stable_high_stakes_are_named_where_asked_for() -> None:
    entries = traffic(40, good=40, facts="f")
    found = find_pins(entries, EVERYTHING, {"f": HIGH}.get, high_stakes=True)

    assert pins(entries, f=HIGH) == []
    assert pins(entries, high_stakes=True, f=HIGH) == [("high_stakes", "small")]
    assert "40 of 40 decisions were high-stakes, all by one deployment so far" in pins_text(found)


def test_of_low_stakes_and_of_too_few_answers_nothing_is_said_even_where_asked_for() -> None:
    few, low = traffic(29, good=29, facts="f"), traffic(40, good=40)

    assert pins(few, high_stakes=True, f=HIGH) == []
    assert pins(low, high_stakes=True, f=HIGH) == []


def test_accuracy_is_the_mean_of_the_scores_given_to_whoever_answered() -> None:
    entries = [
        decision(1),
        ended(1, "failed"),
        attempt(1, "large", "fallback"),
        ended(1, "ok", "large"),
        feedback(1, 400),
        feedback(1, 800),
        decision(2),
        ended(2),
        feedback(2, 1_000),
    ]

    told = report(entries).to_json()

    assert told["total"]["accuracy"] == pytest.approx(0.7333, abs=1e-4)
    assert told["deployments"]["large"]["accuracy"] == 0.6
    assert told["deployments"]["small"]["accuracy"] == 1.0
    assert told["tasks"]["faq"]["scores"] == 3
    assert "accuracy 73.3% of 3 scores given" in report_text(report(entries))


@pytest.mark.parametrize("score", [-1, 1_001, True, "900", None, 0.5])
def test_a_score_that_is_none_or_of_another_decision_counts_for_nothing(score: Any) -> None:
    entries = [decision(1), ended(1), feedback(1, score), feedback(9, 500), decision(2)]

    found = report([*entries, feedback(2, 500)])

    assert found.to_json()["total"]["accuracy"] is None
    assert "accuracy" not in report_text(found).splitlines()[5]


def test_every_cause_of_attempts_is_told_also_one_that_is_new() -> None:
    entries = [decision(1), ended(1, "failed"), attempt(1, "large", "escalation")]

    assert report(entries).to_json()["total"]["causes"] == {"first": 1, "escalation": 1}


def test_feedback_that_only_says_whether_it_helped_is_all_or_nothing() -> None:
    said = [{**feedback(1, 0), "success": helped} for helped in (True, True, False)]
    for entry in said:
        del entry["score_permille"]

    told = report([decision(1), ended(1), *said]).to_json()

    assert told["total"]["accuracy"] == pytest.approx(0.6667, abs=1e-4)


def escalation(number: int, deployment: str, *verdicts: str) -> Entry:
    told = {"verdicts": list(verdicts), "over": 1, "above": 500, "within_ms": 1_000}
    return {**attempt(number, deployment, "escalation"), "escalation": told}


def thought(number: int, status: str, deployment: str, *verdicts: str, **more: Any) -> Entry:
    return ended(number, status, deployment, appraisal={"verdicts": list(verdicts)}, **more)


CASCADED = [
    decision(1),
    escalation(1, "large", "refusal"),
    thought(1, "ok", "large", cost_micro_usd=70),
    thought(1, "superseded", "small", "refusal", cost_micro_usd=30),
    decision(2),
    thought(2, "ok", "small", "refusal", "evaluator", not_escalated="quota"),
    decision(3, task="code"),
    thought(3, "ok", "small"),
    decision(4, task="code"),
    ended(4, "contract_violated"),
    escalation(4, "large", "contract"),
    ended(4, "ok", "large"),
]
"""As the log has it: the outcome of a superseded answer comes after that of the better one."""


def test_escalations_are_told_by_verdict_and_what_was_not_escalated_by_reason() -> None:
    found = report(CASCADED)
    told = found.to_json()

    total, faq = told["total"], told["tasks"]["faq"]
    assert (total["attempts"], total["open"], total["ok"]) == (6, 0, 4)
    assert total["escalation_rate"] == round(2 / 6, 4)
    assert total["escalated_for"] == {"contract": 1, "refusal": 1}
    assert total["not_escalated"] == {"quota": 1}
    assert (total["judged"], total["verdict_rate"]) == (4, 0.5)
    assert total["verdicts"] == {"evaluator": 1, "refusal": 2}
    assert (faq["escalation_rate"], faq["verdict_rate"]) == (round(1 / 3, 4), round(2 / 3, 4))
    assert told["deployments"]["small"]["verdict_rate"] == round(2 / 3, 4)
    assert told["deployments"]["large"]["escalated_for"] == {"contract": 1, "refusal": 1}


def test_a_superseded_answer_is_paid_for_and_belongs_to_the_success() -> None:
    told = report(CASCADED[:4]).to_json()["total"]

    assert told["cost_per_success_micro_usd"] == 100
    assert told["superseded_micro_usd"] == 30
    assert told["statuses"] == {"ok": 1, "superseded": 1}


def test_the_page_and_the_plot_say_why_and_how_often() -> None:
    found = report(CASCADED)
    page, plot = report_text(found), report_svg(found)

    assert "escalation 33.3%" in page
    assert "with a verdict 50.0%" in page
    assert "escalated, by verdict on the answer before\n        1  refusal" in page
    assert "not escalated in spite of a verdict, by reason\n        1  quota" in page
    assert "$0.000030 of the cost was for answers that a better one superseded" in page
    assert "Escalations by task" in plot
    assert "faq: 1 (refusal 1); 1 not" in plot


def test_a_log_without_cascades_is_told_without_a_word_of_them() -> None:
    found = report([decision(1), ended(1)])

    assert found.to_json()["total"]["verdict_rate"] is None
    assert "verdict" not in report_text(found)
    assert "Escalations" not in report_svg(found)


def test_success_by_feedback_is_of_the_judged_and_dearer_the_fewer_were_helped() -> None:
    entries = [e for n in range(40) for e in (decision(n), ended(n))]
    entries += [feedback(n, 900 if n < 5 else 100) for n in range(10)]
    entries.append(feedback(0, 0))  # by somebody else, later
    found = report(entries)
    told = found.to_json()["total"]
    page = report_text(found, by_feedback=True)

    assert (told["rated"], told["helped"], told["scores"]) == (10, 5, 11)
    assert told["helped_share"]["value"] == 0.5
    assert told["helped_share"]["low"] < 0.25
    assert told["helped_share"]["high"] > 0.75
    cost = told["cost_per_helped_micro_usd"]
    assert cost["value"] == 16  # 8 an answer, of which every other one helped
    assert cost["low"] == pytest.approx(8 / told["helped_share"]["high"], rel=1e-3)
    assert cost["low"] < 16 < cost["high"]
    assert "5 of 10 judged answers helped, of 40 in all" in page
    assert "cost per success" not in report_text(found)


def test_nothing_is_said_of_success_by_feedback_where_nobody_judged() -> None:
    found = report([decision(1), ended(1)])
    told = found.to_json()["total"]

    assert (told["rated"], told["helped_share"], told["cost_per_helped_micro_usd"]) == (
        0,
        None,
        None,
    )
    assert "nobody judged an answer" in report_text(found, by_feedback=True)


def test_where_nobody_was_helped_a_success_has_no_price() -> None:
    found = report([decision(1), ended(1), feedback(1, 0)])

    assert found.to_json()["total"]["cost_per_helped_micro_usd"] is None
    assert "?" in report_text(found, by_feedback=True)


def test_attempts_that_gave_no_answer_are_seen_on_the_page() -> None:
    found = report([decision(1), ended(1, "failed"), decision(2), ended(2)])
    lines = report_text(found).splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("by task"))
    heads, row = lines[at].split()[2:], lines[at + 2].split()[1:]

    assert dict(zip(heads, row, strict=False))["failed"] == "1"


def put_to_judge(number: int, attempt: int = 1) -> Entry:
    named = {"kind": "judge.permitted", "decision_id": f"dec_{number}"}
    return {**named, "judged": {"judge": "strict", "attempt": attempt}, "permit": {"attempt": 0}}


def graded(number: int, score: int | None, attempt: int = 1, **more: Any) -> Entry:
    named = {"kind": "judge.ended", "decision_id": f"dec_{number}", "attempt": -1_000 - attempt}
    said = {} if score is None else {"score": score}
    return {**named, **said, "cost_micro_usd": 100, **more}


def test_a_judges_score_is_of_whoever_answered_and_stands_apart_from_feedback() -> None:
    entries = [
        decision(1),
        put_to_judge(1),
        graded(1, 300),
        attempt(1, "large", "escalation"),
        put_to_judge(1, 2),
        graded(1, 900, 2),
        ended(1, "superseded"),
        ended(1, "ok", "large"),
        decision(2),
        ended(2),
        feedback(2, 1_000),
        put_to_judge(2),
        graded(2, None),
    ]

    made = report(entries)
    told = made.to_json()

    assert told["total"]["accuracy"] == 1.0
    assert told["deployments"]["small"]["mean_grade"] == 0.3
    assert told["deployments"]["large"]["mean_grade"] == 0.9
    total = told["total"]
    assert (total["graded"], total["ungraded"], total["judging_micro_usd"]) == (2, 1, 300)
    assert "judges say 60.0% of 2 answers, nothing of 1, for $0.000300" in report_text(made)
    assert "accuracy  judge" in report_text(made)


def test_a_judgment_outside_the_window_or_of_nonsense_counts_for_nothing() -> None:
    odd: Any = "x"

    entries = [put_to_judge(9), graded(9, 500), decision(1), put_to_judge(1), graded(1, 5_000)]
    total = report([*entries, graded(1, 400), {"kind": "judge.ended", "attempt": odd}]).to_json()

    assert total["total"]["graded"] == 0
    assert total["total"]["ungraded"] == 1


def test_where_nobody_judged_there_is_no_column_of_judges() -> None:
    assert "judge" not in report_text(report([decision(1), ended(1)]))
