"""Estimates of tokens: upwards, by script."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transire.classify.tokens import estimate_tokens


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("", 0, 0),
        ("a", 1, 1),
        ("What are your opening hours?", 7, 7),
        ("您的营业时间是几点到几点", 12, 12),
        ("営業時間は何時から何時までですか", 16, 16),
        ("영업시간이어떻게되나요", 11, 11),
        ("เวลาทำการของคุณคืออะไร", 22, 22),
        ("Когда вы работаете", 8, 12),
        ("Wie lange hätten Sie geöffnet?", 8, 9),
        ("👍👍", 4, 4),
    ],
)
def test_a_text_is_estimated_by_its_script(text: str, least: int, most: int) -> None:
    assert least <= estimate_tokens(text) <= most


@given(st.text(), st.text())
def test_no_text_is_estimated_shorter_than_a_quarter_and_none_longer_than_its_bytes(
    first: str, second: str
) -> None:
    tokens = estimate_tokens(first)

    assert len(first) / 4 <= tokens <= max(len(first.encode(errors="surrogatepass")), 0)
    assert estimate_tokens(first + second) <= tokens + estimate_tokens(second)
