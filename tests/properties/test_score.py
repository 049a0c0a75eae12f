"""What holds of scoring for any fleet, any health and any request (I2, I8)."""

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import FakeClock
from tests.unit.score.fleets import (
    authorization_of,
    bundle_of,
    classification_of,
    deployment,
    price,
    request_of,
    verdict,
)

from transire.domain.authorization import Effect, Form, Verdict
from transire.domain.deployment import DeploymentState
from transire.domain.ids import DeploymentId
from transire.domain.ranking import Ranking
from transire.domain.request import Assertions
from transire.score.breaker import Breaker, after_failure, after_success, allows, begin, reserve
from transire.score.estimate import Question
from transire.score.health import FleetHealth
from transire.score.latency import LONGEST_MS, Averages, Observed, learn, weight_permille
from transire.score.line import MOST_TOKENS, STEEPEST_US
from transire.score.rank import Contender, Preference, rank
from transire.score.replay import agrees
from transire.score.scorer import BundleScorer

NAMES = [f"d{i}" for i in range(8)]
WILD = st.integers(-(2**63), 2**63)

observed = st.builds(
    Observed,
    base_us=st.integers(-LONGEST_MS, 1_000 * LONGEST_MS),
    us_per_prompt_token=st.integers(0, 1_000),
    us_per_token=st.integers(0, 100_000),
    first_base_us=st.none() | st.integers(-LONGEST_MS, 1_000 * LONGEST_MS),
    is_outlier=st.booleans(),
    is_paced=st.booleans(),
    tail_ms=st.integers(0, 4 * LONGEST_MS),
    success_permille=st.integers(0, 1000),
    weight_permille=st.integers(0, 1000),
    in_flight=st.integers(0, 500),
    is_healthy=st.booleans(),
    is_in_quota=st.booleans(),
)
hostile = st.builds(
    Observed,
    base_us=WILD,
    us_per_prompt_token=WILD,
    us_per_token=WILD,
    first_base_us=st.none() | WILD,
    is_outlier=st.booleans(),
    is_paced=st.booleans(),
    tail_ms=WILD,
    success_permille=WILD,
    weight_permille=WILD,
    in_flight=WILD,
)
questions = st.builds(
    Question,
    needs=st.sets(st.sampled_from(["tools", "vision"])).map(frozenset),
    input_tokens=st.integers(0, 20_000),
    input_bound=st.integers(0, 80_000),
    output_bound=st.none() | st.integers(1, 3_000),
    expected_output=st.integers(1, 1_000),
    choices=st.integers(1, 8),
    task=st.sampled_from(["default", "billing"]),
    max_cost_micro_usd=st.none() | st.integers(0, 500_000),
    max_latency_ms=st.none() | st.integers(0, 20_000),
    min_quality_permille=st.integers(0, 1000),
)
preferences = st.builds(
    Preference,
    target_ms=st.integers(0, 10_000),
    near_tie_permille=st.integers(0, 300),
    seed=st.integers(-(2**70), 2**70),
    sticky=st.none() | st.sampled_from([*NAMES, "nowhere"]).map(DeploymentId),
)


@st.composite
def contenders(draw: st.DrawFn, seen: st.SearchStrategy[Observed] = observed) -> list[Contender]:
    made: list[Contender] = []
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True)):
        one = deployment(
            name,
            capabilities=draw(st.sets(st.sampled_from(["tools", "vision"])).map(frozenset)),
            context_tokens=draw(st.integers(1, 30_000)),
            max_output_tokens=draw(st.integers(1, 4_000)),
            quality_permille={"default": draw(st.integers(0, 1000))},
            price=draw(st.none() | st.integers(0, 10_000_000).map(price)),
            latency_ms=draw(st.integers(0, 10_000)),
            concurrency=draw(st.integers(0, 64)),
            state=draw(st.sampled_from(DeploymentState)),
        )
        what = draw(seen)
        in_quota = draw(st.booleans())
        made += [
            Contender(
                verdict(name, form, queue=draw(st.sampled_from(["", "q"]))), one, what, in_quota
            )
            for form in draw(st.sets(st.sampled_from(Form), min_size=1))
        ]
    return made


def pairs(ranking: Ranking) -> list[tuple[str, str]]:
    return [(c.pair.deployment, c.pair.form.value) for c in ranking.candidates]


@given(questions, contenders(), preferences)
def test_every_contender_is_ranked_or_filtered_once_and_nothing_else(
    question: Question, given_: list[Contender], preference: Preference
) -> None:
    ranking = rank(question, given_, preference, "")

    out = [*(c.pair for c in ranking.candidates), *(pair for pair, _ in ranking.filtered)]
    assert sorted(out) == sorted(c.verdict.pair for c in given_)


@given(questions, contenders(hostile), preferences)
def test_hostile_health_can_reorder_but_never_add(
    question: Question, given_: list[Contender], preference: Preference
) -> None:
    ranking = rank(question, given_, preference, "")

    assert {c.pair for c in ranking.candidates} <= {c.verdict.pair for c in given_}


@given(questions, contenders(), preferences, st.randoms(use_true_random=False))
def test_order_of_the_input_does_not_matter(
    question: Question, given_: list[Contender], preference: Preference, random: Any
) -> None:
    shuffled = given_[:]
    random.shuffle(shuffled)

    assert rank(question, given_, preference, "") == rank(question, shuffled, preference, "")


@given(questions, contenders(), preferences)
def test_candidate_that_is_filtered_never_changes_the_others(
    question: Question, given_: list[Contender], preference: Preference
) -> None:
    whole = rank(question, given_, preference, "")
    kept = {c.pair for c in whole.candidates}

    without = rank(question, [c for c in given_ if c.verdict.pair in kept], preference, "")

    assert without.candidates == whole.candidates
    assert without.reason == whole.reason


@given(questions, contenders(), preferences, st.integers(0, 10_000))
def test_tighter_bounds_only_remove(
    question: Question, given_: list[Contender], preference: Preference, cut: int
) -> None:
    def tighter(bound: int | None) -> int:
        return cut if bound is None else min(bound, cut)

    tight = replace(
        question,
        needs=question.needs | {"tools"},
        max_cost_micro_usd=tighter(question.max_cost_micro_usd),
        max_latency_ms=tighter(question.max_latency_ms),
        min_quality_permille=max(question.min_quality_permille, cut // 10),
    )

    after = {c.pair for c in rank(tight, given_, preference, "").candidates}

    assert after <= {c.pair for c in rank(question, given_, preference, "").candidates}


@given(questions, contenders(), preferences)
def test_a_session_only_chooses_among_near_ties_that_meet_the_target(
    question: Question, given_: list[Contender], preference: Preference
) -> None:
    ranking = rank(question, given_, preference, "")
    without = rank(question, given_, replace(preference, sticky=None), "")

    assert sorted(pairs(ranking)) == sorted(pairs(without))
    assert ranking.filtered == without.filtered
    if ranking.reason != "session":
        assert ranking.candidates[:1] == without.candidates[:1]
        return
    first = ranking.candidates[0]
    known = [
        c.terms.cost_micro_usd
        for c in ranking.candidates
        if c.pair.form == first.pair.form
        and c.terms.cost_micro_usd is not None
        and c.terms.latency_ms <= preference.target_ms
    ]
    assert first.pair.deployment == preference.sticky
    assert first.pair.form == without.candidates[0].pair.form
    assert first.terms.latency_ms <= preference.target_ms
    assert first.terms.quality_permille >= question.min_quality_permille
    if first.terms.cost_micro_usd is None:
        assert known == []
    else:
        limit = min(known) * (1000 + preference.near_tie_permille) // 1000
        assert first.terms.cost_micro_usd <= limit


@given(questions, contenders(), preferences)
def test_review_is_no_term(
    question: Question, given_: list[Contender], preference: Preference
) -> None:
    free = [c._replace(verdict=replace(c.verdict, obligations=())) for c in given_]

    assert pairs(rank(question, given_, preference, "")) == pairs(
        rank(question, free, preference, "")
    )


@given(questions, contenders(), preferences)
def test_no_redacted_pair_stands_before_a_raw_one(
    question: Question, given_: list[Contender], preference: Preference
) -> None:
    ranked = pairs(rank(question, given_, preference, ""))

    forms = [form for _, form in ranked]
    assert sorted(forms) == forms


@given(questions, contenders(), preferences)
def test_record_of_a_ranking_gives_the_same_ranking(
    question: Question, given_: list[Contender], preference: Preference
) -> None:
    ranking = rank(question, given_, preference, "digest")

    assert agrees(json.loads(json.dumps(ranking.to_json())))


@given(
    st.sets(st.sampled_from(NAMES)),
    st.sets(st.sampled_from(NAMES)),
    st.integers(0, 2**64 - 1),
    st.none() | st.integers(0, 10_000),
)
def test_forbidden_deployment_never_changes_a_decision(
    permitted: set[str], forbidden: set[str], seed: int, max_cost: int | None
) -> None:
    fleet = [deployment(name, price=price(1_000_000 + 9_000 * int(name[1:]))) for name in NAMES]
    scorer = BundleScorer(bundle_of(*fleet), FleetHealth(FakeClock()))
    refused = [
        replace(verdict(name), effect=Effect.FORBID) for name in sorted(forbidden - permitted)
    ]

    def ranked(*verdicts: Verdict) -> Ranking:
        return scorer.rank(
            request_of(Assertions(max_cost_micro_usd=max_cost)),
            classification_of(),
            authorization_of(*verdicts),
            exclude=frozenset(),
            seed=seed,
        )

    alone = [verdict(name) for name in sorted(permitted)]
    assert ranked(*alone) == ranked(*refused, *alone)


attempts = st.lists(
    st.tuples(
        st.sampled_from(["", "timeout", "status_5xx", "status_429", "cancelled", "anything"]),
        WILD | st.floats(),
        st.none() | WILD | st.floats(),
        st.none() | WILD,
        st.none() | st.floats(),
        st.floats(0, 100),
    ),
    max_size=30,
)


@given(attempts)
def test_health_stays_within_its_bounds_whatever_is_reported(
    history: list[tuple[str, Any, Any, int | None, float | None, float]],
) -> None:
    clock = FakeClock()
    health = FleetHealth(clock)
    one = DeploymentId("a")

    for failure, latency, first, tokens, retry, passed in history:
        health.started(one)
        clock.advance(passed)
        health.finished(
            one,
            failure=failure,
            latency_ms=latency,
            first_token_ms=first,
            retry_after_s=retry,
            tokens_in=tokens,
            tokens_out=tokens,
        )

    seen = health.seen(one, clock.monotonic())
    assert 0 <= seen.latency_ms <= LONGEST_MS
    assert seen.latency_ms <= seen.tail_ms
    assert 0 <= seen.us_per_token <= STEEPEST_US
    assert 0 <= seen.us_per_prompt_token <= STEEPEST_US
    assert abs(seen.base_us) <= 2 * (1_000 * LONGEST_MS + STEEPEST_US * MOST_TOKENS)
    assert 0 <= seen.success_permille <= 1000
    assert 0 <= seen.weight_permille < 1000
    assert seen.in_flight == 0


@given(st.lists(st.floats(0, 2 * LONGEST_MS), min_size=1, max_size=30), st.floats(0, LONGEST_MS))
def test_failure_never_makes_a_deployment_look_faster_or_surer(
    latencies: list[float], failed_ms: float
) -> None:
    before = Averages()
    for latency in latencies:
        before = learn(before, is_success=True, latency_ms=latency, now=0.0)

    after = learn(before, is_success=False, latency_ms=failed_ms, now=0.0)

    assert after.latency_ms >= before.latency_ms - 1e-6
    assert after.success < before.success


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_knowledge_only_fades(first: float, later: float) -> None:
    known = learn(Averages(), is_success=True, latency_ms=1, now=0.0)

    low, high = sorted((first, later))

    assert weight_permille(known, high) <= weight_permille(known, low)


steps = st.lists(
    st.tuples(
        st.sampled_from(["fail", "succeed", "begin", "reserve"]),
        st.floats(0, 30),
        st.integers(1, 3),
    ),
    max_size=60,
)


@given(steps)
def test_at_most_one_holder_may_probe_at_any_moment(history: list[tuple[str, float, int]]) -> None:
    breaker, now = Breaker(), 0.0
    for step, passed, holder in history:
        now += passed
        if step == "fail":
            breaker = after_failure(breaker, now)
        elif step == "succeed":
            breaker = after_success(breaker, now)
        elif step == "begin":
            breaker = begin(breaker, now)
        else:
            breaker = reserve(breaker, now, holder)
        is_held = breaker.open_until is not None and breaker.probe is not None
        if is_held and now < breaker.probe_until:
            assert sum(allows(breaker, now, holder=h) for h in (1, 2, 3)) <= 1
        if breaker.open_until is not None and now < breaker.open_until:
            assert not allows(breaker, now, holder=1)


@given(questions, contenders(), preferences)
def test_costs_are_the_prices_own_and_the_worst_case_the_budgets_own(
    question: Question, given_: list[Contender], preference: Preference
) -> None:
    """Scoring writes the sums out for speed; they are the domain's."""
    known = {c.verdict.pair.deployment: c.deployment for c in given_}

    for candidate in rank(question, given_, preference, "").candidates:
        one, terms = known[candidate.pair.deployment], candidate.terms
        if one.price is None:
            assert (terms.cost_micro_usd, terms.worst_cost_micro_usd) == (None, None)
            continue
        bound = question.output_bound
        usual = min(
            one.max_output_tokens,
            question.expected_output if bound is None else min(bound, question.expected_output),
        )
        assert terms.cost_micro_usd == one.price.cost_micro_usd(
            question.input_tokens, usual * question.choices
        )
        assert terms.worst_cost_micro_usd == one.worst_cost_micro_usd(
            question.input_bound, bound, question.choices
        )


@given(questions, contenders(), preferences)
def test_no_outlier_and_nothing_out_of_turn_stands_before_a_sound_one_of_its_form(
    question: Question, given_: list[Contender], preference: Preference
) -> None:
    ranking = rank(question, given_, preference, "")

    kinds = [
        (c.pair.form.value, c.terms.is_outlier or c.terms.is_paced) for c in ranking.candidates
    ]
    assert [form for form, _ in kinds] == sorted(form for form, _ in kinds)
    for form in Form:
        standing = [outlier for one, outlier in kinds if one == form.value]
        assert standing == sorted(standing)


reports = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.sampled_from(["", "", "timeout", "status_5xx", "status_429", "cancelled", "odd"]),
        WILD,
        st.none() | WILD,
        st.none() | WILD,
        st.none() | st.floats(),
        st.floats(0, 200),
    ),
    max_size=80,
)


@given(reports, st.sets(st.sampled_from(NAMES)), st.integers(0, 2**64 - 1))
def test_no_history_of_a_fleet_ranks_what_nobody_permitted_or_grows_without_bound(
    history: list[tuple[str, str, int, int | None, int | None, float | None, float]],
    permitted: set[str],
    seed: int,
) -> None:
    fleet = [
        deployment(name, requests_per_minute=5, tokens_per_minute=10_000, quota_group=name[-1])
        for name in NAMES
    ]
    by_name = {d.id: d for d in fleet}
    clock = FakeClock()
    health = FleetHealth(clock)
    scorer = BundleScorer(bundle_of(*fleet), health)

    for at, (name, failure, latency, first, tokens, retry, passed) in enumerate(history):
        one = by_name[DeploymentId(name)]
        if health.claim(one, at, 100) is None:
            health.started(one.id)
            clock.advance(passed)
            health.finished(
                one.id,
                failure=failure,
                latency_ms=latency,
                first_token_ms=first,
                retry_after_s=retry,
                tokens_in=tokens,
                tokens_out=tokens,
                claimed_tokens=100,
            )
        ranking = scorer.rank(
            request_of(),
            classification_of(),
            authorization_of(*(verdict(name) for name in sorted(permitted))),
            exclude=frozenset(),
            seed=seed,
        )
        asked = {c.pair.deployment for c in ranking.candidates}
        assert asked | {pair.deployment for pair, _ in ranking.filtered} == permitted
        assert asked <= permitted
        assert agrees(json.loads(json.dumps(ranking.to_json())))
        for candidate in ranking.candidates:
            assert 0 <= candidate.terms.latency_ms <= 10 * LONGEST_MS
            assert 0 <= candidate.terms.success_permille <= 1000
        outliers = [n for n in by_name if health.seen(n, clock.monotonic()).is_outlier]
        assert len(outliers) <= len(NAMES) / 2
