"""Which tools an answer may and must call: offered, narrowed, required, and nothing besides."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.validate.answers import body_of

from transire.domain.answer import AnswerChoice, ToolCall
from transire.domain.request import Assertions
from transire.validate.toolcalls import MAX_CALLS, Offer, of_choice, offer_of


def function(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}}


def custom(name: str) -> dict[str, Any]:
    return {"type": "custom", "custom": {"name": name}}


def offer(*tools: dict[str, Any], choice: Any = None, **asserted: frozenset[str]) -> Offer:
    fields: dict[str, Any] = {"tools": list(tools)}
    if choice is not None:
        fields["tool_choice"] = choice
    return offer_of(body_of(fields), Assertions(**asserted))  # type: ignore[arg-type] # two of them


def wrong(offered: Offer, *calls: ToolCall | str) -> list[tuple[str, str]]:
    """Kinds and paths of what is wrong with an answer that makes these calls."""
    made = tuple(
        ToolCall(id="i", name=call, arguments="{}") if isinstance(call, str) else call
        for call in calls
    )
    choice = AnswerChoice(
        index=3, content=None, refusal=None, tool_calls=made, finish_reason="tool_calls"
    )
    found = list(of_choice(offered, choice))
    assert {violation.choice for violation in found} <= {3}
    return [(violation.kind, violation.path) for violation in found]


UNKNOWN, REQUIRED = "tool_unknown", ("tool_required", "message.tool_calls")
FIRST = (UNKNOWN, "message.tool_calls[0]")


def test_what_was_offered_may_be_called_and_need_not_be() -> None:
    offered = offer(function("f"), function("g"))

    assert wrong(offered, "f") == wrong(offered, "g", "f") == wrong(offered) == []


def test_what_nobody_offered_is_named_by_its_place() -> None:
    assert wrong(offer(function("f")), "f", "x") == [(UNKNOWN, "message.tool_calls[1]")]
    assert wrong(offer_of(body_of({}), Assertions()), "f") == [FIRST]


def test_a_call_without_an_id_is_none() -> None:
    assert wrong(offer(function("f")), ToolCall(id="", name="f", arguments="{}")) == [FIRST]


@pytest.mark.parametrize("offered", [function("f"), custom("f")])
@pytest.mark.parametrize("kind", ["function", "custom", "other"])
def test_a_call_is_of_the_kind_that_was_offered(offered: dict[str, Any], kind: str) -> None:
    call = ToolCall(id="i", name="f", arguments="{}", kind=kind)

    assert wrong(offer(offered), call) == ([] if kind == offered["type"] else [FIRST])


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "function"},
        {"type": "function", "function": "f"},
        {"type": "function", "function": {"name": 5}},
        {"type": "function", "custom": {"name": "f"}},
        {"function": {"name": "f"}},
    ],
)
def test_what_is_no_tool_is_not_offered(tool: dict[str, Any]) -> None:
    assert offer(tool).allowed == frozenset()


def test_the_callers_assertion_narrows_and_never_widens() -> None:
    offered = offer(function("f"), function("g"), allowed_tools=frozenset({"g", "x"}))

    assert offered.allowed == {"g"}
    assert wrong(offered, "f") == wrong(offered, "x") == [FIRST]


def test_allowing_none_allows_none() -> None:
    assert offer(function("f"), allowed_tools=frozenset()).allowed == frozenset()


def test_every_required_tool_must_be_called() -> None:
    offered = offer(function("f"), function("g"), required_tools=frozenset({"f", "g"}))

    assert wrong(offered, "f", "g") == []
    assert wrong(offered, "f") == wrong(offered) == [REQUIRED]


def test_choosing_none_forbids_every_call() -> None:
    offered = offer(function("f"), choice="none")

    assert wrong(offered, "f") == [FIRST]
    assert wrong(offered) == []


def test_choosing_required_asks_for_some_call() -> None:
    offered = offer(function("f"), function("g"), choice="required")

    assert wrong(offered) == [REQUIRED]
    assert wrong(offered, "g") == []


@pytest.mark.parametrize("made", [function, custom])
def test_choosing_one_asks_for_it_and_forbids_the_others(made: Any) -> None:
    offered = offer(made("f"), made("g"), choice=made("f"))
    kind = made("f")["type"]
    f, g = (ToolCall(id="i", name=name, arguments="{}", kind=kind) for name in "fg")

    assert wrong(offered, f) == []
    assert wrong(offered, g) == [FIRST, REQUIRED]
    assert wrong(offered) == [REQUIRED]


@pytest.mark.parametrize(
    "choice",
    [{"type": "function"}, {"type": "function", "function": {}}, {"type": []}, {"x": 1}, {}],
)
def test_a_choice_that_names_nothing_lets_nothing_be_called(choice: Any) -> None:
    assert wrong(offer(function("f"), choice=choice), "f") == [FIRST, REQUIRED]


@pytest.mark.parametrize("choice", ["auto", None])
def test_choosing_auto_leaves_the_offer_as_it_is(choice: Any) -> None:
    assert not offer(function("f"), choice=choice).needs_one
    assert offer(function("f"), choice=choice).required == frozenset()


def test_an_answer_with_too_many_calls_is_read_no_further() -> None:
    offered = offer(function("f"))

    assert wrong(offered, *["f"] * MAX_CALLS) == []
    assert wrong(offered, *["f"] * (MAX_CALLS + 1)) == [(UNKNOWN, "message.tool_calls")]


names = st.sampled_from("abcd")
sets = st.frozensets(names)


@given(
    st.lists(names),
    st.lists(names),
    st.none() | sets,
    sets,
    st.none() | st.sampled_from(["auto", "none", "required"]) | names.map(function),
)
def test_what_passes_was_offered_allowed_and_leaves_nothing_required_out(
    tools: list[str],
    called: list[str],
    allowed: frozenset[str] | None,
    required: frozenset[str],
    choice: Any,
) -> None:
    asserted: dict[str, Any] = {"allowed_tools": allowed, "required_tools": required}
    offered = offer(*map(function, tools), choice=choice, **asserted)
    if wrong(offered, *called):
        return

    assert set(called) <= set(tools)
    assert allowed is None or set(called) <= allowed
    assert required <= set(called)
    assert choice != "none" or not called
    assert choice != "required" or called
