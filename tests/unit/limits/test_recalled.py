"""A restart, and another replica, know what was escalated before: from entries alone."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from tests.conftest import FakeClock
from tests.unit.limits.test_escalations import Told, key

from transire.domain.escalation import CascadeRules
from transire.limits.bucket import Rate
from transire.limits.recalled import EscalationMemory

RULES = {"billing": CascadeRules(on=frozenset({"refusal", "contract"}))}
REFUSED = {"appraisal": {"verdicts": ["refusal"]}, "status": "superseded"}
GOOD = {"appraisal": {"verdicts": []}, "status": "ok"}
BURST = Rate(per_s=0.01, burst=5)


class Log:
    """Entries of requests of `support-triage`, in order, and who hears them."""

    def __init__(self, clock: FakeClock, told: Told, rules: Mapping[str, CascadeRules]) -> None:
        self.clock = clock
        self.memory = EscalationMemory(told.quota, lambda: rules, clock, boot="now")
        self.number = 0

    def asked(
        self,
        name: str,
        *outcomes: dict[str, Any],
        ago: float = 0.0,
        boot: str = "before",
        task: str = "billing",
        escalated: int = 0,
    ) -> None:
        self.number += 1
        name_of = f"dec_{self.number}"
        ts = (self.clock.now() - timedelta(seconds=ago)).isoformat()
        written = {"boot": boot, "ts": ts}
        decision = {
            "kind": "decision",
            "id": name_of,
            "tenant": "acme",
            "app": "support-triage",
            "key_id": name,
            "signals": {"task": task},
            "permit": {"attempt": 1},
        }
        self.memory.hear({**written, **decision})
        for _ in range(escalated):
            entry = {"kind": "attempt", "decision_id": name_of, "escalation": {"over": 1}}
            self.memory.hear({**written, **entry})
        for outcome in outcomes:
            self.memory.hear({**written, "kind": "outcome", "decision_id": name_of, **outcome})


@pytest.fixture
def told(clock: FakeClock) -> Told:
    return Told(clock, per_key=BURST)


@pytest.fixture
def log(clock: FakeClock, told: Told) -> Log:
    return Log(clock, told, RULES)


def left(told: Told, name: str = "one") -> int:
    granted = 0
    while told.quota.take(key(name)) == "":
        granted += 1
    return granted


def test_a_restart_gives_nobody_a_new_bucket(log: Log, told: Told) -> None:
    for _ in range(3):
        log.asked("one", REFUSED, escalated=1)

    assert (left(told), left(told, "two")) == (2, 5)


def test_a_bucket_has_filled_meanwhile_as_if_nothing_had_restarted(log: Log, told: Told) -> None:
    for ago in (500.0, 480.0, 460.0, 10.0, 5.0):
        log.asked("one", REFUSED, escalated=1, ago=ago)

    assert left(told) == 3


def test_more_than_a_bucket_holds_leaves_it_empty_and_no_more(
    log: Log, told: Told, clock: FakeClock
) -> None:
    log.asked("one", REFUSED, escalated=40)

    assert left(told) == 0
    clock.advance(101.0)
    assert left(told) == 1


def test_what_this_process_did_is_counted_once(log: Log, told: Told) -> None:
    log.asked("one", REFUSED, escalated=3, boot="now")

    assert left(told) == 5


@pytest.mark.parametrize(
    "more",
    [
        {"task": "default"},
        {"escalated": 0},
    ],
    ids=["no-cascade", "not-escalated"],
)
def test_what_escalated_nothing_takes_nothing(log: Log, told: Told, more: dict[str, Any]) -> None:
    log.asked("one", REFUSED, **{"escalated": 1, **more})

    assert left(told) == 5


def test_who_steered_before_a_restart_is_held_to_the_bound_after_it(log: Log, told: Told) -> None:
    for _ in range(40):
        log.asked("two", GOOD)
        log.asked("one", REFUSED, GOOD)
    told.quota.judged(key("one"), is_wanted=True)

    assert told.steered == ["one"]


def test_the_first_answer_of_a_request_counts_and_a_broken_contract_only_where_it_escalates(
    clock: FakeClock, told: Told
) -> None:
    broken = {"status": "contract_violated"}
    deaf = Log(clock, told, {"billing": CascadeRules(on=frozenset({"refusal"}))})
    for _ in range(40):
        deaf.asked("two", GOOD)
        deaf.asked("one", broken, GOOD, REFUSED)
    told.quota.judged(key("one"), is_wanted=True)

    assert told.steered == []

    again = Told(clock, per_key=BURST)
    log = Log(clock, again, RULES)
    for _ in range(40):
        log.asked("two", GOOD)
        log.asked("one", {"status": "failed"}, broken, GOOD)
    again.quota.judged(key("one"), is_wanted=True)

    assert again.steered == ["one"]


def test_what_is_said_of_unknown_decisions_is_no_error(log: Log, told: Told) -> None:
    entry = {"boot": "before", "ts": log.clock.now().isoformat(), "decision_id": "dec_other"}
    log.memory.hear({**entry, "kind": "attempt", "escalation": {"over": 1}})
    log.memory.hear({**entry, "kind": "outcome", **REFUSED})

    assert left(told) == 5
