"""One open answer on its way back: what was received, what was released, how it ended.

Exactly one outcome is settled per attempt, however it ends: finished, failed, violated, cancelled
by the caller, stopped by a quarantine, or never read at all.
"""

import math
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from transire.account import Account
from transire.alarms import within
from transire.domain.answer import AnswerChoice, Chunk, ChunkChoice, Completion, Usage
from transire.domain.deployment import Price
from transire.domain.failures import failure_of, retry_after_of
from transire.domain.outward import Exchange
from transire.domain.permit import Outcome, OutcomeStatus
from transire.domain.ports import Clock, Mend
from transire.domain.receiving import Receive
from transire.domain.request import JsonValue
from transire.domain.restoring import Restorer
from transire.errors import UpstreamError
from transire.refusals import refuse_withheld
from transire.toolgate import Judge, released

__all__ = ["Relay"]

T = TypeVar("T")
_SNAPSHOT: Final = re.compile(r"-\d{4}-?\d{2}-?\d{2}", re.ASCII)


@dataclass(slots=True, kw_only=True)
class Relay:
    """Reads one exchange, whole or chunk by chunk.

    Args:
        settle: Called once, with the outcome.
        measure: Called once, when the answer is there or is not to be: with the outcome as it is
            then, and an upstream's Retry-After in seconds.
        expected_model: The model name the catalog says this upstream serves.
        is_stopped: True once a quarantine blocks this deployment or tenant.
        judge: Says what is wrong with (a choice of) an answer.
        until: Monotonic second by which this attempt must have answered, or have begun to.
        is_elsewhere: Whether a place that the answer names contradicts the catalog.
        restorer: Puts back what was redacted; None where nothing was, or policy keeps it out.
        mend: Repairs the syntax of (a choice of) an answer; None where nothing may be.
        receive: Judges the classes in a whole answer; None where no rule of `receive` may apply.
        is_stream: The exchange is read chunk by chunk.
    """

    exchange: Exchange
    account: Account
    price: Price | None
    clock: Clock
    settle: Callable[[Outcome], None]
    measure: Callable[[Outcome, float | None], None]
    is_stopped: Callable[[], bool]
    judge: Judge
    is_elsewhere: Callable[[str], bool]
    sent: float
    until: float
    expected_model: str = ""
    restorer: Restorer | None = None
    mend: Mend | None = None
    receive: Receive | None = None
    is_stream: bool = False
    _received: Mapping[str, JsonValue] = field(default_factory=dict)
    _contradicts: set[str] = field(default_factory=set)
    _chunks: AsyncIterator[Chunk] | None = field(default=None, repr=False)
    _first: Chunk | None = field(default=None, repr=False)
    _first_ms: int | None = None
    _opened_s: float | None = None
    _waited_s: float = 0.0
    _usage: Usage | None = None
    _released: int = 0
    _whole: int = 0
    _finish: dict[int, str] = field(default_factory=dict)
    _rules: set[str] = field(default_factory=set)
    _is_settled: bool = False
    _kept: Outcome | None = None
    _said: dict[str, JsonValue] = field(default_factory=dict)

    async def whole(self) -> Completion:
        """The whole answer.

        Raises:
            UpstreamError: it could not be read, or a quarantine came between.
            ContractViolated: it holds what the caller may not receive.
        """
        completion = await self._waiting(self.exchange.completion(), self.until)
        self.refuse_if_stopped()
        self._compare(completion.model)
        self._compare_place()
        self._usage = completion.usage
        if self.mend is not None:
            # Before values are put back: they may hold quotes, and are nobody's syntax.
            completion = await self.mend(completion)
        if self.receive is not None:
            # Before values are put back too: they are the caller's own.
            completion = await self._judged(self.receive, completion)
        if self.restorer is not None:
            completion = self.restorer.whole(completion)
        self._finish = {c.index: c.finish_reason or "stop" for c in completion.choices}
        self._whole = sum(map(_bytes_of, completion.choices))
        for choice in completion.choices:
            self._rules |= _rules_of(choice)
        return completion

    async def start(self) -> None:
        """Wait for the first thing said, so that a failure before it can still fall back.

        Raises:
            UpstreamError: it broke, or there was nothing.
            ContractViolated: what came first breaks the contract.
        """
        assert self.receive is None  # such an answer is read whole
        self._compare_place()
        self._chunks = released(self.exchange.chunks(), self.judge, self.restorer, self.mend)
        self._first = await self._next(self.until)
        if self._first is None:
            raise UpstreamError("the stream was empty", facts={"failure": "empty"})
        self._first_ms = self._taken_ms()
        self.refuse_if_stopped()  # nothing went out yet, and nothing will

    async def chunks(self) -> AsyncIterator[Chunk]:
        """Every chunk in order, the first included; settles when it ends, however it ends.

        Raises:
            UpstreamError, ContractViolated: after the first byte there is no fallback; the caller
                is told.
        """
        try:
            chunk = self._first
            while chunk is not None:
                self.refuse_if_stopped()
                self._note(chunk)
                yield chunk
                chunk = await self._next()
            self.refuse_if_stopped()
        except Exception as error:
            await self.fail(error, status=OutcomeStatus.PARTIAL)
            raise
        except BaseException:  # the caller left
            await self.cancel()
            raise
        await self.finish(OutcomeStatus.OK)

    def say(self, **facts: JsonValue) -> None:
        """Facts for the outcome's entry: names and numbers, never content."""
        self._said |= facts

    async def keep(self) -> None:
        """Measure a whole answer now, and settle it later: something better may come.

        How fast and dear a deployment is does not depend on what another one says afterwards.
        """
        self._kept = self._outcome(OutcomeStatus.OK, "")
        self.measure(self._kept, None)
        await self.exchange.close()

    async def release(self) -> None:
        """Settle a kept answer that goes out after all, unless it may not any more.

        Raises:
            UpstreamError: a quarantine came between; nothing of it is released.
        """
        try:
            self.refuse_if_stopped()
        except UpstreamError as error:
            await self.fail(error)
            raise
        await self.finish(OutcomeStatus.OK)

    def refuse_if_stopped(self) -> None:
        """Right before something goes out: a quarantine acts at once, on what is judged as well.

        Raises:
            UpstreamError: one blocks this deployment or tenant.
        """
        if self.is_stopped():
            raise UpstreamError(
                "a quarantine stopped this deployment", facts={"failure": "quarantined"}
            )

    async def finish(self, status: OutcomeStatus, *, failure: str = "") -> None:
        """Settle an answer that was read to its end, whatever became of it."""
        await self._end(status, failure, None)

    async def fail(self, error: Exception, *, status: OutcomeStatus = OutcomeStatus.FAILED) -> None:
        """Settle an answer that broke, or that an error of ours stopped."""
        await self._end(status, failure_of(error), retry_after_of(error))

    async def cancel(self) -> None:
        """Settle an answer nobody waits for any more; safe after any other ending."""
        await self._end(OutcomeStatus.CANCELLED, "cancelled", None)

    async def abandon(self) -> None:
        """Settle an answer whose request is over: its deadline passed, or its caller left."""
        late = self.account.late()
        await (self.cancel() if late is None else self.fail(late))

    async def _judged(self, receive: Receive, completion: Completion) -> Completion:
        received = await receive(completion)
        self._received = received.facts
        if received.answer is None:
            raise refuse_withheld(received)
        self.refuse_if_stopped()
        return received.answer

    async def _next(self, until: float = math.inf) -> Chunk | None:
        assert self._chunks is not None  # `start` ran
        return await self._waiting(anext(self._chunks, None), until)

    async def _waiting(self, awaitable: Awaitable[T], until: float) -> T:
        began = self.clock.monotonic()
        if self._opened_s is None:
            self._opened_s = began - self.sent
        left = self.account.remaining_s(began)
        try:
            with within(max(min(left, until - began), 0.001)):
                return await awaitable
        except TimeoutError:
            # The deployment's own time is up, or the request's: the next one may be tried or not.
            failure = "timeout" if until - began < left else "deadline"
            raise UpstreamError("the answer took too long", facts={"failure": failure}) from None
        finally:
            waited_s = self.clock.monotonic() - began
            self._waited_s += waited_s
            self.account.upstream_s += waited_s

    def _taken_ms(self) -> int:
        """Milliseconds that the deployment took: neither our judging nor a slow reader counts.

        INVARIANT: how fast a caller reads moves nobody's health. While one pauses, an upstream
        goes on into buffers; what is waited for afterwards is all that is counted.
        """
        opened_s = self._opened_s
        if opened_s is None:
            opened_s = self.clock.monotonic() - self.sent
        return round((opened_s + self._waited_s) * 1_000)

    def _compare(self, model: str) -> None:
        """Remember that an answer names another model than the catalog (recorded, alarmed)."""
        if model and self.expected_model and not _is_same_model(model, self.expected_model):
            self._contradicts.add("model")

    def _compare_place(self) -> None:
        if self.exchange.region and self.is_elsewhere(self.exchange.region):
            self._contradicts.add("region")

    def _note(self, chunk: Chunk) -> None:
        self._compare(chunk.model)
        if chunk.usage is not None:
            self._usage = chunk.usage
        for choice in chunk.choices:
            self._released += _bytes_of(choice)
            self._rules |= _rules_of(choice)
            if choice.finish_reason is not None:
                self._finish[choice.index] = choice.finish_reason

    async def _end(self, status: OutcomeStatus, failure: str, retry_after: float | None) -> None:
        if self._is_settled:
            return
        self._is_settled = True
        outcome = self._outcome(status, failure)
        if status is not OutcomeStatus.SUPERSEDED:
            self.account.usage = self._usage
            self.account.cost_micro_usd = outcome.cost_micro_usd
        # Settled before the connection is closed: closing may be cancelled, the outcome may not.
        self.settle(outcome)
        if self._kept is None:
            self.measure(outcome, retry_after)
        await self.exchange.close()

    def _outcome(self, status: OutcomeStatus, failure: str) -> Outcome:
        usage, cost = self._usage, None
        if usage is not None and self.price is not None:
            cost = self.price.cost_micro_usd(usage.prompt_tokens, usage.completion_tokens)
        # What was read whole is released at once and at the end, or not at all.
        released_bytes = self._released + (self._whole if status is OutcomeStatus.OK else 0)
        return Outcome(
            status=status,
            failure=failure,
            http_status=self.exchange.http_status,
            latency_ms=self._taken_ms() if self._kept is None else self._kept.latency_ms,
            first_byte_ms=self.exchange.first_byte_ms,
            first_token_ms=self._first_ms,
            tokens_in=usage.prompt_tokens if usage else None,
            tokens_out=usage.completion_tokens if usage else None,
            cost_micro_usd=cost,
            released_bytes=released_bytes,
            finish_reasons=tuple(self._finish[i] for i in sorted(self._finish)),
            # A repaired answer of which nothing was released helped nobody.
            repaired=tuple(sorted(self._rules)) if released_bytes else (),
            facts=self._facts(),
        )

    def _facts(self) -> Mapping[str, JsonValue]:
        """Names and counts beside the outcome's own fields."""
        facts: dict[str, JsonValue] = {**self._received, **self._said}
        if self._contradicts:
            facts["contradicts"] = sorted(self._contradicts)
        if self.restorer is not None:
            facts |= self.restorer.facts()
        return facts


def _is_same_model(named: str, expected: str) -> bool:
    """The catalog's name, or a dated snapshot of it (OpenAI: `gpt-x-2024-07-18` for `gpt-x`)."""
    return named == expected or (
        named.startswith(expected) and _SNAPSHOT.fullmatch(named, len(expected)) is not None
    )


def _bytes_of(choice: AnswerChoice | ChunkChoice) -> int:
    """Bytes of what a choice says: text, refusal and the arguments of its calls."""
    texts = [choice.content or "", choice.refusal or ""]
    texts += [call.arguments for call in choice.tool_calls]
    return sum(len(text.encode(errors="surrogatepass")) for text in texts)


def _rules_of(choice: AnswerChoice | ChunkChoice) -> set[str]:
    return {rule for repair in choice.repaired for rule in repair.rules}
