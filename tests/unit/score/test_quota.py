"""A quota group's minute: what fits, what is given back, and what is learned afterwards."""

from typing import Any

import pytest
from tests.conftest import FakeClock
from tests.unit.score.fleets import deployment

from transire.domain.deployment import Deployment
from transire.domain.ids import DeploymentId
from transire.score.health import FleetHealth
from transire.score.quota import Window, counted, used


def limited(**limits: Any) -> Deployment:
    return deployment("a", quota_group="g", **limits)


def test_the_minute_before_fades_as_the_running_one_passes() -> None:
    window = counted(Window(since=0.0), 59.0, requests=60, tokens=600)

    told = [used(window, now) for now in (59.0, 60.0, 75.0, 90.0, 105.0, 120.0)]

    assert told == [(60, 600), (60, 600), (45, 450), (30, 300), (15, 150), (0, 0)]


def test_a_clock_that_went_back_moves_nothing() -> None:
    window = counted(Window(since=100.0), 130.0, requests=3, tokens=30)

    assert used(window, 10.0) == (3, 30)


def test_what_is_taken_back_never_goes_below_nothing() -> None:
    window = counted(Window(since=0.0), 1.0, requests=1, tokens=5)

    assert used(counted(window, 2.0, requests=-9, tokens=-99), 2.0) == (0, 0)


def test_requests_of_one_minute_are_no_more_than_its_limit(clock: FakeClock) -> None:
    health, one = FleetHealth(clock), limited(requests_per_minute=3)

    assert [health.claim(one, n, 0) for n in range(5)] == [None, None, None, "quota", "quota"]


def test_tokens_of_one_minute_are_no_more_than_its_limit(clock: FakeClock) -> None:
    health, one = FleetHealth(clock), limited(tokens_per_minute=1_000)

    assert [health.claim(one, n, 400) for n in range(3)] == [None, None, "quota"]
    assert health.claim(one, 4, 200) is None


def test_a_request_of_more_than_a_minutes_tokens_goes_alone(clock: FakeClock) -> None:
    health, one = FleetHealth(clock), limited(tokens_per_minute=1_000)

    assert health.claim(one, 1, 5_000) is None
    assert health.claim(one, 2, 1) == "quota"


def test_what_was_not_sent_is_given_back(clock: FakeClock) -> None:
    health, one = FleetHealth(clock), limited(requests_per_minute=1)
    health.claim(one, 1, 10)

    health.forgo(one, 1, 10)

    assert health.claim(one, 2, 10) is None


def test_what_was_used_takes_the_place_of_what_was_thought(clock: FakeClock) -> None:
    health, one = FleetHealth(clock), limited(tokens_per_minute=1_000)
    health.claim(one, 1, 900)
    health.started(one.id)

    health.finished(
        one.id, failure="", latency_ms=1, tokens_in=50, tokens_out=50, claimed_tokens=900
    )

    assert health.claim(one, 2, 900) is None
    assert health.claim(one, 3, 1) == "quota"


@pytest.mark.parametrize("reported", [-(2**60), 2**60])
def test_a_hostile_report_neither_frees_nor_blocks_for_ever(
    clock: FakeClock, reported: int
) -> None:
    health, one = FleetHealth(clock), limited(tokens_per_minute=1_000)
    health.claim(one, 1, 500)
    health.started(one.id)
    health.finished(
        one.id, failure="", latency_ms=1, tokens_in=reported, tokens_out=0, claimed_tokens=500
    )

    clock.advance(120.0)

    assert health.claim(one, 2, 500) is None


def test_what_is_not_limited_is_not_counted(clock: FakeClock) -> None:
    health = FleetHealth(clock)

    assert all(health.claim(deployment("a"), n, 10**9) is None for n in range(1_000))
    assert health.has_room(limited(requests_per_minute=1), 0.0, 0)


def test_a_claim_that_finds_no_room_leaves_the_probe_to_others(clock: FakeClock) -> None:
    health, one = FleetHealth(clock), limited(requests_per_minute=6)
    for n in range(5):
        assert health.claim(one, n, 0) is None
        health.started(one.id)
        health.finished(one.id, failure="timeout", latency_ms=1)
    clock.advance(2.0)
    assert health.claim(limited(requests_per_minute=5), 7, 0) == "quota"

    assert health.claim(one, 8, 0) is None
    assert health.claim(one, 9, 0) == "health"
    assert DeploymentId("a") == one.id
