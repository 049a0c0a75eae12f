"""Answers of OpenAI-compatible upstreams, rebuilt field by field. Pure.

Unknown fields are dropped; a field of a wrong type is a broken answer, not a surprise for the
caller's SDK. Negative or absurd usage is dropped rather than billed.
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from transire.domain.answer import (
    AnswerChoice,
    Chunk,
    ChunkChoice,
    Completion,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from transire.domain.request import JsonValue

__all__ = ["BadShapeError", "read_chunk", "read_completion", "read_error"]

_EXTRAS: Final = ("reasoning_content", "reasoning")
_MAX_TOKENS: Final = 100_000_000
_MAX_CHOICES: Final = 64
_MAX_LOGPROBS: Final = 131_072
"""Tokens of one choice that have log probabilities: as many as the longest answers on sale."""
_MAX_CALLS: Final = 512
_FINISH: Final = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})
_STOPPED: Final = frozenset(
    {"complete", "completed", "end_turn", "eos", "eos_token", "finished", "stop_sequence"}
)
"""What others call `stop` (Cohere; Anthropic; TGI). Any other reason unknown here is `length`: with
`abort`, `error`, `insufficient_system_resource` or `max_tokens` an answer is cut."""
_DETAILS: Final = (
    *("cached_tokens", "audio_tokens", "reasoning_tokens", "text_tokens", "image_tokens"),
    *("accepted_prediction_tokens", "rejected_prediction_tokens"),
)


class BadShapeError(Exception):
    """The bytes are not what they claim to be; carries nothing of them."""


def read_completion(data: bytes) -> Completion:
    """A whole answer.

    Raises:
        BadShapeError: not a chat completion.
    """
    document = _load(data)
    choices = _list(document.get("choices"))
    if not choices:
        raise BadShapeError
    return Completion(
        choices=tuple(_choice(_dict(c), i) for i, c in enumerate(choices[:_MAX_CHOICES])),
        usage=_usage(document.get("usage")),
        model=_text(document.get("model")) or "",
        created=_count(document.get("created")),
        system_fingerprint=_text(document.get("system_fingerprint")),
    )


def read_chunk(data: bytes) -> Chunk | None:
    """One event of a stream; None for one that says nothing.

    Raises:
        BadShapeError: not a chunk. An error event is one too: see `read_error`.
    """
    document = _load(data)
    if document.get("error") is not None:
        raise BadShapeError
    choices = tuple(_chunk_choice(_dict(c)) for c in _list(document.get("choices"))[:_MAX_CHOICES])
    usage = _usage(document.get("usage"))
    if not choices and usage is None:
        return None
    return Chunk(
        choices=choices,
        usage=usage,
        model=_text(document.get("model")) or "",
        created=_count(document.get("created")),
    )


def read_error(data: bytes) -> tuple[str, str]:
    """(code, message) of an upstream's error body, both possibly empty; never raises."""
    try:
        error = _load(data).get("error")
    except BadShapeError:
        return "", ""
    if isinstance(error, str):
        return "", error
    if not isinstance(error, dict):
        return "", ""
    code, message = error.get("code") or error.get("type"), error.get("message")
    return (code if isinstance(code, str) else ""), (message if isinstance(message, str) else "")


def _load(data: bytes) -> dict[str, Any]:
    try:
        return _dict(orjson.loads(data))
    except orjson.JSONDecodeError:
        raise BadShapeError from None


def _choice(value: dict[str, Any], position: int) -> AnswerChoice:
    message = _dict(value.get("message"))
    calls = [_tool_call(_dict(c)) for c in _list(message.get("tool_calls"))[:_MAX_CALLS]]
    if isinstance(legacy := message.get("function_call"), dict):
        calls.append(
            ToolCall(
                id="call_legacy",
                name=_text(legacy.get("name")) or "",
                arguments=_text(legacy.get("arguments")) or "",
            )
        )
    return AnswerChoice(
        index=_count(value.get("index"), position),
        content=_text(message.get("content")),
        refusal=_text(message.get("refusal")),
        tool_calls=tuple(calls),
        finish_reason=_finish(value.get("finish_reason")),
        logprobs=_logprobs(value.get("logprobs")),
        extras=_extras(message),
    )


def _chunk_choice(value: dict[str, Any]) -> ChunkChoice:
    delta = _dict(value.get("delta") or {})
    calls = _list(delta.get("tool_calls"))
    if len(calls) > _MAX_CALLS:
        raise BadShapeError
    return ChunkChoice(
        index=_count(value.get("index")),
        role=_text(delta.get("role")),
        content=_text(delta.get("content")),
        refusal=_text(delta.get("refusal")),
        tool_calls=tuple(_delta(_dict(c), i) for i, c in enumerate(calls)),
        finish_reason=_finish(value.get("finish_reason")),
        logprobs=_logprobs(value.get("logprobs")),
        extras=_extras(delta),
    )


def _tool_call(value: dict[str, Any]) -> ToolCall:
    kind = _text(value.get("type")) or "function"
    inner = _dict(value.get(kind) or {})
    arguments = inner.get("arguments" if kind == "function" else "input")
    return ToolCall(
        id=_text(value.get("id")) or "",
        name=_text(inner.get("name")) or "",
        arguments=_text(arguments) or "",
        kind=kind,
    )


def _delta(value: dict[str, Any], position: int) -> ToolCallDelta:
    function = _dict(value.get("function") or {})
    index = _count(value.get("index"), position)
    if index >= _MAX_CALLS:
        raise BadShapeError
    return ToolCallDelta(
        index=index,
        id=_text(value.get("id")),
        name=_text(function.get("name")),
        arguments=_text(function.get("arguments")) or "",
    )


def _usage(value: Any) -> Usage | None:
    if not isinstance(value, dict):
        return None
    counts = [value.get(n) for n in ("prompt_tokens", "completion_tokens")]
    if not all(type(c) is int and 0 <= c <= _MAX_TOKENS for c in counts):
        return None
    details: dict[str, JsonValue] = {}
    for name in ("prompt_tokens_details", "completion_tokens_details"):
        given = value.get(name)
        if isinstance(given, dict):
            counted = {k: given.get(k) for k in _DETAILS}
            details[name] = {k: v for k, v in counted.items() if type(v) is int and v >= 0}
    prompt, completion = int(counts[0] or 0), int(counts[1] or 0)
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=prompt + completion,
        details=details,
    )


def _extras(fields: Mapping[str, Any]) -> dict[str, JsonValue]:
    return {name: fields[name] for name in _EXTRAS if isinstance(fields.get(name), str)}


def _logprobs(value: Any) -> JsonValue:
    """OpenAI's logprobs object, rebuilt from its known numbers and tokens."""
    if not isinstance(value, dict) or not isinstance(value.get("content"), list):
        return None
    tokens = value["content"]
    if len(tokens) > _MAX_LOGPROBS:
        raise BadShapeError
    return {"content": [_logprob(item, depth=0) for item in tokens], "refusal": None}


def _logprob(value: Any, *, depth: int) -> JsonValue:
    item = _dict(value)
    number = item.get("logprob")
    if not isinstance(item.get("token"), str) or type(number) not in (int, float):
        raise BadShapeError
    raw = item.get("bytes")
    is_bytes = isinstance(raw, list) and all(type(b) is int for b in raw)
    built: dict[str, JsonValue] = {
        "token": item["token"],
        "logprob": number,
        "bytes": raw if is_bytes else None,
    }
    if depth == 0:
        top = item.get("top_logprobs")
        built["top_logprobs"] = [_logprob(t, depth=1) for t in _list(top)]
    return built


def _finish(value: Any) -> str | None:
    text = _text(value)
    if text is None or text in _FINISH:
        return text
    return "stop" if text.lower() in _STOPPED else "length"


def _dict(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadShapeError
    return value


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadShapeError
    return value


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise BadShapeError
    return value


def _count(value: Any, otherwise: int = 0) -> int:
    return value if type(value) is int and 0 <= value < 2**53 else otherwise
