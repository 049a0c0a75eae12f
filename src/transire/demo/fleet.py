"""Simulated OpenAI-compatible upstreams: one port per deployment, one process for all.

    python -m transire.demo.fleet [--ports 9101,9102,…]

prints one JSON line with the addresses when ready. Each deployment has its own latency and voice,
and can be told to fail (`upstream`).
"""

import argparse
import asyncio
import json
import socket
import sys
from typing import Final

import uvicorn

from transire.demo.upstream import Upstream, build_upstream

__all__ = ["FLEET"]

FLEET: Final[dict[str, tuple[int, int]]] = {
    "eu-economy": (40, 3),
    "eu-premium": (90, 6),
    "us-premium": (80, 5),
    "us-economy": (30, 2),
    "onprem-general": (120, 8),
    "eu-medical": (70, 5),
}
"""Deployment → (milliseconds to the first token, milliseconds per further word)."""


async def _serve(ports: dict[str, int]) -> None:
    servers, sockets, urls = [], [], {}
    for name, (first_ms, word_ms) in FLEET.items():
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", ports.get(name, 0)))
        urls[name] = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            build_upstream(Upstream(name, first_ms, word_ms)),
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


if __name__ == "__main__":
    _main()
