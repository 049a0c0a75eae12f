"""When what is out of order may be asked again, as far as this process knows."""

import pytest
from tests.conftest import FakeClock
from tests.unit.score.fleets import deployment, end

from transire.score.breaker import FAILURES_TO_OPEN, FIRST_BACKOFF_S
from transire.score.health import FleetHealth

A, B = deployment("a"), deployment("b")


def break_(health: FleetHealth, name: str) -> None:
    for _ in range(FAILURES_TO_OPEN):
        end(health, name, "connect")


def throttle(health: FleetHealth, name: str, retry_after_s: float) -> None:
    end(health, name, "status_429", retry_after_s=retry_after_s)


def test_of_none_nothing_is_known_and_what_works_is_back_at_once(clock: FakeClock) -> None:
    health = FleetHealth(clock)

    assert health.back_in_s([]) is None
    assert health.back_in_s([A]) == 0.0


def test_an_open_breaker_is_back_when_its_back_off_is_over(clock: FakeClock) -> None:
    health = FleetHealth(clock)
    break_(health, "a")
    clock.advance(0.25)

    assert health.back_in_s([A]) == pytest.approx(FIRST_BACKOFF_S - 0.25)


def test_a_probe_on_its_way_is_waited_for(clock: FakeClock) -> None:
    health = FleetHealth(clock)
    break_(health, "a")
    clock.advance(FIRST_BACKOFF_S)
    assert health.claim(A, 1, 10) is None

    assert health.back_in_s([A]) == FIRST_BACKOFF_S


def test_a_quota_is_back_when_its_retry_after_is_over_and_the_soonest_of_all_counts(
    clock: FakeClock,
) -> None:
    health = FleetHealth(clock)
    throttle(health, "a", 30.0)
    throttle(health, "b", 12.0)

    assert health.back_in_s([A]) == pytest.approx(30.0)
    assert health.back_in_s([A, B]) == pytest.approx(12.0)


def test_a_full_minute_is_back_when_it_is_over(clock: FakeClock) -> None:
    metered = deployment("a", requests_per_minute=1)
    health = FleetHealth(clock)
    assert health.claim(metered, 1, 10) is None
    clock.advance(20.0)

    assert health.claim(metered, 2, 10) == "quota"
    assert health.back_in_s([metered]) == pytest.approx(40.0)
