"""A small HTTP/1.1 load generator: keep-alive, unique prompts, bounded in time.

python -m tests.bench.load URL_PATH… prints one JSON line: requests, errors, seconds, latencies.
"""

import argparse
import asyncio
import json
import random
import time
from urllib.parse import urlsplit

import uvloop

WORDS = ("report", "region", "shops", "sales", "weekly", "team", "change", "month", "read", "quick")


def prompt(serial: int, chars: int) -> str:
    """A prompt of this length that no other serial has."""
    draw = random.Random(serial)
    text = f"request {serial:x} "
    while len(text) < chars:
        text += draw.choice(WORDS) + " "
    return text[:chars]


async def _connection(
    host: str, port: int, path: str, key: str, chars: int, until: float, serials: "list[int]"
) -> tuple[list[float], int]:
    reader, writer = await asyncio.open_connection(host, port, limit=1 << 22)
    took: list[float] = []
    errors = 0
    while time.perf_counter() < until:
        serials[0] += 1
        body = json.dumps(
            {"model": "auto", "messages": [{"role": "user", "content": prompt(serials[0], chars)}]}
        ).encode()
        began = time.perf_counter()
        writer.write(
            f"POST {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode()
            + body
        )
        head = await reader.readuntil(b"\r\n\r\n")
        lower = head.lower()
        start = lower.index(b"content-length:") + 15
        await reader.readexactly(int(lower[start : lower.index(b"\r", start)]))
        took.append(time.perf_counter() - began)
        errors += not head.startswith(b"HTTP/1.1 200")
    writer.close()
    return took, errors


async def _run(given: argparse.Namespace) -> dict[str, float]:
    at = urlsplit(given.url)
    serials = [random.SystemRandom().randrange(1 << 40)]
    began = time.perf_counter()
    until = began + given.seconds
    results = await asyncio.gather(
        *(
            _connection(
                str(at.hostname), at.port or 80, at.path, given.key, given.chars, until, serials
            )
            for _ in range(given.connections)
        )
    )
    seconds = time.perf_counter() - began
    took = sorted(t for some, _ in results for t in some)
    return {
        "requests": len(took),
        "errors": sum(e for _, e in results),
        "per_s": len(took) / seconds,
        "p50_ms": took[len(took) // 2] * 1e3,
        "p99_ms": took[int(len(took) * 0.99)] * 1e3,
    }


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--key", default="none")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--chars", type=int, default=150)
    parser.add_argument("--seconds", type=float, default=3.0)
    print(json.dumps(uvloop.run(_run(parser.parse_args()))))


if __name__ == "__main__":
    _main()
