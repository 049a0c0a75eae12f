"""One answer on its way back: what it cost, what it released, how it ended, told exactly once."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from tests.conftest import FakeClock
from tests.unit.paths import ANSWER, CHUNK, LAST, FakeExchange, request
from tests.unit.score.fleets import price

from transire.account import Account
from transire.domain.answer import (
    AnswerChoice,
    Chunk,
    ChunkChoice,
    Completion,
    Repair,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from transire.domain.permit import Outcome, OutcomeStatus
from transire.domain.ports import Violation
from transire.errors import LogUnavailable, LogUncertain, UpstreamError
from transire.relay import Relay

USAGE = Usage(prompt_tokens=1_000_000, completion_tokens=2_000_000, total_tokens=3_000_000)


@dataclass
class Return:
    """A relay over an exchange, and what it settled."""

    clock: FakeClock
    exchange: FakeExchange
    expected_model: str = "gpt-x"
    is_stopped: bool = False
    wrong: tuple[Violation, ...] = ()
    settled: list[tuple[Outcome, float | None]] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.account = Account(request=request(), started=0.0)
        self.relay = Relay(
            exchange=self.exchange,
            account=self.account,
            price=price(3),
            clock=self.clock,
            settle=self.outcomes.append,
            measure=lambda outcome, retry: self.settled.append((outcome, retry)),
            is_stopped=lambda: self.is_stopped,
            judge=self.judge,
            is_elsewhere=lambda place: place == "elsewhere",
            sent=0.0,
            until=30.0,
            expected_model=self.expected_model,
        )

    async def judge(self, _: Completion) -> tuple[Violation, ...]:
        return self.wrong

    async def stream(self) -> list[Chunk]:
        await self.relay.start()
        return [chunk async for chunk in self.relay.chunks()]

    @property
    def outcome(self) -> Outcome:
        (outcome,), ((measured, _),) = self.outcomes, self.settled
        assert outcome == measured
        return outcome


def completion(*choices: AnswerChoice, model: str = "gpt-x") -> Completion:
    return Completion(choices=choices or ANSWER.choices, usage=USAGE, model=model, created=1)


def choice(index: int, content: str | None, finish: str | None, *calls: ToolCall) -> AnswerChoice:
    return AnswerChoice(
        index=index, content=content, refusal=None, tool_calls=calls, finish_reason=finish
    )


async def test_a_whole_answer_is_counted_in_tokens_money_and_bytes(clock: FakeClock) -> None:
    call = ToolCall(id="i", name="name-is-not-counted", arguments="{}")
    answer = completion(choice(1, None, "tool_calls", call), choice(0, "é", None))
    back = Return(clock, FakeExchange(answer))
    await back.relay.whole()
    await back.relay.finish(OutcomeStatus.OK)

    assert (back.outcome.tokens_in, back.outcome.tokens_out) == (1_000_000, 2_000_000)
    assert back.outcome.cost_micro_usd == back.account.cost_micro_usd == 9
    assert back.account.usage == USAGE
    assert back.outcome.released_bytes == len("é".encode()) + 2
    assert back.outcome.finish_reasons == ("stop", "tool_calls")
    assert (back.outcome.http_status, back.outcome.first_byte_ms) == (200, 1)
    assert back.exchange.closed == 1


async def test_a_whole_answer_that_is_not_given_released_nothing(clock: FakeClock) -> None:
    back = Return(clock, FakeExchange(completion()))
    await back.relay.whole()
    await back.relay.finish(OutcomeStatus.CONTRACT_VIOLATED, failure="schema")

    assert (back.outcome.released_bytes, back.outcome.failure) == (0, "schema")
    assert back.outcome.tokens_out == 2_000_000  # paid for all the same


async def test_a_stream_is_counted_as_it_is_released(clock: FakeClock) -> None:
    refused = Chunk(choices=(ChunkChoice(index=1, refusal="no", finish_reason="content_filter"),))
    pieces = [CHUNK, refused, LAST, Chunk(choices=(), usage=USAGE)]
    back = Return(clock, FakeExchange(ANSWER, pieces))

    assert await back.stream() == pieces
    assert back.outcome.status is OutcomeStatus.OK
    assert back.outcome.released_bytes == len("hi") + len("no")
    assert back.outcome.finish_reasons == ("stop", "content_filter")
    assert back.outcome.cost_micro_usd == back.account.cost_micro_usd == 9


async def test_without_usage_nothing_is_known_of_the_cost(clock: FakeClock) -> None:
    back = Return(clock, FakeExchange(ANSWER, [CHUNK, LAST]))
    await back.stream()

    assert (back.outcome.tokens_in, back.outcome.cost_micro_usd) == (None, None)


async def test_usage_that_comes_early_is_kept(clock: FakeClock) -> None:
    early = Chunk(choices=CHUNK.choices, usage=USAGE)
    back = Return(clock, FakeExchange(ANSWER, [early, CHUNK, LAST]))
    await back.stream()

    assert back.outcome.tokens_out == 2_000_000


async def test_without_a_price_the_cost_is_unknown_and_not_nothing(clock: FakeClock) -> None:
    back = Return(clock, FakeExchange(completion()))
    back.relay.price = None
    await back.relay.whole()
    await back.relay.finish(OutcomeStatus.OK)

    assert (back.outcome.tokens_out, back.outcome.cost_micro_usd) == (2_000_000, None)


async def test_a_choice_that_did_not_end_has_no_reason_to_have_ended(clock: FakeClock) -> None:
    back = Return(clock, FakeExchange(ANSWER, [CHUNK]))
    await back.stream()

    assert back.outcome.finish_reasons == ()


async def test_an_empty_stream_is_a_failure_before_anything_was_said(clock: FakeClock) -> None:
    back = Return(clock, FakeExchange(ANSWER, []))
    with pytest.raises(UpstreamError) as caught:
        await back.relay.start()

    assert caught.value.facts == {"failure": "empty"}


@pytest.mark.parametrize(
    ("named", "is_told"),
    [
        ("gpt-x", False),
        ("gpt-x-2024-07-18", False),
        ("gpt-x-20240718", False),
        ("", False),
        ("gpt-xl", True),
        ("gpt-y-2024-07-18", True),
        ("gpt-x-mini", True),
        ("gpt-x-2024-07-18-mini", True),
        ("prefix-gpt-x", True),
        ("claude", True),
    ],
)
@pytest.mark.parametrize("is_stream", [True, False])
async def test_an_answer_by_another_model_than_the_catalogs_is_told(
    clock: FakeClock, named: str, is_told: bool, is_stream: bool
) -> None:
    said = Chunk(choices=CHUNK.choices, model=named)
    back = Return(clock, FakeExchange(completion(model=named), [said, LAST]))
    if is_stream:
        await back.stream()
    else:
        await back.relay.whole()
        await back.relay.finish(OutcomeStatus.OK)

    assert back.outcome.facts == ({"contradicts": ["model"]} if is_told else {})


async def test_where_the_catalog_names_no_model_none_contradicts_it(clock: FakeClock) -> None:
    back = Return(clock, FakeExchange(completion(model="any")), expected_model="")
    await back.relay.whole()
    await back.relay.finish(OutcomeStatus.OK)

    assert back.outcome.facts == {}


async def test_model_and_place_may_both_contradict(clock: FakeClock) -> None:
    back = Return(clock, FakeExchange(completion(model="other"), region="elsewhere"))
    await back.relay.whole()
    await back.relay.finish(OutcomeStatus.OK)

    assert back.outcome.facts == {"contradicts": ["model", "region"]}


async def test_an_answer_is_settled_once_however_often_it_ends(clock: FakeClock) -> None:
    back = Return(clock, FakeExchange(ANSWER))
    failure = UpstreamError("x", facts={"failure": "cut", "retry_after_s": 2.0})
    await back.relay.fail(failure)
    await back.relay.finish(OutcomeStatus.OK)
    await back.relay.cancel()

    assert [(o.status, o.failure, retry) for o, retry in back.settled] == [
        (OutcomeStatus.FAILED, "cut", 2.0)
    ]
    assert back.exchange.closed == 1


async def test_a_quarantine_ends_a_stream_between_two_chunks(clock: FakeClock) -> None:
    back = Return(clock, FakeExchange(ANSWER, [CHUNK, CHUNK, LAST]))
    await back.relay.start()
    chunks = back.relay.chunks()
    await anext(chunks)
    back.is_stopped = True
    with pytest.raises(UpstreamError, match="quarantine"):
        await anext(chunks)

    assert (back.outcome.status, back.outcome.failure) == (OutcomeStatus.PARTIAL, "quarantined")
    assert back.outcome.released_bytes == 2


async def test_time_spent_waiting_is_the_deployments(clock: FakeClock) -> None:
    class Slow(FakeExchange):
        async def completion(self) -> Any:
            clock.advance(3)
            return self.answer

    back = Return(clock, Slow(ANSWER))
    await back.relay.whole()
    clock.advance(1)
    await back.relay.finish(OutcomeStatus.OK)

    assert back.account.upstream_s == 3
    assert back.account.overhead_s(clock.monotonic()) == 1
    assert back.outcome.latency_ms == 3_000


async def test_a_caller_who_reads_slowly_makes_no_deployment_slow(clock: FakeClock) -> None:
    class Talking(FakeExchange):
        async def chunks(self) -> AsyncIterator[Chunk]:
            async for chunk in super().chunks():
                clock.advance(1)
                yield chunk

    clock.advance(2)  # until the head of the answer came
    back = Return(clock, Talking(ANSWER, [CHUNK, CHUNK, LAST]))
    await back.relay.start()
    clock.advance(20)
    async for _ in back.relay.chunks():
        clock.advance(20)

    assert (back.outcome.first_token_ms, back.outcome.latency_ms) == (3_000, 5_000)


async def test_a_quarantine_during_the_wait_for_the_first_token_ends_the_attempt(
    clock: FakeClock,
) -> None:
    back = Return(clock, FakeExchange(ANSWER, [CHUNK, LAST]), is_stopped=True)
    with pytest.raises(UpstreamError, match="quarantine"):
        await back.relay.start()

    assert back.relay._released == 0


async def test_a_quarantine_before_the_first_chunk_goes_out_holds_it_back(
    clock: FakeClock,
) -> None:
    back = Return(clock, FakeExchange(ANSWER, [CHUNK, LAST]))
    await back.relay.start()
    back.is_stopped = True
    with pytest.raises(UpstreamError, match="quarantine"):
        await anext(back.relay.chunks())

    assert (back.outcome.failure, back.outcome.released_bytes) == ("quarantined", 0)


def test_what_is_left_of_the_deadline_counts_from_the_start() -> None:
    account = Account(request=request(deadline_s=30), started=5.0)

    assert account.remaining_s(15.0) == 20
    assert account.overhead_s(4.0) == 0


@pytest.mark.parametrize(
    ("error", "may_yet_be_written"),
    [(None, False), (LogUnavailable("full"), False), (LogUncertain("slow"), True)],
)
def test_an_entry_may_yet_be_written_only_while_nobody_knows(
    error: Exception | None, may_yet_be_written: bool
) -> None:
    account = Account(request=request(), started=0.0)

    def write() -> None:
        with account.recording():
            assert account.is_recording
            if error is not None:
                raise error

    if error is None:
        write()
    else:
        with pytest.raises(type(error)):
            write()

    assert account.is_recording == may_yet_be_written


REPAIR = Repair(at="message.content", rules=("closing", "fence"))


async def mended(answer: Completion) -> Completion:
    made = [replace(c, content='{"name": "<P>"}', repaired=(REPAIR,)) for c in answer.choices]
    return replace(answer, choices=tuple(made))


class Restorer:
    """Puts a value back that would be syntax where single quotes still stood."""

    def whole(self, answer: Completion) -> Completion:
        made = [
            replace(c, content=(c.content or "").replace("<P>", "O'Brien")) for c in answer.choices
        ]
        return replace(answer, choices=tuple(made))

    def facts(self) -> Mapping[str, Any]:
        return {}


async def test_an_answer_is_repaired_before_values_are_put_back_and_counted_as_released(
    clock: FakeClock,
) -> None:
    back = Return(clock, FakeExchange(completion(choice(0, "{'name': '<P>'", "stop"))))
    restorer: Any = Restorer()
    back.relay.mend, back.relay.restorer = mended, restorer

    answer = await back.relay.whole()
    await back.relay.finish(OutcomeStatus.OK)

    assert [c.content for c in answer.choices] == ['{"name": "O\'Brien"}']
    assert back.outcome.repaired == ("closing", "fence")
    assert back.outcome.released_bytes == len('{"name": "O\'Brien"}')


async def test_a_repaired_answer_that_is_refused_all_the_same_counts_as_no_repair(
    clock: FakeClock,
) -> None:
    back = Return(clock, FakeExchange(completion()))
    back.relay.mend = mended
    await back.relay.whole()
    await back.relay.finish(OutcomeStatus.CONTRACT_VIOLATED, failure="schema")

    assert back.outcome.repaired == ()


async def test_a_repaired_call_of_a_stream_stands_in_its_outcome(clock: FakeClock) -> None:
    arguments = Repair(at="message.tool_calls[0].function.arguments", rules=("single_quotes",))
    called = ToolCallDelta(index=0, id="c", name="f", arguments="{'a': 1}")
    pieces = [CHUNK, Chunk(choices=(ChunkChoice(index=0, tool_calls=(called,)),)), LAST]
    back = Return(clock, FakeExchange(ANSWER, pieces))

    async def mend(answer: Completion) -> Completion:
        made = [replace(c, repaired=(arguments,)) for c in answer.choices]
        return replace(answer, choices=tuple(made))

    back.relay.mend = mend
    found = await back.stream()

    assert [c.repaired for chunk in found for c in chunk.choices if c.repaired] == [(arguments,)]
    assert back.outcome.repaired == ("single_quotes",)
