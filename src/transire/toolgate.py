"""What of a stream may be released: text as it comes, tool calls once they are whole and judged.

A call's name and arguments arrive in pieces, and half a call is nothing a caller may run: pieces
wait here until their choice ends, are judged like a whole answer's, and go on as one event. What
says nothing yet (a role, an empty text) waits for the first thing said, so that a deployment that
breaks before it has said anything can still be replaced.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from transire.domain.answer import (
    AnswerChoice,
    Chunk,
    ChunkChoice,
    Completion,
    ToolCall,
    ToolCallDelta,
)
from transire.domain.ports import Mend, Violation
from transire.domain.restoring import Restorer
from transire.refusals import refuse_answer

__all__ = ["Judge", "released"]

Judge: TypeAlias = Callable[[Completion], Awaitable[Sequence[Violation]]]


@dataclass(slots=True)
class _Call:
    """One call as far as it has arrived."""

    id: str = ""
    name: str = ""
    kind: str = "function"
    arguments: list[str] = field(default_factory=list)

    def add(self, piece: ToolCallDelta) -> None:
        self.id = self.id or piece.id or ""
        self.name = self.name or piece.name or ""
        self.kind = piece.kind
        self.arguments.append(piece.arguments)

    def whole(self) -> ToolCall:
        return ToolCall(
            id=self.id, name=self.name, arguments="".join(self.arguments), kind=self.kind
        )


@dataclass(slots=True)
class _Choice:
    """What one choice has said, and which calls of it wait."""

    has_spoken: bool = False
    calls: dict[int, _Call] = field(default_factory=dict)


async def released(
    chunks: AsyncIterator[Chunk],
    judge: Judge,
    restorer: Restorer | None = None,
    mend: Mend | None = None,
) -> AsyncIterator[Chunk]:
    """The same stream, as far as it may reach the caller.

    Args:
        judge: Says what is wrong with one choice, put to it as an answer of its own.
        restorer: Puts replaced values back, before anything is judged; None where none may be.
        mend: Repairs a choice's whole calls, before values are put back; None where none may be.

    Raises:
        ContractViolated: a choice's calls, or its saying nothing at all, break the contract.
    """
    gate = _Gate(judge, restorer, mend)
    silent: list[Chunk] | None = []
    async for chunk in chunks if restorer is None else _restored(chunks, restorer):
        for passed in await gate.admit(chunk):
            if silent is not None and not any(map(_matters, passed.choices)):
                silent.append(passed)
                continue
            for waiting in silent or ():
                yield waiting
            silent = None
            yield passed
    for passed in (*(silent or ()), *await gate.rest()):
        yield passed


async def _restored(chunks: AsyncIterator[Chunk], restorer: Restorer) -> AsyncIterator[Chunk]:
    async for chunk in chunks:
        yield restorer.chunk(chunk)
    for chunk in restorer.rest():
        yield chunk


class _Gate:
    """The choices of one stream."""

    def __init__(self, judge: Judge, restorer: Restorer | None, mend: Mend | None) -> None:
        self._judge = judge
        self._restorer = restorer
        self._mend = mend
        self._choices: dict[int, _Choice] = {}

    async def admit(self, chunk: Chunk) -> Sequence[Chunk]:
        """What one chunk lets through, in order."""
        is_plain = True
        for choice in chunk.choices:
            state = self._choices.setdefault(choice.index, _Choice())
            state.has_spoken = state.has_spoken or _speaks(choice)
            for piece in choice.tool_calls:
                state.calls.setdefault(piece.index, _Call()).add(piece)
            is_plain = is_plain and not state.calls
            if choice.finish_reason is not None and not state.has_spoken:
                is_plain = False
        if is_plain:
            return (chunk,)
        return [
            replace(chunk, choices=(passed,), usage=None)
            for choice in chunk.choices
            for passed in await self._of(choice)
        ] + ([replace(chunk, choices=())] if chunk.usage is not None else [])

    async def rest(self) -> Sequence[Chunk]:
        """Calls of choices that the stream left without an end; one that said nothing is judged."""
        return [
            Chunk(choices=(passed,))
            for index, state in self._choices.items()
            if state.calls or not state.has_spoken
            for passed in await self._calls(index, state, None)
        ]

    async def _of(self, choice: ChunkChoice) -> Sequence[ChunkChoice]:
        state = self._choices[choice.index]
        said = replace(choice, tool_calls=(), finish_reason=None)
        passed = [said] if _speaks(said) or said.role is not None else []
        if choice.finish_reason is None:
            return passed
        if state.calls or not state.has_spoken:
            passed += await self._calls(choice.index, state, choice.finish_reason)
        return [*passed, ChunkChoice(index=choice.index, finish_reason=choice.finish_reason)]

    async def _calls(
        self, index: int, state: _Choice, finish_reason: str | None
    ) -> Sequence[ChunkChoice]:
        choice = AnswerChoice(
            index=index,
            content=None,
            refusal=None,
            tool_calls=tuple(state.calls[at].whole() for at in sorted(state.calls)),
            finish_reason=finish_reason,
        )
        answer = Completion(choices=(choice,), usage=None, model="", created=0)
        if self._mend is not None:
            answer = await self._mend(answer)
            (choice,) = answer.choices
        if self._restorer is not None:
            choice = replace(choice, tool_calls=tuple(map(self._restorer.call, choice.tool_calls)))
        violations = await self._judge(replace(answer, choices=(choice,)))
        if violations:
            raise refuse_answer(violations)
        state.calls = {}
        state.has_spoken = True
        if not choice.tool_calls:
            return []
        calls = _deltas(choice.tool_calls)
        return [ChunkChoice(index=index, tool_calls=calls, repaired=choice.repaired)]


def _deltas(calls: Sequence[ToolCall]) -> tuple[ToolCallDelta, ...]:
    """Whole calls as the one piece each that a stream's caller puts together."""
    return tuple(
        ToolCallDelta(index=at, id=c.id, name=c.name, arguments=c.arguments, kind=c.kind)
        for at, c in enumerate(calls)
    )


def _speaks(choice: ChunkChoice) -> bool:
    return bool(choice.content or choice.refusal or choice.extras or choice.tool_calls)


def _matters(choice: ChunkChoice) -> bool:
    return _speaks(choice) or choice.finish_reason is not None
