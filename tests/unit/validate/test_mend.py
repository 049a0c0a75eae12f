"""Which texts of an answer are put right, where that runs, and what the answer says of it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from tests.unit.validate.answers import answer_of, request_of, with_schema, with_tools

from transire.domain.answer import Completion, Repair
from transire.domain.request import RoutingRequest
from transire.validate import mend
from transire.validate.contract import ContractValidator

OBJECT = {"type": "object", "properties": {"total": {"type": "integer"}}, "required": ["total"]}
JSON_MODE = {"response_format": {"type": "json_object"}}


@pytest_asyncio.fixture(name="validator")
async def _validator() -> AsyncIterator[ContractValidator]:
    # Deadlines have tests of their own; here a busy machine must not pass for a slow text.
    made = ContractValidator(schema_deadline_s=30.0, answer_deadline_s=60.0)
    yield made
    await made.close()


async def content(
    validator: ContractValidator, request: RoutingRequest, answer: Completion
) -> str | None:
    (choice,) = (await validator.repaired(request, answer)).choices
    return choice.content


@pytest.mark.parametrize("fields", [with_schema(OBJECT), JSON_MODE])
async def test_content_that_should_be_json_is_put_right_and_says_so(
    validator: ContractValidator, fields: dict[str, Any]
) -> None:
    request = request_of(fields)

    made = await validator.repaired(request, answer_of('```json\n{"total": 3\n```'))

    (choice,) = made.choices
    assert choice.content == '{"total": 3}\n'
    assert choice.repaired == (Repair(at="message.content", rules=("closing", "fence")),)
    assert await validator.violations(request, made) == []


@pytest.mark.parametrize(
    "fields", [None, {"response_format": {"type": "text"}}, with_tools("weather")]
)
async def test_content_that_need_not_be_json_is_left_as_it_is(
    validator: ContractValidator, fields: dict[str, Any] | None
) -> None:
    answer = answer_of('{"total": 3')

    assert await validator.repaired(request_of(fields), answer) is answer


@pytest.mark.parametrize("finish", ["length", "content_filter", None])
async def test_an_answer_that_did_not_end_by_itself_is_never_repaired(
    validator: ContractValidator, finish: str | None
) -> None:
    answer = answer_of('{"total": 3', finish=finish)

    assert await validator.repaired(request_of(JSON_MODE), answer) is answer


@pytest.mark.parametrize(("tokens", "is_repaired"), [(99, True), (100, False), (120, False)])
async def test_an_answer_at_the_callers_bound_is_cut_whatever_it_says(
    validator: ContractValidator, tokens: int, is_repaired: bool
) -> None:
    request = request_of(JSON_MODE, max_output_tokens=100)
    answer = answer_of('{"total": 3', tokens=tokens)

    assert (await validator.repaired(request, answer) is not answer) is is_repaired


async def test_a_repaired_value_must_still_keep_the_schema(validator: ContractValidator) -> None:
    request = request_of(with_schema(OBJECT))

    made = await validator.repaired(request, answer_of('{"total": "3"'))

    assert [v.kind for v in await validator.violations(request, made)] == ["schema"]


@pytest.mark.parametrize("strict", [True, False])
async def test_arguments_of_an_offered_tool_are_put_right(
    validator: ContractValidator, strict: bool
) -> None:
    request = request_of(with_tools("weather", strict=strict))
    good, broken = ("weather", '{"city": "Bonn"}'), ("weather", "{'city': 'Ulm'}")

    made = await validator.repaired(request, answer_of(None, good, broken, finish="tool_calls"))

    (choice,) = made.choices
    assert [c.arguments for c in choice.tool_calls] == ['{"city": "Bonn"}', '{"city": "Ulm"}']
    assert [(r.at, r.rules) for r in choice.repaired] == [
        ("message.tool_calls[1].function.arguments", ("single_quotes",))
    ]
    assert await validator.violations(request, made) == []


@pytest.mark.parametrize("strict", [True, False])
async def test_repaired_arguments_must_keep_the_tools_schema_strict_or_not(
    validator: ContractValidator, strict: bool
) -> None:
    request = request_of(with_tools("weather", strict=strict))
    answer = answer_of(None, ("weather", '{"town": "Bonn"'), finish="tool_calls")

    assert await validator.repaired(request, answer) is answer
    assert [v.kind for v in await validator.violations(request, answer)] == ["tool_arguments"]


@pytest.mark.parametrize("parameters", [None, {"type": 1}, {"$ref": "http://x"}])
async def test_arguments_that_no_schema_vouches_for_are_left_as_they_are(
    validator: ContractValidator, parameters: Any
) -> None:
    request = request_of(with_tools("weather"))
    tools: Any = request.body.fields["tools"]
    tools[0]["function"]["parameters"] = parameters
    answer = answer_of(None, ("weather", '{"city": "Bonn"'), finish="tool_calls")

    assert await validator.repaired(request, answer) is answer


async def test_a_call_of_a_tool_nobody_offered_is_left_as_it_is(
    validator: ContractValidator,
) -> None:
    answer = answer_of(None, ("other", '{"city": "Bonn"'), finish="tool_calls")

    assert await validator.repaired(request_of(with_tools("weather")), answer) is answer


async def test_log_probabilities_of_a_repaired_text_are_dropped_and_named(
    validator: ContractValidator,
) -> None:
    answer = answer_of('{"total": 3')
    scored = tuple(replace(c, logprobs={"content": [], "refusal": None}) for c in answer.choices)

    made = await validator.repaired(request_of(JSON_MODE), replace(answer, choices=scored))

    (choice,) = made.choices
    assert choice.logprobs is None
    assert [r.dropped for r in choice.repaired] == [("logprobs",)]


async def test_each_of_several_choices_is_put_right_for_itself(
    validator: ContractValidator,
) -> None:
    (broken,) = answer_of('{"total": 1').choices
    (good,) = answer_of('{"total": 2}').choices
    (cut,) = answer_of('{"total": 3', finish="length").choices
    answer = replace(answer_of(), choices=(broken, good, cut))

    made = await validator.repaired(request_of(JSON_MODE), answer)

    assert [c.content for c in made.choices] == ['{"total": 1}', '{"total": 2}', '{"total": 3']
    assert made.choices[1] is good


async def test_a_long_text_is_put_right_in_a_child(
    validator: ContractValidator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def here(_: str) -> None:
        raise AssertionError("on the event loop")

    monkeypatch.setattr(mend, "repair", here)
    lines = ["x" * 40 + "é\n" for _ in range(1_500)]
    text = json.dumps(lines, ensure_ascii=False).replace("\\n", "\n")

    made = await content(validator, request_of(with_schema({})), answer_of(text))

    assert json.loads(made or "") == lines


async def test_a_child_that_takes_too_long_repairs_nothing_and_holds_nobody_up() -> None:
    validator = ContractValidator(schema_deadline_s=0.001)
    answer = answer_of("[" + "1," * 60_000 + "]")
    try:
        assert await validator.repaired(request_of(with_schema({})), answer) is answer
    finally:
        await validator.close()


async def test_without_a_child_nothing_is_repaired_and_the_answer_is_judged_as_it_is(
    validator: ContractValidator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unable(*_: Any, **__: Any) -> None:
        raise OSError

    monkeypatch.setattr(asyncio, "create_subprocess_exec", unable)
    answer = answer_of("[" + "1," * 2_000 + "]")

    assert await validator.repaired(request_of(with_schema({})), answer) is answer


async def test_arguments_that_no_child_can_judge_are_left_as_they_are(
    validator: ContractValidator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unable(*_: Any, **__: Any) -> None:
        raise OSError

    monkeypatch.setattr(asyncio, "create_subprocess_exec", unable)
    answer = answer_of(None, ("weather", '{"town": "Bonn"'), finish="tool_calls")

    assert await validator.repaired(request_of(with_tools("weather")), answer) is answer


async def test_no_more_texts_are_looked_at_than_the_bound(validator: ContractValidator) -> None:
    calls = [("weather", '{"city": "Bonn"')] * (mend.MAX_TEXTS + 1)

    made = await validator.repaired(
        request_of(with_tools("weather")), answer_of(None, *calls, finish="tool_calls")
    )

    (choice,) = made.choices
    assert len(choice.repaired) == mend.MAX_TEXTS
    assert choice.tool_calls[-1].arguments == '{"city": "Bonn"'


@pytest.mark.parametrize(
    "text",
    ["[" * 1_000_000, "[" * 100_000, '{"a":' * 20_000, "{'a': '\x00'}", '{"a": ' + "9" * 10_000],
    ids=["1 MB", "open", "nested", "nul", "digits"],
)
async def test_hostile_answers_are_refused_without_stalling_the_loop(
    validator: ContractValidator, text: str
) -> None:
    await validator.repaired(request_of(JSON_MODE), answer_of("[1,"))  # children have started
    answer, longest_s = answer_of(text), 0.0
    work = asyncio.ensure_future(validator.repaired(request_of(JSON_MODE), answer))
    while not work.done():
        began = time.perf_counter()
        await asyncio.sleep(0)
        longest_s = max(longest_s, time.perf_counter() - began)

    assert work.result() is answer
    assert longest_s < 0.25
    assert [v.kind for v in await validator.violations(request_of(JSON_MODE), answer)] == [
        "not_json"
    ]
