"""The interpreter's search for garbage, while requests are served and after."""

import gc

import pytest

from transire.api.heap import settled_heap


class _Knot:
    def __init__(self) -> None:
        self.own = self


def test_what_there_is_stands_aside_until_the_block_is_left() -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()

    with settled_heap():
        assert gc.get_freeze_count() > frozen
        assert gc.get_threshold()[0] > before[0]

    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_leaving_by_an_error_restores_it_too() -> None:
    before = gc.get_threshold()

    with pytest.raises(KeyError), settled_heap():
        raise KeyError

    assert gc.get_threshold() == before


def test_cycles_that_requests_make_are_still_found() -> None:
    with settled_heap():
        for _ in range(1_000):
            _Knot()
        gc.collect(0)
        left = sum(isinstance(each, _Knot) for each in gc.get_objects())

    assert left == 0
