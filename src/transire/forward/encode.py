"""Answers in the caller's shape: `chat.completion` and `chat.completion.chunk`. Pure.

`model` echoes the name the caller asked for; the record keeps both. Usage is sent only where
asked for. After an error event there is no `[DONE]`: a cut stream is never a clean end.
What is not as the model wrote it, what our verdicts on it are, and that an answer was given before,
is named in the extension object `transire`, which is there only then.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

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

__all__ = ["DONE", "as_chunks", "completion_json", "event", "rules_used"]

Cached: TypeAlias = tuple[str, int] | None
DONE: Final = b"data: [DONE]\n\n"
_TEXT_OF: Final = {"function": "arguments", "custom": "input"}


def completion_json(
    completion: Completion,
    *,
    answer_id: str,
    model: str,
    cached: Cached = None,
    names_functions: bool = False,
) -> dict[str, Any]:
    """A whole answer.

    Args:
        cached: Of one that is given again: the decision it answered first, and its age in seconds.
        names_functions: The caller offered `functions` (OpenAI's form before `tools`), and looks
            for the first call in `function_call`; it stands in `tool_calls` all the same.
    """
    choices = [_choice(choice) for choice in completion.choices]
    if names_functions:
        choices = [_with_function(choice, "message") for choice in choices]
    document: dict[str, Any] = {
        "id": answer_id,
        "object": "chat.completion",
        "created": completion.created,
        "model": model,
        "choices": choices,
    }
    if completion.usage is not None:
        document["usage"] = _usage(completion.usage)
    if completion.system_fingerprint is not None:
        document["system_fingerprint"] = completion.system_fingerprint
    return document | _extension(completion.choices, completion.verdicts, cached)


def event(
    chunk: Chunk,
    *,
    answer_id: str,
    model: str,
    wants_usage: bool,
    cached: Cached = None,
    names_functions: bool = False,
) -> bytes | None:
    """One stream event, or None where nothing in it is for this caller; see `completion_json`."""
    if not chunk.choices and not wants_usage:
        return None
    choices = [_chunk_choice(choice) for choice in chunk.choices]
    if names_functions:
        choices = [_with_function(choice, "delta") for choice in choices]
    document: dict[str, Any] = {
        "id": answer_id,
        "object": "chat.completion.chunk",
        "created": chunk.created,
        "model": model,
        "choices": choices,
    }
    if wants_usage:
        document["usage"] = None
        if chunk.usage is not None and not chunk.choices:
            document["usage"] = _usage(chunk.usage)
    told = _extension(chunk.choices, chunk.verdicts, cached)
    return b"data: " + orjson.dumps(document | told) + b"\n\n"


def as_chunks(completion: Completion) -> Iterator[Chunk]:
    """A held answer as the stream the caller asked for."""
    verdicts = completion.verdicts
    for choice in completion.choices:
        first = ChunkChoice(
            index=choice.index,
            role="assistant",
            content=choice.content,
            refusal=choice.refusal,
            tool_calls=tuple(
                ToolCallDelta(
                    index=i, id=call.id, name=call.name, arguments=call.arguments, kind=call.kind
                )
                for i, call in enumerate(choice.tool_calls)
            ),
            logprobs=choice.logprobs,
            extras=choice.extras,
            repaired=choice.repaired,
        )
        last = ChunkChoice(index=choice.index, finish_reason=choice.finish_reason or "stop")
        for piece in (first, last):
            yield Chunk(
                choices=(piece,),
                model=completion.model,
                created=completion.created,
                verdicts=verdicts,
            )
            verdicts = ()  # told once
    yield Chunk(
        choices=(), usage=completion.usage, model=completion.model, created=completion.created
    )


def rules_used(completion: Completion) -> list[str]:
    """Names of the rules by which texts of the answer were repaired, sorted."""
    return sorted({n for c in completion.choices for r in c.repaired for n in r.rules})


def _extension(
    choices: Sequence[AnswerChoice | ChunkChoice], verdicts: tuple[str, ...], cached: Cached
) -> dict[str, Any]:
    repaired = [
        {
            "choice": choice.index,
            "at": repair.at,
            "rules": list(repair.rules),
            "dropped": list(repair.dropped),
        }
        for choice in choices
        for repair in choice.repaired
    ]
    told: dict[str, Any] = {"repaired": repaired} if repaired else {}
    if verdicts:
        told["verdicts"] = list(verdicts)
    if cached is not None:
        told["cache"] = {"status": "hit", "decision_id": cached[0], "age_s": cached[1]}
    return {"transire": told} if told else {}


def _choice(choice: AnswerChoice) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": choice.content,
        "refusal": choice.refusal,
        **choice.extras,
    }
    if choice.tool_calls:
        message["tool_calls"] = [_call(call) for call in choice.tool_calls]
    return {
        "index": choice.index,
        "message": message,
        "logprobs": choice.logprobs,
        "finish_reason": choice.finish_reason or "stop",
    }


def _with_function(choice: dict[str, Any], said: str) -> dict[str, Any]:
    """The choice with its first call in the legacy form, which knows no second one, as well."""
    none: dict[str, Any] = {}
    calls = choice[said].get("tool_calls", ())
    first = next((call for call in calls if call.get("index", 0) == 0), none)
    if (called := first.get("function")) is not None:
        choice[said] = {**choice[said], "function_call": dict(called)}
    if choice["finish_reason"] == "tool_calls":
        choice["finish_reason"] = "function_call"
    return choice


def _call(call: ToolCall) -> dict[str, Any]:
    if call.kind == "custom":
        inner: Mapping[str, str] = {"name": call.name, "input": call.arguments}
        return {"id": call.id, "type": "custom", "custom": inner}
    inner = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": inner}


def _chunk_choice(choice: ChunkChoice) -> dict[str, Any]:
    delta: dict[str, Any] = dict(choice.extras)
    for name in ("role", "content", "refusal"):
        if (value := getattr(choice, name)) is not None:
            delta[name] = value
    if choice.tool_calls:
        delta["tool_calls"] = [_call_delta(call) for call in choice.tool_calls]
    return {
        "index": choice.index,
        "delta": delta,
        "logprobs": choice.logprobs,
        "finish_reason": choice.finish_reason,
    }


def _call_delta(call: ToolCallDelta) -> dict[str, Any]:
    inner: dict[str, Any] = {_TEXT_OF[call.kind]: call.arguments}
    built: dict[str, Any] = {"index": call.index}
    if call.id is not None:
        built |= {"id": call.id, "type": call.kind}
    if call.name is not None:
        inner["name"] = call.name
    return {**built, call.kind: inner}


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        **usage.details,
    }
