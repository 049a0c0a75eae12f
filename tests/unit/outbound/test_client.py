"""One exchange under bounds, against real sockets on loopback."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from transire.outbound.client import Bounds, Outbound, OutboundError

pytestmark = pytest.mark.enable_socket


@asynccontextmanager
async def listening(answer: bytes, *, then_wait: bool = False) -> AsyncIterator[str]:
    """A server that sends these bytes to whoever connects, whatever was asked."""
    done = asyncio.Event()
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # a handler is a task
        serving.add(task)
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            if then_wait:
                await done.wait()
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        done.set()
        server.close()
        await server.wait_closed()
        await asyncio.gather(*serving, return_exceptions=True)


def freely() -> None:
    """Nothing speaks against sending."""


async def failure_of(
    url: str, *, bounds: Bounds | None = None, timeout_s: float = 5.0, with_body: bool = True
) -> str:
    outbound = Outbound(bounds)
    try:
        reply = await outbound.post(url, {}, b"{}", timeout_s=timeout_s, before=freely)
        try:
            if with_body:
                await reply.body()
        finally:
            await reply.close()
    except OutboundError as error:
        return error.failure
    finally:
        await outbound.close()
    return ""


def whole(body: bytes, *headers: bytes) -> bytes:
    lines = [b"HTTP/1.1 200 OK", b"content-length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


async def test_an_answer_arrives_whole() -> None:
    async with listening(whole(b"hello")) as url:
        outbound = Outbound()
        reply = await outbound.post(url, {}, b"{}", timeout_s=5, before=freely)
        body = await reply.body()
        await reply.close()
        await outbound.close()

    assert (reply.status, body) == (200, b"hello")


async def test_nobody_listening_is_a_connection_that_failed() -> None:
    async with listening(b"") as url:
        pass

    assert await failure_of(url) == "connect"


async def test_silence_is_a_time_out() -> None:
    async with listening(b"", then_wait=True) as url:
        assert await failure_of(url, timeout_s=0.05) == "timeout"


async def test_an_answer_that_stops_is_cut() -> None:
    async with listening(whole(b"hello")[:-2]) as url:
        assert await failure_of(url) == "cut"


async def test_an_answer_that_stalls_is_a_time_out() -> None:
    async with listening(whole(b"hello")[:-2], then_wait=True) as url:
        assert await failure_of(url, bounds=Bounds(idle_s=0.05)) == "timeout"


async def test_an_answer_that_is_too_large_is_refused() -> None:
    async with listening(whole(b"x" * 5_000)) as url:
        assert await failure_of(url, bounds=Bounds(max_bytes=4_999)) == "too_large"


async def test_a_compressed_answer_is_refused_unread() -> None:
    async with listening(whole(b"xx", b"content-encoding: gzip")) as url:
        assert await failure_of(url, with_body=False) == "encoding"


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    away = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n"
    async with listening(away) as url:
        outbound = Outbound()
        reply = await outbound.post(url, {}, b"{}", timeout_s=5, before=freely)
        await reply.close()
        await outbound.close()

    assert reply.status == 302


async def test_what_is_no_http_is_cut() -> None:
    async with listening(b"SSH-2.0-OpenSSH\r\n") as url:
        assert await failure_of(url) == "cut"


@pytest.mark.parametrize("greeting", [b"", whole(b"an answer to nothing")])
async def test_what_refuses_once_the_connection_stands_leaves_nothing_sent(greeting: bytes) -> None:
    received, ended = bytearray(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        received.extend(await reader.read())
        writer.close()
        ended.set()

    def refuse() -> None:
        raise LookupError("moved meanwhile")

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    outbound = Outbound()
    with pytest.raises(LookupError):
        await outbound.post(url, {"x-head": "a head"}, b"a body", timeout_s=5, before=refuse)
    await asyncio.wait_for(ended.wait(), 5)
    await outbound.close()
    server.close()
    await server.wait_closed()

    assert received == b""
