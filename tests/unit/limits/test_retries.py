"""Later attempts stay a share of first ones, however much fails."""

from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import FakeClock

from transire.limits.retries import RetryBudget


def made(clock: FakeClock, most: float = 10, share: float = 0.2, per_s: float = 1) -> RetryBudget:
    return RetryBudget(clock, share=share, per_s=per_s, most=most)


def tried_again(budget: RetryBudget, requests: int) -> int:
    """Requests of which each fails and asks for one more attempt."""
    count = 0
    for _ in range(requests):
        budget.first()
        count += budget.again()
    return count


def test_a_router_that_has_just_started_may_fall_back(clock: FakeClock) -> None:
    budget = made(clock)

    assert [budget.again() for _ in range(11)] == [True] * 10 + [False]


def test_where_everything_fails_a_fifth_of_all_requests_is_tried_again(clock: FakeClock) -> None:
    assert 200 <= tried_again(made(clock), 1_000) <= 212


def test_time_alone_earns_a_little(clock: FakeClock) -> None:
    budget = made(clock)
    tried_again(budget, 1_000)
    assert not budget.again()

    clock.advance(3)

    assert [budget.again() for _ in range(4)] == [True, True, True, False]


def test_no_more_is_saved_up_than_may_follow_at_once(clock: FakeClock) -> None:
    budget = made(clock)
    clock.advance(3_600)

    assert sum(budget.again() for _ in range(100)) == 10


def test_a_clock_that_goes_back_earns_nothing(clock: FakeClock) -> None:
    budget = made(clock)
    tried_again(budget, 1_000)
    clock.advance(-100)
    assert not budget.again()
    clock.advance(100)

    assert not budget.again()


@given(
    steps=st.lists(st.one_of(st.just("first"), st.just("again"), st.floats(0, 5)), max_size=200),
    most=st.integers(1, 20),
)
def test_later_attempts_never_pass_what_was_earned(steps: list[str | float], most: int) -> None:
    clock = FakeClock()
    budget = made(clock, most=most)
    earned, spent = float(most), 0
    for step in steps:
        if step == "first":
            budget.first()
            earned += 0.2
        elif step == "again":
            spent += budget.again()
        else:
            clock.advance(float(step))
            earned += float(step)
        assert spent <= earned + 1e-6
