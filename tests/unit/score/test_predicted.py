"""How predictions move a ranking: behind every hard filter, within a key's share, replayably."""

from dataclasses import replace

import pytest
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

from transire.domain.authorization import Form
from transire.domain.ids import DecisionId, DeploymentId
from transire.domain.ranking import Ranking
from transire.domain.request import Assertions
from transire.score.health import FleetHealth
from transire.score.replay import agrees, ranking_from_record
from transire.score.scorer import BundleScorer

CHEAP = deployment("cheap", price=price(1_000_000), quality_permille={"default": 650})
DEAR = deployment("dear", price=price(5_000_000), quality_permille={"default": 900})
SLOW = deployment("slow", price=price(2_000_000), latency_ms=9_000)


def scorer(*, floor: int = 0, target: int = 600, share: int = 1_000) -> BundleScorer:
    bundle = bundle_of(
        CHEAP,
        DEAR,
        SLOW,
        task_quality_floor_permille={"default": floor},
        task_quality_target_permille={"default": target},
        dearer_permille=share,
    )
    return BundleScorer(bundle, FleetHealth(FakeClock()))


def ranked(by: BundleScorer, gains: dict[str, int] | None, *names: str, at: int = 1) -> Ranking:
    given = None if gains is None else {DeploymentId(n): gain for n, gain in gains.items()}
    verdicts = [verdict(name) for name in names or ("cheap", "dear", "slow")]
    return by.rank(
        replace(request_of(), id=DecisionId(f"dec_{at}")),
        classification_of(gains=given),
        authorization_of(*verdicts),
        exclude=frozenset(),
        seed=7,
    )


def order(ranking: Ranking) -> list[str]:
    return [c.pair.deployment for c in ranking.candidates]


def test_without_a_prediction_nothing_is_different_and_nothing_more_is_recorded() -> None:
    ranking = ranked(scorer(), None)

    assert order(ranking) == ["cheap", "dear", "slow"]
    assert "predicted_permille" not in ranking.to_json()["candidates"]  # type: ignore[operator]
    assert "quality_target_permille" not in ranking.to_json()


def test_the_cheapest_of_which_enough_is_expected_wins() -> None:
    ranking = ranked(scorer(), {"cheap": -20})

    assert (order(ranking), ranking.reason) == (
        ["cheap", "dear", "slow"],
        "cheapest_meeting_target",
    )


def test_one_of_which_too_little_is_expected_stands_behind_those_in_time() -> None:
    ranking = ranked(scorer(), {"cheap": -60})

    assert (order(ranking), ranking.reason) == (["dear", "cheap", "slow"], "predicted_quality")


def test_where_too_little_is_expected_of_everybody_the_best_comes_first() -> None:
    ranking = ranked(scorer(target=1_000), {"cheap": 10, "dear": -30})

    assert (order(ranking), ranking.reason) == (["dear", "cheap", "slow"], "best_predicted")


def test_whoever_is_late_is_not_preferred_for_what_is_expected_of_it() -> None:
    assert order(ranked(scorer(target=1_000), {"slow": 300})) == ["dear", "cheap", "slow"]


def test_a_prediction_lifts_nobody_over_a_floor() -> None:
    ranking = ranked(scorer(floor=700), {"cheap": 300})

    assert "cheap" not in order(ranking)
    assert [(pair.deployment, by) for pair, by in ranking.filtered] == [("cheap", "quality")]


def test_a_prediction_removes_nobody() -> None:
    ranking = ranked(scorer(floor=600), {"cheap": -1_000, "dear": -1_000, "slow": -1_000})

    assert sorted(order(ranking)) == ["cheap", "dear", "slow"]
    assert ranking.filtered == ()


def test_what_the_caller_asks_for_is_expected_too() -> None:
    by = scorer()
    classification = classification_of(gains={DeploymentId("cheap"): -60})
    asking = request_of(Assertions(min_quality_permille=610))

    ranking = by.rank(
        asking, classification, authorization_of(verdict("cheap")), exclude=frozenset(), seed=1
    )

    assert ranking.quality_target_permille == 610


def test_a_redacted_form_is_still_a_last_fallback() -> None:
    by = scorer()
    both = [verdict("cheap"), verdict("dear", Form.REDACTED)]

    ranking = by.rank(
        request_of(),
        classification_of(gains={DeploymentId("cheap"): -500}),
        authorization_of(*both),
        exclude=frozenset(),
        seed=1,
    )

    assert order(ranking) == ["cheap", "dear"]


def test_a_key_that_has_used_up_its_share_is_ranked_as_if_nothing_were_predicted() -> None:
    by = scorer(share=0)

    picks = [order(ranked(by, {"cheap": -500}, at=at))[0] for at in range(8)]
    held = ranked(by, {"cheap": -500}, at=9)

    assert picks == ["dear"] * 5 + ["cheap"] * 3
    assert held.quality_target_permille is None
    assert held.candidates[0].terms.predicted_permille == 150
    assert agrees(held.to_json())


@pytest.mark.parametrize("gains", [None, {"cheap": -60}, {"cheap": 5}, {"dear": -900}])
@pytest.mark.parametrize("share", [0, 1_000])
def test_a_record_leads_to_the_same_ranking(gains: dict[str, int] | None, share: int) -> None:
    by = scorer(share=share)
    for at in range(7):
        ranking = ranked(by, gains, at=at)

        again = ranking_from_record(ranking.to_json())

        assert order(again) == order(ranking)
        assert again.reason == ranking.reason
        assert agrees(ranking.to_json())


def test_a_record_whose_prediction_was_altered_does_not_agree() -> None:
    told = ranked(scorer(), {"cheap": -60}).to_json()
    told["candidates"]["predicted_permille"] = [900, 900, 900]  # type: ignore[index]

    assert not agrees(told)


def test_the_digest_names_the_model() -> None:
    plain = bundle_of(CHEAP, dearer_permille=10)
    other = bundle_of(CHEAP, dearer_permille=20)

    digests = {BundleScorer(one, FleetHealth(FakeClock())).digest for one in (plain, other)}

    assert len(digests) == 2
