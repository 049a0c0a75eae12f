"""Logs as tests open, fill, read and check them."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from transire.domain.log import Item
from transire.record.draft import Names
from transire.record.front import LogFront
from transire.record.line import WriterOptions

__all__ = ["entries", "item", "options_for", "until", "verified"]

_REPOSITORY = Path(__file__).resolve().parents[2]


def options_for(
    directory: Path,
    *,
    queue_size: int = 10_000,
    commit_timeout_s: float = 5.0,
    linger_s: float = 0.005,
) -> WriterOptions:
    """A quiet writer of replica `r1`, boot `b1`."""
    return WriterOptions(
        directory=directory,
        names=Names(replica="r1", boot="b1"),
        queue_size=queue_size,
        commit_timeout_s=commit_timeout_s,
        linger_s=linger_s,
        level="error",
    )


def item(n: int, **more: Any) -> Item:
    """An item that can be told from others by `n`."""
    return Item(kind="test", fields={"n": n}, **more)


async def entries(log: LogFront) -> list[dict[str, Any]]:
    """Every entry, in order."""
    rows = await log.read(lambda reader: reader.leaves(0, 1_000_000))
    return [orjson.loads(leaf) for _, leaf in rows]


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what must come within half a minute."""
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.005)


def verified(place: Path) -> "subprocess.CompletedProcess[str]":
    """What the independent verifier says of a log's folder."""
    command = [sys.executable, str(_REPOSITORY / "audit" / "verify.py"), str(place)]
    return subprocess.run(command, capture_output=True, text=True, check=False)
