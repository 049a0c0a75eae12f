"""The one table of request fields: where each stands, what kind it is, how it is checked.

Kinds (ADR 7): `content` is classified and forwarded; `harmless` is typed and forwarded;
`consumed` is used here and not forwarded; `egress` changes what leaves and is a fact for policy;
`capability` is forwarded to deployments that list it, and left out and named for others.
A field that stands in no row is unknown (I11).

INVARIANT (I11): every string that is forwarded is one of an enumerated few or is read by the
detector; an egress-changing field is a fact for policy *and* read.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

__all__ = [
    "BODY",
    "LEFT_OUT",
    "LEVELS",
    "MESSAGE",
    "PART",
    "TOOL",
    "TOOL_CALL",
    "Field",
    "Kind",
    "is_token",
]


class Kind(StrEnum):
    """What a field is to the path."""

    CONTENT = "content"
    HARMLESS = "harmless"
    CONSUMED = "consumed"
    EGRESS = "egress"
    CAPABILITY = "capability"


@dataclass(frozen=True, slots=True)
class Field:
    """One row.

    Attributes:
        check: True where a value is acceptable; structured fields are checked by their readers.
        expects: What is acceptable, in words, for the error.
        egress: For EGRESS rows: the capability a value asks for, or None if it asks for nothing.
    """

    kind: Kind
    check: Callable[[Any], bool]
    expects: str
    egress: Callable[[Any], str | None] = lambda _: None


_TOKEN_ID: Final = re.compile(r"0|[1-9][0-9]{0,5}", re.ASCII)
"""One spelling per number; the largest vocabularies in use have 262,144 tokens."""
_TOKEN: Final = re.compile(r"[A-Za-z0-9_.:/+=@-]{1,256}")


def is_token(value: object) -> bool:
    """An identifier: 1 to 256 characters of a strict ASCII set, no blanks."""
    return isinstance(value, str) and _TOKEN.fullmatch(value) is not None


def _text(limit: int) -> Callable[[Any], bool]:
    return lambda v: isinstance(v, str) and len(v) <= limit


def _number(low: float, high: float) -> Callable[[Any], bool]:
    return lambda v: type(v) in (int, float) and low <= v <= high


def _integer(low: int, high: int) -> Callable[[Any], bool]:
    return lambda v: type(v) is int and low <= v <= high


def _boolean(value: object) -> bool:
    return type(value) is bool


def _one_of(*names: object) -> Callable[[Any], bool]:
    return lambda v: any(v == n and type(v) is type(n) for n in names)


def _object(value: object) -> bool:
    return isinstance(value, dict)


def _list(value: object) -> bool:
    return isinstance(value, list)


def _stop(value: object) -> bool:
    items = value if isinstance(value, list) else [value]
    return len(items) <= 16 and all(isinstance(s, str) and len(s) <= 1_000 for s in items)


def _logit_bias(value: object) -> bool:
    if not isinstance(value, dict) or len(value) > 1_024:
        return False
    return all(
        _TOKEN_ID.fullmatch(key) is not None and type(bias) in (int, float) and -100 <= bias <= 100
        for key, bias in value.items()
    )


def _anything(_value: object) -> bool:
    return True


_C, _H, _U, _E, _K = Kind.CONTENT, Kind.HARMLESS, Kind.CONSUMED, Kind.EGRESS, Kind.CAPABILITY
_EFFORT: Final = ("none", "minimal", "low", "medium", "high", "xhigh")
_TIERS: Final = (
    *("auto", "default", "flex", "priority", "scale", "standard", "standard_only"),
    *("batch", "on_demand", "performance"),
)
_RETENTIONS: Final = ("in_memory", "in-memory", "24h")
_LARGE: Final = 10_000_000
_TOKENS: Final = f"an integer from 1 to {_LARGE:,}"

BODY: Final[Mapping[str, Field]] = {
    "model": Field(_U, _text(256), "a name of at most 256 characters"),
    "messages": Field(_C, _list, "a list of messages"),
    "tools": Field(_C, _list, "a list of tools"),
    "functions": Field(_C, _list, "a list of functions (mapped to `tools`)"),
    "tool_choice": Field(
        _H, _anything, "`none`, `auto`, `required`, one offered tool or `allowed_tools`"
    ),
    "function_call": Field(_H, _anything, "`none`, `auto` or one offered function"),
    "response_format": Field(_C, _object, "an object with a `type`"),
    "stop": Field(_C, _stop, "a string or up to 16 strings of at most 1,000 characters"),
    "prediction": Field(_C, _object, "an object with `type: content`"),
    "temperature": Field(_H, _number(0, 2), "a number from 0 to 2"),
    "top_p": Field(_H, _number(0, 1), "a number from 0 to 1"),
    "frequency_penalty": Field(_H, _number(-2, 2), "a number from -2 to 2"),
    "presence_penalty": Field(_H, _number(-2, 2), "a number from -2 to 2"),
    "max_tokens": Field(_H, _integer(1, _LARGE), _TOKENS),
    "max_completion_tokens": Field(_H, _integer(1, _LARGE), _TOKENS),
    "seed": Field(_H, _integer(-(2**63), 2**63 - 1), "an integer"),
    "logit_bias": Field(_H, _logit_bias, "up to 1,024 token ids with biases from -100 to 100"),
    "logprobs": Field(_H, _boolean, "a boolean"),
    "top_logprobs": Field(_H, _integer(0, 20), "an integer from 0 to 20"),
    "n": Field(_H, _integer(1, 16), "an integer from 1 to 16"),
    "parallel_tool_calls": Field(_H, _boolean, "a boolean"),
    "reasoning_effort": Field(_H, _one_of(*_EFFORT), f"one of {', '.join(_EFFORT)}"),
    "reasoning": Field(_H, _object, "an object with `effort`"),
    "verbosity": Field(_H, _one_of("low", "medium", "high"), "one of low, medium, high"),
    "modalities": Field(_H, _list, "a list of modalities; `audio` is an egress-changing one"),
    "stream": Field(_U, _boolean, "a boolean"),
    "stream_options": Field(_U, _object, "an object with `include_usage`"),
    "transire": Field(_U, _object, "an object, see docs/reference/api.md"),
    "user": Field(_U, lambda v: isinstance(v, str | dict), "a string or an object"),
    "metadata": Field(_U, _object, "an object of strings"),
    "safety_identifier": Field(_U, _text(512), "a string"),
    "prompt_cache_key": Field(_U, _text(512), "a string"),
    "cache_control": Field(_U, _object, "an object"),
    "store": Field(_E, _boolean, "a boolean", lambda v: "store" if v else None),
    "service_tier": Field(
        _E,
        _one_of(*_TIERS),
        f"one of {', '.join(_TIERS)}",
        lambda v: None if v in ("auto", "default") else "service_tier",
    ),
    "prompt_cache_retention": Field(
        _E,
        _one_of(*_RETENTIONS),
        f"one of {', '.join(_RETENTIONS)}",
        lambda _: "cache_retention",
    ),
    "web_search_options": Field(_E, _object, "an object", lambda _: "hosted_tools"),
    "audio": Field(_E, _object, "an object", lambda _: "audio"),
    "top_k": Field(_K, _integer(-1, _LARGE), "an integer"),
    "min_p": Field(_K, _number(0, 1), "a number from 0 to 1"),
    "guided_json": Field(_K, _object, "a schema object"),
    "chat_template_kwargs": Field(_K, _object, "an object"),
    "extra_content": Field(_K, _object, "an object"),
}

MESSAGE: Final[Mapping[str, Field]] = {
    "role": Field(
        _H,
        _one_of("system", "developer", "user", "assistant", "tool", "function"),
        "one of system, developer, user, assistant, tool, function",
    ),
    "content": Field(_C, lambda v: isinstance(v, str | list), "a string or a list of parts"),
    "name": Field(_C, _text(256), "a string of at most 256 characters"),
    "tool_calls": Field(_C, _list, "a list of tool calls"),
    "tool_call_id": Field(_C, is_token, "an identifier"),
    "function_call": Field(_C, _object, "an object (mapped to `tool_calls`)"),
    "refusal": Field(_C, _text(_LARGE), "a string"),
    "annotations": Field(_C, _list, "a list"),
    "reasoning_content": Field(_C, _text(_LARGE), "a string"),
    "reasoning": Field(_C, _text(_LARGE), "a string"),
    "reasoning_details": Field(_C, _list, "a list"),
    "audio": Field(_E, _object, "an object", lambda _: "audio"),
    "cache_control": Field(_U, _object, "an object"),
}

PART: Final[Mapping[str, Field]] = {
    "type": Field(_H, _text(32), "a part type"),
    "text": Field(_C, _text(_LARGE), "a string"),
    "refusal": Field(_C, _text(_LARGE), "a string"),
    "image_url": Field(_C, lambda v: isinstance(v, str | dict), "an object with `url`"),
    "input_audio": Field(_E, _object, "an object", lambda _: "audio"),
    "file": Field(_C, _object, "an object with `file_data` or `file_id`"),
    "cache_control": Field(_U, _object, "an object"),
}

TOOL_CALL: Final[Mapping[str, Field]] = {
    "id": Field(_C, is_token, "an identifier"),
    "type": Field(_H, _one_of("function", "custom"), "`function` or `custom`"),
    "function": Field(_C, _object, "an object with `name` and `arguments`"),
    "custom": Field(_C, _object, "an object with `name` and `input`"),
    "index": Field(_U, _integer(0, 10_000), "an integer"),
    "extra_content": Field(_K, _object, "an object"),
}

TOOL: Final[Mapping[str, Field]] = {
    "type": Field(_H, _text(64), "a tool type"),
    "function": Field(_C, _object, "an object with `name`"),
    "custom": Field(_C, _object, "an object with `name`"),
    "cache_control": Field(_U, _object, "an object"),
}

LEFT_OUT: Final = frozenset(
    {"user", "metadata", "safety_identifier", "prompt_cache_key", "cache_control"}
)
"""Consumed fields that mean something to an upstream, which therefore misses them: they say who
somebody's user is, or which requests belong together. Named like everything that is left out."""

LEVELS: Final[Mapping[str, Mapping[str, Field]]] = {
    "body": BODY,
    "message": MESSAGE,
    "content part": PART,
    "tool call": TOOL_CALL,
    "tool": TOOL,
}
"""Every level by the name docs/reference/fields.md gives it."""
