"""Who is let in, who waits, and what is counted of those who wait."""

from contextlib import ExitStack

import pytest
from tests.conftest import FakeClock

from transire.errors import ThrottledError
from transire.limits.admission import Admission, AdmissionLimits, FailedAuthLimiter, places_for
from transire.limits.bucket import Bucket, Rate, take, wait_s
from transire.limits.tally import MAX_KEYS, OTHERS, Tally


def admission(
    clock: FakeClock, *, in_flight: int = 100, per_principal: int = 100, burst: float = 100
) -> Admission:
    limits = AdmissionLimits(
        in_flight=in_flight, per_principal=per_principal, rate=Rate(per_s=1.0, burst=burst)
    )
    return Admission(clock=clock, limits=limits)


def test_place_is_held_only_inside_the_block(clock: FakeClock) -> None:
    made = admission(clock)

    with made.enter("key"):
        assert made.in_flight == 1

    assert made.in_flight == 0


def test_place_is_given_back_when_the_block_fails(clock: FakeClock) -> None:
    made = admission(clock, per_principal=1)

    with pytest.raises(LookupError), made.enter("key"):
        raise LookupError

    assert made.in_flight == 0
    with made.enter("key"):
        pass


def test_burst_is_spent_and_refills_with_time(clock: FakeClock) -> None:
    made = admission(clock, burst=2)
    for _ in range(2):
        with made.enter("key"):
            pass

    with pytest.raises(ThrottledError) as caught, made.enter("key"):
        pass

    assert caught.value.retry_after_s == 1.0
    clock.advance(1.0)
    with made.enter("key"):
        pass


def test_one_principal_over_its_limit_leaves_others_alone(clock: FakeClock) -> None:
    made = admission(clock, burst=1, per_principal=1)
    with made.enter("greedy"):
        with pytest.raises(ThrottledError), made.enter("greedy"):
            pass

        with made.enter("modest"):
            assert made.in_flight == 2


def test_refused_request_takes_no_tokens(clock: FakeClock) -> None:
    made = admission(clock, burst=2, per_principal=1)
    with made.enter("key"):
        for _ in range(5):
            with pytest.raises(ThrottledError), made.enter("key"):
                pass

    with made.enter("key"):
        pass


def test_low_priority_is_shed_first(clock: FakeClock) -> None:
    made = admission(clock, in_flight=10)
    with ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(made.enter("key", priority=9))

        with pytest.raises(ThrottledError), made.enter("key", priority=0):
            pass
        stack.enter_context(made.enter("key", priority=9))

    assert made.in_flight == 0


@pytest.mark.parametrize(
    ("priority", "expected"), [(9, 90), (0, 68), (5, 80), (-4, 68), (100, 90), (8, 88)]
)
def test_places_grow_with_priority(priority: int, expected: int) -> None:
    assert places_for(priority, 90) == expected


def test_a_request_that_lowers_its_priority_is_shed_as_one_of_that_priority(
    clock: FakeClock,
) -> None:
    made = admission(clock, in_flight=10)
    places = ExitStack()
    for number in range(9):
        places.enter_context(made.enter(f"key-{number}", priority=9))
    with places:
        made.reconsider("key-5", 5)
        with pytest.raises(ThrottledError, match="in flight"):
            made.reconsider("key-5", 0)
        assert made.drain_counts() == (("key-5", "overloaded", 1),)


def test_even_one_place_admits_the_lowest_priority() -> None:
    assert places_for(0, 1) == 1


def test_refusals_are_counted_by_key_and_code_and_drained_once(clock: FakeClock) -> None:
    made = admission(clock, burst=1)
    with made.enter("b"), made.enter("a"):
        pass
    for key in ("b", "a", "b"):
        with pytest.raises(ThrottledError), made.enter(key):
            pass

    assert made.drain_counts() == (("a", "rate", 1), ("b", "rate", 2))
    assert made.drain_counts() == ()


def test_idle_principal_is_forgotten_once_its_bucket_is_full(clock: FakeClock) -> None:
    made = admission(clock, burst=3)
    with made.enter("key"):
        made.drain_counts()
        assert list(made._known) == ["key"]

    clock.advance(3.0)
    made.drain_counts()

    assert list(made._known) == []


def test_message_names_no_key(clock: FakeClock) -> None:
    made = admission(clock, burst=1)
    with made.enter("secret-id"):
        pass

    with pytest.raises(ThrottledError) as caught, made.enter("secret-id"):
        pass

    assert "secret-id" not in caught.value.message


def test_tally_counts_strangers_together_past_its_size() -> None:
    tally = Tally()
    for number in range(MAX_KEYS + 7):
        tally.add(f"key-{number:04}", "rate")

    drained = tally.drain()

    assert len(drained) == MAX_KEYS + 1
    assert (OTHERS, "rate", 7) in drained


def limiter(clock: FakeClock) -> FailedAuthLimiter:
    return FailedAuthLimiter(clock, Rate(per_s=0.1, burst=3))


def test_address_is_refused_after_its_burst_of_failures(clock: FakeClock) -> None:
    made = limiter(clock)
    for _ in range(3):
        made.check("192.0.2.1")
        made.failed("192.0.2.1")

    with pytest.raises(ThrottledError) as caught:
        made.check("192.0.2.1")

    assert caught.value.retry_after_s == pytest.approx(10.0)
    made.check("192.0.2.2")
    clock.advance(10.0)
    made.check("192.0.2.1")


def test_more_failures_build_up_no_debt(clock: FakeClock) -> None:
    made = limiter(clock)
    for _ in range(50):
        made.failed("192.0.2.1")

    clock.advance(10.0)

    made.check("192.0.2.1")


@pytest.mark.parametrize(
    ("other", "is_same"),
    [("2001:db8::ffff", True), ("2001:db8:0:1::1", False), ("192.0.2.1", False)],
)
def test_addresses_of_one_ipv6_network_count_as_one(
    clock: FakeClock, other: str, is_same: bool
) -> None:
    made = limiter(clock)
    for _ in range(3):
        made.failed("2001:db8::1")

    if is_same:
        with pytest.raises(ThrottledError):
            made.check(other)
    else:
        made.check(other)


def test_mapped_address_counts_as_the_one_it_maps(clock: FakeClock) -> None:
    made = limiter(clock)
    for _ in range(3):
        made.failed("::ffff:192.0.2.1")

    with pytest.raises(ThrottledError):
        made.check("192.0.2.1")


def test_what_is_no_address_is_limited_all_the_same(clock: FakeClock) -> None:
    made = limiter(clock)
    for _ in range(3):
        made.failed("unix:")

    with pytest.raises(ThrottledError):
        made.check("unix:")


def test_counts_before_authentication_hold_no_address(clock: FakeClock) -> None:
    made = limiter(clock)
    for _ in range(3):
        made.failed("192.0.2.1")
    with pytest.raises(ThrottledError):
        made.check("192.0.2.1")

    assert made.drain_counts() == (("unauthenticated", "authentication", 1),)


@pytest.mark.parametrize(
    ("per_s", "burst"), [(0, 1), (-1, 1), (1, 0.5), (float("inf"), 1), (float("nan"), 1)]
)
def test_rate_that_means_nothing_is_refused(per_s: float, burst: float) -> None:
    with pytest.raises(ValueError, match="a rate needs"):
        Rate(per_s=per_s, burst=burst)


def test_weight_above_the_burst_is_admitted_when_full() -> None:
    rate = Rate(per_s=1.0, burst=5)

    assert take(Bucket(5, 0.0), rate, 0.0, weight=50) == Bucket(0, 0.0)
    assert wait_s(Bucket(0, 0.0), rate, 0.0, weight=50) == 5.0
