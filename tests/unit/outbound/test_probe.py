"""Whether somebody listens at an address, and that nothing is sent to find out."""

import asyncio

import pytest

from transire.outbound.probe import unreachable

pytestmark = pytest.mark.enable_socket


async def test_an_address_that_listens_is_reached_and_receives_nothing() -> None:
    received = asyncio.get_running_loop().create_future()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.set_result(await reader.read())
        writer.close()

    server = await asyncio.start_server(hear, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    silent = await unreachable([f"http://127.0.0.1:{port}/v1"])
    heard = await received
    server.close()
    await server.wait_closed()

    assert silent == {}
    assert heard == b""


async def test_an_address_nobody_listens_at_says_why() -> None:
    told = await unreachable(["http://127.0.0.1:1/v1", "https://llm.example.invalid/v1"])

    assert told["http://127.0.0.1:1/v1"] == "refused"
    assert told["https://llm.example.invalid/v1"] in ("no such host", "timeout")
