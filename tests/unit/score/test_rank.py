"""The pure ranking: hard filters in order, then preference."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.score.fleets import deployment, price, verdict

from transire.domain.authorization import Form
from transire.domain.deployment import Deployment, DeploymentState
from transire.domain.ids import DeploymentId
from transire.domain.ranking import Ranking
from transire.score.estimate import Question
from transire.score.latency import Observed
from transire.score.rank import FILTERS, Contender, Preference, rank

PLAIN = Question(
    needs=frozenset(),
    input_tokens=1_000,
    input_bound=4_000,
    output_bound=None,
    expected_output=400,
    choices=1,
    task="default",
    max_cost_micro_usd=None,
    max_latency_ms=None,
    min_quality_permille=0,
)
CALM = Preference(target_ms=2_000, near_tie_permille=50, seed=7)


def contender(made: Deployment, form: Form = Form.RAW, **observed: Any) -> Contender:
    return Contender(verdict(made.id, form), made, Observed(**observed))


def rank_of(*contenders: Contender, seed: int = 7, **asked: Any) -> Ranking:
    return rank(replace(PLAIN, **asked), contenders, replace(CALM, seed=seed), "digest")


def names(ranking: Ranking) -> list[str]:
    return [c.pair.deployment for c in ranking.candidates]


def removed(ranking: Ranking) -> dict[str, str]:
    return {pair.deployment: by for pair, by in ranking.filtered}


def test_cheapest_that_meets_the_target_wins_over_a_faster_one() -> None:
    cheap = deployment("cheap", price=price(100), latency_ms=1_900)
    fast = deployment("fast", price=price(9_000_000), latency_ms=100)

    ranking = rank_of(contender(fast), contender(cheap))

    assert names(ranking) == ["cheap", "fast"]
    assert ranking.reason == "cheapest_meeting_target"


def test_cheapest_that_misses_the_target_is_a_fallback() -> None:
    slow = deployment("slow", price=price(100), latency_ms=2_001)
    fast = deployment("fast", price=price(9_000_000), latency_ms=100)

    assert names(rank_of(contender(slow), contender(fast))) == ["fast", "slow"]


def test_fastest_wins_where_nobody_meets_the_target() -> None:
    slow = deployment("slow", price=price(100), latency_ms=9_000)
    less_slow = deployment("less-slow", price=price(9_000_000), latency_ms=5_000)

    ranking = rank_of(contender(slow), contender(less_slow))

    assert names(ranking) == ["less-slow", "slow"]
    assert ranking.reason == "fastest"


def test_unknown_price_is_never_the_cheapest() -> None:
    unknown = deployment("unknown", price=None, latency_ms=1)
    dear = deployment("dear", price=price(90_000_000))

    ranking = rank_of(contender(unknown), contender(dear))

    assert names(ranking) == ["dear", "unknown"]
    assert ranking.candidates[1].terms.cost_micro_usd is None


def test_near_ties_are_settled_by_expected_latency_of_two() -> None:
    one = deployment("one", price=price(1_000_000), latency_ms=900)
    two = deployment("two", price=price(1_040_000), latency_ms=300)

    ranking = rank_of(contender(one), contender(two))

    assert names(ranking) == ["two", "one"]
    assert ranking.reason == "p2c"


def test_near_tie_shares_spread_over_equal_deployments() -> None:
    fleet = [contender(deployment(f"d{i}")) for i in range(5)]

    firsts = [names(rank_of(*fleet, seed=seed))[0] for seed in range(2_000)]

    counts = [firsts.count(f"d{i}") for i in range(5)]
    assert min(counts) > 320
    assert max(counts) < 480


def test_load_moves_near_ties_to_the_idle_one() -> None:
    busy = contender(deployment("busy"), in_flight=9)
    idle = contender(deployment("idle"), in_flight=0)

    assert {names(rank_of(busy, idle, seed=s))[0] for s in range(50)} == {"idle"}


def test_overload_pushes_the_cheapest_past_its_target() -> None:
    cheap = contender(deployment("cheap", price=price(100), latency_ms=500), in_flight=40)
    dear = contender(deployment("dear", price=price(9_000_000), latency_ms=500))

    assert names(rank_of(cheap, dear)) == ["dear", "cheap"]


def test_every_raw_pair_stands_before_every_redacted_one() -> None:
    cheap, dear = deployment("cheap", price=price(1)), deployment("dear")

    ranking = rank_of(
        contender(cheap, Form.REDACTED), contender(cheap), contender(dear, Form.REDACTED)
    )

    assert [(c.pair.deployment, c.pair.form.value) for c in ranking.candidates] == [
        ("cheap", "raw"),
        ("cheap", "redacted"),
        ("dear", "redacted"),
    ]


def test_a_cheaper_redacted_pair_does_not_beat_a_raw_one() -> None:
    cheap, dear = deployment("cheap", price=price(1)), deployment("dear")

    assert names(rank_of(contender(cheap, Form.REDACTED), contender(dear))) == ["dear", "cheap"]


def test_review_is_no_term() -> None:
    cheap = deployment("cheap", price=price(1))
    reviewed = Contender(verdict("cheap", queue="clinical"), cheap, Observed())
    free = contender(deployment("dear"))

    ranking = rank_of(reviewed, free)

    assert ranking.candidates[0].verdict.queues == {"clinical"}


@pytest.mark.parametrize(
    ("changes", "observed", "asked", "expected"),
    [
        ({"capabilities": frozenset()}, {}, {"needs": frozenset({"tools"})}, "capability"),
        ({"context_tokens": 1_399}, {}, {}, "context"),
        ({"context_tokens": 1_500}, {}, {"output_bound": 501}, "context"),
        ({"max_output_tokens": 600}, {}, {"output_bound": 601}, "context"),
        ({"state": DeploymentState.DRAINING}, {}, {}, "state"),
        ({"state": DeploymentState.DISABLED}, {}, {}, "state"),
        ({}, {"is_healthy": False}, {}, "health"),
        ({}, {"is_in_quota": False}, {}, "quota"),
        # 4,000 bounded input + 1,000 output at 1 and 2 USD per Mtok: 6,000 micro-USD.
        ({}, {}, {"max_cost_micro_usd": 5_999}, "max_cost"),
        ({"price": None}, {}, {"max_cost_micro_usd": 10**12}, "max_cost"),
        ({}, {}, {"max_cost_micro_usd": 6_000, "choices": 2}, "max_cost"),
        ({}, {}, {"max_latency_ms": 999}, "max_latency"),
        ({}, {}, {"min_quality_permille": 701}, "quality"),
        ({"quality_permille": {}}, {}, {"min_quality_permille": 1}, "quality"),
        (
            {"quality_permille": {"default": 900, "default2": 0, "x": 3}},
            {},
            {"task": "x", "min_quality_permille": 4},
            "quality",
        ),
    ],
)
def test_hard_filter_removes_and_is_named(
    changes: dict[str, Any], observed: dict[str, Any], asked: dict[str, Any], expected: str
) -> None:
    ranking = rank_of(contender(deployment("a", **changes), **observed), **asked)

    assert removed(ranking) == {"a": expected}
    assert ranking.candidates == ()
    assert ranking.reason == "none"


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ({"context_tokens": 1_400}, {}),
        ({"context_tokens": 1_500}, {"output_bound": 500}),
        ({"max_output_tokens": 600}, {"output_bound": 600}),
        ({}, {"max_cost_micro_usd": 6_000}),
        ({}, {"max_latency_ms": 1_000}),
        ({}, {"min_quality_permille": 700}),
    ],
)
def test_exact_bound_passes(changes: dict[str, Any], asked: dict[str, Any]) -> None:
    assert names(rank_of(contender(deployment("a", **changes)), **asked)) == ["a"]


def test_quota_of_the_group_removes_a_deployment_that_was_never_told_itself() -> None:
    made = deployment("a")

    ranking = rank_of(Contender(verdict("a"), made, Observed(), is_in_quota=False))

    assert removed(ranking) == {"a": "quota"}


def test_first_filter_in_order_is_the_one_named() -> None:
    hopeless = deployment(
        "a", capabilities=frozenset(), context_tokens=1, state=DeploymentState.DISABLED, price=None
    )

    ranking = rank_of(
        contender(hopeless, is_healthy=False), needs=frozenset({"vision"}), max_cost_micro_usd=0
    )

    assert removed(ranking) == {"a": "capability"}


def test_filtered_pairs_are_listed_in_filter_order() -> None:
    ranking = rank_of(
        contender(deployment("a"), is_healthy=False),
        contender(deployment("b", capabilities=frozenset())),
        contender(deployment("c", context_tokens=1)),
        needs=frozenset({"tools"}),
    )

    assert [by for _, by in ranking.filtered] == ["capability", "context", "health"]


def test_filters_stand_in_the_order_that_the_research_gives() -> None:
    assert FILTERS == (
        "capability",
        "context",
        "state",
        "health",
        "quota",
        "budget",
        "max_cost",
        "max_latency",
        "quality",
        "wire",
    )


def test_single_survivor_says_so() -> None:
    assert rank_of(contender(deployment("a"))).reason == "only_one"


def test_observed_slowness_outweighs_the_catalog_once_it_is_known() -> None:
    slow = contender(deployment("a"), base_us=9_000_000, weight_permille=900)

    assert rank_of(slow).candidates[0].terms.latency_ms == 8_150


def test_failing_deployment_is_expected_to_take_longer() -> None:
    failing = contender(
        deployment("a"), base_us=500_000, success_permille=500, weight_permille=1000
    )

    terms = rank_of(failing).candidates[0].terms

    assert (terms.latency_ms, terms.success_permille) == (1_000, 500)


def test_every_term_is_reported() -> None:
    terms = rank_of(contender(deployment("a"), in_flight=9)).candidates[0].terms

    assert terms.cost_micro_usd == 1_800
    assert terms.worst_cost_micro_usd == 6_000
    assert terms.latency_ms == 1_000  # nine of ten at work: full
    assert terms.success_permille == 1000
    assert terms.quality_permille == 700
    assert terms.in_flight == 9


def test_what_may_cost_more_than_a_budget_has_left_is_not_ranked() -> None:
    cheap = deployment("cheap", price=price(1_000))
    dear = deployment("dear", price=price(9_000_000))
    unpriced = deployment("unpriced", price=None)

    ranking = rank_of(*map(contender, (cheap, dear, unpriced)), budget_micro_usd=100)

    assert [c.pair.deployment for c in ranking.candidates] == ["cheap"]
    assert removed(ranking) == {"dear": "budget", "unpriced": "budget"}
    assert ranking.to_json()["budget_micro_usd"] == 100


def sticking(*contenders: Contender, to: str, **asked: Any) -> Ranking:
    preference = replace(CALM, sticky=DeploymentId(to))
    return rank(replace(PLAIN, **asked), contenders, preference, "digest")


def test_a_session_keeps_to_what_answered_it_among_near_ties() -> None:
    one = contender(deployment("one", price=price(1_040_000), latency_ms=900), in_flight=5)
    two = contender(deployment("two", price=price(1_000_000), latency_ms=300))

    ranking = sticking(one, two, to="one")

    assert names(ranking) == ["one", "two"]
    assert ranking.reason == "session"
    assert ranking.to_json()["sticky"] == "one"


def test_a_session_pays_no_more_than_a_near_tie() -> None:
    dear = contender(deployment("dear", price=price(1_100_000)))
    cheap = contender(deployment("cheap", price=price(1_000_000)))

    ranking = sticking(dear, cheap, to="dear")

    assert names(ranking) == ["cheap", "dear"]
    assert ranking.reason == "cheapest_meeting_target"


def test_a_session_does_not_stay_with_what_misses_the_target() -> None:
    slow = contender(deployment("slow", latency_ms=2_001))

    assert names(sticking(slow, contender(deployment("fast")), to="slow")) == ["fast", "slow"]


def test_a_session_does_not_hold_what_a_filter_removes() -> None:
    poor = contender(deployment("poor", quality_permille={"default": 100}))
    good = contender(deployment("good", quality_permille={"default": 900}))
    ill = contender(deployment("ill", quality_permille={"default": 900}), is_healthy=False)

    assert names(sticking(poor, good, to="poor", min_quality_permille=500)) == ["good"]
    assert names(sticking(ill, good, to="ill")) == ["good"]


def test_a_session_prefers_no_redacted_pair_to_a_raw_one() -> None:
    last, other = deployment("last"), deployment("other")

    ranking = sticking(contender(last, Form.REDACTED), contender(other), to="last")

    assert names(ranking) == ["other", "last"]
