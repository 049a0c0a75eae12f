"""How much may be escalated, and who escalates far more than the others of its application."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from tests.conftest import FakeClock

from transire.domain.ids import ApplicationId, KeyId, TenantId
from transire.domain.request import Principal
from transire.limits import escalations
from transire.limits.bucket import Rate
from transire.limits.escalations import FLOOR, HALF_LIFE_S, EscalationQuota


def key(name: str, application: str | None = "support-triage", tenant: str = "acme") -> Principal:
    return Principal(
        kind="application",
        tenant=TenantId(tenant),
        key_id=KeyId(name),
        application=None if application is None else ApplicationId(application),
    )


KEY, APPLICATION = Rate(per_s=0.5, burst=30), Rate(per_s=2.0, burst=120)
"""As the settings have them."""


@dataclass
class Told:
    """A quota, and whom it said to steer."""

    clock: FakeClock
    per_key: Rate = KEY
    per_application: Rate = APPLICATION
    steered: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.quota = EscalationQuota(
            self.clock,
            key=self.per_key,
            application=self.per_application,
            steered=lambda principal: self.steered.append(principal.key_id),
        )

    def ask(self, who: Principal, *, wanted: int, of: int) -> int:
        """So many requests, of which so many have a verdict; how many are escalated."""
        granted = 0
        for number in range(of):
            is_wanted = number * wanted // of != (number + 1) * wanted // of
            self.quota.judged(who, is_wanted=is_wanted)
            granted += is_wanted and not self.quota.take(who)
        return granted


def test_a_key_has_a_burst_and_then_so_many_a_second(clock: FakeClock) -> None:
    told = Told(clock, per_key=Rate(per_s=0.5, burst=3))
    one = key("one")

    assert [told.quota.take(one) for _ in range(4)] == ["", "", "", "quota"]

    clock.advance(4)

    assert [told.quota.take(one) for _ in range(3)] == ["", "", "quota"]


def test_one_keys_quota_is_not_anothers(clock: FakeClock) -> None:
    told = Told(clock, per_key=Rate(per_s=0.5, burst=1))
    told.quota.take(key("one"))

    assert told.quota.take(key("one")) == "quota"
    assert told.quota.take(key("two")) == ""


def test_many_keys_of_an_application_share_its_quota(clock: FakeClock) -> None:
    told = Told(clock, per_application=Rate(per_s=1, burst=5))
    said = [told.quota.take(key(f"key {n}")) for n in range(7)]

    assert said == [""] * 5 + ["application_quota"] * 2
    assert told.quota.take(key("another", application="docs-qa")) == ""
    assert told.quota.take(key("foreign", tenant="globex")) == ""


def test_what_the_application_has_not_is_not_taken_of_the_key(clock: FakeClock) -> None:
    told = Told(clock, per_key=Rate(per_s=0.001, burst=1), per_application=Rate(per_s=1, burst=1))
    told.quota.take(key("other"))
    one = key("one")

    assert told.quota.take(one) == "application_quota"

    clock.advance(1)

    assert told.quota.take(one) == ""


def test_what_is_given_back_can_be_taken_again_and_no_more(clock: FakeClock) -> None:
    told = Told(
        clock, per_key=Rate(per_s=0.001, burst=2), per_application=Rate(per_s=0.001, burst=2)
    )
    one = key("one")
    told.quota.take(one)
    told.quota.give_back(one)
    told.quota.give_back(one)

    assert [told.quota.take(one) for _ in range(3)] == ["", "", "quota"]


def test_a_person_without_an_application_has_a_quota_too(clock: FakeClock) -> None:
    told = Told(clock, per_application=Rate(per_s=1, burst=1))

    assert told.quota.take(key("one", application=None)) == ""
    assert told.quota.take(key("two", application=None)) == "application_quota"
    assert told.quota.take(key("three")) == ""


def test_a_key_that_escalates_far_above_the_others_steers_and_is_capped(clock: FakeClock) -> None:
    told = Told(clock)
    with capture_logs() as lines:
        told.ask(key("honest"), wanted=5, of=100)
        granted = told.ask(key("steerer"), wanted=100, of=100)

    assert set(told.steered) == {"steerer"}
    assert granted <= FLOOR * 100 + escalations.LEAST_REQUESTS
    assert [line["event"] for line in lines] == ["escalation.steered"]
    assert (lines[0]["key_id"], lines[0]["application"]) == ("steerer", "support-triage")
    assert told.quota.take(key("steerer")) == "steered"
    assert told.quota.take(key("honest")) == ""


def test_whoever_escalates_as_the_others_do_never_steers(clock: FakeClock) -> None:
    told = Told(clock, per_key=Rate(per_s=1, burst=1_000), per_application=Rate(per_s=1, burst=9e3))

    granted = [told.ask(key(f"key {n}"), wanted=40, of=100) for n in range(4)]

    assert told.steered == []
    assert granted == [40] * 4


def test_up_to_a_fifth_is_nobodys_attack(clock: FakeClock) -> None:
    told = Told(clock)
    told.ask(key("honest"), wanted=0, of=100)
    told.ask(key("one"), wanted=20, of=100)

    assert told.steered == []


def test_an_only_key_cannot_be_compared_and_is_bounded_by_its_bucket(clock: FakeClock) -> None:
    told = Told(clock)

    assert told.ask(key("only"), wanted=100, of=100) == 30
    assert told.steered == []


def test_harmless_traffic_of_another_application_is_no_comparison(clock: FakeClock) -> None:
    told = Told(clock)
    told.ask(key("honest", application="docs-qa"), wanted=0, of=100)
    told.ask(key("foreign", tenant="globex"), wanted=0, of=100)
    told.ask(key("one"), wanted=60, of=60)

    assert told.steered == []


def test_steering_is_forgotten_with_time(clock: FakeClock) -> None:
    told = Told(clock)
    told.ask(key("honest"), wanted=0, of=400)
    told.ask(key("steerer"), wanted=40, of=40)
    assert told.quota.take(key("steerer")) == "steered"

    clock.advance(4 * HALF_LIFE_S)
    told.ask(key("honest"), wanted=0, of=100)
    told.ask(key("steerer"), wanted=0, of=100)

    assert told.quota.take(key("steerer")) == ""


def test_a_steerer_is_said_once_in_a_half_life_and_counted_each_time(clock: FakeClock) -> None:
    told = Told(clock)
    told.ask(key("honest"), wanted=0, of=1_000)
    with capture_logs() as lines:
        told.ask(key("steerer"), wanted=50, of=50)
        clock.advance(HALF_LIFE_S)
        told.ask(key("steerer"), wanted=50, of=50)

    assert [line["event"] for line in lines] == ["escalation.steered"] * 2
    assert len(told.steered) > 50


def test_memory_is_bounded(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(escalations, "MAX_REMEMBERED", 10)
    told = Told(clock)
    for number in range(100):
        told.quota.judged(key(f"key {number}", f"app {number}"), is_wanted=True)

    assert len(told.quota._keys.known) == len(told.quota._applications.known) == 10


def test_a_clock_that_goes_back_grants_nothing(clock: FakeClock) -> None:
    told = Told(clock, per_key=Rate(per_s=1, burst=1))
    told.quota.take(key("one"))
    clock.advance(-1_000)
    assert told.quota.take(key("one")) == "quota"
    clock.advance(1_000)

    assert told.quota.take(key("one")) == "quota"


acts = st.lists(
    st.tuples(
        st.sampled_from(["one", "two", "three"]),
        st.sampled_from(["judge", "want", "take", "take", "give_back"]),
        st.integers(0, 3),
    ),
    max_size=200,
)


@given(acts)
def test_no_order_of_acts_grants_more_than_the_buckets_hold(
    many: list[tuple[str, str, int]],
) -> None:
    clock = FakeClock()
    told = Told(clock, per_key=Rate(per_s=0.5, burst=4), per_application=Rate(per_s=1.0, burst=6))
    kept = dict.fromkeys(("one", "two", "three"), 0)
    for name, act, seconds in many:
        clock.advance(seconds)
        who = key(name)
        if act in ("judge", "want"):
            told.quota.judged(who, is_wanted=act == "want")
        elif act == "take":
            kept[name] += not told.quota.take(who)
        elif kept[name]:  # nobody gives back what was not taken
            told.quota.give_back(who)
            kept[name] -= 1

    assert all(count <= 4 + 0.5 * clock.seconds for count in kept.values())
    assert sum(kept.values()) <= 6 + 1.0 * clock.seconds
