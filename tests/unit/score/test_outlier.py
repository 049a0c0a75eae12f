"""What fails now and then, but far more often than the others, is ranked last for a while."""

from itertools import pairwise

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

from transire.domain.ids import DeploymentId
from transire.domain.ranking import Ranking
from transire.score.health import FleetHealth
from transire.score.outlier import ANSWERS_TO_RETURN, MOST_RESTING, REST_S
from transire.score.scorer import BundleScorer

FLEET = [deployment(n, price=price(p)) for n, p in (("cheap", 1), ("mid", 50), ("dear", 90))]


def flap(health: FleetHealth, name: str, times: int = 30) -> None:
    """Every second attempt fails: never five in a row, so no breaker opens."""
    for _ in range(times):
        end(health, name, "")
        end(health, name, "status_5xx")


def answer(health: FleetHealth, *names: str, times: int = 20) -> None:
    for name in names:
        for _ in range(times):
            end(health, name, "")


def resting(health: FleetHealth, *names: str) -> list[str]:
    now = health.monotonic()
    return [name for name in names if health.seen(DeploymentId(name), now).is_outlier]


def ranked(health: FleetHealth, *names: str) -> Ranking:
    return BundleScorer(bundle_of(*FLEET), health).rank(
        request_of(),
        classification_of(),
        authorization_of(*(verdict(name) for name in names)),
        exclude=frozenset(),
        seed=1,
    )


def order(ranking: Ranking) -> list[str]:
    return [c.pair.deployment for c in ranking.candidates]


def test_what_fails_every_second_time_is_ranked_last_and_stays_a_fallback(
    clock: FakeClock,
) -> None:
    health = FleetHealth(clock)
    answer(health, "mid", "dear")
    flap(health, "cheap")

    ranking = ranked(health, "cheap", "mid", "dear")

    assert resting(health, "cheap", "mid", "dear") == ["cheap"]
    assert order(ranking) == ["mid", "dear", "cheap"]
    assert ranking.candidates[-1].terms.is_outlier
    assert ranking.filtered == ()


def test_where_nothing_else_is_permitted_an_outlier_is_asked(clock: FakeClock) -> None:
    health = FleetHealth(clock)
    answer(health, "mid", "dear")
    flap(health, "cheap")

    assert order(ranked(health, "cheap")) == ["cheap"]


def test_it_comes_back_and_rests_longer_where_it_fails_again(clock: FakeClock) -> None:
    health = FleetHealth(clock)
    rests = []
    for _ in range(3):
        answer(health, "mid", "dear")
        flap(health, "cheap")
        began = clock.monotonic()
        while resting(health, "cheap"):
            clock.advance(1.0)
        rests.append(clock.monotonic() - began)

    assert rests[0] == REST_S
    assert all(later > earlier for earlier, later in pairwise(rests))


def test_answers_in_a_row_end_a_rest_early(clock: FakeClock) -> None:
    health = FleetHealth(clock)
    answer(health, "mid", "dear")
    flap(health, "cheap")

    answer(health, "cheap", times=ANSWERS_TO_RETURN - 1)
    assert resting(health, "cheap") == ["cheap"]
    end(health, "cheap", "status_5xx")
    answer(health, "cheap", times=ANSWERS_TO_RETURN - 1)
    assert resting(health, "cheap") == ["cheap"]
    answer(health, "cheap", times=1)

    assert resting(health, "cheap") == []


def test_where_everything_fails_nothing_is_an_outlier(clock: FakeClock) -> None:
    health = FleetHealth(clock)
    for _ in range(30):
        for name in ("cheap", "mid", "dear"):
            flap(health, name, times=1)

    assert resting(health, "cheap", "mid", "dear") == []


def test_never_more_than_a_share_of_the_fleet_rests_at_once(clock: FakeClock) -> None:
    health = FleetHealth(clock)
    names = [f"d{i}" for i in range(10)]
    answer(health, *names, times=30)

    for name in names:
        flap(health, name)

    assert 0 < len(resting(health, *names)) <= MOST_RESTING * len(names)


def test_a_few_failures_among_few_attempts_say_nothing(clock: FakeClock) -> None:
    health = FleetHealth(clock)
    answer(health, "mid", "dear")
    flap(health, "cheap", times=2)

    assert resting(health, "cheap") == []


def test_what_callers_can_provoke_makes_no_outlier(clock: FakeClock) -> None:
    health = FleetHealth(clock)
    answer(health, "mid", "dear")
    for failure in ("status_4xx", "cancelled", "schema", "status_429") * 20:
        end(health, "cheap", failure)

    assert resting(health, "cheap") == []
