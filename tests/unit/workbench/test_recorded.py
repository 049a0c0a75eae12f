"""A recorded day: what of a log is replayed, and what is left to the catalog."""

from typing import Any

import pytest
from tests.unit.score.fleets import deployment

from transire.errors import RequestError
from transire.workbench.simulate.choosers import USUAL_TOKENS
from transire.workbench.simulate.recorded import recorded_day
from transire.workbench.simulate.run import Scenario, simulate
from transire.workbench.simulate.scenarios import FLEET

FLEET_OF_TWO = [deployment("a", latency_ms=700), deployment("b", latency_ms=900)]
USUAL = Scenario(name="x", fleet=FLEET, per_s=1.0, replicas=1)


def decision(number: int, second: int = 0, task: str = "faq", **more: Any) -> dict[str, Any]:
    return {
        "kind": "decision",
        "id": f"dec_{number}",
        "ts": f"2026-11-26T08:{second // 60:02}:{second % 60:02}Z",
        "signals": {"task": task},
        "permit": {"deployment": "a", "attempt": 1},
        **more,
    }


def outcome(number: int, **more: Any) -> dict[str, Any]:
    return {
        "kind": "outcome",
        "decision_id": f"dec_{number}",
        "deployment": "a",
        "status": "ok",
        "latency_ms": 2_000,
        "tokens_in": 10,
        "tokens_out": 100,
        **more,
    }


def day(*entries: dict[str, Any]) -> Scenario:
    return recorded_day(entries, FLEET_OF_TWO, {"faq": 1_234}, USUAL)


def test_requests_come_when_they_came_with_what_they_asked() -> None:
    made = day(
        decision(1, 10),
        outcome(1),
        decision(2, 70, task="billing"),
        outcome(2, tokens_in=500, tokens_out=200),
        decision(3, 40),
        outcome(3),
    )

    assert [(a.at_s, a.tokens_in, a.task) for a in made.arrivals] == [
        (0.0, 10, "faq"),
        (30.0, 10, "faq"),
        (60.0, 500, "billing"),
    ]
    assert [a.tokens_out for a in made.arrivals] == [USUAL_TOKENS, USUAL_TOKENS, 2 * USUAL_TOKENS]
    assert made.targets_ms == {"faq": 1_234}


def test_a_deployment_behaves_as_the_log_says_where_it_says_enough() -> None:
    entries = [decision(n, n) for n in range(20)]
    entries += [outcome(n) for n in range(15)]
    entries += [outcome(n, status="failed", tokens_out=None) for n in range(15, 20)]
    entries += [outcome(20, status="cancelled", latency_ms=1)]
    entries += [outcome(21, deployment="b", latency_ms=9_999)]

    a, b = day(*entries).fleet

    assert (a.mean_s, a.failing) == (2.0, 0.25)
    assert (b.mean_s, b.failing) == (0.9, 0.0)


def test_what_was_not_forwarded_is_not_replayed() -> None:
    denied = {**decision(1), "permit": None, "outcome": "denied"}
    made = day(denied, decision(2, 5), {"kind": "heartbeat"}, outcome(7))

    assert len(made.arrivals) == 1


@pytest.mark.parametrize("broken", [{"ts": "noon"}, {"ts": None}, {"ts": "2026-11-26T08:00:00"}])
def test_a_log_without_forwarded_requests_is_no_day(broken: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match="no request that was forwarded"):
        day(decision(1, **broken))


def test_a_recorded_day_runs_and_loses_no_request() -> None:
    entries = [decision(n, n % 300) for n in range(200)] + [outcome(n) for n in range(200)]
    found = simulate(day(*entries), "transire", 1)

    assert found.requests == 200
    assert found.attempts >= 200
    assert found.asked.keys() <= {"a", "b"}
