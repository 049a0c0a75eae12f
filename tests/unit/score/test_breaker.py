"""The breaker as a state machine."""

from transire.score.breaker import (
    FAILURES_TO_OPEN,
    FIRST_BACKOFF_S,
    LONGEST_BACKOFF_S,
    PROBE_LIMIT_S,
    RESERVATION_S,
    Breaker,
    after_failure,
    after_success,
    allows,
    begin,
    give_back,
    reserve,
)


def opened(now: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(FAILURES_TO_OPEN):
        breaker = after_failure(breaker, now)
    return breaker


def test_one_failure_fewer_than_the_limit_keeps_it_closed() -> None:
    breaker = Breaker()
    for _ in range(FAILURES_TO_OPEN - 1):
        breaker = after_failure(breaker, 0.0)

    assert allows(breaker, 0.0)


def test_consecutive_failures_open_it() -> None:
    assert not allows(opened(), 0.0)


def test_success_between_failures_starts_the_count_anew() -> None:
    breaker = Breaker(failures=FAILURES_TO_OPEN - 1)

    breaker = after_failure(after_success(breaker, 0.0), 0.0)

    assert breaker == Breaker(failures=1)


def test_exactly_one_probe_passes_after_the_backoff() -> None:
    breaker = opened()
    assert allows(breaker, FIRST_BACKOFF_S, holder=1)

    breaker = reserve(breaker, FIRST_BACKOFF_S, holder=1)

    assert allows(breaker, FIRST_BACKOFF_S, holder=1)
    assert not allows(breaker, FIRST_BACKOFF_S, holder=2)
    assert not allows(breaker, FIRST_BACKOFF_S)


def test_reservation_that_nobody_begins_lapses() -> None:
    breaker = reserve(opened(), FIRST_BACKOFF_S, holder=1)

    assert allows(breaker, FIRST_BACKOFF_S + RESERVATION_S, holder=2)


def test_begun_probe_is_not_shortened_by_its_own_second_reservation() -> None:
    breaker = begin(reserve(opened(), 1.0, holder=1), 1.0)

    again = reserve(breaker, 2.0, holder=1)

    assert again == breaker


def test_lost_probe_does_not_block_for_ever() -> None:
    breaker = begin(opened(), FIRST_BACKOFF_S)
    assert not allows(breaker, FIRST_BACKOFF_S + RESERVATION_S, holder=2)

    assert allows(breaker, FIRST_BACKOFF_S + PROBE_LIMIT_S, holder=2)


def test_probe_without_news_is_given_back() -> None:
    breaker = begin(opened(), FIRST_BACKOFF_S)

    assert allows(give_back(breaker), FIRST_BACKOFF_S, holder=2)


def test_reservation_is_not_given_back_by_somebody_elses_end() -> None:
    breaker = reserve(opened(), FIRST_BACKOFF_S, holder=1)

    assert give_back(breaker) == breaker


def test_successful_probe_closes_it() -> None:
    assert after_success(begin(opened(), FIRST_BACKOFF_S), 1.5) == Breaker()


def test_failed_probe_doubles_the_backoff_up_to_the_limit() -> None:
    breaker, now, backoffs = opened(), 0.0, []
    for _ in range(8):
        assert breaker.open_until is not None
        now = breaker.open_until
        breaker = after_failure(begin(breaker, now), now)
        backoffs.append(breaker.backoff_s)

    assert backoffs == [2, 4, 8, 16, 32, LONGEST_BACKOFF_S, LONGEST_BACKOFF_S, LONGEST_BACKOFF_S]


def test_late_answers_from_before_the_opening_change_nothing() -> None:
    breaker = opened()

    assert after_success(breaker, FIRST_BACKOFF_S / 2) == breaker
    assert after_failure(breaker, FIRST_BACKOFF_S / 2) == breaker
