"""Connections that wait for their caller, against a real listener on loopback."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import uvicorn

from transire.api.connections import ConnectionBounds, bounded, upon_hang_up

pytestmark = pytest.mark.enable_socket

HEAD = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n"
WHOLE = HEAD + b"\r\n{}"


@dataclass
class Listener:
    """A server whose answer waits for `go`."""

    port: int
    go: asyncio.Event
    left: asyncio.Event

    async def connect(self, data: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        return reader, writer


@asynccontextmanager
async def listening(**bounds: Any) -> AsyncIterator[Listener]:
    go, left = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/slowly":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await go.wait()
            await send({"type": "http.response.body", "body": b"ok"})
            return
        while (message := await receive()).get("more_body"):
            pass
        if message["type"] == "http.disconnect":
            return
        forget = upon_hang_up(scope, left.set)
        await go.wait()
        forget()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    made = bounded(ConnectionBounds(**{"head_s": 30.0, "most": 10, **bounds}))
    config = uvicorn.Config(app, http=made, lifespan="off", log_config=None, loop="none")
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.create_task(server._serve([listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield Listener(listener.getsockname()[1], go, left)
    finally:
        go.set()
        server.should_exit = server.force_exit = True
        await serving


async def rest(reader: asyncio.StreamReader) -> bytes:
    """Everything until the connection ends, which it must."""
    async with asyncio.timeout(20):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


@pytest.mark.parametrize("data", [b"", b"GET / HT", HEAD, b"\r\n"])
async def test_a_head_that_never_ends_ends_its_connection(data: bytes) -> None:
    async with listening(head_s=0.2) as listener:
        reader, writer = await listener.connect(data)
        said = await rest(reader)
        writer.close()

    assert said.startswith(b"HTTP/1.1 408 ")


async def test_a_body_that_never_ends_ends_its_connection() -> None:
    async with listening(body_s=0.2) as listener:
        reader, writer = await listener.connect(HEAD + b"\r\n{")
        said = await rest(reader)
        writer.close()

    assert said == b""


async def test_an_answer_that_takes_longer_than_any_bound_still_arrives() -> None:
    async with listening(head_s=0.1, body_s=0.1) as listener:
        reader, writer = await listener.connect(WHOLE)
        await asyncio.sleep(0.4)
        writer.write(b"\r\n")  # a stray line end behind a body, as some clients send it
        await asyncio.sleep(0.4)
        listener.go.set()
        said = await rest(reader)
        writer.close()

    assert said.startswith(b"HTTP/1.1 200 ")
    assert b"ok" in said


async def test_who_has_waited_longest_for_its_caller_makes_room_for_a_newcomer() -> None:
    async with listening(most=3) as listener:
        answering, first = await listener.connect(WHOLE)
        waiting, second = await listener.connect(b"GET / HT")
        later, third = await listener.connect(b"GET / HT")
        await asyncio.sleep(0.1)
        newcomer, fourth = await listener.connect(WHOLE)
        assert await rest(waiting) == b""
        listener.go.set()
        answers = [await asyncio.wait_for(r.readline(), 20) for r in (answering, newcomer)]
        assert not later.at_eof()
        for writer in (first, second, third, fourth):
            writer.close()

    assert answers == [b"HTTP/1.1 200 OK\r\n"] * 2


async def test_where_everybody_is_being_answered_a_newcomer_is_told_so() -> None:
    async with listening(most=1) as listener:
        answering, first = await listener.connect(WHOLE)
        await asyncio.sleep(0.1)
        newcomer, second = await listener.connect(WHOLE)
        refused = await rest(newcomer)
        listener.go.set()
        answer = await asyncio.wait_for(answering.readline(), 20)
        first.close()
        second.close()

    assert refused.startswith(b"HTTP/1.1 503 ") or refused == b""
    assert answer == b"HTTP/1.1 200 OK\r\n"


async def test_a_caller_who_hangs_up_is_noticed_while_we_answer() -> None:
    async with listening() as listener:
        _, writer = await listener.connect(WHOLE)
        await asyncio.sleep(0.1)
        assert not listener.left.is_set()
        writer.transport.abort()

        async with asyncio.timeout(20):
            await listener.left.wait()


async def test_a_caller_whose_long_body_paused_reading_is_noticed_too() -> None:
    body = b"x" * 4_000_000
    head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body)
    async with listening() as listener:
        _, writer = await listener.connect(head + body)
        async with asyncio.timeout(20):
            await writer.drain()
        await asyncio.sleep(0.2)
        writer.transport.abort()

        async with asyncio.timeout(20):
            await listener.left.wait()


async def test_a_caller_who_hangs_up_after_the_answer_is_nobodys_business() -> None:
    async with listening() as listener:
        listener.go.set()
        reader, writer = await listener.connect(WHOLE)
        async with asyncio.timeout(20):
            await reader.readuntil(b"ok")
        writer.transport.abort()
        await asyncio.sleep(0.2)

        assert not listener.left.is_set()


async def test_a_head_whose_body_takes_its_time_is_not_held_back() -> None:
    async with listening() as listener:
        reader, writer = await listener.connect(b"GET /slowly HTTP/1.1\r\nhost: x\r\n\r\n")
        async with asyncio.timeout(20):
            head = await reader.readuntil(b"\r\n\r\n")
            listener.go.set()
            rest_of_it = await reader.readuntil(b"ok")
        writer.close()

    assert head.startswith(b"HTTP/1.1 200 ")
    assert rest_of_it.endswith(b"ok")


async def test_answers_to_requests_sent_at_once_come_in_order_and_whole() -> None:
    async with listening() as listener:
        listener.go.set()
        reader, writer = await listener.connect(WHOLE * 5)
        async with asyncio.timeout(20):
            answers = [await reader.readuntil(b"0\r\n\r\n") for _ in range(5)]
        writer.close()

    assert [a.count(b"HTTP/1.1 200 OK") for a in answers] == [1] * 5
    assert [a.count(b"ok") for a in answers] == [1] * 5
