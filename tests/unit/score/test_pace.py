"""What says that it is asked too often is asked less often, and more with every good second."""

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

from transire.domain.ids import DeploymentId
from transire.domain.ranking import Ranking
from transire.score.health import FleetHealth
from transire.score.pace import MEMORY_S, SLOWEST_PER_S, Pace, after_asking, after_refusal, is_paced
from transire.score.scorer import BundleScorer

FLEET = [deployment(n, price=price(p)) for n, p in (("cheap", 1), ("dear", 90))]


def asked(per_s: float, *, seconds: float, since: float = 0.0) -> Pace:
    pace = Pace(since=since)
    for n in range(round(per_s * seconds)):
        pace = after_asking(pace, since + n / per_s)
    return pace


def turns(pace: Pace, start: float, seconds: float) -> int:
    """How often it is asked by whoever keeps to its turns, and is not refused."""
    count = 0
    for step in range(round(seconds * 100)):
        now = start + step / 100
        if not is_paced(pace, now):
            pace, count = after_asking(pace, now), count + 1
    return count


def ranked(health: FleetHealth) -> Ranking:
    return BundleScorer(bundle_of(*FLEET), health).rank(
        request_of(),
        classification_of(),
        authorization_of(verdict("cheap"), verdict("dear")),
        exclude=frozenset(),
        seed=1,
    )


def use(health: FleetHealth, clock: FakeClock, name: str, *, per_s: int, seconds: int) -> None:
    for _ in range(per_s * seconds):
        health.started(DeploymentId(name))
        health.finished(DeploymentId(name), failure="", latency_ms=300)
        clock.advance(1 / per_s)


def refuse(health: FleetHealth, name: str) -> None:
    health.started(DeploymentId(name))
    health.finished(DeploymentId(name), failure="status_429", latency_ms=20, retry_after_s=1.0)


def test_what_never_refused_is_never_paced() -> None:
    pace = asked(50, seconds=3)

    assert not is_paced(pace, 2.99)


def test_after_a_refusal_it_is_asked_at_seven_tenths_of_the_rate_and_slowly_more() -> None:
    pace = after_refusal(asked(10, seconds=20), 20.0)

    assert is_paced(pace, 20.05)
    assert 13 <= turns(pace, 20.0, 2) <= 15
    assert 96 <= turns(pace, 20.0, 12) <= 100, "7 a second, and 0.21 more with every second"


def test_one_refusal_of_a_burst_says_as_much_as_ten() -> None:
    once = after_refusal(asked(10, seconds=20), 20.0)
    often = once
    for n in range(10):
        often = after_refusal(often, 20.0 + n / 100)

    assert often == once


def test_after_a_minute_without_a_refusal_it_is_forgotten() -> None:
    pace = after_refusal(asked(10, seconds=20), 20.0)
    for n in range(200):
        pace = after_asking(pace, 79.0 + n / 1_000)

    assert is_paced(pace, 79.5)
    assert not is_paced(pace, 20.0 + MEMORY_S)


def test_what_is_asked_seldom_is_not_paced_at_all() -> None:
    pace = after_refusal(asked(SLOWEST_PER_S, seconds=10), 10.0)

    assert not is_paced(pace, 10.0)


def test_turns_that_were_not_taken_do_not_pile_up() -> None:
    pace = after_refusal(asked(10, seconds=20), 20.0)

    assert turns(pace, 40.0, 0.05) <= 13, "a second's worth, at 11 a second"


def test_out_of_its_turn_the_cheapest_is_ranked_last_and_stays_a_fallback(
    clock: FakeClock,
) -> None:
    health = FleetHealth(clock)
    use(health, clock, "cheap", per_s=10, seconds=10)
    refuse(health, "cheap")
    clock.advance(1.01)  # what Retry-After said is over
    use(health, clock, "cheap", per_s=100, seconds=1)

    ranking = ranked(health)

    assert [c.pair.deployment for c in ranking.candidates] == ["dear", "cheap"]
    assert [c.terms.is_paced for c in ranking.candidates] == [False, True]
    assert ranking.filtered == ()


def test_in_its_turn_the_cheapest_comes_first_again(clock: FakeClock) -> None:
    health = FleetHealth(clock)
    use(health, clock, "cheap", per_s=10, seconds=10)
    refuse(health, "cheap")
    clock.advance(1.01)

    assert ranked(health).candidates[0].pair.deployment == "cheap"


def test_whose_turn_it_is_is_looked_at_anew_each_time(clock: FakeClock) -> None:
    health = FleetHealth(clock)
    use(health, clock, "cheap", per_s=10, seconds=10)
    refuse(health, "cheap")
    clock.advance(1.01)
    use(health, clock, "cheap", per_s=1_000, seconds=1)
    out_of_turn = health.seen(DeploymentId("cheap"), clock.monotonic())

    clock.advance(0.099)

    assert out_of_turn.is_paced
    assert health.seen(DeploymentId("cheap"), clock.monotonic()) is not out_of_turn


def test_where_all_are_out_of_turn_all_remain(clock: FakeClock) -> None:
    health = FleetHealth(clock)
    for name in ("cheap", "dear"):
        use(health, clock, name, per_s=10, seconds=10)
        refuse(health, name)
    clock.advance(1.01)
    for name in ("cheap", "dear"):
        use(health, clock, name, per_s=500, seconds=1)

    ranking = ranked(health)

    assert {c.pair.deployment for c in ranking.candidates} == {"cheap", "dear"}


def test_what_is_down_and_says_for_how_long_is_not_paced(clock: FakeClock) -> None:
    health = FleetHealth(clock)
    use(health, clock, "cheap", per_s=10, seconds=10)
    health.started(DeploymentId("cheap"))
    health.finished(DeploymentId("cheap"), failure="status_5xx", latency_ms=20, retry_after_s=1.0)
    clock.advance(1.01)
    use(health, clock, "cheap", per_s=1_000, seconds=1)

    assert not health.seen(DeploymentId("cheap"), clock.monotonic()).is_paced
