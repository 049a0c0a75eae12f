"""Every string that leaves is one of an enumerated few, or the detector reads it (I11)."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from transire.classify.media import is_base64
from transire.classify.normalize import normalize
from transire.domain.request import Body, PartKind
from transire.errors import TransireError

_UNREAD = {PartKind.IMAGE, PartKind.AUDIO, PartKind.FILE}
_PIXEL = "data:image/png;base64,iVBORw0KGgo="
_FUNCTION = {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}
FULL: dict[str, Any] = {
    "model": "auto",
    "messages": [
        {"role": "developer", "content": "be brief", "name": "dev"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "hi"},
                {"type": "image_url", "image_url": {"url": _PIXEL, "detail": "low"}},
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
                {"type": "file", "file": {"filename": "a.txt", "file_data": "aGk="}},
                {"type": "file", "file": {"file_id": "file-1"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "refusal": "no",
            "reasoning_content": "hm",
            "reasoning": "hm",
            "reasoning_details": [{"type": "x", "text": "y"}],
            "annotations": [{"type": "url_citation", "url": "u"}],
            "audio": {"id": "audio_1"},
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "f", "arguments": "{}"},
                    "extra_content": {"google": {"thought_signature": "s"}},
                },
                {"id": "c2", "type": "custom", "custom": {"name": "g", "input": "x"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "ok"},
        {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "ok"},
    ],
    "tools": [
        {"type": "function", "function": _FUNCTION},
        {"type": "custom", "custom": {"name": "g", "description": "d", "format": {"type": "text"}}},
        {"type": "web_search", "filters": {"domain": "a"}},
    ],
    "functions": [{"name": "h", "description": "d", "parameters": {}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "n", "description": "d", "schema": {"title": "t"}, "strict": True},
    },
    "stop": ["a", "b"],
    "prediction": {"type": "content", "content": "p"},
    "logit_bias": {"42": 1},
    "reasoning_effort": "low",
    "verbosity": "low",
    "modalities": ["text", "audio"],
    "user": "u",
    "metadata": {"k": "v"},
    "safety_identifier": "s",
    "prompt_cache_key": "k",
    "store": True,
    "service_tier": "flex",
    "prompt_cache_retention": "24h",
    "web_search_options": {"user_location": {"city": "c"}},
    "audio": {"voice": "v", "format": "wav"},
    "guided_json": {"title": "t"},
    "chat_template_kwargs": {"k": "v"},
    "extra_content": {"k": "v"},
}
CANARY = "4111111"
SPELLINGS = (
    f"{CANARY}-1111-11111",
    f"card {CANARY} 1111 11111",
    f"data:image/png;x={CANARY};base64,AAAA",
    f"data:image/x{CANARY};base64,AAAA",
    f"data:image/svg+xml,<svg>{CANARY}</svg>",
    f"data:text/plain,{CANARY} is mine",
)


def places(node: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], bool]]:
    """(path, whether it is the key itself) of every string of a document."""
    if isinstance(node, str):
        yield at, False
    elif isinstance(node, dict):
        for key, value in node.items():
            yield (*at, key), True
            yield from places(value, (*at, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from places(value, (*at, index))


def planted(path: tuple[Any, ...], text: str, *, is_key: bool) -> dict[str, Any]:
    document = copy.deepcopy(FULL)
    node: Any = document
    for step in path[:-1]:
        node = node[step]
    if is_key:
        node[text] = node.pop(path[-1])
    else:
        node[path[-1]] = text
    return document


def strings(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for key, value in node.items():
            yield key
            yield from strings(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from strings(value)


def body_of(document: dict[str, Any], unknown_fields: str = "omit") -> Body:
    return normalize(document, headers={}, unknown_fields=unknown_fields, size_bytes=1).body


def test_a_full_request_is_accepted_as_it_stands() -> None:
    assert body_of(FULL, "refuse").fields["messages"]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_string_leaves_unread_wherever_it_is_planted(spelling: str) -> None:
    unread, accepted = [], 0
    for path, is_key in places(FULL):
        try:
            body = body_of(planted(path, spelling, is_key=is_key))
        except TransireError:
            continue
        accepted += 1
        # What is base64 may be bytes; it is counted as a part that nobody read.
        is_declared = path in {part.pointer for part in body.parts if part.kind in _UNREAD}
        leaving = [
            text
            for text in strings(body.fields)
            if CANARY in text and not (is_declared and is_base64(text))
        ]
        read = "\n".join(part.text for part in body.parts if part.kind not in _UNREAD)
        if leaving and CANARY not in read:
            unread.append(path)

    assert accepted > 30
    assert unread == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("service_tier", "anything"),
        ("prompt_cache_retention", "anything"),
        ("logit_bias", {"41111111": 1}),
        ("logit_bias", {"007": 1}),
    ],
)
def test_what_has_few_values_takes_no_other(field: str, value: Any) -> None:
    with pytest.raises(TransireError):
        body_of({**FULL, field: value})


@pytest.mark.parametrize("audio", [{"data": "AA", "format": "x"}, {"data": "a b", "format": "wav"}])
def test_audio_is_base64_of_a_known_format(audio: dict[str, str]) -> None:
    part = {"type": "input_audio", "input_audio": audio}
    with pytest.raises(TransireError):
        body_of({"model": "auto", "messages": [{"role": "user", "content": [part]}]})


@pytest.mark.parametrize(
    ("url", "is_read"),
    [
        (_PIXEL, False),
        ("data:application/pdf;base64,JVBERi0=", False),
        ("data:application/pdf;name=x;base64,JVBERi0=", True),
        ("data:image/png,hello", True),
        ("data:image/unheard-of;base64,AAAA", True),
        ("data:image/png;base64,AA AA", True),
    ],
)
def test_a_data_url_is_left_unread_only_where_it_has_no_room_for_words(
    url: str, is_read: bool
) -> None:
    part = {"type": "file", "file": {"file_data": url}}
    parts = body_of({"model": "auto", "messages": [{"role": "user", "content": [part]}]}).parts

    assert (url in [p.text for p in parts]) is is_read
    assert PartKind.FILE in [p.kind for p in parts]
