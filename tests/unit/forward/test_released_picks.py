"""The pick of what a person released, made again from its record."""

from collections.abc import Sequence
from typing import Any

import pytest
from tests.unit.test_picks import candidate, release

from transire.domain.bundle import RoutingRules
from transire.domain.ranking import Candidate
from transire.forward.replay import Asked, pick_agrees
from transire.picks import free

RANKED = [candidate("b", "q"), candidate("a", "p"), candidate("c", "q")]
ROUTING = RoutingRules(tasks=(), cues=(), latency_target_ms={}, task_quality_floor_permille={})


def asked(
    name: str,
    ranked: Sequence[Candidate] = RANKED,
    *,
    attempt: int = 1,
    cause: str = "first",
    review: str = "rev_1",
    ended: dict[str, Any] | None = None,
    queues: str = "q",
    of: str = "ac",
) -> Asked:
    entry: dict[str, Any] = {
        "permit": {"deployment": name, "attempt": attempt, "cause": cause},
        **({"review_id": review} if review else {}),
    }
    approved = release(*queues, of=of) if review else None
    return Asked(entry=entry, candidates=ranked, free=free(ranked, approved), outcome=ended)


def agrees(*made: Asked) -> bool | None:
    return pick_agrees(made, ROUTING, "default", None)


@pytest.mark.parametrize(("name", "is_so"), [("c", True), ("b", False), ("a", False)])
def test_the_first_that_was_released_is_the_pick(name: str, is_so: bool) -> None:
    """`b` was not approved, `a` waits in a queue that has not released it."""
    assert agrees(asked(name)) is is_so


def test_a_review_is_spent_only_where_the_best_waits_for_one() -> None:
    ranked = [candidate("a"), *RANKED]

    assert agrees(asked("a", ranked, review="")) is True
    assert agrees(asked("a", ranked)) is False


def test_what_waits_is_not_picked_without_a_review() -> None:
    assert agrees(asked("c", review="")) is False


def test_what_follows_a_released_attempt_was_released_too() -> None:
    down = {"status": "failed", "failure": "status_5xx"}
    first = asked("c", queues="pq", of="ac", ranked=RANKED[2:] + RANKED[:2], ended=down)

    def after(name: str, cause: str = "fallback") -> bool | None:
        return agrees(first, asked(name, queues="pq", attempt=2, cause=cause))

    assert after("a") is True
    assert after("b") is False
    assert after("c", "retry") is False


def test_nothing_released_is_escalated() -> None:
    first = asked("c", ended={"status": "ok", "appraisal": {"verdicts": ["refusal"]}})
    later = asked("c", attempt=2, cause="escalation")
    wanted = {"verdicts": ["refusal"], "over": 1, "above": 0, "within_ms": 9_000}
    escalated = Asked(
        entry={**later.entry, "escalation": wanted},
        candidates=later.candidates,
        free=later.free,
        outcome=None,
    )

    assert agrees(first, escalated) is False
