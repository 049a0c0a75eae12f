"""Where a text is judged: on the loop only where that is provably quick, else in a child."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transire.validate.isolation import OverTimeError
from transire.validate.judge import (
    ANY_OBJECT,
    LOCAL_CHARS,
    LOCAL_STEPS,
    Judge,
    Judgement,
    is_local,
)
from transire.validate.schema import Plan
from transire.validate.strict_json import MAX_CHARS

SCHEMA = b'{"type":"object","required":["a"]}'
CHEAP = Plan(SCHEMA, 2, is_isolated=False)
COSTLY = Plan(SCHEMA, 2, is_isolated=True)


class Children:
    """Isolation that notes what it is given and answers as told."""

    def __init__(self, answer: dict[str, Any] | None = None) -> None:
        self.answer = answer
        self.asked: list[tuple[bytes, str]] = []
        self.compiled: list[bytes] = []

    async def judge(self, source: bytes, text: str, party: str = "") -> dict[str, Any]:
        self.asked.append((source, text))
        if self.answer is None:
            raise OverTimeError
        return self.answer

    async def compiles(self, source: bytes, party: str = "") -> bool:
        self.compiled.append(source)
        return False


def judge(children: Children) -> Judge:
    isolation: Any = children
    return Judge(isolation)


async def test_a_text_that_is_quickly_valid_is_judged_here() -> None:
    children = Children()

    assert await judge(children).judge(CHEAP, '{"a":1}') == Judgement("valid", is_object=True)
    assert await judge(children).judge(Plan(b"{}", 1, is_isolated=False), "[1]") == Judgement(
        "valid"
    )
    assert children.asked == []


@pytest.mark.parametrize("text", ["{", "", '{"a":1,"a":2}', "NaN"])
async def test_what_is_no_json_is_told_from_what_is_wrong(text: str) -> None:
    assert await judge(Children()).judge(CHEAP, text) == Judgement("not_json")


async def test_why_a_text_is_invalid_is_found_out_in_a_child() -> None:
    children = Children({"state": "invalid", "at": "/required"})

    assert await judge(children).judge(CHEAP, "{}") == Judgement("invalid", "/required")
    assert children.asked == [(SCHEMA, "{}")]


async def test_what_could_be_slow_is_judged_in_a_child_even_where_it_is_valid() -> None:
    children = Children({"state": "valid", "is_object": True})

    assert await judge(children).judge(COSTLY, '{"a":1}') == Judgement("valid", is_object=True)
    assert children.asked == [(SCHEMA, '{"a":1}')]


async def test_a_child_that_takes_too_long_means_not_valid() -> None:
    assert await judge(Children()).judge(COSTLY, '{"a":1}') == Judgement("over")
    assert await judge(Children()).judge(CHEAP, "{}") == Judgement("over")


async def test_a_text_beyond_what_is_read_is_not_put_to_anybody() -> None:
    children = Children({"state": "valid"})
    found = await judge(children).judge(COSTLY, " " * (MAX_CHARS + 1))

    assert found == Judgement("not_json")
    assert children.asked == []


async def test_a_schema_that_does_not_compile_here_makes_nothing_valid() -> None:
    children = Children({"state": "invalid"})
    broken = Plan(b'{"type":"nonsense"}', 1, is_isolated=False)

    assert (await judge(children).judge(broken, "{}")).state == "invalid"
    assert not await judge(children).admit(broken)


async def test_a_costly_schema_is_compiled_in_a_child_alone() -> None:
    children = Children()

    assert not await judge(children).admit(COSTLY)
    assert await judge(children).admit(CHEAP)
    assert children.compiled == [SCHEMA]


@pytest.mark.parametrize(
    ("plan", "text", "expected"),
    [
        (CHEAP, "{}", True),
        (COSTLY, "{}", False),
        (CHEAP, " " * LOCAL_CHARS, True),
        (CHEAP, " " * (LOCAL_CHARS + 1), False),
        (Plan(b"{}", LOCAL_STEPS, is_isolated=False), "1", True),
        (Plan(b"{}", LOCAL_STEPS + 1, is_isolated=False), "1", False),
        (Plan(b"{}", LOCAL_STEPS // 2, is_isolated=False), "[", True),
        (Plan(b"{}", LOCAL_STEPS // 2, is_isolated=False), "1,1", True),
        (Plan(b"{}", LOCAL_STEPS // 2, is_isolated=False), "1,1,1", False),
        (Plan(b"{}", LOCAL_STEPS // 2, is_isolated=False), '{"a":1,"b":1}', False),
        (Plan(b"{}", LOCAL_STEPS // 2, is_isolated=False), "[[]]", False),
        (ANY_OBJECT, "{}", True),
    ],
)
def test_the_loop_bears_what_is_provably_quick(plan: Plan, text: str, expected: bool) -> None:
    assert is_local(plan, text) == expected


def _count(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(map(_count, value.values()))
    return 1 + sum(map(_count, value)) if isinstance(value, list) else 1


@given(
    st.recursive(
        st.none() | st.integers(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab"), inner),
        max_leaves=20,
    )
)
def test_no_text_holds_more_values_than_it_is_counted_for(value: Any) -> None:
    import json

    count = _count(value)
    plan = Plan(b"{}", LOCAL_STEPS // count + 1, is_isolated=False)

    assert not is_local(plan, json.dumps(value))
