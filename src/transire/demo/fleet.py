"""Simulated OpenAI-compatible upstreams: one port per deployment, one process for all.

    python -m transire.demo.fleet [--ports 9101,9102,…]

prints one JSON line with the addresses when ready. Each deployment has its own latency, voice and
habits (`voices`), and can be told to fail (`upstream`).
"""

import argparse
import asyncio
import json
import socket
import sys
from typing import Final

import uvicorn

from transire.demo.upstream import Upstream, build_upstream
from transire.demo.voices import Model

__all__ = ["FLEET"]

FLEET: Final[dict[str, Model]] = {
    "eu-economy": Model(first_ms=40, word_ms=3, is_small=True),
    "eu-premium": Model(first_ms=90, word_ms=6, is_grounded=True),
    "us-premium": Model(first_ms=80, word_ms=5),
    "us-economy": Model(first_ms=30, word_ms=2, is_small=True),
    "onprem-general": Model(first_ms=120, word_ms=8),
    "eu-medical": Model(first_ms=70, word_ms=5),
}
"""Deployment → what is served there."""


async def _serve(ports: dict[str, int]) -> None:
    servers, sockets, urls = [], [], {}
    for name, model in FLEET.items():
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", ports.get(name, 0)))
        urls[name] = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            build_upstream(Upstream(name, model)),
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=1,
        )
        servers.append(uvicorn.Server(config))
        sockets.append(listener)
    tasks = [
        asyncio.create_task(server.serve(sockets=[listener]))
        for server, listener in zip(servers, sockets, strict=True)
    ]
    while not all(server.started for server in servers):
        await asyncio.sleep(0.01)
    print(json.dumps(urls), flush=True)
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for server in servers:
        server.should_exit = True
    await asyncio.gather(*tasks, return_exceptions=True)


def _main() -> None:
    parser = argparse.ArgumentParser(description="Serve the simulated fleet on loopback.")
    parser.add_argument("--ports", default="", help="Comma-separated, in the fleet's order.")
    given = [int(p) for p in parser.parse_args().ports.split(",") if p]
    try:
        asyncio.run(_serve(dict(zip(FLEET, given, strict=False))))
    except KeyboardInterrupt:
        sys.exit(0)
    except OSError as error:
        sys.exit(f"fleet: {error.strerror or error}")


if __name__ == "__main__":
    _main()
