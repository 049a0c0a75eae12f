"""Requests that leave, under one set of bounds.

The httpx-aiohttp *transport* is called directly with prepared URL and headers: httpx's client
around it costs a third of the whole request's CPU. Neither follows redirects,
reads the environment, nor keeps cookies. TLS is verified against certifi's roots.
"""

import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import aiohttp
import certifi
import httpx
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, Payload, TCPConnector
from aiohttp.abc import AbstractStreamWriter
from httpx_aiohttp import AiohttpTransport

from transire.alarms import within

__all__ = ["Bounds", "Outbound", "OutboundError", "Reply"]

_MAX_HEADER_BYTES: Final = 32 * 1024
_POOL_S: Final = 5.0
"""Seconds for a place among the connections, connecting included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Caps on what an upstream may do to us.

    Attributes:
        connect_s: Seconds to connect, TLS included.
        idle_s: Seconds between two pieces of a body.
        max_bytes: Bytes of one body, streamed or not.
    """

    connect_s: float = 5.0
    idle_s: float = 60.0
    max_bytes: int = 32 * 1024 * 1024


class OutboundError(Exception):
    """The exchange failed below HTTP semantics.

    Attributes:
        failure: `connect` (refused, unknown host, or too slow to accept), `timeout`, `cut`,
            `too_large` or `encoding`.
    """

    def __init__(self, failure: str) -> None:
        super().__init__(failure)
        self.failure = failure


@dataclass(slots=True)
class Reply:
    """An open response; read it with `chunks` or `body`, and always `close` it.

    Attributes:
        headers: By name in lower case; the values of one that is given twice are joined by `, `.
    """

    status: int
    headers: Mapping[str, str]
    _response: httpx.Response = field(repr=False)
    _bounds: Bounds = field(repr=False)
    received_bytes: int = 0

    async def chunks(self) -> AsyncIterator[bytes]:
        """Body pieces as they arrive, under the caps.

        Raises:
            OutboundError: cut, stalled, or larger than allowed.
        """
        stream = aiter(self._response.stream)  # type: ignore[arg-type] # it is async
        while (piece := await self._next(stream)) is not None:
            yield piece

    async def body(self) -> bytes:
        """The whole body, under the caps.

        Raises:
            OutboundError: as `chunks`.
        """
        pieces: list[bytes] = []
        stream = aiter(self._response.stream)  # type: ignore[arg-type] # it is async
        while (piece := await self._next(stream)) is not None:
            pieces.append(piece)
        return b"".join(pieces)

    async def _next(self, stream: AsyncIterator[bytes]) -> bytes | None:
        try:
            with within(self._bounds.idle_s):
                piece = await anext(stream, None)
        except TimeoutError:
            raise OutboundError("timeout") from None
        except (httpx.HTTPError, aiohttp.ClientError, OSError):
            raise OutboundError("cut") from None
        if piece is not None:
            self.received_bytes += len(piece)
            if self.received_bytes > self._bounds.max_bytes:
                raise OutboundError("too_large")
        return piece

    async def close(self) -> None:
        """Release the connection, or cut it where the body was not read to its end."""
        await self._response.aclose()


class Outbound:
    """Sends requests; one instance per process, safe for concurrent use on one loop."""

    def __init__(self, bounds: Bounds | None = None, *, connections: int = 512) -> None:
        self.bounds = bounds or Bounds()
        self._connections = connections
        self._transport: AiohttpTransport | None = None
        self._urls: dict[str, httpx.URL] = {}

    async def post(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        timeout_s: float,
        before: Callable[[], None],
    ) -> Reply:
        """Send and wait for the response's headers.

        Args:
            headers: The complete set; nothing is added but `host` and `content-length`.
            timeout_s: Until the headers have arrived.
            before: Called once the connection stands and nothing has been written to it yet, not
                even headers; what it raises ends the exchange there, and is raised here.

        Raises:
            OutboundError: no response in time, or none that may be read.
        """
        if self._transport is None:
            self._transport = AiohttpTransport(client=self._session)
        target = self._urls.get(url) or self._urls.setdefault(url, httpx.URL(url))
        gated = _Gated(body, before)
        request = httpx.Request(
            "POST",
            target,
            stream=gated,
            # No bound on reading: the whole has one here, and each piece of a body in `Reply`.
            extensions={"timeout": {"connect": self.bounds.connect_s, "pool": _POOL_S}},
        )
        # As a plain dict: httpx's `Headers` would be made, searched and read back, for aiohttp's.
        sent: dict[str, str] = {**headers, "content-length": str(len(body))}
        request.headers = sent  # type: ignore[assignment]
        try:
            with within(timeout_s):
                response = await self._transport.handle_async_request(request)
        except Exception as raised:  # noqa: BLE001 - sorted below, and raised in any case
            if gated.refusal is not None:
                raise gated.refusal from None
            raise _failure_of(raised) from None
        if gated.refusal is not None:  # answered before it was asked anything
            await response.aclose()
            raise gated.refusal
        received = _by_name(response.headers.raw)
        encoding = received.get("content-encoding", "identity")
        if encoding.lower() != "identity":
            # We ask for identity: a compressed answer is a bomb or a mistake.
            await response.aclose()
            raise OutboundError("encoding")
        return Reply(response.status_code, received, response, self.bounds)

    async def close(self) -> None:
        """Close pooled connections."""
        if self._transport is not None:
            await self._transport.aclose()

    def _session(self) -> ClientSession:
        return ClientSession(
            connector=TCPConnector(
                limit=self._connections,
                ssl=ssl.create_default_context(cafile=certifi.where()),
                keepalive_timeout=30.0,
            ),
            cookie_jar=DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            timeout=ClientTimeout(total=None),
            read_bufsize=64 * 1024,
            max_line_size=8 * 1024,
            max_field_size=_MAX_HEADER_BYTES,
        )


class _Gated(Payload, httpx.AsyncByteStream):
    """A body that is written once the connection stands and `before` has nothing against it.

    aiohttp holds the head back until the first piece of the body and sends both at once; asking and
    writing are one step of the event loop. A body that refuses ends the connection with nothing
    sent. To httpx it is a stream like any other; aiohttp takes a payload of its own kind as it is.
    """

    def __init__(self, body: bytes, before: Callable[[], None]) -> None:
        super().__init__(body, content_type="application/json")
        self._size = len(body)
        self._before = before
        self.refusal: Exception | None = None

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """See `aiohttp.Payload`."""
        text: str = self._value.decode(encoding, errors)
        return text

    async def write(self, writer: AbstractStreamWriter) -> None:
        """See `aiohttp.Payload`."""
        try:
            self._before()
        except Exception as raised:  # kept for whoever asked, who sees the transport's error
            self.refusal = raised
            raise
        await writer.write(self._value)


def _by_name(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers for half a dozen look-ups: httpx's own bring each name to its form each time."""
    headers: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def _failure_of(raised: Exception) -> Exception:
    """Our error for one of the transport's; a bug of ours stays what it is."""
    if isinstance(raised, httpx.ConnectError | httpx.ConnectTimeout | aiohttp.ClientConnectorError):
        # The transport calls a refused connection and an unknown host time-outs as well.
        return OutboundError("connect")
    if isinstance(raised, TimeoutError | httpx.TimeoutException):
        return OutboundError("timeout")
    if isinstance(raised, httpx.HTTPError | aiohttp.ClientError | OSError | ValueError):
        return OutboundError("cut")
    return raised
