"""The request, rebuilt from a table of known fields."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from transire.classify.normalize import Normalized, normalize, rebuild_with
from transire.domain.request import PartKind
from transire.errors import RequestError, TooLargeError

HI = [{"role": "user", "content": "hi"}]
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


def read(unknown: str = "refuse", /, **fields: Any) -> Normalized:
    body = {"model": "auto", "messages": HI, **fields}
    return normalize(body, headers={}, unknown_fields=unknown, size_bytes=100)


def texts(read_: Normalized) -> list[str]:
    return [part.text for part in read_.body.parts]


def test_what_is_consumed_here_is_not_forwarded() -> None:
    options = {"include_usage": True}
    seen = read(user="u", metadata={"k": "v"}, stream=True, stream_options=options, store=False)

    assert set(seen.body.fields) <= {"messages", "store"}
    assert (seen.is_stream, seen.wants_usage) == (True, True)


def test_every_string_that_would_be_sent_is_a_part() -> None:
    seen = read(
        messages=[
            {"role": "developer", "content": "rules"},
            {"role": "user", "name": "ann", "content": [{"type": "text", "text": "part"}]},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "weather", "arguments": '{"city": "Oslo"}'},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
        ],
        tools=[TOOL],
        stop=["END"],
    )

    told = " ".join(texts(seen))
    for word in ("rules", "ann", "part", "Oslo", "sunny", "weather", "END"):
        assert word in told, word


@pytest.mark.parametrize("field", ["temperature", "stop", "tools", "response_format", "user", "n"])
def test_an_explicit_null_is_an_absent_field(field: str) -> None:
    nothing: dict[str, Any] = {field: None}

    assert read(**nothing).body == read().body


def test_an_unknown_field_is_refused_by_name_or_left_out_and_named() -> None:
    with pytest.raises(RequestError, match="`surprise`"):
        read(surprise=1)

    assert read("omit", surprise=1).body.ignored == ("surprise",)


def test_what_would_tell_an_upstream_who_asks_is_left_out_and_named() -> None:
    part = {"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}
    seen = read(
        messages=[{"role": "user", "content": [part]}],
        user="u1",
        metadata={"trace": "t"},
        safety_identifier="s",
        prompt_cache_key="k",
        stream_options={"include_usage": True},
    )

    assert sorted(seen.body.ignored) == [
        "messages[0].content[0].cache_control",
        "metadata",
        "prompt_cache_key",
        "safety_identifier",
        "user",
    ]
    assert set(seen.body.fields) == {"messages"}


def test_an_unknown_field_is_named_where_it_stands() -> None:
    seen = read("omit", messages=[{"role": "user", "content": "hi", "odd": 1}])

    assert seen.body.ignored == ("messages[0].odd",)


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"temperature": 3}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"n": 0}, "n"),
        ({"n": 1.0}, "n"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"stop": ["x"] * 17}, "stop"),
        ({"logit_bias": {"a": 1}}, "logit_bias"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"response_format": "json"}, "response_format"),
        ({"model": 5}, "model"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(fields: dict[str, Any], where: str) -> None:
    with pytest.raises(RequestError) as caught:
        read(**fields)

    assert f"`{where}`" in caught.value.message


def test_legacy_functions_become_tools() -> None:
    seen = read(functions=[{"name": "weather", "parameters": {}}], function_call="auto")

    assert seen.body.fields["tools"][0]["function"]["name"] == "weather"  # type: ignore[index, call-overload] # JSON
    assert seen.body.fields["tool_choice"] == "auto"
    assert "functions" not in seen.body.fields


@pytest.mark.parametrize(
    ("fields", "capability"),
    [
        ({"store": True}, "store"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"tools": [{"type": "web_search"}]}, "hosted_tools"),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "image_url", "image_url": {"url": "https://a.test/x"}}
                        ],
                    }
                ]
            },
            "remote_url",
        ),
    ],
)
def test_what_changes_where_data_goes_is_a_fact_for_policy(
    fields: dict[str, Any], capability: str
) -> None:
    assert capability in read(**fields).body.capabilities


def test_a_picture_is_a_part_that_nobody_reads() -> None:
    url = "data:image/png;base64,iVBORw0KGgo="
    seen = read(
        messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]
    )

    assert [part.kind for part in seen.body.parts] == [PartKind.IMAGE]
    assert "vision" in seen.body.needs


def test_too_many_messages_are_refused() -> None:
    with pytest.raises(TooLargeError):
        read(messages=HI * 10_001)


class Counted(list[Any]):
    """A list that knows how often it was walked."""

    walks = 0

    def __iter__(self) -> Iterator[Any]:
        self.walks += 1
        return super().__iter__()


def test_texts_are_replaced_where_they_stand_and_the_original_stays() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": "b"}'}}
    body = read(
        messages=[
            {"role": "user", "content": ["bare", {"type": "text", "text": "typed"}]},
            {"role": "assistant", "content": "said", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": "done"},
        ],
        stop=["end"],
    ).body
    before = deepcopy(body.fields)

    new = rebuild_with(body, {p.pointer: f"new {p.text}" for p in body.parts if p.text != "f"})

    assert before == body.fields
    assert [f"new {p.text}" if p.text != "f" else "f" for p in body.parts] == [
        p.text for p in new.parts
    ]
    messages: Any = new.fields["messages"]
    assert [part["text"] for part in messages[0]["content"]] == ["new bare", "new typed"]
    assert messages[1]["content"] == "new said"
    assert messages[1]["tool_calls"][0]["function"]["arguments"] == 'new {"a": "b"}'
    assert (messages[2]["content"], new.fields["stop"]) == ("new done", ["new end"])


def test_what_is_not_replaced_is_shared() -> None:
    body = read(messages=[{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]).body

    new = rebuild_with(body, {body.parts[1].pointer: "c"})

    old_messages: Any = body.fields["messages"]
    new_messages: Any = new.fields["messages"]
    assert new_messages[0] is old_messages[0]
    assert new_messages[1]["content"] == "c"


def test_a_container_is_copied_once_however_many_of_its_texts_change() -> None:
    body = read(messages=[{"role": "user", "content": "a"} for _ in range(64)]).body
    messages = Counted(body.fields["messages"])  # type: ignore[arg-type] # a list, as read
    counted = replace(body, fields={**body.fields, "messages": messages})

    new = rebuild_with(counted, {part.pointer: "b" for part in body.parts})

    assert messages.walks == 1
    assert {part.text for part in new.parts} == {"b"}


def test_a_call_cannot_be_required_where_no_tool_is_offered() -> None:
    with pytest.raises(RequestError) as refused:
        read(tool_choice="required")

    assert refused.value.param == "tool_choice"
    assert refused.value.message == "`tool_choice: required` needs `tools`"


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_a_bound_on_tokens_is_refused_with_its_range(field: str) -> None:
    with pytest.raises(RequestError, match="must be an integer from 1 to 10,000,000"):
        read(**{field: 99_999_999})


def test_a_field_that_changes_where_data_goes_is_kept_with_its_place() -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "see"}, picture]}]
    seen = read(messages=messages, store=True, tools=[TOOL, {"type": "web_search"}])

    assert {"store", "tools[1]", "messages[0].content[1].image_url"} == set(seen.body.asked_by)


MAP = {"type": "function", "function": {"name": "map"}}
DRAW = {"type": "custom", "custom": {"name": "draw"}}


def allowed(*tools: Any, **inner: Any) -> dict[str, Any]:
    given = {"mode": "auto", "tools": list(tools), **inner}
    return {"type": "allowed_tools", "allowed_tools": given}


@pytest.mark.parametrize("mode", ["auto", "required"])
def test_allowed_tools_are_the_only_ones_that_are_offered(mode: str) -> None:
    choice = allowed({"type": "function", "function": {"name": "weather"}}, mode=mode)
    seen = read(tools=[MAP, TOOL, DRAW, {"type": "web_search"}], tool_choice=choice)

    assert seen.body.fields["tools"] == [TOOL]
    assert seen.body.fields["tool_choice"] == mode
    assert seen.body.capabilities == frozenset()
    assert "map" not in texts(seen)


def test_allowed_tools_may_be_flat_and_of_any_kind() -> None:
    flat = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "custom", "name": "draw"}]}
    seen = read(tools=[MAP, DRAW], tool_choice=flat)

    assert seen.body.fields["tools"] == [DRAW]


@pytest.mark.parametrize(
    "choice",
    [
        allowed({"type": "function", "function": {"name": "nobody"}}),
        allowed(DRAW, mode="none"),
        allowed(DRAW, mode=[]),
        allowed("draw"),
        allowed({"function": {"name": []}}),
        {"type": "allowed_tools"},
        {"type": "allowed_tools", "allowed_tools": []},
        {"type": "allowed_tools", "allowed_tools": {"mode": "auto"}},
    ],
    ids=["unoffered", "mode", "no mode", "text", "no name", "empty", "list", "no tools"],
)
def test_allowed_tools_name_offered_ones_and_a_mode(choice: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match="allowed_tools") as refused:
        read(tools=[MAP, DRAW], tool_choice=choice)

    assert str(refused.value.param).startswith("tool_choice")
