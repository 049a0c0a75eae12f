"""Spending a permit: the last checks before the first byte, then one exchange.

INVARIANT (I3): `send` takes a `Recorded[Permit]` and checks, in this order, that the log issued it
and nothing moved since (`vouch`), that it is unspent and unexpired, and that deployment and bytes
are the recorded ones. Only then is a connection opened. Opening one can take seconds, so that
nothing moved and the permit is in time is checked again when it stands, before its first byte.
"""

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Final

from transire.aside import off_loop
from transire.domain.answer import Chunk, Completion
from transire.domain.deployment import Deployment
from transire.domain.outward import Exchange, Wire
from transire.domain.permit import Permit, Recorded
from transire.domain.ports import Clock, Keyed
from transire.domain.request import Body
from transire.forward.failing import failed, refused
from transire.forward.headers import upstream_headers
from transire.forward.openai import BadShapeError, read_chunk, read_completion, read_error
from transire.forward.spending import Spending
from transire.forward.sse import EventTooLargeError, SseReader
from transire.forward.wire import build_wire
from transire.outbound.client import Outbound, OutboundError, Reply

__all__ = [
    "OpenAIExchange",
    "OpenAIForwarder",
]

_PLACES: Final = ("x-ms-region", "x-transire-region", "x-litellm-model-region")
"""Answer headers that name a place of processing: Azure OpenAI's, another transire's, LiteLLM's."""
_MAX_PLACE_CHARS: Final = 256
_INLINE_BYTES: Final = 256 * 1024
"""Larger answers are read in a thread, so that the loop does not wait."""


class OpenAIForwarder:
    """Implements `domain.outward.Forwarder` for OpenAI-compatible upstreams.

    Args:
        secret: Name of a credential → its value, or None where it is not configured.
        vouch: Raises where the permit is not ours or no longer current.
    """

    def __init__(
        self,
        outbound: Outbound,
        *,
        keyed: Keyed,
        secret: Callable[[str], str | None],
        vouch: Callable[[Recorded[Permit]], None],
        clock: Clock,
    ) -> None:
        self._outbound = outbound
        self._keyed = keyed
        self._secret = secret
        self._clock = clock
        self._spending = Spending(keyed, vouch, clock)

    def prepare(self, body: Body, deployment: Deployment, *, is_stream: bool) -> Wire:
        """See `domain.outward.Forwarder`."""
        return build_wire(body, deployment, self._keyed, is_stream=is_stream)

    async def send(
        self, permit: Recorded[Permit], wire: Wire, *, is_stream: bool, timeout_s: float
    ) -> Exchange:
        """See `domain.outward.Forwarder`."""
        self._spending.spend(permit, wire)
        started = self._clock.monotonic()
        try:
            reply = await self._outbound.post(
                f"{wire.deployment.address}/chat/completions",
                upstream_headers(
                    wire.deployment,
                    self._secret,
                    accept="text/event-stream" if is_stream else "application/json",
                    request_id=f"{permit.value.decision_id}-{permit.value.attempt}",
                ),
                wire.body,
                timeout_s=max(timeout_s, 0.001),
                before=lambda: self._spending.still_stands(permit),
            )
        except OutboundError as error:
            raise failed(error.failure) from None
        first_byte_ms = round((self._clock.monotonic() - started) * 1_000)
        expected = "text/event-stream" if is_stream else "application/json"
        kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
        if reply.status != 200:
            left_s = started + timeout_s - self._clock.monotonic()
            raise await refused(reply, left_s=left_s, now=self._clock.now())
        if kind != expected:
            await reply.close()
            raise failed("bad_shape")
        return OpenAIExchange(reply, first_byte_ms)


class OpenAIExchange:
    """Implements `domain.outward.Exchange`."""

    def __init__(self, reply: Reply, first_byte_ms: int) -> None:
        self._reply = reply
        self._is_closed = False
        self._first_byte_ms = first_byte_ms

    @property
    def http_status(self) -> int:
        """See `domain.outward.Exchange`."""
        return self._reply.status

    @property
    def first_byte_ms(self) -> int:
        """See `domain.outward.Exchange`."""
        return self._first_byte_ms

    @property
    def region(self) -> str:
        """See `domain.outward.Exchange`."""
        headers = self._reply.headers
        return next((headers[name] for name in _PLACES if name in headers), "")[:_MAX_PLACE_CHARS]

    async def completion(self) -> Completion:
        """See `domain.outward.Exchange`."""
        try:
            data = await self._reply.body()
            if len(data) <= _INLINE_BYTES:
                return read_completion(data)
            return await off_loop(partial(read_completion, data))
        except OutboundError as error:
            raise failed(error.failure) from None
        except BadShapeError:
            raise failed("bad_shape") from None
        finally:
            await self.close()

    async def chunks(self) -> AsyncIterator[Chunk]:
        """See `domain.outward.Exchange`.

        Complete means `[DONE]`, or the end of the body after every choice has finished: some
        servers leave the terminator out.
        """
        reader, open_choices, has_finished = SseReader(), set[int](), False
        try:
            async for piece in self._reply.chunks():
                for data in reader.feed(piece):
                    if data == b"[DONE]":
                        return
                    chunk = _chunk(data)
                    if chunk is None:
                        continue
                    for choice in chunk.choices:
                        if choice.finish_reason is None:
                            open_choices.add(choice.index)
                        else:
                            open_choices.discard(choice.index)
                            has_finished = True
                    yield chunk
            if open_choices or not has_finished:
                raise failed("cut")
        except OutboundError as error:
            raise failed(error.failure) from None
        except EventTooLargeError:
            raise failed("too_large") from None
        finally:
            await self.close()

    async def close(self) -> None:
        """See `domain.outward.Exchange`."""
        if not self._is_closed:
            self._is_closed = True
            await self._reply.close()


def _chunk(data: bytes) -> Chunk | None:
    try:
        return read_chunk(data)
    except BadShapeError:
        code, message = read_error(data)
        failure = "upstream_error_event" if code or message else "bad_shape"
        raise failed(failure, upstream=message) from None
