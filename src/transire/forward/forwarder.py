"""Spending a permit: the last checks before the first byte, then one exchange.

INVARIANT (I3): `send` takes a `Recorded[Permit]` and checks, in this order, that the log issued it
and nothing moved since (`vouch`), that it is unspent and unexpired, and that deployment and bytes
are the recorded ones. Only then is a connection opened. Opening one can take seconds, so that
nothing moved and the permit is in time is checked again when it stands, before its first byte.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from transire.domain.answer import Chunk, Completion
from transire.domain.deployment import Deployment
from transire.domain.outward import Exchange, Wire
from transire.domain.permit import Permit, Recorded
from transire.domain.ports import Clock, Keyed
from transire.domain.request import Body
from transire.errors import IntegrityError, StaleError, UpstreamError
from transire.forward.openai import BadShapeError, read_chunk, read_completion, read_error
from transire.forward.sse import EventTooLargeError, SseReader
from transire.forward.wire import build_wire
from transire.outbound.client import Outbound, OutboundError, Reply

__all__ = [
    "OpenAIExchange",
    "OpenAIForwarder",
]

_MAX_ERROR_BYTES: Final = 2_048
_MAX_REFUSAL_BYTES: Final = 64 * 1024
"""Of an error body; what is longer is cut, and then says nothing."""
_MAX_RETRY_AFTER_S: Final = 600.0
_MAX_SPENT: Final = 100_000
_PLACES: Final = ("x-ms-region", "x-transire-region", "x-litellm-model-region")
"""Answer headers that name a place of processing: Azure OpenAI's, another transire's, LiteLLM's."""
_MAX_PLACE_CHARS: Final = 256


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
        self._vouch = vouch
        self._clock = clock
        self._spent: dict[str, datetime] = {}

    def prepare(self, body: Body, deployment: Deployment, *, is_stream: bool) -> Wire:
        """See `domain.outward.Forwarder`."""
        return build_wire(body, deployment, self._keyed, is_stream=is_stream)

    async def send(
        self, permit: Recorded[Permit], wire: Wire, *, is_stream: bool, timeout_s: float
    ) -> Exchange:
        """See `domain.outward.Forwarder`."""
        self._spend(permit, wire)
        started = self._clock.monotonic()
        try:
            reply = await self._outbound.post(
                f"{wire.deployment.address}/chat/completions",
                self._headers(permit.value, wire.deployment, is_stream=is_stream),
                wire.body,
                timeout_s=max(timeout_s, 0.001),
                before=lambda: self._still_stands(permit),
            )
        except OutboundError as error:
            raise _failed(error.failure) from None
        first_byte_ms = round((self._clock.monotonic() - started) * 1_000)
        expected = "text/event-stream" if is_stream else "application/json"
        kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
        if reply.status != 200:
            left_s = started + timeout_s - self._clock.monotonic()
            raise await _refused(reply, left_s=left_s, now=self._clock.now())
        if kind != expected:
            await reply.close()
            raise _failed("bad_shape")
        return OpenAIExchange(reply, first_byte_ms)

    def _spend(self, recorded: Recorded[Permit], wire: Wire) -> None:
        permit, now = recorded.value, self._clock.now()
        self._still_stands(recorded)
        if recorded.receipt.entry_id in self._spent:
            raise IntegrityError("this permit is spent")
        if permit.pair.deployment != wire.deployment.id:
            raise IntegrityError("the permit is for another deployment")
        if (
            permit.wire_digest != wire.digest
            or self._keyed.digest("wire", wire.body) != wire.digest
        ):
            raise IntegrityError("the permit is for other bytes")
        if len(self._spent) >= _MAX_SPENT:
            self._spent = {k: until for k, until in self._spent.items() if until > now}
        self._spent[recorded.receipt.entry_id] = permit.expires_at

    def _still_stands(self, recorded: Recorded[Permit]) -> None:
        self._vouch(recorded)
        if self._clock.now() >= recorded.value.expires_at:
            raise StaleError("the permit expired before the first byte")

    def _headers(
        self, permit: Permit, deployment: Deployment, *, is_stream: bool
    ) -> Mapping[str, str]:
        headers = {
            "content-type": "application/json",
            "accept": "text/event-stream" if is_stream else "application/json",
            "accept-encoding": "identity",
            "user-agent": "transire",
            "x-request-id": f"{permit.decision_id}-{permit.attempt}",
        }
        if deployment.credential is not None:
            secret = self._secret(deployment.credential)
            if secret is None:
                raise _failed("no_credential")
            headers["authorization"] = f"Bearer {secret}"
        return headers


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
            return read_completion(await self._reply.body())
        except OutboundError as error:
            raise _failed(error.failure) from None
        except BadShapeError:
            raise _failed("bad_shape") from None
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
                raise _failed("cut")
        except OutboundError as error:
            raise _failed(error.failure) from None
        except EventTooLargeError:
            raise _failed("too_large") from None
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
        raise _failed(failure, upstream=message) from None


def _failed(
    failure: str,
    *,
    status: int | None = None,
    retry_after_s: float | None = None,
    upstream: str = "",
) -> UpstreamError:
    """An upstream failure; its message names the class, and never what the upstream said."""
    facts: dict[str, object] = {"failure": failure}
    if status is not None:
        facts["status"] = status
    if retry_after_s is not None:
        facts["retry_after_s"] = retry_after_s
    if upstream:
        facts["upstream"] = upstream.encode()[:_MAX_ERROR_BYTES].decode(errors="ignore")
    return UpstreamError(f"the deployment failed: {failure}", facts=facts)


async def _refused(reply: Reply, *, left_s: float, now: datetime) -> UpstreamError:
    """Read a non-200 answer: its class, its Retry-After, its text for the caller alone.

    Args:
        left_s: Seconds of this attempt that are left; the text is not worth the next one's.
    """
    data = b""
    try:
        async with asyncio.timeout(max(left_s, 0.001)):
            async for piece in reply.chunks():
                data += piece
                if len(data) > _MAX_REFUSAL_BYTES:
                    break
    except (OutboundError, TimeoutError):
        data = b""
    finally:
        await reply.close()
    code, message = read_error(data)
    status = reply.status
    failure = _failure_class(status, code, message)
    return _failed(
        failure,
        status=status,
        retry_after_s=_retry_after(reply.headers.get("retry-after"), now),
        upstream=message,
    )


def _failure_class(status: int, code: str, message: str) -> str:
    if 300 <= status < 400:
        return "redirect"
    if status in (401, 403):
        return "auth"
    if status == 429:
        return "status_429"
    if status >= 500:
        return "status_5xx"
    if code == "context_length_exceeded" or "context length" in message.lower():
        return "context_length"
    return "status_4xx"


def _retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds or HTTP-date (RFC 9110 §10.2.3), bounded; what makes no sense is ignored."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():  # `²` is a digit, too, and no number
        return min(float(value[:9]), _MAX_RETRY_AFTER_S)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), _MAX_RETRY_AFTER_S)
