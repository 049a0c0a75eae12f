"""Long texts are scanned in worker processes, so that the event loop never waits for one.

The queue is bounded. A worker that does not come back in time is killed with its siblings and the
pool is made anew: cancelling a future would leave it running (research: peers_refresh §3, row 5).
"""

import asyncio
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Final

from transire.classify.scan import Scan, scan_text

__all__ = ["ScanPool"]

_GRACE_S: Final = 2.0
"""A scan ends itself at its deadline; a worker silent this much longer is hung."""


class ScanPool:
    """A bounded pool of scanning processes.

    Args:
        workers: Processes; each holds Presidio (about 120 MB).
        queue: Scans that may wait; more fail at once, closed.
    """

    def __init__(self, *, workers: int = 1, queue: int = 64) -> None:
        self._workers = workers
        self._slots = queue + workers
        self._waiting = 0
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["transire.classify.recognizers"])
        self._executor = self._start()

    async def warm_up(self) -> None:
        """Start the workers now, so that no request pays for it."""
        await asyncio.gather(
            *(self.scan("warm up", 30.0, frozenset()) for _ in range(self._workers))
        )

    async def scan(self, text: str, seconds: float, entities: frozenset[str]) -> Scan | None:
        """Scan in a worker; None where the pool is full, broken or out of time: all failed."""
        if self._waiting >= self._slots:
            return None
        self._waiting += 1
        try:
            # Waiting in the queue does not use up the scan's own time, but it is bounded too.
            async with asyncio.timeout(seconds * (1 + self._waiting / self._workers) + _GRACE_S):
                return await asyncio.get_running_loop().run_in_executor(
                    self._executor, scan_text, text, seconds, entities
                )
        except (TimeoutError, BrokenProcessPool):
            self._restart()
            return None
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Stop the workers."""
        self._kill(self._executor)

    def _start(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(max_workers=self._workers, mp_context=self._context)

    def _restart(self) -> None:
        broken, self._executor = self._executor, self._start()
        self._kill(broken)

    @staticmethod
    def _kill(executor: ProcessPoolExecutor) -> None:
        processes = list((executor._processes or {}).values())  # noqa: SLF001 - no public way
        executor.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.kill()
