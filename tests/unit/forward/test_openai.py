"""Answers are rebuilt from typed fields; what is broken is said to be broken."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transire.forward.openai import BadShapeError, read_chunk, read_completion, read_error

MESSAGE = {"role": "assistant", "content": "hello"}
CHOICE = {"index": 0, "message": MESSAGE, "finish_reason": "stop"}
ANSWER = {
    "id": "x",
    "object": "chat.completion",
    "created": 7,
    "model": "m",
    "choices": [CHOICE],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=12,
)


def encoded(document: Any) -> bytes:
    return json.dumps(document).encode()


def test_an_answer_keeps_what_is_known_and_loses_the_rest() -> None:
    read = read_completion(encoded({**ANSWER, "surprise": {"tracking": "pixel"}}))

    assert (read.model, read.created) == ("m", 7)
    assert [c.content for c in read.choices] == ["hello"]
    assert "pixel" not in repr(read)
    assert read.usage is not None
    assert (read.usage.prompt_tokens, read.usage.completion_tokens) == (3, 2)


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"choices": []},
        {"choices": "none"},
        {"choices": [[]]},
        {"choices": [{"message": []}]},
        {"choices": [{**CHOICE, "message": {"content": 5}}]},
        {"choices": [{**CHOICE, "message": {"content": None, "tool_calls": ["x"]}}]},
        {
            "choices": [
                {**CHOICE, "logprobs": {"content": [{"token": "a", "logprob": 0}] * 131_073}}
            ]
        },
    ],
    ids=range(9),
)
def test_what_is_no_completion_is_refused(document: Any) -> None:
    with pytest.raises(BadShapeError):
        read_completion(encoded(document))


@pytest.mark.parametrize("data", [b"", b"<html>", b'{"choices": [', b"\xff\xfe"])
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(BadShapeError):
        read_completion(data)


@pytest.mark.parametrize("count", [-1, 10**12, "3", 1.5, None])
def test_absurd_usage_is_dropped_and_not_billed(count: Any) -> None:
    usage = {"prompt_tokens": count, "completion_tokens": 2}

    read = read_completion(encoded({**ANSWER, "usage": usage})).usage

    assert read is None or read.prompt_tokens == 0


def test_parallel_tool_calls_stay_apart() -> None:
    functions = [{"name": f"f{n}", "arguments": f'{{"n":{n}}}'} for n in range(3)]
    calls = [
        {"id": f"c{n}", "type": "function", "function": made} for n, made in enumerate(functions)
    ]
    message = {"role": "assistant", "content": None, "tool_calls": calls}

    read = read_completion(encoded({**ANSWER, "choices": [{**CHOICE, "message": message}]}))

    assert [(c.id, c.name, c.arguments) for c in read.choices[0].tool_calls] == [
        (f"c{n}", f"f{n}", f'{{"n":{n}}}') for n in range(3)
    ]


@given(json_values)
def test_any_json_is_read_or_refused_and_nothing_else(document: Any) -> None:
    for read in (read_completion, read_chunk):
        try:
            read(encoded(document))
        except BadShapeError:
            continue


def test_an_error_event_is_no_chunk() -> None:
    with pytest.raises(BadShapeError):
        read_chunk(encoded({"error": {"message": "no"}}))


def test_a_chunk_that_says_nothing_is_none() -> None:
    assert read_chunk(encoded({"choices": []})) is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"error": {"code": "c", "message": "m"}}, ("c", "m")),
        ({"error": {"type": "t", "message": 5}}, ("t", "")),
        ({"error": "text"}, ("", "text")),
        ({"error": []}, ("", "")),
        ([], ("", "")),
    ],
)
def test_an_error_body_never_raises(body: Any, expected: tuple[str, str]) -> None:
    assert read_error(encoded(body)) == expected


def chunk_of(**delta: Any) -> bytes:
    return encoded({"choices": [{"index": 0, "delta": delta}]})


def test_a_legacy_call_is_read_as_a_call() -> None:
    message = {"content": None, "function_call": {"name": "f", "arguments": "{}"}}

    read = read_completion(encoded({**ANSWER, "choices": [{**CHOICE, "message": message}]}))

    assert [(c.id, c.name, c.arguments) for c in read.choices[0].tool_calls] == [
        ("call_legacy", "f", "{}")
    ]


@pytest.mark.parametrize(
    "calls",
    [
        [{"index": 0, "function": {"name": "f"}}] * 513,
        [{"index": 512, "function": {"name": "f"}}],
        "none",
        {"index": 0},
        [5],
    ],
)
def test_a_chunk_with_calls_beyond_what_is_read_is_broken(calls: Any) -> None:
    with pytest.raises(BadShapeError):
        read_chunk(chunk_of(tool_calls=calls))


def test_a_call_without_an_index_stands_where_it_stands() -> None:
    read = read_chunk(chunk_of(tool_calls=[{"function": {"name": n}} for n in "fg"]))

    assert read is not None
    assert [(c.index, c.name) for c in read.choices[0].tool_calls] == [(0, "f"), (1, "g")]


@pytest.mark.parametrize("name", ["content", "refusal", "role"])
def test_a_delta_of_no_text_is_broken(name: str) -> None:
    with pytest.raises(BadShapeError):
        read_chunk(chunk_of(**{name: 5}))


TOKEN = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}


def test_log_probabilities_are_rebuilt_from_their_known_numbers() -> None:
    top = {"token": "b", "logprob": -1, "bytes": ["x"], "top_logprobs": [TOKEN], "more": "CANARY"}
    given = {"content": [{**TOKEN, "top_logprobs": [top], "more": "CANARY"}], "more": "CANARY"}

    read = read_completion(encoded({**ANSWER, "choices": [{**CHOICE, "logprobs": given}]}))

    assert read.choices[0].logprobs == {
        "content": [
            {
                "token": "a",
                "logprob": -0.5,
                "bytes": [97],
                "top_logprobs": [{"token": "b", "logprob": -1, "bytes": None}],
            }
        ],
        "refusal": None,
    }


@pytest.mark.parametrize("given", [None, 5, {}, {"content": None}, {"content": "x"}])
def test_no_log_probabilities_are_none(given: Any) -> None:
    read = read_completion(encoded({**ANSWER, "choices": [{**CHOICE, "logprobs": given}]}))

    assert read.choices[0].logprobs is None


@pytest.mark.parametrize(
    "wrong", [5, {}, {"token": 5, "logprob": 1}, {"token": "a"}, {"token": "a", "logprob": True}]
)
def test_log_probabilities_of_another_shape_are_broken(wrong: Any) -> None:
    logprobs = {"content": [wrong]}
    with pytest.raises(BadShapeError):
        read_completion(encoded({**ANSWER, "choices": [{**CHOICE, "logprobs": logprobs}]}))


@pytest.mark.parametrize(
    ("given", "read"),
    [
        *((known, known) for known in ("stop", "length", "tool_calls", "content_filter")),
        ("function_call", "function_call"),
        (None, None),
        *((end, "stop") for end in ("eos", "EOS_TOKEN", "end_turn", "COMPLETE")),
        *((cut, "length") for cut in ("max_tokens", "MAX_TOKENS", "model_length")),
        *((broken, "length") for broken in ("abort", "error", "insufficient_system_resource", "?")),
    ],
)
def test_a_reason_nobody_knows_is_that_of_a_cut_answer(given: str | None, read: str | None) -> None:
    answer = read_completion(encoded({**ANSWER, "choices": [{**CHOICE, "finish_reason": given}]}))

    assert answer.choices[0].finish_reason == read


@pytest.mark.parametrize(
    ("given", "read"), [(3, 3), (0, 0), (-1, 0), (2**53, 0), (True, 0), ("1", 0), (None, 0)]
)
def test_a_choice_without_a_place_stands_where_it_stands(given: Any, read: int) -> None:
    answer = read_completion(encoded({**ANSWER, "choices": [{**CHOICE, "index": given}]}))

    assert answer.choices[0].index == read


def test_usage_details_are_counts_alone() -> None:
    details = {"cached_tokens": 1, "note": "CANARY", "negative": -1, "flag": True}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "prompt_tokens_details": details}

    read = read_completion(encoded({**ANSWER, "usage": {**usage, "more": "CANARY"}})).usage

    assert read is not None
    assert read.total_tokens == 5
    assert read.details == {"prompt_tokens_details": {"cached_tokens": 1}}


def test_a_chunk_of_usage_alone_is_one() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    read = read_chunk(encoded({"choices": [], "usage": usage}))

    assert read is not None
    assert read.choices == ()
