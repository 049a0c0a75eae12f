"""What start-up built is no more walked over, and stays what it is."""

import gc
from collections.abc import Iterator

import pytest

from transire.heap import settle_heap


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    threshold = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*threshold)


class Kept:
    """Lives in a cycle, as much of what start-up builds does."""

    def __init__(self) -> None:
        self.itself = self


def test_what_exists_at_start_is_walked_over_no_more() -> None:
    kept = Kept()

    settle_heap()

    assert all(found is not kept for found in gc.get_objects())
    assert kept.itself is kept


def test_cycles_made_later_are_still_collected() -> None:
    settle_heap()
    Kept()

    assert gc.collect() >= 1


def test_the_young_are_looked_through_less_often() -> None:
    before = gc.get_threshold()

    settle_heap()

    assert gc.get_threshold()[0] > before[0]
    assert gc.get_threshold()[1:] == before[1:]
