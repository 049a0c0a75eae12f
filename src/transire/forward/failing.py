"""Answers that are none: classes of failures, and an upstream's own words for its caller alone."""

import asyncio
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from transire.errors import UpstreamError
from transire.forward.openai import read_error
from transire.outbound.client import OutboundError, Reply

__all__ = ["failed", "refused"]

_MAX_ERROR_BYTES: Final = 2_048
_MAX_REFUSAL_BYTES: Final = 64 * 1024
"""Of an error body; what is longer is cut, and then says nothing."""
_MAX_RETRY_AFTER_S: Final = 600.0


def failed(
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


async def refused(reply: Reply, *, left_s: float, now: datetime) -> UpstreamError:
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
    return failed(
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
