"""Tell the next attempt what was wrong with an answer: kinds and places, none of its words.

The note is a message of its own at the end of the conversation. It names the checks that failed by
kind, and where in the caller's own schema; what the answer said stands nowhere in it. A noted
request is another content: it has its own digest, and is classified and authorized anew before
anything of it is sent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from transire.aside import off_loop
from transire.classify.digest import content_digest
from transire.classify.tokens import estimate_tokens
from transire.domain.ports import Keyed
from transire.domain.request import Part, PartKind, RoutingRequest
from transire.errors import ContractViolated

__all__ = ["Notes"]

ROLE: Final = "developer"
_MOST: Final = 5
_INLINE_BYTES: Final = 16 * 1024
"""The digest of a longer body is made in a thread."""
_SAYS: Final[Mapping[str, str]] = {
    "not_json": "it was not one JSON document",
    "schema": "it did not satisfy the schema",
    "tool_arguments": "the arguments of a call did not satisfy its tool",
    "tool_unknown": "it called a tool that may not be called",
    "tool_required": "it did not call a required tool",
}
"""Kinds of violations that another try may heed; the others are not the model's to mend."""


class Notes:
    """Makes noted requests.

    Args:
        keyed: For the digest of the noted content.
    """

    def __init__(self, keyed: Keyed) -> None:
        self._keyed = keyed

    async def noted(self, request: RoutingRequest, error: ContractViolated) -> RoutingRequest:
        """The request with one note; the very same where it has one, or there is nothing to say."""
        violations: Any = error.facts.get("violations", ())
        told = [v for v in violations if v["kind"] in _SAYS][:_MOST]
        messages: Any = request.body.fields.get("messages", ())
        if request.noted or not told or not messages:
            return request
        text, at = _text(told), len(messages)
        message = {"role": ROLE, "content": text}
        part = Part(pointer=("messages", at, "content"), kind=PartKind.TEXT, text=text, role=ROLE)
        body = replace(
            request.body,
            fields={**request.body.fields, "messages": [*messages, message]},
            parts=(*request.body.parts, part),
            size_bytes=request.body.size_bytes + len(text.encode()),
            tokens_estimate=request.body.tokens_estimate + estimate_tokens(text),
        )
        is_large = body.size_bytes > _INLINE_BYTES
        digest = (
            await off_loop(partial(content_digest, self._keyed, body))
            if is_large
            else content_digest(self._keyed, body)
        )
        kinds = tuple(sorted({v["kind"] for v in told}))
        return replace(request, body=body, content_digest=digest, noted=kinds)


def _text(told: Sequence[Mapping[str, str]]) -> str:
    lines = [f"- {_SAYS[v['kind']]} (`{v['path']}`)" for v in told]
    return "\n".join(
        [
            "An earlier answer to this was not accepted:",
            *lines,
            "Numbers in a path stand for members in their order. Answer anew, in the required form "
            "and nothing else.",
        ]
    )
