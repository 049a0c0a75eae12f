"""What a judge would receive: the messages of a request, and its answer as the last of them.

It is another content than was asked: it has its own digest, and is classified and authorized anew
before anything of it is sent. What stands beside the messages (tools, formats, bounds) is not of
it, and neither is what only some deployments take back. INVARIANT: every text in its messages is
one of its parts, read from the answer as it would be from a caller.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from transire.classify.collector import Collector
from transire.classify.digest import content_digest
from transire.classify.messages import MAX_MESSAGES, read_messages
from transire.classify.tokens import estimate_tokens
from transire.domain.answer import AnswerChoice, Completion
from transire.domain.ports import Keyed
from transire.domain.request import Body, Part, PartKind, RoutingRequest
from transire.errors import RequestError, TooLargeError

__all__ = ["ConversationTexts"]

_SHOWN: Final = ("role", "content", "tool_calls")
"""Of a message, what a judge is shown."""
_TEXTS: Final = frozenset({PartKind.TEXT, PartKind.JSON, PartKind.NAME})
_INLINE_BYTES: Final = 16 * 1024
"""The digest of a longer body is made in a thread."""


class ConversationTexts:
    """Implements `domain.judgment.JudgedTexts`.

    Args:
        keyed: For the digest of the content.
    """

    def __init__(self, keyed: Keyed) -> None:
        self._keyed = keyed

    async def of(
        self, request: RoutingRequest, answer: Completion, *, max_output_tokens: int
    ) -> RoutingRequest | None:
        """See `domain.judgment.JudgedTexts`."""
        messages: Any = request.body.fields.get("messages", ())
        if len(answer.choices) != 1 or not messages or len(messages) >= MAX_MESSAGES:
            return None
        before = [part for part in request.body.parts if _is_shown(part)]
        try:
            last, said = _read(answer.choices[0], len(messages))
        except (RequestError, TooLargeError):
            return None
        parts = (*before, *said)
        if last is None or any(part.kind not in _TEXTS for part in parts):
            return None
        kept = [{name: m[name] for name in _SHOWN if name in m} for m in messages]
        body = Body(
            fields={"messages": [*kept, last], "max_tokens": max_output_tokens},
            parts=parts,
            capabilities=frozenset(),
            needs=frozenset(),
            ignored=(),
            size_bytes=sum(len(part.text.encode()) for part in parts),
            tokens_estimate=sum(estimate_tokens(part.text) for part in parts),
            max_output_tokens=max_output_tokens,
        )
        is_large = body.size_bytes > _INLINE_BYTES
        digest = (
            await asyncio.to_thread(content_digest, self._keyed, body)
            if is_large
            else content_digest(self._keyed, body)
        )
        return replace(
            request,
            body=body,
            content_digest=digest,
            is_stream=False,
            wants_usage=False,
            prompt=None,
            trial=None,
        )


def _is_shown(part: Part) -> bool:
    return part.pointer[0] == "messages" and part.pointer[2] in _SHOWN


def _read(choice: AnswerChoice, at: int) -> tuple[dict[str, Any] | None, list[Part]]:
    """The answer as a message, and its parts where they would stand; None of an empty one.

    Raises:
        RequestError, TooLargeError: it is nothing that a caller could send back.
    """
    text = choice.content or choice.refusal
    if not text and not choice.tool_calls:
        return None, []
    message: dict[str, Any] = {"role": "assistant"}
    if text:
        message["content"] = text
    if choice.tool_calls:
        message["tool_calls"] = [
            {"id": call.id or "call", "type": call.kind, call.kind: _called(call.kind, call)}
            for call in choice.tool_calls
        ]
    collector = Collector(omits_unknown=True)
    [read] = read_messages([message], collector)
    moved = [replace(part, pointer=("messages", at, *part.pointer[2:])) for part in collector.parts]
    return read, moved


def _called(kind: str, call: Any) -> Mapping[str, str]:
    text = "input" if kind == "custom" else "arguments"
    return {"name": call.name, text: call.arguments}
