"""Answers in the caller's shape: the name asked for, usage where asked for, calls kept apart."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transire.domain.answer import (
    AnswerChoice,
    Chunk,
    ChunkChoice,
    Completion,
    Repair,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from transire.forward.encode import DONE, as_chunks, completion_json, event, rules_used
from transire.forward.openai import read_chunk, read_completion

USAGE = Usage(
    prompt_tokens=3,
    completion_tokens=2,
    total_tokens=5,
    details={"completion_tokens_details": {"reasoning_tokens": 1}},
)
CALLS = (
    ToolCall(id="c1", name="f", arguments='{"n":1}'),
    ToolCall(id="c2", name="grammar", arguments="any text", kind="custom"),
)


def completion(*choices: AnswerChoice, **changes: Any) -> Completion:
    known: dict[str, Any] = {"usage": USAGE, "model": "theirs", "created": 7, **changes}
    return Completion(choices=choices, **known)


def choice(index: int = 0, **changes: Any) -> AnswerChoice:
    plain: dict[str, Any] = {
        "content": "hello",
        "refusal": None,
        "tool_calls": (),
        "finish_reason": "stop",
    }
    return AnswerChoice(index=index, **{**plain, **changes})


def said(chunk: Chunk, *, wants_usage: bool = False) -> dict[str, Any] | None:
    data = event(chunk, answer_id="dec_1", model="asked", wants_usage=wants_usage)
    if data is None:
        return None
    assert data.startswith(b"data: ")
    assert data.endswith(b"\n\n")
    document: dict[str, Any] = json.loads(data[6:])
    return document


def test_an_answer_echoes_the_name_asked_for_and_carries_our_id() -> None:
    document = completion_json(completion(choice()), answer_id="dec_1", model="asked")

    assert document == {
        "id": "dec_1",
        "object": "chat.completion",
        "created": 7,
        "model": "asked",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "hello", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 3,
            "completion_tokens": 2,
            "total_tokens": 5,
            "completion_tokens_details": {"reasoning_tokens": 1},
        },
    }


def test_what_an_upstream_did_not_say_is_not_made_up() -> None:
    document = completion_json(completion(choice(), usage=None), answer_id="i", model="m")

    assert not {"usage", "system_fingerprint"} & document.keys()


def test_a_fingerprint_and_reasoning_are_passed_on() -> None:
    answer = completion(choice(extras={"reasoning_content": "so"}), system_fingerprint="fp")
    document = completion_json(answer, answer_id="i", model="m")

    assert document["system_fingerprint"] == "fp"
    assert document["choices"][0]["message"]["reasoning_content"] == "so"


def test_function_and_custom_calls_have_the_shape_of_their_kind() -> None:
    answer = completion(choice(content=None, tool_calls=CALLS, finish_reason="tool_calls"))
    message = completion_json(answer, answer_id="i", model="m")["choices"][0]["message"]

    assert message["tool_calls"] == [
        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"n":1}'}},
        {"id": "c2", "type": "custom", "custom": {"name": "grammar", "input": "any text"}},
    ]


@pytest.mark.parametrize("given_reason", [None, "stop"])
def test_an_answer_without_a_finish_reason_has_stopped(given_reason: str | None) -> None:
    answer = completion(choice(finish_reason=given_reason))

    assert completion_json(answer, answer_id="i", model="m")["choices"][0]["finish_reason"] == (
        "stop"
    )


def test_usage_is_sent_only_where_asked_for() -> None:
    text = Chunk(choices=(ChunkChoice(index=0, content="hi"),), usage=USAGE)
    usage = Chunk(choices=(), usage=USAGE)
    quiet, asked, last = said(text), said(text, wants_usage=True), said(usage, wants_usage=True)

    assert said(usage) is None
    assert quiet is not None
    assert "usage" not in quiet
    # OpenAI's streams carry `usage: null` on every chunk but the last, which has no choices.
    assert asked is not None
    assert asked["usage"] is None
    assert last is not None
    assert (last["choices"], last["usage"]["total_tokens"]) == ([], 5)


def test_a_usage_chunk_without_usage_says_so() -> None:
    told = said(Chunk(choices=()), wants_usage=True)

    assert told is not None
    assert told["usage"] is None


def test_an_event_echoes_the_name_asked_for_and_says_only_what_is_new() -> None:
    chunk = Chunk(
        choices=(ChunkChoice(index=2, content="hi", extras={"reasoning": "so"}),),
        model="theirs",
        created=7,
    )

    assert said(chunk) == {
        "id": "dec_1",
        "object": "chat.completion.chunk",
        "created": 7,
        "model": "asked",
        "choices": [
            {
                "index": 2,
                "delta": {"content": "hi", "reasoning": "so"},
                "logprobs": None,
                "finish_reason": None,
            }
        ],
    }


@pytest.mark.parametrize(
    ("delta", "built"),
    [
        (
            ToolCallDelta(index=1, id="c", name="f", arguments="{"),
            {
                "index": 1,
                "id": "c",
                "type": "function",
                "function": {"arguments": "{", "name": "f"},
            },
        ),
        (
            ToolCallDelta(index=1, id=None, name=None, arguments="}"),
            {"index": 1, "function": {"arguments": "}"}},
        ),
        (
            ToolCallDelta(index=0, id="c", name="g", arguments="x", kind="custom"),
            {"index": 0, "id": "c", "type": "custom", "custom": {"input": "x", "name": "g"}},
        ),
    ],
)
def test_a_piece_of_a_call_has_id_type_and_name_only_where_it_brings_them(
    delta: ToolCallDelta, built: dict[str, Any]
) -> None:
    told = said(Chunk(choices=(ChunkChoice(index=0, tool_calls=(delta,)),)))

    assert told is not None
    assert told["choices"][0]["delta"] == {"tool_calls": [built]}


def test_a_held_answer_streams_whole_and_ends_with_its_usage() -> None:
    refused = choice(1, content=None, refusal="no", finish_reason=None)
    called = choice(0, content=None, tool_calls=CALLS, finish_reason="tool_calls", logprobs=None)
    chunks = list(as_chunks(completion(called, refused)))
    first, last, other, other_last, usage = chunks

    assert first.choices[0].role == "assistant"
    assert [(d.index, d.id, d.name, d.arguments, d.kind) for d in first.choices[0].tool_calls] == [
        (0, "c1", "f", '{"n":1}', "function"),
        (1, "c2", "grammar", "any text", "custom"),
    ]
    assert last.choices == (ChunkChoice(index=0, finish_reason="tool_calls"),)
    assert other.choices[0].refusal == "no"
    assert other_last.choices[0].finish_reason == "stop"
    assert (usage.choices, usage.usage) == ((), USAGE)
    assert {(c.model, c.created) for c in chunks} == {("theirs", 7)}


def test_the_end_of_a_stream_has_its_one_spelling() -> None:
    assert DONE == b"data: [DONE]\n\n"


texts = st.text(max_size=8)
calls = st.builds(ToolCall, id=texts, name=texts, arguments=texts)
choices = st.builds(
    choice,
    st.integers(0, 5),
    content=st.none() | texts,
    refusal=st.none() | texts,
    tool_calls=st.lists(calls, max_size=3).map(tuple),
    finish_reason=st.sampled_from(["stop", "length", "tool_calls"]),
    extras=st.dictionaries(st.sampled_from(["reasoning", "reasoning_content"]), texts),
)


@given(st.lists(choices, min_size=1, max_size=3))
def test_what_is_written_is_read_back(made: list[AnswerChoice]) -> None:
    answer = completion(*made, model="m")
    document = completion_json(answer, answer_id="i", model="m")

    assert read_completion(json.dumps(document).encode()) == answer


@given(choices)
def test_what_is_streamed_is_read_back(made: AnswerChoice) -> None:
    for chunk in as_chunks(completion(made, model="m", usage=None)):
        data = event(chunk, answer_id="i", model="m", wants_usage=True)
        assert data is not None
        read = read_chunk(data[6:])
        assert read == (chunk if chunk.choices else None)


REPAIR = Repair(at="message.content", rules=("closing", "fence"), dropped=("logprobs",))
NOTE = {
    "repaired": [
        {
            "choice": 1,
            "at": "message.content",
            "rules": ["closing", "fence"],
            "dropped": ["logprobs"],
        }
    ]
}


def test_a_repaired_answer_says_so_and_no_other_answer_has_the_extension() -> None:
    mixed = completion(choice(), choice(1, repaired=(REPAIR,)))

    assert completion_json(mixed, answer_id="dec_1", model="asked")["transire"] == NOTE
    assert rules_used(mixed) == ["closing", "fence"]
    assert "transire" not in completion_json(completion(choice()), answer_id="d", model="m")
    assert rules_used(completion(choice())) == []


def test_a_repaired_answer_that_was_held_says_so_once_in_its_stream() -> None:
    mixed = completion(choice(), choice(1, repaired=(REPAIR,)))

    events = [said(chunk, wants_usage=True) for chunk in as_chunks(mixed)]

    assert [e["transire"] for e in events if e and "transire" in e] == [NOTE]


def test_a_call_of_legacy_functions_stands_where_their_callers_look() -> None:
    answer = completion(choice(content=None, tool_calls=CALLS[:1], finish_reason="tool_calls"))
    document = completion_json(answer, answer_id="i", model="m", names_functions=True)
    (made,) = document["choices"]

    assert made["message"]["function_call"] == {"name": "f", "arguments": '{"n":1}'}
    assert made["message"]["tool_calls"][0]["id"] == "c1"
    assert made["finish_reason"] == "function_call"
    plain = completion_json(answer, answer_id="i", model="m")["choices"][0]
    assert "function_call" not in plain["message"]
    assert plain["finish_reason"] == "tool_calls"


def test_a_streamed_call_of_legacy_functions_comes_in_their_form() -> None:
    calls = (*CALLS[:1], ToolCall(id="c3", name="g", arguments="{}"))
    answer = completion(choice(content=None, tool_calls=calls, finish_reason="tool_calls"))
    said_last = ""
    called: list[dict[str, Any]] = []
    for chunk in as_chunks(answer):
        data = event(chunk, answer_id="i", model="m", wants_usage=False, names_functions=True)
        for made in json.loads(data[6:])["choices"] if data else ():
            called += [made["delta"]["function_call"]] if "function_call" in made["delta"] else []
            said_last = made["finish_reason"] or said_last

    assert called == [{"name": "f", "arguments": '{"n":1}'}]
    assert said_last == "function_call"
