"""The scorer of one bundle, and the replay of what it decided."""

import json
from typing import Any

import pytest
from tests.conftest import FakeClock
from tests.unit.score.fleets import (
    authorization_of,
    bundle_of,
    classification_of,
    deployment,
    end,
    price,
    request_of,
    verdict,
)

from transire.domain.authorization import Effect, Form, Pair, Verdict
from transire.domain.ids import DeploymentId
from transire.domain.ranking import MOST_RECORDED, Ranking
from transire.domain.request import Assertions
from transire.errors import IntegrityError
from transire.record.entry import encode_entry
from transire.score.breaker import FAILURES_TO_OPEN, FIRST_BACKOFF_S
from transire.score.health import FleetHealth
from transire.score.replay import agrees, is_whole, ranking_from_record
from transire.score.scorer import BundleScorer, preference_of

FLEET = (
    deployment("cheap", price=price(100_000), capabilities=frozenset()),
    deployment("dear", price=price(5_000_000), quality_permille={"default": 700, "billing": 900}),
    deployment("other", price=price(6_000_000)),
)


def rank_with(
    scorer: BundleScorer,
    *names: str,
    assertions: Assertions | None = None,
    signals: dict[str, Any] | None = None,
    seed: int = 1,
    exclude: frozenset[Pair] = frozenset(),
    **body: Any,
) -> Ranking:
    return scorer.rank(
        request_of(assertions, **body),
        classification_of(**(signals or {})),
        authorization_of(*(verdict(name) for name in names)),
        exclude=exclude,
        seed=seed,
    )


def firsts(ranking: Ranking) -> list[str]:
    return [c.pair.deployment for c in ranking.candidates]


def test_only_permitted_pairs_are_ranked(clock: FakeClock) -> None:
    scorer = BundleScorer(bundle_of(*FLEET), FleetHealth(clock))
    forbidden = Verdict(
        pair=Pair(deployment=DeploymentId("cheap"), form=Form.RAW), effect=Effect.FORBID
    )

    ranking = scorer.rank(
        request_of(),
        classification_of(),
        authorization_of(verdict("dear"), forbidden),
        exclude=frozenset(),
        seed=1,
    )

    assert firsts(ranking) == ["dear"]
    assert ranking.filtered == ()


def test_needs_of_body_and_cues_are_united(clock: FakeClock) -> None:
    scorer = BundleScorer(
        bundle_of(*FLEET, deployment("g", capabilities=frozenset({"tools", "grounded"}))),
        FleetHealth(clock),
    )

    ranking = rank_with(
        scorer,
        "cheap",
        "dear",
        "g",
        needs=frozenset({"tools"}),
        signals={"needs": frozenset({"grounded"})},
    )

    assert firsts(ranking) == ["g"]


@pytest.mark.parametrize(
    ("rules", "signals", "asserted"),
    [
        ({}, {"quality_floor_permille": 800}, None),
        ({"task_quality_floor_permille": {"billing": 800}}, {}, None),
        ({}, {}, 800),
    ],
)
def test_highest_quality_floor_holds(
    clock: FakeClock, rules: dict[str, Any], signals: dict[str, Any], asserted: int | None
) -> None:
    scorer = BundleScorer(bundle_of(*FLEET, **rules), FleetHealth(clock))

    ranking = rank_with(
        scorer,
        "cheap",
        "dear",
        assertions=Assertions(min_quality_permille=asserted),
        signals={"task": "billing", **signals},
    )

    assert firsts(ranking) == ["dear"]
    assert [by for _, by in ranking.filtered] == ["quality"]


def test_excluded_pair_is_not_ranked(clock: FakeClock) -> None:
    scorer = BundleScorer(bundle_of(*FLEET), FleetHealth(clock))

    ranking = rank_with(
        scorer,
        "cheap",
        "dear",
        exclude=frozenset({Pair(deployment=DeploymentId("cheap"), form=Form.RAW)}),
    )

    assert firsts(ranking) == ["dear"]


def test_deployment_that_the_catalog_does_not_hold_is_dropped(clock: FakeClock) -> None:
    scorer = BundleScorer(bundle_of(*FLEET), FleetHealth(clock))

    assert firsts(rank_with(scorer, "ghost", "dear")) == ["dear"]


def test_retry_after_rests_the_whole_quota_group(clock: FakeClock) -> None:
    health = FleetHealth(clock)
    scorer = BundleScorer(
        bundle_of(
            deployment("one", quota_group="shared"),
            deployment("two", quota_group="shared"),
            deployment("three"),
        ),
        health,
    )

    end(health, "one", "status_429", retry_after_s=20.0)

    assert firsts(rank_with(scorer, "one", "two", "three")) == ["three"]
    clock.advance(20.0)
    assert len(rank_with(scorer, "one", "two", "three").candidates) == 3


def test_all_breakers_open_leaves_nothing_and_never_widens(clock: FakeClock) -> None:
    health = FleetHealth(clock)
    scorer = BundleScorer(bundle_of(*FLEET), health)
    for _ in range(FAILURES_TO_OPEN):
        end(health, "cheap", "status_5xx")

    ranking = rank_with(scorer, "cheap")

    assert ranking.candidates == ()
    assert [by for _, by in ranking.filtered] == ["health"]


def test_ranking_takes_no_probe_and_a_claimed_one_is_its_holders_alone(clock: FakeClock) -> None:
    health = FleetHealth(clock)
    bundle = bundle_of(*FLEET)
    scorer = BundleScorer(bundle, health)
    for _ in range(FAILURES_TO_OPEN):
        end(health, "cheap", "connect")
    clock.advance(FIRST_BACKOFF_S)

    def picks() -> list[str]:
        return [firsts(rank_with(scorer, "cheap", "dear", seed=s))[0] for s in range(5)]

    assert picks() == ["cheap"] * 5
    assert health.claim(bundle.catalog.deployments[DeploymentId("cheap")], 3, 0) is None
    assert picks() == ["dear", "dear", "dear", "cheap", "dear"]


def test_a_spent_minute_filters_the_whole_quota_group_until_it_has_passed(
    clock: FakeClock,
) -> None:
    limited = [
        deployment(name, quota_group="g", requests_per_minute=2, latency_ms=100)
        for name in ("one", "two")
    ]
    health = FleetHealth(clock)
    scorer = BundleScorer(bundle_of(*limited, deployment("three", latency_ms=100)), health)

    taken = [health.claim(one, seed, 0) for seed, one in enumerate([*limited, *limited])]

    assert taken == [None, None, "quota", "quota"]
    ranking = rank_with(scorer, "one", "two", "three")
    assert firsts(ranking) == ["three"]
    assert [by for _, by in ranking.filtered] == ["quota", "quota"]
    clock.advance(120.0)
    assert len(rank_with(scorer, "one", "two", "three").candidates) == 3


def test_task_without_target_uses_the_default_one() -> None:
    rules = bundle_of().routing

    assert preference_of(rules, "unheard-of", 1).target_ms == 2_000


def test_digest_changes_with_the_rules_alone(clock: FakeClock) -> None:
    health = FleetHealth(clock)

    first = BundleScorer(bundle_of(*FLEET), health).digest

    assert first == BundleScorer(bundle_of(), health).digest
    assert first != BundleScorer(bundle_of(near_tie_permille=10), health).digest


def test_recorded_ranking_replays_to_the_same_pick(clock: FakeClock) -> None:
    bundle = bundle_of(*FLEET)
    ranking = rank_with(BundleScorer(bundle, FleetHealth(clock)), "cheap", "dear", "other", seed=9)

    written = json.dumps(ranking.to_json())

    again = ranking_from_record(json.loads(written))
    assert [c.pair for c in again.candidates] == [c.pair for c in ranking.candidates]
    assert [c.terms for c in again.candidates] == [c.terms for c in ranking.candidates]
    assert (again.reason, again.filtered) == (ranking.reason, ranking.filtered)
    assert agrees(json.loads(written))


def test_reordered_record_does_not_agree_with_its_inputs(clock: FakeClock) -> None:
    bundle = bundle_of(*FLEET)
    ranking = rank_with(BundleScorer(bundle, FleetHealth(clock)), "cheap", "dear", seed=9)
    written = json.loads(json.dumps(ranking.to_json()))

    for column in written["candidates"].values():
        column.reverse()

    assert not agrees(written)


@pytest.mark.parametrize("missing", ["seed", "candidates", "filtered", "scorer", "target_ms"])
def test_incomplete_record_is_not_guessed(clock: FakeClock, missing: str) -> None:
    bundle = bundle_of(*FLEET)
    ranking = rank_with(BundleScorer(bundle, FleetHealth(clock)), "cheap")
    written: dict[str, Any] = dict(ranking.to_json())

    del written[missing]

    with pytest.raises(IntegrityError):
        ranking_from_record(written)


def test_a_ranking_too_long_for_an_entry_is_cut_and_says_so(clock: FakeClock) -> None:
    names = [f"deployment-of-a-rather-large-fleet-{i:04d}" for i in range(2_000)]
    bundle = bundle_of(*(deployment(name) for name in names))
    ranking = rank_with(BundleScorer(bundle, FleetHealth(clock)), *names)

    written = json.loads(encode_entry({"ranking": ranking.to_json()}))["ranking"]

    assert written["candidates"]["cut"] == 2_000
    assert len(written["candidates"]["latency_ms"]) == MOST_RECORDED
    assert not is_whole(written)


def test_a_ranking_that_fits_is_whole(clock: FakeClock) -> None:
    ranking = rank_with(BundleScorer(bundle_of(*FLEET), FleetHealth(clock)), "cheap", "dear")

    assert is_whole(json.loads(json.dumps(ranking.to_json())))
