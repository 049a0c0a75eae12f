"""What real clients send, shape by shape, as recorded from each of them against this router.

LangChain 1 (`langchain-openai`), LiteLLM's SDK, OpenAI's Agents SDK, the Vercel AI SDK 6 with its
two OpenAI providers, and Open WebUI. The values are ours; keys, nulls and their places are theirs.
"""

import json
from typing import Any

import pytest
from tests.api.conftest import World

PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SAY = [{"role": "user", "content": "hello there"}]
ASK_TOOL = [{"role": "user", "content": "use a tool for the weather"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
            "$schema": "http://json-schema.org/draft-07/schema#",
        },
    },
}
CALL = {"id": "call_0", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
AFTER_CALL = [
    *ASK_TOOL,
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_0", "content": "sunny"},
]
OPTIONAL = {
    "type": "object",
    "properties": {
        "total": {"title": "Total", "type": "integer"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "title": "Note"},
        "lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}},
    },
    "$defs": {
        "Line": {
            "type": "object",
            "properties": {"kind": {"enum": ["a", "b"], "type": "string"}},
            "required": ["kind"],
            "additionalProperties": False,
        }
    },
    "required": ["total", "note", "lines"],
    "title": "Invoice",
    "additionalProperties": False,
}
STRICT = {"type": "json_schema", "json_schema": {"schema": OPTIONAL, "name": "I", "strict": True}}

BODIES: dict[str, dict[str, Any]] = {
    "langchain invoke": {"messages": SAY, "stream": False},
    "langchain every option": {
        "messages": SAY,
        "stream": False,
        "max_completion_tokens": 50,
        "n": 1,
        "temperature": 0.1,
        "top_p": 0.9,
        "seed": 3,
        "stop": ["x"],
        "logprobs": False,
        "reasoning_effort": "low",
        "user": "someone",
    },
    "langchain bound tools": {"messages": ASK_TOOL, "stream": False, "tools": [WEATHER]},
    "langchain second turn": {"messages": AFTER_CALL, "stream": False, "tools": [WEATHER]},
    "langchain structured": {"messages": SAY, "stream": False, "response_format": STRICT},
    "langchain forced tool": {
        "messages": ASK_TOOL,
        "stream": False,
        "tools": [WEATHER],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "parallel_tool_calls": False,
    },
    "langchain image": {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "what is it?"},
                    {"type": "image_url", "image_url": {"url": PIXEL}},
                ],
            }
        ],
        "stream": False,
    },
    "litellm dumped message": {
        "messages": [
            *ASK_TOOL,
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [CALL],
                "function_call": None,
                "annotations": [],
            },
            {"role": "tool", "tool_call_id": "call_0", "name": "weather", "content": "sunny"},
        ],
        "tools": [WEATHER],
    },
    "litellm structured": {
        "messages": SAY,
        "response_format": STRICT,
        "safety_identifier": "abc",
        "user": "someone",
    },
    "agents with tools": {
        "messages": [{"role": "system", "content": "be nice"}, *AFTER_CALL],
        "tools": [
            {**WEATHER, "function": {**WEATHER["function"], "strict": True}}  # type: ignore[dict-item] # a literal
        ],
    },
    "openai allowed tools": {
        "messages": ASK_TOOL,
        "tools": [WEATHER, {"type": "function", "function": {"name": "other"}}],
        "tool_choice": {
            "type": "allowed_tools",
            "allowed_tools": {
                "mode": "required",
                "tools": [{"type": "function", "function": {"name": "weather"}}],
            },
        },
    },
    "vercel tools": {"messages": AFTER_CALL, "tools": [WEATHER], "tool_choice": "auto"},
    "vercel object without a schema": {
        "messages": SAY,
        "response_format": {"type": "json_object"},
    },
    "open webui title task": {
        "messages": SAY,
        "stream": False,
        "max_tokens": 1000,
        "metadata": {"task": "title_generation", "chat_id": "c1"},
    },
}
STREAMS: dict[str, dict[str, Any]] = {
    "langchain": {"messages": SAY},
    "vercel": {"messages": SAY, "stream_options": {"include_usage": True}},
    "vercel with tools": {
        "messages": AFTER_CALL,
        "tools": [WEATHER],
        "tool_choice": "auto",
        "stream_options": {"include_usage": True},
    },
    "open webui": {
        "messages": [{"role": "system", "content": "You are kind."}, *SAY],
        "stream_options": {"include_usage": True},
        "temperature": 0.7,
        "frequency_penalty": None,
    },
}
OPEN_WEBUI = {
    "X-OpenWebUI-User-Name": "CANARYNAME",
    "X-OpenWebUI-User-Email": "canary@mail.test",
    "HTTP-Referer": "https://openwebui.com/",
    "X-Title": "Open WebUI",
}


@pytest.mark.parametrize("name", BODIES)
def test_what_a_client_sends_is_answered(world: World, name: str) -> None:
    reply = world.post("/v1/chat/completions", {"model": "auto", **BODIES[name]})

    assert reply.status_code == 200, reply.text
    message = reply.json()["choices"][0]["message"]
    assert message["content"] or message["tool_calls"]


@pytest.mark.parametrize("name", STREAMS)
def test_what_a_client_streams_ends_well(world: World, name: str) -> None:
    body = {"model": "auto", "stream": True, **STREAMS[name]}
    reply = world.post("/v1/chat/completions", body, headers=OPEN_WEBUI)
    events = [json.loads(line[6:]) for line in reply.text.split("\n") if line.startswith("data: {")]

    assert reply.status_code == 200, reply.text
    assert reply.text.endswith("data: [DONE]\n\n")
    assert any(c["delta"].get("content") for e in events for c in e["choices"])
    wants_usage = "stream_options" in body
    assert any(e.get("usage") for e in events) == wants_usage


def test_a_structured_answer_keeps_references_and_alternatives(world: World) -> None:
    reply = world.post(
        "/v1/chat/completions", {"model": "auto", "messages": SAY, "response_format": STRICT}
    )

    answer = json.loads(reply.json()["choices"][0]["message"]["content"])
    assert answer["lines"][0]["kind"] in {"a", "b"}


def test_no_header_of_a_client_reaches_a_deployment(world: World) -> None:
    world.forget()
    world.post("/v1/chat/completions", {"model": "auto", "messages": SAY}, headers=OPEN_WEBUI)

    received = json.dumps([world.received(name) for name in world.fleet])
    assert "hello there" in received
    assert "canary" not in received.lower()
    assert "webui" not in received.lower()
