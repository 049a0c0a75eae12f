"""What a running router does again and again, each job at its own pace.

A job that hangs or fails keeps no other back, and is tried again at its next turn.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import structlog

from transire.errors import TransireError

__all__ = ["Job", "Upkeep"]

_log = structlog.get_logger()

Job: TypeAlias = Callable[[], Awaitable[object]]


class Upkeep:
    """Runs jobs until it is closed; belongs to one event loop.

    Args:
        jobs: By name, each with the seconds between the end of one run and the start of the next.
        pause: Waits that long.
    """

    def __init__(
        self,
        jobs: Mapping[str, tuple[Job, float]],
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._jobs = jobs
        self._pause = pause
        self._running: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin; call once, in the serving loop."""
        self._running = [
            asyncio.create_task(self._repeat(name, *job)) for name, job in self._jobs.items()
        ]

    async def close(self) -> None:
        """Stop every job, in the middle of it if need be."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _repeat(self, name: str, job: Job, pause_s: float) -> None:
        while True:
            await self._pause(pause_s)
            try:
                await job()
            except TransireError as error:
                _log.warning("upkeep.failed", job=name, code=error.code)
            except Exception as error:  # noqa: BLE001 - tried again, whatever broke
                _log.error("upkeep.failed", job=name, error_type=type(error).__name__)
