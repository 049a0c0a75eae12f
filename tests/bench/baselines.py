"""The bare servers everything is compared with, each in a process of its own.

    python -m tests.bench.baselines static|fastapi [--upstream URL]

`static` answers every request with one fixed completion over raw asyncio. `fastapi` holds four
routes: `/lean/echo` parses and returns the body, `/lean/relay` posts it to the upstream over the
same transport the router uses, both past the framework's own reading and writing of bodies;
`/plain/echo` and `/plain/relay` do the same as the framework's manual writes a route, with the
body as a parameter and a dictionary returned. Each process prints its port when ready.
"""

import argparse
import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import orjson
import uvicorn
import uvloop
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from fastapi import FastAPI, Request, Response
from httpx_aiohttp import AiohttpTransport

ANSWER = orjson.dumps(
    {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "static",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "A short and fixed answer."},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 40, "completion_tokens": 6, "total_tokens": 46},
    }
)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"


async def _static(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    answer = HEAD % len(ANSWER) + ANSWER
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            lower = head.lower()
            start = lower.index(b"content-length:") + 15
            await reader.readexactly(int(lower[start : lower.index(b"\r", start)]))
            writer.write(answer)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def _fastapi(upstream: str) -> FastAPI:
    app = FastAPI()
    relay = _relay(upstream)

    @app.post("/lean/echo")
    async def lean_echo(request: Request) -> Response:
        body = orjson.loads(await request.body())
        return Response(orjson.dumps(body), media_type="application/json")

    @app.post("/plain/echo")
    async def plain_echo(body: dict[str, Any]) -> dict[str, Any]:
        return body

    @app.post("/lean/relay")
    async def lean_relay(request: Request) -> Response:
        body = orjson.loads(await request.body())
        return Response(await relay(body), media_type="application/json")

    @app.post("/plain/relay")
    async def plain_relay(body: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = orjson.loads(await relay(body))
        return answer

    return app


def _relay(upstream: str) -> Callable[[dict[str, Any]], Awaitable[bytes]]:
    transport = AiohttpTransport(
        client=lambda: ClientSession(
            connector=TCPConnector(limit=512),
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,
            timeout=ClientTimeout(total=None),
        )
    )
    url = httpx.URL(f"{upstream}/chat/completions")

    async def relay(asked: dict[str, Any]) -> bytes:
        body = orjson.dumps(asked)
        headers = [("content-type", "application/json"), ("content-length", str(len(body)))]
        sent = httpx.Request("POST", url, headers=headers, stream=httpx.ByteStream(body))
        reply = await transport.handle_async_request(sent)
        stream: Any = reply.stream
        data = b"".join([piece async for piece in stream])
        await reply.aclose()
        return data

    return relay


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["static", "fastapi"])
    parser.add_argument("--upstream", default="")
    given = parser.parse_args()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.setblocking(False)
    port = listener.getsockname()[1]

    async def run() -> None:
        if given.kind == "static":
            server = await asyncio.start_server(_static, sock=listener, limit=1 << 22)
            print(port, flush=True)
            await server.serve_forever()
        config = uvicorn.Config(_fastapi(given.upstream), log_config=None, access_log=False)
        bare = uvicorn.Server(config)
        task = asyncio.create_task(bare.serve(sockets=[listener]))
        while not bare.started:
            await asyncio.sleep(0.01)
        print(port, flush=True)
        await task

    uvloop.run(run())


if __name__ == "__main__":
    _main()
