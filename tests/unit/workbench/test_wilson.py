"""Wilson's interval against published values, and what must hold of any interval of a share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transire.workbench.wilson import wilson

# R. G. Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in
# Medicine 17 (1998), table I, method 3.
PUBLISHED = [
    ((81, 263), (0.2553, 0.3662)),
    ((15, 148), (0.0624, 0.1605)),
    ((0, 20), (0.0, 0.1611)),
    ((1, 29), (0.0061, 0.1718)),
]


@pytest.mark.parametrize(("seen", "interval"), PUBLISHED)
def test_the_interval_is_the_published_one(
    seen: tuple[int, int], interval: tuple[float, float]
) -> None:
    assert wilson(*seen, z=1.959964) == pytest.approx(interval, abs=5e-5)


def test_of_nothing_anything_may_be_true() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@given(st.integers(1, 10_000), st.data())
def test_it_holds_the_share_and_narrows_with_more(count: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, count))
    low, high = wilson(hits, count)
    surer, more = wilson(hits, count, z=2.58), wilson(10 * hits, 10 * count)

    assert 0 <= low <= hits / count + 1e-12
    assert hits / count - 1e-12 <= high <= 1
    assert surer[1] - surer[0] >= high - low
    assert more[1] - more[0] < high - low


@given(st.integers(1, 10_000), st.data())
def test_hits_and_misses_mirror_each_other(count: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, count))
    low, high = wilson(hits, count)

    assert wilson(count - hits, count) == pytest.approx((1 - high, 1 - low))
