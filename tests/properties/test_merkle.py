"""Every leaf of every tree has a path to its root, whatever was remembered of smaller trees."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transire.errors import IntegrityError
from transire.record.merkle import Prover, leaf_hash, root_of, verify_inclusion

LEAVES = [leaf_hash(bytes([number])) for number in range(100)]


def read(low: int, high: int) -> Sequence[bytes]:
    return LEAVES[low:high]


@given(
    st.sampled_from([1, 2, 4, 8, 1_024]),
    st.lists(st.tuples(st.integers(1, 100), st.integers(0, 99)), min_size=1, max_size=12),
)
def test_a_path_leads_to_the_root(block: int, asked: list[tuple[int, int]]) -> None:
    prover = Prover(block)
    for size, at in asked:
        index = at % size
        path = prover.path(read, index, size)

        verify_inclusion(LEAVES[index], index, size, path, root_of(LEAVES[:size]))


def test_whole_blocks_are_read_once() -> None:
    seen: list[tuple[int, int]] = []

    def noted(low: int, high: int) -> Sequence[bytes]:
        seen.append((low, high))
        return read(low, high)

    prover = Prover(8)
    prover.path(noted, 50, 96)
    first, seen[:] = len(seen), []
    prover.path(noted, 50, 100)

    assert first > 10
    assert sum(high - low for low, high in seen) <= 8 + 4


@pytest.mark.parametrize(("index", "size"), [(-1, 5), (5, 5), (0, 0)])
def test_there_is_no_path_of_a_leaf_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(IntegrityError, match="inside the tree"):
        Prover().path(read, index, size)


def test_a_log_that_is_shorter_than_its_checkpoint_is_told() -> None:
    with pytest.raises(IntegrityError, match="fewer entries"):
        Prover().path(read, 0, 101)
