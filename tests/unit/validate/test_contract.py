"""The contract of a request, against whole answers."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from tests.unit.validate.answers import answer_of, request_of, with_schema, with_tools

from transire.domain.answer import Completion, ToolCall
from transire.domain.request import Assertions, RoutingRequest
from transire.errors import GovernanceUnavailable, RequestError
from transire.validate.contract import ContractValidator
from transire.validate.isolation import BusyError

CANARY = "zebra-canary-7391"
INVOICE = {
    "type": "object",
    "properties": {"total": {"type": "integer"}, "lines": {"type": "array", "items": {}}},
    "required": ["total"],
    "additionalProperties": False,
}
BOMB = {
    "anyOf": [
        {"properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        {"properties": {"a": {"$ref": "#"}}, "required": ["a"]},
    ]
}


@pytest_asyncio.fixture(name="validator")
async def _validator() -> AsyncIterator[ContractValidator]:
    made = ContractValidator()
    yield made
    await made.close()


async def kinds(
    validator: ContractValidator, request: RoutingRequest, answer: Completion
) -> list[tuple[str, str]]:
    return [(v.kind, v.path) for v in await validator.violations(request, answer)]


async def test_plain_answer_to_a_plain_request_is_fine(validator: ContractValidator) -> None:
    assert await kinds(validator, request_of(), answer_of("Good morning.")) == []


async def test_answer_that_satisfies_its_schema_is_fine(validator: ContractValidator) -> None:
    request = request_of(with_schema(INVOICE))

    await validator.check_request(request)

    assert await kinds(validator, request, answer_of('{"total": 3, "lines": []}')) == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"total": "3"}', ("schema", "message.content#/properties/0/type")),
        ('{"lines": []}', ("schema", "message.content#/required")),
        ('{"total": 3, "extra": 1}', ("schema", "message.content#/additionalProperties")),
        ("[]", ("schema", "message.content#/type")),
        ('{"total": 3', ("not_json", "message.content")),
        ('```json\n{"total": 3}\n```', ("not_json", "message.content")),
        ('{"total": 3, "total": 4}', ("not_json", "message.content")),
        ('{"total": NaN}', ("not_json", "message.content")),
        ('{"total": 3} and more', ("not_json", "message.content")),
        ("[" * 20_000, ("not_json", "message.content")),
    ],
)
async def test_answer_that_breaks_its_schema_is_named_by_place(
    validator: ContractValidator, content: str, expected: tuple[str, str]
) -> None:
    assert await kinds(validator, request_of(with_schema(INVOICE)), answer_of(content)) == [
        expected
    ]


async def test_violations_hold_no_value_and_no_name_of_the_callers_own(
    validator: ContractValidator,
) -> None:
    schema = {
        "type": "object",
        "properties": {CANARY: {"type": "object", "patternProperties": {CANARY: {"type": "null"}}}},
    }
    answer = answer_of(json.dumps({CANARY: {CANARY: CANARY}}))

    found = await validator.violations(request_of(with_schema(schema)), answer)

    assert [(v.kind, v.path) for v in found] == [
        ("schema", "message.content#/properties/0/patternProperties/0/type")
    ]
    assert CANARY not in repr(found)


async def test_cut_answer_with_a_contract_is_truncated_and_nothing_else(
    validator: ContractValidator,
) -> None:
    request = request_of(with_schema(INVOICE))

    found = await kinds(validator, request, answer_of('{"total": 3}', finish="length"))

    assert found == [("truncated", "finish_reason")]


async def test_cut_answer_without_a_contract_is_what_was_asked_for(
    validator: ContractValidator,
) -> None:
    assert await kinds(validator, request_of(), answer_of("Once upon", finish="length")) == []


async def test_refusal_is_an_answer(validator: ContractValidator) -> None:
    request = request_of(with_schema(INVOICE))

    assert await kinds(validator, request, answer_of(None, refusal="I cannot.")) == []


@pytest.mark.parametrize("content", [None, ""])
async def test_nothing_is_no_answer(validator: ContractValidator, content: str | None) -> None:
    assert await kinds(validator, request_of(), answer_of(content)) == [
        ("empty", "message.content")
    ]


async def test_answer_without_choices_is_empty(validator: ContractValidator) -> None:
    answer = Completion(choices=(), usage=None, model="m", created=0)

    assert await kinds(validator, request_of(), answer) == [("empty", "choices")]


@pytest.mark.parametrize(("tokens", "expected"), [(118, []), (119, ["token_limit"])])
async def test_overrun_of_the_token_bound_is_a_violation_beyond_counting_slack(
    validator: ContractValidator, tokens: int, expected: list[str]
) -> None:
    found = await validator.violations(
        request_of(max_output_tokens=100), answer_of("text", tokens=tokens)
    )

    assert [v.kind for v in found] == expected


async def test_json_mode_wants_an_object(validator: ContractValidator) -> None:
    request = request_of({"response_format": {"type": "json_object"}})

    assert await kinds(validator, request, answer_of("{}")) == []
    assert await kinds(validator, request, answer_of("[1]")) == [("not_json", "message.content")]
    assert await kinds(validator, request, answer_of("hello")) == [("not_json", "message.content")]


async def test_text_format_wants_nothing(validator: ContractValidator) -> None:
    request = request_of({"response_format": {"type": "text"}})

    assert await kinds(validator, request, answer_of("hello")) == []


async def test_offered_tool_with_json_arguments_is_fine(validator: ContractValidator) -> None:
    answer = answer_of(None, ("weather", '{"anything": 1}'), ("clock", ""))

    assert await kinds(validator, request_of(with_tools("weather", "clock")), answer) == []


@pytest.mark.parametrize("arguments", ["[1]", '"x"', "{", '{"a":1,"a":2}', "null"])
async def test_arguments_must_be_one_json_object(
    validator: ContractValidator, arguments: str
) -> None:
    found = await kinds(
        validator, request_of(with_tools("weather")), answer_of(None, ("weather", arguments))
    )

    assert [kind for kind, _ in found] == ["tool_arguments"]


async def test_strict_tool_must_satisfy_its_own_schema(validator: ContractValidator) -> None:
    request = request_of(with_tools("weather", strict=True))
    await validator.check_request(request)

    found = await kinds(validator, request, answer_of(None, ("weather", '{"city": 3}')))

    assert found == [
        ("tool_arguments", "message.tool_calls[0].function.arguments#/properties/0/type")
    ]


async def test_tool_that_nobody_offered_is_a_violation(validator: ContractValidator) -> None:
    found = await kinds(validator, request_of(with_tools("weather")), answer_of(None, ("rm", "{}")))

    assert found == [("tool_unknown", "message.tool_calls[0]")]


async def test_call_without_any_tool_offered_is_a_violation(validator: ContractValidator) -> None:
    found = await kinds(validator, request_of(), answer_of("hi", ("rm", "{}")))

    assert found == [("tool_unknown", "message.tool_calls[0]")]


async def test_call_without_id_cannot_be_answered(validator: ContractValidator) -> None:
    answer = answer_of()
    call = ToolCall(id="", name="weather", arguments="{}")
    nameless = replace(answer, choices=(replace(answer.choices[0], tool_calls=(call,)),))

    found = await kinds(validator, request_of(with_tools("weather")), nameless)

    assert found == [("tool_unknown", "message.tool_calls[0]")]


@pytest.mark.parametrize(
    ("choice", "called", "expected"),
    [
        ("auto", [], []),
        ("none", ["weather"], ["tool_unknown"]),
        ("required", [], ["tool_required"]),
        ("required", ["clock"], []),
        ({"type": "function", "function": {"name": "clock"}}, ["clock"], []),
        ({"type": "function", "function": {"name": "clock"}}, [], ["tool_required"]),
        (
            {"type": "function", "function": {"name": "clock"}},
            ["weather"],
            ["tool_unknown", "tool_required"],
        ),
    ],
)
async def test_tool_choice_is_respected(
    validator: ContractValidator, choice: Any, called: list[str], expected: list[str]
) -> None:
    request = request_of(with_tools("weather", "clock", tool_choice=choice))
    calls = [(name, "{}") for name in called]

    found = await validator.violations(request, answer_of("text", *calls))

    assert [v.kind for v in found] == expected


async def test_asserted_tools_narrow_what_may_and_widen_what_must_be_called(
    validator: ContractValidator,
) -> None:
    asserted = Assertions(allowed_tools=frozenset({"clock"}), required_tools=frozenset({"clock"}))
    request = request_of(with_tools("weather", "clock"), asserted)

    found = await validator.violations(request, answer_of(None, ("weather", "{}")))

    assert [v.kind for v in found] == ["tool_unknown", "tool_required"]


async def test_number_of_violations_is_bounded(validator: ContractValidator) -> None:
    answer = answer_of(None, *[("nobody", "{}")] * 100)

    assert len(await validator.violations(request_of(with_tools("weather")), answer)) == 20


async def test_large_answer_is_judged_away_from_the_event_loop() -> None:
    validator = ContractValidator(schema_deadline_s=60, answer_deadline_s=60)
    content = json.dumps({"total": 1, "lines": [{"n": i} for i in range(150_000)]})
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.005)
            turns += 1

    counter = asyncio.create_task(count())
    try:
        found = await validator.violations(request_of(with_schema(INVOICE)), answer_of(content))
    finally:
        counter.cancel()
        await validator.close()

    assert found == []
    # Judged here it would be one turn, after everything.
    assert turns > 3


async def test_schema_that_explodes_on_the_answer_is_killed_at_its_deadline() -> None:
    validator = ContractValidator(schema_deadline_s=0.3)
    deep = '{"a":' * 26 + "{}" + "}" * 26
    request = request_of(with_schema(BOMB))
    try:
        await validator.check_request(request)
        started = time.perf_counter()
        found = await kinds(validator, request, answer_of(deep))
        took = time.perf_counter() - started
        after = await kinds(validator, request, answer_of("{"))
    finally:
        await validator.close()

    assert found == [("deadline", "message.content")]
    assert took < 5.0
    assert after == [("not_json", "message.content")]


async def test_request_without_contract_needs_no_child(validator: ContractValidator) -> None:
    await validator.check_request(request_of())
    await validator.check_request(request_of(with_schema(INVOICE)))

    assert validator._isolation._all == set()


@pytest.mark.parametrize(
    ("schema", "word"),
    [
        ({"type": "strin"}, "not a JSON Schema"),
        ({"pattern": "(a)\\1"}, "not a JSON Schema"),
        ({"pattern": "(?=a)"}, "not a JSON Schema"),
        ({"pattern": "((a{100}){100}){100}"}, "not a JSON Schema"),
        ({"$ref": "https://example.org/schema"}, "JSON pointer inside"),
    ],
)
async def test_schema_that_cannot_run_is_refused_before_anything_leaves(
    validator: ContractValidator, schema: Any, word: str
) -> None:
    with pytest.raises(RequestError, match=word) as caught:
        await validator.check_request(request_of(with_schema(schema)))

    assert caught.value.param == "response_format.json_schema.schema"


async def test_strict_tools_schema_is_refused_by_its_own_path(
    validator: ContractValidator,
) -> None:
    fields = with_tools("weather", strict=True)
    fields["tools"][0]["function"]["parameters"] = {"$ref": "file:///etc/passwd"}

    with pytest.raises(RequestError) as caught:
        await validator.check_request(request_of(fields))

    assert caught.value.param == "tools[0].function.parameters"


async def test_refusal_of_a_schema_does_not_quote_it(validator: ContractValidator) -> None:
    with pytest.raises(RequestError) as caught:
        await validator.check_request(request_of(with_schema({"type": CANARY})))

    assert CANARY not in str(caught.value)
    assert caught.value.__context__ is None


async def test_a_refusal_excuses_no_call_beside_it(validator: ContractValidator) -> None:
    answer = answer_of(None, ("rm_rf", "{not json"), refusal="no")

    assert await kinds(validator, request_of(with_tools("look_up")), answer) == [
        ("tool_unknown", "message.tool_calls[0]")
    ]


async def test_a_refusal_alone_is_an_answer(validator: ContractValidator) -> None:
    answer = answer_of(None, refusal="no")

    assert await kinds(validator, request_of(with_schema(INVOICE)), answer) == []


@pytest.mark.parametrize("kind", ["custom", "foo"])
async def test_a_call_is_of_the_kind_that_was_offered(
    validator: ContractValidator, kind: str
) -> None:
    answer = answer_of(None, ("look_up", "{not json"))
    (choice,) = answer.choices
    calls = tuple(replace(call, kind=kind) for call in choice.tool_calls)
    answer = replace(answer, choices=(replace(choice, tool_calls=calls),))
    request = request_of(with_tools("look_up", strict=True))

    assert ("tool_unknown", "message.tool_calls[0]") in await kinds(validator, request, answer)


async def test_a_cut_answer_that_owed_a_call_is_truncated(validator: ContractValidator) -> None:
    cut = answer_of("let me", finish="length")
    owed = with_tools("f", tool_choice="required")

    assert await kinds(validator, request_of(owed), cut) == [("truncated", "finish_reason")]
    asserted = Assertions(required_tools=frozenset({"f"}))
    assert await kinds(validator, request_of(with_tools("f"), asserted), cut) == [
        ("truncated", "finish_reason")
    ]
    assert await kinds(validator, request_of(with_tools("f")), cut) == []


async def test_a_call_in_place_of_formatted_content_is_an_answer(
    validator: ContractValidator,
) -> None:
    fields = {**with_tools("f"), **with_schema({"type": "object"})}

    assert await kinds(validator, request_of(fields), answer_of(None, ("f", "{}"))) == []


async def test_a_custom_tool_takes_any_text(validator: ContractValidator) -> None:
    fields = {"tools": [{"type": "custom", "custom": {"name": "f"}}]}
    answer = answer_of(None, ("f", "no JSON"))
    (choice,) = answer.choices
    calls = tuple(replace(call, kind="custom") for call in choice.tool_calls)
    answer = replace(answer, choices=(replace(choice, tool_calls=calls),))

    assert await kinds(validator, request_of(fields), answer) == []


async def test_where_no_checker_comes_free_the_schema_is_not_blamed(
    validator: ContractValidator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(*_: Any) -> bool:
        raise BusyError

    monkeypatch.setattr(validator._isolation, "compiles", busy)
    with pytest.raises(GovernanceUnavailable, match="busy"):
        await validator.check_request(request_of(with_schema({"format": "email"})))
