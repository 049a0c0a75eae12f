"""Long texts are scanned in worker processes, so that the event loop never waits for one.

Each worker serves one job at a time over its own pipe. A job that is late, or whose caller went
away, ends with its worker's death and a fresh worker in its place: a cancelled future would leave
the scan running. Siblings are never touched. The queue is
bounded; whoever finds it full fails at once, closed.
"""

import asyncio
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from typing import Any, Final

from transire.classify.scan import Scan, scan_texts
from transire.domain.pack import NO_PACK, Pack
from transire.limits.turns import NoRoomError, Turns

__all__ = ["POOL_BROKEN", "POOL_FULL", "POOL_LATE", "ScanPool"]

POOL_FULL: Final = "scan_pool_full"
POOL_LATE: Final = "scan_pool_late"
POOL_BROKEN: Final = "scan_pool_broken"
"""Why a whole scan failed; names for `Classification.failures`."""

_GRACE_S: Final = 1.0
"""A scan ends itself at its deadline; a worker silent this much longer is hung."""
_WARM_S: Final = 1.0
"""Budget of a warm-up beside the start: it scans nothing."""
_START_S: Final = 30.0
"""A fresh worker imports Presidio before it answers (two seconds on a quiet machine)."""

Work = Callable[[Sequence[str], float, frozenset[str], Pack], Sequence[Scan]]
Job = tuple[tuple[str, ...], float, frozenset[str], Pack]


class ScanPool:
    """A bounded pool of scanning processes; must be used from one event loop.

    Args:
        workers: Processes; each holds Presidio (about 120 MB).
        queue: Scans that may wait for a worker.
        work: What a worker runs; a picklable function.
    """

    def __init__(self, *, workers: int = 1, queue: int = 64, work: Work = scan_texts) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._work = work
        self._context.set_forkserver_preload(["transire.classify.scan"])
        # Twice, because the thread of a killed worker needs a moment to notice.
        self._threads = ThreadPoolExecutor(2 * workers, thread_name_prefix="scan")
        self._idle = [_Worker(self._context, work) for _ in range(workers)]
        self._busy: set[_Worker] = set()
        self._turns = Turns(places=workers, room=queue)
        self._pending = 0
        self._promised_s = 0.0
        self._is_closed = False

    @property
    def pending(self) -> int:
        """Scans running or waiting."""
        return self._pending

    async def warm_up(self, pack: Pack = NO_PACK) -> int:
        """Start idle workers and have them compile these recognizers, so that no request waits.

        Returns how many could not: 0 where all is well.

        Call it before the first request and before a bundle with another pack takes over. A worker
        that is busy throughout stays cold; the scan that meets it waits, as it would have.
        """
        cold = sum(not worker.is_warm_for(pack) for worker in self._idle)
        job: Job = (("",), _WARM_S, frozenset(), pack)
        warmed = await asyncio.gather(*(self._queued(job, is_warming=True) for _ in range(cold)))
        return sum(isinstance(one, str) for one in warmed)

    async def scan(
        self,
        texts: Sequence[str],
        seconds: float,
        entities: frozenset[str],
        pack: Pack = NO_PACK,
        *,
        party: str = "",
    ) -> tuple[Scan, ...] | str:
        """Scan in a worker; one result per text, or the reason why there is none.

        Args:
            seconds: Budget of the scan itself. Waiting for a worker is bounded by the budgets of
                everything that is pending.
            pack: The bundle's own recognizers; sent to a worker once, not with each scan.
            party: Who asks; parties take turns.
        """
        return await self._queued((tuple(texts), seconds, entities, pack), party)

    def close(self) -> None:
        """Kill the workers; scans under way end as broken, later ones are refused."""
        self._is_closed = True
        for worker in (*self._idle, *self._busy):
            worker.kill()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _queued(
        self, job: Job, party: str = "", *, is_warming: bool = False
    ) -> tuple[Scan, ...] | str:
        if self._is_closed:
            return POOL_BROKEN
        promised_s = job[1] + _GRACE_S
        self._pending += 1
        self._promised_s += promised_s
        try:
            async with AsyncExitStack() as place:
                async with asyncio.timeout(self._promised_s):
                    await place.enter_async_context(self._turns.turn(party))
                return await self._serve(job, is_warming=is_warming)
        except TimeoutError:
            return POOL_LATE
        except NoRoomError:
            return POOL_FULL
        finally:
            self._pending -= 1
            self._promised_s -= promised_s

    async def _serve(self, job: Job, *, is_warming: bool) -> tuple[Scan, ...] | str:
        if self._is_closed:
            return POOL_BROKEN
        _, seconds, _, pack = job
        # A scan takes a worker that knows its recognizers already; warming takes another one.
        worker = next(
            (w for w in self._idle if w.is_warm_for(pack) is not is_warming), self._idle[-1]
        )
        self._idle.remove(worker)
        self._busy.add(worker)
        limit = seconds + _GRACE_S + (0.0 if worker.is_warm_for(pack) else _START_S)
        try:
            call = asyncio.get_running_loop().run_in_executor(self._threads, worker.ask, job)
            async with asyncio.timeout(limit):
                return await call
        except TimeoutError:
            worker.kill()
            return POOL_LATE
        except (EOFError, OSError):
            worker.kill()
            return POOL_BROKEN
        except BaseException:  # cancelled: the caller is gone, and so must be the scan
            worker.kill()
            raise
        finally:
            self._busy.discard(worker)
            self._idle.append(_Worker(self._context, self._work) if worker.is_dead else worker)


class _Worker:
    """One process and its pipe, started when first asked.

    INVARIANT: a killed worker is never asked again, so an answer cannot reach the wrong caller.
    """

    def __init__(self, context: ForkServerContext, work: Work) -> None:
        self._context = context
        self._work = work
        self._process: Any = None
        self._pipe: Connection | None = None
        self._is_warm = False
        self._pack = NO_PACK.digest
        self.is_dead = False

    def is_warm_for(self, pack: Pack) -> bool:
        """Whether it has answered before, and holds these recognizers already."""
        return self._is_warm and self._pack == pack.digest

    def ask(self, job: Job) -> tuple[Scan, ...]:
        """Blocks its thread until the answer; `EOFError` or `OSError` when the process dies."""
        pipe = self._pipe or self._start()
        if self.is_dead:  # killed while it started; `kill` may not have seen the process yet
            self.kill()
            raise EOFError
        texts, seconds, entities, pack = job
        pipe.send((texts, seconds, entities, None if pack.digest == self._pack else pack))
        self._pack, self._is_warm = pack.digest, False
        answer: tuple[Scan, ...] | None = pipe.recv()
        if answer is None:
            raise EOFError
        self._is_warm = True
        return answer

    def kill(self) -> None:
        """End the process for good; a thread that waits for it wakes with an error."""
        self.is_dead = True
        if self._process is not None:
            self._process.kill()

    def _start(self) -> Connection:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs, self._work), daemon=True)
        process.start()
        theirs.close()
        self._process, self._pipe = process, ours
        return ours


def _serve(pipe: Connection, work: Work) -> None:
    """A worker's life: a job, its answer, the next one; ends with the pipe."""
    pack = NO_PACK
    with suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            texts, seconds, entities, sent = pipe.recv()
            pack = pack if sent is None else sent
            try:
                answer: tuple[Scan, ...] | None = tuple(work(texts, seconds, entities, pack))
            except Exception:  # noqa: BLE001 - its text could carry content; the parent fails closed
                answer = None
            pipe.send(answer)
