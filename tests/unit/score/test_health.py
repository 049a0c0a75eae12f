"""What one process observes of its fleet."""

import pytest
from tests.conftest import FakeClock
from tests.unit.score.fleets import deployment, end, success

from transire.domain.ids import DeploymentId
from transire.score.breaker import FAILURES_TO_OPEN, FIRST_BACKOFF_S
from transire.score.health import (
    DEFAULT_RETRY_AFTER_S,
    LONGEST_RETRY_AFTER_S,
    FleetHealth,
    counts_against,
)
from transire.score.latency import LONGEST_MS, Observed

A = DeploymentId("a")


def seen(health: FleetHealth) -> Observed:
    return health.seen(A, health.monotonic())


def test_unseen_deployment_is_trusted_at_its_catalog_value(clock: FakeClock) -> None:
    assert seen(FleetHealth(clock)) == Observed()


def test_in_flight_counts_attempts_on_the_wire(clock: FakeClock) -> None:
    health = FleetHealth(clock)
    health.started(A)
    health.started(A)
    assert seen(health).in_flight == 2

    success(health, "a")

    assert seen(health).in_flight == 2


def test_in_flight_never_falls_below_zero(clock: FakeClock) -> None:
    health = FleetHealth(clock)

    for _ in range(2):
        health.finished(A, failure="", latency_ms=1)

    assert seen(health).in_flight == 0


def test_fast_failure_is_no_reward(clock: FakeClock) -> None:
    health = FleetHealth(clock)
    for _ in range(10):
        success(health, "a", 1_000)
    before = seen(health)

    end(health, "a", "connect", latency_ms=1)

    assert seen(health).latency_ms >= before.latency_ms
    assert seen(health).success_permille < before.success_permille


def test_penalty_is_bounded_by_the_timeout(clock: FakeClock) -> None:
    health = FleetHealth(clock)

    for _ in range(200):
        end(health, "a", "timeout", latency_ms=10**12)

    assert seen(health).latency_ms <= LONGEST_MS


def test_knowledge_fades_without_traffic(clock: FakeClock) -> None:
    health = FleetHealth(clock)
    for _ in range(50):
        success(health, "a", 60_000)
    believed = seen(health).weight_permille

    clock.advance(600)

    assert believed > 850
    assert seen(health).weight_permille < 10


def test_consecutive_faults_open_the_breaker_and_time_lets_a_probe_through(
    clock: FakeClock,
) -> None:
    health = FleetHealth(clock)
    for _ in range(FAILURES_TO_OPEN):
        end(health, "a", "status_5xx")
    assert not seen(health).is_healthy

    clock.advance(FIRST_BACKOFF_S)

    assert seen(health).is_healthy


def test_half_open_deployment_serves_one_decision_only(clock: FakeClock) -> None:
    health = FleetHealth(clock)
    for _ in range(FAILURES_TO_OPEN):
        end(health, "a", "timeout")
    clock.advance(FIRST_BACKOFF_S)

    first, second = (health.claim(deployment("a"), holder, 0) for holder in (1, 2))

    assert (first, second) == (None, "health")
    assert health.seen(A, clock.monotonic(), holder=1).is_healthy
    assert not health.seen(A, clock.monotonic(), holder=2).is_healthy


def test_looking_at_a_half_open_deployment_does_not_take_its_probe(clock: FakeClock) -> None:
    health = FleetHealth(clock)
    for _ in range(FAILURES_TO_OPEN):
        end(health, "a", "timeout")
    clock.advance(FIRST_BACKOFF_S)

    for holder in (1, 2, 3):
        assert health.seen(A, clock.monotonic(), holder).is_healthy
    assert health.claim(deployment("a"), 4, 0) is None


def test_a_probe_that_was_never_sent_is_free_at_once(clock: FakeClock) -> None:
    health = FleetHealth(clock)
    for _ in range(FAILURES_TO_OPEN):
        end(health, "a", "timeout")
    clock.advance(FIRST_BACKOFF_S)
    health.claim(deployment("a"), 1, 0)

    health.forgo(deployment("a"), 1, 0)

    assert health.claim(deployment("a"), 2, 0) is None


def test_a_probe_on_the_wire_cannot_be_forgone_by_another(clock: FakeClock) -> None:
    health = FleetHealth(clock)
    for _ in range(FAILURES_TO_OPEN):
        end(health, "a", "timeout")
    clock.advance(FIRST_BACKOFF_S)
    health.claim(deployment("a"), 1, 0)
    health.started(A)

    for holder in (1, 2):
        health.forgo(deployment("a"), holder, 0)

    assert health.claim(deployment("a"), 2, 0) == "health"


def test_cancelled_probe_frees_the_place(clock: FakeClock) -> None:
    health = FleetHealth(clock)
    for _ in range(FAILURES_TO_OPEN):
        end(health, "a", "timeout")
    clock.advance(FIRST_BACKOFF_S)
    health.claim(deployment("a"), 1, 0)

    end(health, "a", "cancelled")

    assert health.seen(A, clock.monotonic(), holder=2).is_healthy


@pytest.mark.parametrize(
    "failure", ["cancelled", "stale", "deadline", "status_4xx", "status_429", "schema", "not_json"]
)
def test_what_a_caller_can_provoke_never_opens_the_breaker(clock: FakeClock, failure: str) -> None:
    health = FleetHealth(clock)

    for _ in range(50):
        end(health, "a", failure)

    assert not counts_against(failure)
    assert seen(health).is_healthy
    assert seen(health).success_permille == 1000


def test_retry_after_rests_the_deployment_until_it_has_passed(clock: FakeClock) -> None:
    health = FleetHealth(clock)

    end(health, "a", "status_429", retry_after_s=30.0)

    assert not seen(health).is_in_quota
    assert health.resting(clock.monotonic()) == {"a"}
    clock.advance(30.0)
    assert seen(health).is_in_quota
    assert health.resting(clock.monotonic()) == frozenset()


@pytest.mark.parametrize("said", [None, -5.0, 0.0, float("nan")])
def test_retry_after_that_says_nothing_rests_a_moment(clock: FakeClock, said: float | None) -> None:
    health = FleetHealth(clock)

    end(health, "a", "status_429", retry_after_s=said)

    assert not seen(health).is_in_quota
    clock.advance(DEFAULT_RETRY_AFTER_S)
    assert seen(health).is_in_quota


def test_retry_after_is_capped(clock: FakeClock) -> None:
    health = FleetHealth(clock)

    end(health, "a", "status_429", retry_after_s=float("inf"))

    clock.advance(LONGEST_RETRY_AFTER_S)
    assert seen(health).is_in_quota


def test_shorter_retry_after_does_not_shorten_a_longer_one(clock: FakeClock) -> None:
    health = FleetHealth(clock)
    end(health, "a", "status_429", retry_after_s=30.0)

    end(health, "a", "status_429", retry_after_s=1.0)

    clock.advance(10.0)
    assert not seen(health).is_in_quota


def test_who_failed_is_unwell_until_a_probe_has_succeeded(clock: FakeClock) -> None:
    health = FleetHealth(clock)
    for _ in range(FAILURES_TO_OPEN):
        end(health, "a", "status_5xx")
    end(health, "b", "")
    assert health.unwell() == {"a"}

    clock.advance(FIRST_BACKOFF_S)
    assert health.unwell() == {"a"}

    end(health, "a", "")
    assert health.unwell() == frozenset()
