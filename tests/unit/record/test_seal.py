"""The seal over the log's state."""

from hypothesis import given
from hypothesis import strategies as st

from transire.record.seal import StateSeal

SEAL = StateSeal(b"k" * 32)
KEYS, VALUES = st.sampled_from(["a", "b", "ab", ""]), st.sampled_from(["", "a", "b", "ba"])
STATES = st.dictionaries(KEYS, VALUES)


@given(STATES, st.lists(st.tuples(KEYS, st.none() | VALUES)))
def test_moving_row_by_row_gives_the_seal_of_the_whole(
    state: dict[str, str], moves: list[tuple[str, str | None]]
) -> None:
    sealed = SEAL.of(state)
    for key, value in moves:
        sealed = SEAL.moved(sealed, key, state.get(key), value)
        if value is None:
            state.pop(key, None)
        else:
            state[key] = value

    assert sealed == SEAL.of(state)


@given(STATES, STATES)
def test_two_states_have_two_seals(one: dict[str, str], other: dict[str, str]) -> None:
    assert (SEAL.of(one) == SEAL.of(other)) == (one == other)


def test_another_key_seals_otherwise() -> None:
    assert StateSeal(b"x" * 32).of({"a": "b"}) != SEAL.of({"a": "b"})
