"""What the path needs to put replaced values back into one answer."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from transire.domain.answer import Chunk, Completion, ToolCall
from transire.domain.request import JsonValue

__all__ = ["Placeholders", "Restorer"]


class Restorer(Protocol):
    """Restores one answer, whole or in pieces; keeps counts and no values.

    `whole`, or `chunk` and then `rest`, never both. An answer's tool calls come to `call` whole:
    half a call's arguments are no JSON.
    """

    def whole(self, answer: Completion) -> Completion:
        """The answer with values in place of placeholders, wherever that is allowed."""

    def chunk(self, chunk: Chunk) -> Chunk:
        """The next piece, as far as it is certain; pieces of tool calls pass as they are."""

    def rest(self) -> Sequence[Chunk]:
        """What was held back of choices that the stream left without an end."""

    def call(self, call: ToolCall) -> ToolCall:
        """One whole tool call of a stream."""

    def facts(self) -> Mapping[str, JsonValue]:
        """For the outcome's entry: `restored` (class and count), and `placeholders_kept`."""


class Placeholders(Protocol):
    """What one redaction replaced; lives as long as its request, and is written down nowhere."""

    def restorer(self, *, arguments: bool, is_json: bool) -> Restorer:
        """A restorer for one answer.

        Args:
            arguments: Values may go into the arguments of tool calls as well.
            is_json: The answer's content is one JSON document: values are escaped in it.
        """
