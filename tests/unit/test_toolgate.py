"""What of a stream reaches its caller, and when."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transire.domain.answer import (
    Chunk,
    ChunkChoice,
    Completion,
    Repair,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from transire.domain.ports import Violation
from transire.errors import ContractViolated
from transire.toolgate import released

ROLE = Chunk(choices=(ChunkChoice(index=0, role="assistant", content=""),))
STOP = Chunk(choices=(ChunkChoice(index=0, finish_reason="stop"),))
CALLED = Chunk(choices=(ChunkChoice(index=0, finish_reason="tool_calls"),))


def said(text: str) -> Chunk:
    return Chunk(choices=(ChunkChoice(index=0, content=text),))


def piece(at: int, arguments: str = "", *, name: str | None = None, choice: int = 0) -> Chunk:
    delta = ToolCallDelta(index=at, id=name and f"id-{at}", name=name, arguments=arguments)
    return Chunk(choices=(ChunkChoice(index=choice, tool_calls=(delta,)),))


class Judge:
    """Notes what it is put to; finds fault with calls of `bad`, and with saying nothing."""

    def __init__(self) -> None:
        self.seen: list[Completion] = []

    async def __call__(self, answer: Completion) -> Sequence[Violation]:
        self.seen.append(answer)
        (choice,) = answer.choices
        if any(call.name == "bad" for call in choice.tool_calls):
            return [Violation(kind="tool_unknown", path="message.tool_calls[0]")]
        return [] if choice.tool_calls else [Violation(kind="empty", path="message.content")]


async def stream(*chunks: Chunk) -> AsyncIterator[Chunk]:
    for chunk in chunks:
        yield chunk


async def passed(*chunks: Chunk, judge: Judge | None = None) -> list[Chunk]:
    return [chunk async for chunk in released(stream(*chunks), judge or Judge())]


async def test_text_passes_as_it_comes_and_is_not_judged() -> None:
    judge = Judge()
    whole = [ROLE, said("a"), said("b"), STOP]

    assert await passed(*whole, judge=judge) == whole
    assert judge.seen == []


async def test_text_beside_a_call_is_released_before_the_call_is_whole() -> None:
    arriving = stream(said("let me look"), piece(0, name="f"), piece(0, "{}"), CALLED)
    gate = released(arriving, Judge())

    assert await anext(gate) == said("let me look")
    assert await anext(arriving) == piece(0, name="f")  # nothing more was read ahead


async def test_a_call_in_pieces_goes_on_whole_before_its_end() -> None:
    found = await passed(
        ROLE, piece(0, name="f"), piece(1, name="g"), piece(0, "{}"), piece(1, "[]"), CALLED
    )

    calls = (
        ToolCallDelta(index=0, id="id-0", name="f", arguments="{}"),
        ToolCallDelta(index=1, id="id-1", name="g", arguments="[]"),
    )
    assert found == [ROLE, Chunk(choices=(ChunkChoice(index=0, tool_calls=calls),)), CALLED]


async def test_a_bad_call_is_not_released_nor_anything_after_it() -> None:
    gate = released(stream(ROLE, said("x"), piece(0, "{}", name="bad"), CALLED), Judge())

    assert [await anext(gate), await anext(gate)] == [ROLE, said("x")]
    with pytest.raises(ContractViolated) as caught:
        await anext(gate)
    assert caught.value.facts["failure"] == "tool_unknown"


async def test_a_call_whose_choice_never_ends_is_judged_at_the_end_of_the_stream() -> None:
    with pytest.raises(ContractViolated):
        await passed(said("x"), piece(0, "{}", name="bad"))


async def test_a_stream_that_says_nothing_releases_nothing() -> None:
    with pytest.raises(ContractViolated) as caught:
        await passed(ROLE, STOP)

    assert caught.value.facts["failure"] == "empty"


async def test_what_says_nothing_is_judged_before_its_end_is_released() -> None:
    gate = released(stream(ROLE, STOP, said("late")), Judge())

    with pytest.raises(ContractViolated):
        await anext(gate)


async def test_a_silent_choice_beside_a_speaking_one_is_judged() -> None:
    silent = Chunk(choices=(ChunkChoice(index=1, finish_reason="stop"),))
    gate = released(stream(said("x"), silent), Judge())

    assert await anext(gate) == said("x")
    with pytest.raises(ContractViolated):
        await anext(gate)


CUT = Chunk(choices=(ChunkChoice(index=0, finish_reason="length"),))


@pytest.mark.parametrize("chunks", [[ROLE, CUT], [ROLE], [CUT]])
async def test_silence_that_breaks_no_contract_is_judged_once_and_passes(
    chunks: list[Chunk],
) -> None:
    judged = 0

    async def lenient(_: Completion) -> Sequence[Violation]:
        nonlocal judged
        judged += 1
        return []

    assert [c async for c in released(stream(*chunks), lenient)] == chunks
    assert judged == 1


@pytest.mark.parametrize(
    "said_so",
    [
        ChunkChoice(index=0, refusal="no"),
        ChunkChoice(index=0, extras={"reasoning_content": "so"}),
        ChunkChoice(index=0, content="hi"),
    ],
)
async def test_a_refusal_and_reasoning_say_something(said_so: ChunkChoice) -> None:
    judge = Judge()
    chunks = [ROLE, Chunk(choices=(said_so,)), STOP]

    assert await passed(*chunks, judge=judge) == chunks
    assert judge.seen == []


async def test_what_says_something_lets_go_of_what_waited_at_once() -> None:
    arriving = stream(ROLE, said("x"), STOP)
    gate = released(arriving, Judge())

    assert [await anext(gate), await anext(gate)] == [ROLE, said("x")]
    assert await anext(arriving) == STOP  # nothing more was read ahead


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_a_call_is_not_released_unjudged_beside_another_choices_text(
    order: tuple[int, int],
) -> None:
    delta = ToolCallDelta(index=0, id="i", name="bad", arguments="{}")
    call, text = ChunkChoice(index=0, tool_calls=(delta,)), ChunkChoice(index=1, content="x")
    mixed = Chunk(choices=tuple((call, text)[at] for at in order))
    gate = released(stream(mixed, CALLED), Judge())

    assert await anext(gate) == Chunk(choices=(text,))
    with pytest.raises(ContractViolated):
        await anext(gate)


async def test_a_choice_that_spoke_is_not_judged_where_another_one_calls() -> None:
    judge = Judge()
    delta = ToolCallDelta(index=0, id="i", name="f", arguments="{}")
    text = ChunkChoice(index=0, content="x", finish_reason="stop")
    call = ChunkChoice(index=1, tool_calls=(delta,), finish_reason="tool_calls")
    found = await passed(Chunk(choices=(text, call)), judge=judge)

    assert [answer.choices[0].index for answer in judge.seen] == [1]
    assert [c.index for chunk in found for c in chunk.choices] == [0, 0, 1, 1]


async def test_the_role_that_comes_with_a_call_is_passed_on() -> None:
    delta = ToolCallDelta(index=0, id="i", name="f", arguments="{}")
    first = Chunk(choices=(ChunkChoice(index=0, role="assistant", tool_calls=(delta,)),))
    found = await passed(first, CALLED)

    assert [c.role for c in found[0].choices] == ["assistant"]
    assert found[1] == Chunk(choices=(ChunkChoice(index=0, tool_calls=(delta,)),))


async def test_a_custom_call_stays_one() -> None:
    judge = Judge()
    delta = ToolCallDelta(index=0, id="i", name="g", arguments="text", kind="custom")
    found = await passed(
        Chunk(choices=(ChunkChoice(index=0, tool_calls=(delta,)),)), CALLED, judge=judge
    )

    assert judge.seen[0].choices[0].tool_calls[0].kind == "custom"
    assert found[0].choices[0].tool_calls == (delta,)


async def test_a_stream_that_ends_before_anything_was_said_releases_nothing() -> None:
    with pytest.raises(ContractViolated):
        await passed(ROLE)


async def test_one_event_with_everything_in_it_is_taken_apart() -> None:
    delta = ToolCallDelta(index=0, id="i", name="f", arguments="{}")
    usage = Usage(prompt_tokens=1, completion_tokens=1, total_tokens=2)
    choice = ChunkChoice(index=0, content="x", tool_calls=(delta,), finish_reason="tool_calls")

    assert await passed(Chunk(choices=(choice,), usage=usage)) == [
        said("x"),
        Chunk(choices=(ChunkChoice(index=0, tool_calls=(delta,)),)),
        CALLED,
        Chunk(choices=(), usage=usage),
    ]


@st.composite
def cut_up(draw: Any) -> tuple[dict[tuple[int, int], str], list[Chunk]]:
    """Calls of two choices with their arguments cut and mixed, each call's own order kept."""
    whole = {
        (choice, at): draw(st.text(max_size=12))
        for choice in (0, 1)
        for at in range(draw(st.integers(1, 3)))
    }
    queues = []
    for (choice, at), text in whole.items():
        cut = draw(st.integers(0, len(text)))
        queues.append(
            [
                piece(at, text[:cut], name=f"f{at}", choice=choice),
                piece(at, text[cut:], choice=choice),
            ]
        )
    mixed: list[Chunk] = []
    while queues:
        queue = draw(st.sampled_from(queues))
        mixed.append(queue.pop(0))
        queues = [q for q in queues if q]
    ends = [Chunk(choices=(ChunkChoice(index=c, finish_reason="tool_calls"),)) for c in (0, 1)]
    return whole, [*mixed, *ends]


@given(cut_up())
async def test_calls_stay_intact_however_they_are_cut_and_mixed(
    given: tuple[dict[tuple[int, int], str], list[Chunk]],
) -> None:
    whole, chunks = given
    judge = Judge()
    found = {
        (choice.index, call.index): call.arguments
        for chunk in await passed(*chunks, judge=judge)
        for choice in chunk.choices
        for call in choice.tool_calls
    }
    judged = {
        (choice.index, at): call.arguments
        for answer in judge.seen
        for choice in answer.choices
        for at, call in enumerate(choice.tool_calls)
    }

    assert found == judged == whole


async def test_whole_calls_are_repaired_before_values_are_put_back_and_judged() -> None:
    events: list[str] = []
    whole = Repair(at="message.tool_calls[0].function.arguments", rules=("closing",))

    async def mend(answer: Completion) -> Completion:
        (choice,) = answer.choices
        events.append(f"mended {choice.tool_calls[0].arguments} {choice.finish_reason}")
        calls = (replace(choice.tool_calls[0], arguments='{"a": "<P>"}'),)
        return replace(answer, choices=(replace(choice, tool_calls=calls, repaired=(whole,)),))

    class Restorer:
        def chunk(self, chunk: Chunk) -> Chunk:
            return chunk

        def rest(self) -> Sequence[Chunk]:
            return ()

        def call(self, call: ToolCall) -> ToolCall:
            events.append(f"restored {call.arguments}")
            return replace(call, arguments='{"a": "it\'s"}')

    judge = Judge()
    restorer: Any = Restorer()
    arriving = stream(piece(0, '{"a": "<P>"', name="f"), CALLED)

    found = [chunk async for chunk in released(arriving, judge, restorer, mend)]

    assert events == ['mended {"a": "<P>" tool_calls', 'restored {"a": "<P>"}']
    assert [c.tool_calls[0].arguments for c in judge.seen[0].choices] == ['{"a": "it\'s"}']
    assert [choice.repaired for chunk in found for choice in chunk.choices] == [(whole,), ()]
