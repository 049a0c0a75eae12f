"""Ids tell their time, and nothing else is taken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transire.domain.ids import make_ulid, ulid_ms


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_an_id_tells_the_milliseconds_it_was_made_with(now_ms: int, entropy: bytes) -> None:
    assert ulid_ms(make_ulid("dec", now_ms=now_ms, entropy=entropy)) == now_ms


@pytest.mark.parametrize(
    "text",
    [
        *("", "dec_", "dec_" + "0" * 25, "dec_" + "0" * 27, "dec_" + "U" * 26),
        *("dec_8" + "0" * 25, "dec_" + "é" * 26, "dec_" + "0" * 25 + "a"),
    ],
)
def test_what_is_no_id_tells_no_time(text: str) -> None:
    assert ulid_ms(text) is None
