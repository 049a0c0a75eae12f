"""What holds of buckets and admission for any sequence of arrivals."""

from contextlib import ExitStack

from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import FakeClock

from transire.errors import ThrottledError
from transire.limits.admission import Admission, AdmissionLimits, places_for
from transire.limits.bucket import Bucket, Rate, filled, take, wait_s

rates = st.builds(Rate, per_s=st.floats(0.001, 1_000), burst=st.floats(1, 1_000))
arrivals = st.lists(st.tuples(st.floats(-5, 50), st.floats(0.1, 2_000)), max_size=50)


@given(rates, arrivals)
def test_bucket_is_never_negative_and_never_above_its_burst(
    rate: Rate, history: list[tuple[float, float]]
) -> None:
    bucket, now = Bucket(rate.burst, 0.0), 0.0
    for passed, weight in history:
        now += passed
        bucket = take(bucket, rate, now, weight) or bucket
        assert 0 <= bucket.level <= rate.burst
        assert 0 <= filled(bucket, rate, now) <= rate.burst


@given(rates, st.lists(st.floats(0, 5), max_size=80))
def test_what_is_admitted_never_exceeds_burst_plus_rate_times_time(
    rate: Rate, gaps: list[float]
) -> None:
    bucket, now, admitted = Bucket(rate.burst, 0.0), 0.0, 0
    for gap in gaps:
        now += gap
        after = take(bucket, rate, now)
        if after is not None:
            bucket, admitted = after, admitted + 1

    assert admitted <= rate.burst + rate.per_s * now + 1e-6


@given(rates, st.floats(0, 1), st.floats(0.1, 2_000))
def test_waiting_as_long_as_told_is_enough(rate: Rate, share: float, weight: float) -> None:
    bucket = Bucket(rate.burst * share, 0.0)

    wait = wait_s(bucket, rate, 0.0, weight)

    assert wait >= 0
    assert take(bucket, rate, wait * (1 + 1e-9) + 1e-9, weight) is not None


@given(
    st.integers(1, 12),
    st.integers(1, 6),
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.booleans()), max_size=60),
)
def test_no_limit_is_ever_exceeded_and_every_place_is_given_back(
    in_flight: int, per_principal: int, history: list[tuple[str, int, bool]]
) -> None:
    limits = AdmissionLimits(
        in_flight=in_flight, per_principal=per_principal, rate=Rate(per_s=1.0, burst=20)
    )
    made = Admission(clock=FakeClock(), limits=limits)
    held: list[tuple[str, ExitStack]] = []
    refused = 0
    for key, priority, leaves in history:
        stack = ExitStack()
        try:
            stack.enter_context(made.enter(key, priority=priority))
        except ThrottledError:
            refused += 1
        else:
            held.append((key, stack))
        assert made.in_flight == len(held) <= in_flight
        assert sum(holder == key for holder, _ in held) <= per_principal
        if leaves and held:
            held.pop(0)[1].close()
    for _, stack in held:
        stack.close()

    assert made.in_flight == 0
    assert sum(count for _, _, count in made.drain_counts()) == refused


@given(st.integers(-5, 20), st.integers(1, 10_000))
def test_higher_priority_never_has_fewer_places(priority: int, places: int) -> None:
    assert 1 <= places_for(priority, places) <= places_for(priority + 1, places) <= places
