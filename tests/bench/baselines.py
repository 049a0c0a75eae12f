"""The bare servers everything is compared with, each in a process of its own.

    python -m tests.bench.baselines static|echo|relay [--upstream URL]

`static` answers every request with one fixed completion over raw asyncio; `echo` is a FastAPI route
that parses and returns the body; `relay` is a FastAPI route that posts the body to the upstream
over the same transport the router uses. Each prints its port when ready.
"""

import argparse
import asyncio
import socket
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


def _echo() -> FastAPI:
    app = FastAPI()

    @app.post("/v1/chat/completions")
    async def echo(request: Request) -> Response:
        body = orjson.loads(await request.body())
        return Response(orjson.dumps(body), media_type="application/json")

    return app


def _relay(upstream: str) -> FastAPI:
    app = FastAPI()
    transport = AiohttpTransport(
        client=lambda: ClientSession(
            connector=TCPConnector(limit=512),
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,
            timeout=ClientTimeout(total=None),
        )
    )
    url = httpx.URL(f"{upstream}/chat/completions")

    @app.post("/v1/chat/completions")
    async def relay(request: Request) -> Response:
        body = orjson.dumps(orjson.loads(await request.body()))
        headers = [("content-type", "application/json"), ("content-length", str(len(body)))]
        sent = httpx.Request("POST", url, headers=headers, stream=httpx.ByteStream(body))
        reply = await transport.handle_async_request(sent)
        stream: Any = reply.stream
        data = b"".join([piece async for piece in stream])
        await reply.aclose()
        return Response(data, media_type="application/json")

    return app


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["static", "echo", "relay"])
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
        app = _echo() if given.kind == "echo" else _relay(given.upstream)
        config = uvicorn.Config(app, log_config=None, access_log=False)
        bare = uvicorn.Server(config)
        task = asyncio.create_task(bare.serve(sockets=[listener]))
        while not bare.started:
            await asyncio.sleep(0.01)
        print(port, flush=True)
        await task

    uvloop.run(run())


if __name__ == "__main__":
    _main()
