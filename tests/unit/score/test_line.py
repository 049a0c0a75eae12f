"""A line through what was seen: what it learns, and what it refuses to guess."""

import pytest

from transire.score.latency import ANSWER_RIDGE_TOKENS, Averages, learn
from transire.score.line import EMPTY, MOST_TOKENS, STEEPEST_US, Line, drawn, raised


def through(*samples: tuple[float, float]) -> Line:
    line, alpha = EMPTY, 1.0
    for tokens, time_ms in samples:
        line, alpha = drawn(line, tokens, time_ms, alpha), 0.1
    return line


def at(line: Line, tokens: int, ridge: float = 1.0) -> float:
    slope = line.slope_us(ridge)
    return (line.base_us(slope) + slope * tokens) / 1000


def test_time_that_grows_with_the_tokens_is_foretold_for_other_amounts() -> None:
    line = through(*[(n, 200 + 20 * n) for n in (100, 300, 50, 400, 200) * 20])

    assert at(line, 1_000) == pytest.approx(20_200, rel=0.02)
    assert at(line, 0) == pytest.approx(200, abs=60)


def test_amounts_that_never_varied_say_nothing_of_others() -> None:
    line = through(*[(50, 1_000)] * 30)

    assert line.slope_us(1.0) == 0
    assert at(line, 5_000) == pytest.approx(1_000)


def test_a_small_spread_is_doubted() -> None:
    line = through(*[(n, 10.0 * n) for n in (98, 102) * 30])

    assert line.slope_us(ANSWER_RIDGE_TOKENS) < 100


def test_longer_is_never_faster() -> None:
    assert through((10, 900), (1_000, 100), (20, 800), (900, 90)).slope_us(1.0) == 0


def test_no_slope_is_endless() -> None:
    assert through((0, 0), (1, 1e9)).slope_us(0.001) == STEEPEST_US


def test_a_hostile_count_of_tokens_is_the_longest_one() -> None:
    for count in (-1, float("nan"), 1e300):
        assert drawn(EMPTY, count, 1.0, 1.0).tokens == MOST_TOKENS


def test_a_failure_raises_and_never_lowers() -> None:
    line = through((10, 500))

    assert raised(line, 100, 0.5) == line
    assert raised(line, 900, 0.5).time_ms == 700


def test_first_token_and_the_rest_are_kept_apart() -> None:
    averages = Averages()
    for tokens_in, tokens_out in [(100, 50), (8_000, 400), (3_000, 20), (500, 300)] * 20:
        first = 200 + tokens_in // 10
        averages = learn(
            averages,
            is_success=True,
            latency_ms=first + 15 * tokens_out,
            first_token_ms=first,
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            now=0.0,
        )

    assert averages.first is not None
    assert at(averages.first, 6_000) == pytest.approx(800, rel=0.05)
    assert at(averages.rest, 1_000) == pytest.approx(15_000, rel=0.05)


def test_a_first_stream_takes_the_first_token_out_of_the_rest() -> None:
    averages = Averages()
    for _ in range(20):
        averages = learn(averages, is_success=True, latency_ms=1_000, tokens_out=50, now=0.0)
    averages = learn(
        averages, is_success=True, latency_ms=1_000, first_token_ms=600, tokens_out=50, now=0.0
    )

    assert averages.first is not None
    assert averages.first.time_ms + averages.rest.time_ms == pytest.approx(1_000)


def test_whole_answers_after_streams_are_split_as_streams_were() -> None:
    averages = Averages()
    for first in (600, None, None, None):
        averages = learn(
            averages, is_success=True, latency_ms=1_000, first_token_ms=first, tokens_out=9, now=0.0
        )

    assert averages.rest.time_ms == pytest.approx(400)
