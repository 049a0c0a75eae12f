"""Answers, rebuilt from typed fields (I11): whole completions and stream chunks."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from transire.domain.request import JsonValue

__all__ = [
    "AnswerChoice",
    "Chunk",
    "ChunkChoice",
    "Completion",
    "Repair",
    "ToolCall",
    "ToolCallDelta",
    "Usage",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens as the upstream reports them; negative or absurd values are dropped at the adapter.

    Attributes:
        details: OpenAI's `*_tokens_details` objects, integers only.
    """

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    details: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One call an answer asks for; `arguments` is the JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str
    kind: str = "function"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """What was put right in the syntax of one text of an answer; names, never content.

    Attributes:
        at: The text's path inside its choice: `message.content`,
            `message.tool_calls[0].function.arguments`.
        rules: Names of the rules used, sorted.
        dropped: Fields that described the text as it was, and were left out: `logprobs`.
    """

    at: str
    rules: tuple[str, ...]
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerChoice:
    """One of `n` choices.

    Attributes:
        extras: Typed, known further fields (`reasoning_content`).
        repaired: What is not as the model wrote it.
    """

    index: int
    content: str | None
    refusal: str | None
    tool_calls: tuple[ToolCall, ...]
    finish_reason: str | None
    logprobs: JsonValue = None
    extras: Mapping[str, JsonValue] = field(default_factory=dict)
    repaired: tuple[Repair, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A whole answer; `model` is what the upstream said, the caller sees the name it asked for.

    Attributes:
        verdicts: Ours on it, where it goes out all the same.
    """

    choices: tuple[AnswerChoice, ...]
    usage: Usage | None
    model: str
    created: int
    system_fingerprint: str | None = None
    verdicts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallDelta:
    """A piece of a tool call; `index` tells parallel calls apart."""

    index: int
    id: str | None
    name: str | None
    arguments: str
    kind: str = "function"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkChoice:
    """A delta of one choice; `repaired` says what in it is not as the model wrote it."""

    index: int
    role: str | None = None
    content: str | None = None
    refusal: str | None = None
    tool_calls: tuple[ToolCallDelta, ...] = ()
    finish_reason: str | None = None
    logprobs: JsonValue = None
    extras: Mapping[str, JsonValue] = field(default_factory=dict)
    repaired: tuple[Repair, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """One event of a stream; the usage chunk has no choices.

    Attributes:
        verdicts: Of a whole answer that is told as a stream, in its first event.
    """

    choices: tuple[ChunkChoice, ...]
    usage: Usage | None = None
    model: str = ""
    created: int = 0
    verdicts: tuple[str, ...] = ()
