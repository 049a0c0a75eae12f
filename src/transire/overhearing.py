"""What a deployment says while it is read, remembered until it is known whether it may be kept."""

from collections.abc import AsyncIterator

from transire.domain.answer import AnswerChoice, Chunk, Completion, Usage
from transire.domain.outward import Exchange

__all__ = ["Watched", "text_of"]


class Watched:
    """An exchange that remembers what was read of it, as the deployment said it."""

    def __init__(self, exchange: Exchange, max_bytes: int) -> None:
        self._exchange = exchange
        self._left = max_bytes
        self._whole: Completion | None = None
        self._pieces: dict[int, list[str]] = {}
        self._finished: dict[int, str] = {}
        self._usage: Usage | None = None
        self._head: Chunk | None = None
        self._is_plain = True
        self._is_over = False

    @property
    def http_status(self) -> int:
        """See `domain.outward.Exchange`."""
        return self._exchange.http_status

    @property
    def first_byte_ms(self) -> int:
        """See `domain.outward.Exchange`."""
        return self._exchange.first_byte_ms

    @property
    def region(self) -> str:
        """See `domain.outward.Exchange`."""
        return self._exchange.region

    async def completion(self) -> Completion:
        """See `domain.outward.Exchange`."""
        self._whole = await self._exchange.completion()
        return self._whole

    async def chunks(self) -> AsyncIterator[Chunk]:
        """See `domain.outward.Exchange`."""
        async for chunk in self._exchange.chunks():
            self._hear(chunk)
            yield chunk
        self._is_over = True

    async def close(self) -> None:
        """See `domain.outward.Exchange`."""
        await self._exchange.close()

    def whole(self) -> Completion | None:
        """The answer, where it is whole, of text alone, ends by itself and is not too long."""
        answer = self._whole if self._whole is not None else self._assembled()
        if answer is None or not answer.choices or not all(map(_is_text, answer.choices)):
            return None
        size = sum(len(text_of(choice).encode()) for choice in answer.choices)
        return answer if size <= self._left else None

    def _hear(self, chunk: Chunk) -> None:
        if not self._is_plain:
            return
        self._head = self._head or chunk
        self._usage = chunk.usage or self._usage
        for choice in chunk.choices:
            if choice.tool_calls or choice.refusal or choice.logprobs or choice.extras:
                self._is_plain = False
            text = choice.content or ""
            self._pieces.setdefault(choice.index, []).append(text)
            self._left -= len(text)
            if choice.finish_reason is not None:
                self._finished[choice.index] = choice.finish_reason
        if self._left < 0 or not self._is_plain:
            self._is_plain = False
            self._pieces.clear()

    def _assembled(self) -> Completion | None:
        head = self._head
        if not self._is_over or not self._is_plain or head is None:
            return None
        if self._pieces.keys() != self._finished.keys():
            return None
        self._left += sum(len(text) for texts in self._pieces.values() for text in texts)
        return Completion(
            choices=tuple(
                AnswerChoice(
                    index=index,
                    content="".join(self._pieces[index]),
                    refusal=None,
                    tool_calls=(),
                    finish_reason=self._finished[index],
                )
                for index in sorted(self._pieces)
            ),
            usage=self._usage,
            model=head.model,
            created=head.created,
        )


def _is_text(choice: AnswerChoice) -> bool:
    return (
        bool(choice.content)
        and not (choice.refusal or choice.tool_calls or choice.extras or choice.repaired)
        and choice.logprobs is None
        and choice.finish_reason == "stop"
    )


def text_of(choice: AnswerChoice) -> str:
    """What a choice says; a choice without words says nothing."""
    return choice.content or ""
