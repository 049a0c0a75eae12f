"""Only patterns whose cost has a bound may run."""

import re
import time

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from transire.bundle.recognizers.safety import MAX_WAYS, UnsafePatternError, shape_of

SAFE = {
    r"\bZEPH-\d{3,6}\b": (4, "ZEPH-"),
    r"(?:\d{1,3}\.){3}\d{1,3}": (81, "."),
    r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}": (252, ""),
    r"a|b{1,3}c": (4, ""),
    r"(?P<v>abc)(?=x)": (1, "abc"),
    r"x\{1\}": (1, "x{1}"),
    r"a{1,5}+b": (5, "a"),
    r"(?:ab){0,2}cd": (3, "cd"),
}


@pytest.mark.parametrize("source", SAFE)
def test_what_a_bounded_pattern_costs_and_must_hold_is_counted(source: str) -> None:
    ways, literal = SAFE[source]

    assert (shape_of(source).ways, shape_of(source).literal) == (ways, literal)


REFUSED = {
    "a+": "without a bound",
    ".*secret": "without a bound",
    r"(\w+\s?)+:": "without a bound",
    "a{3,}": "without a bound",
    "a{1,1001}b": "without a bound",
    "(a{1,20}){1,20}b": "ways from one place",
    "(?:a|a){1,40}b": "ways from one place",
    r"(\w{1,9})-\1": "refers back",
    "(?P<a>x)?(?(a)y|z)": "refers back",
    "(?i)abc": "ignore_case",
    "a(?i:bc)": "ignore_case",
    "x{0,3}": "empty text",
    "(?:foo){e<=1}": "a brace",
    "[[:alpha:]]x": "a set holds no set",
    "[a||b]x": "a set holds no set",
    "(abc": "cannot be read",
    r"\p{L}x": "a brace",
    "(?<=a{1,3})b": "cannot be read",
}


@pytest.mark.parametrize("source", REFUSED)
def test_an_unbounded_or_foreign_pattern_is_refused_with_its_reason(source: str) -> None:
    with pytest.raises(UnsafePatternError, match=re.escape(REFUSED[source])):
        shape_of(source)


@given(st.text(alphabet=r"ab1.*+?{}[]()|\^$,-dwsP<>:=!", max_size=30))
def test_any_text_is_a_safe_pattern_or_refused_and_nothing_else(source: str) -> None:
    try:
        shape = shape_of(source)
    except UnsafePatternError:
        return

    assert 1 <= shape.ways <= MAX_WAYS
    assert regex.compile(source)
    signs = iter(source)
    assert all(letter in signs for letter in shape.literal) or "\\" in source


@pytest.mark.parametrize("source", [s for s in REFUSED if "ways" in REFUSED[s]])
def test_proving_a_pattern_is_quick_however_bad_it_is(source: str) -> None:
    started = time.process_time()
    with pytest.raises(UnsafePatternError):
        shape_of(source)

    assert time.process_time() - started < 1
