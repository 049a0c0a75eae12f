"""What waits to be written, and when the writer should wake for it.

Two queues: urgent items (decisions) make a commit due at once; lingering ones (outcomes) ride with
the next commit, or make one due after some milliseconds. An outcome that could not be written
stays and is *owed*: until it is written, urgent items are refused (ADR 2).
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from transire.domain.log import Item, Receipt
from transire.domain.ports import Clock
from transire.errors import LogUnavailable, TransireError

__all__ = ["Job", "Pending"]

_MAX_LINGERING: Final = 10_000
"""Outcomes that may wait for a failing disk; bounded because decisions are refused meanwhile."""
_RETRY_S: Final = (0.05, 0.2, 1.0)
"""Waits before the first, second and every later attempt after a failure."""
_CLOSING_ATTEMPTS: Final = 4
"""Failures after which a closing log gives up; the boot sweep writes `unknown` for what is lost."""


@dataclass(slots=True, eq=False)
class Job:
    """One item on its way, and whom to tell.

    Attributes:
        number: Its own: two jobs may hold equal items, and one of them be dropped.
        due: Monotonic second at which a lingering item makes a commit due by itself.
        is_dropped: The caller was refused; do not write it if that is still possible.
        is_owed: A lingering item that has failed at least once.
        abandoned: Told instead of a caller who no longer waits.
    """

    number: int
    item: Item
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Receipt]"
    due: float
    is_lingering: bool
    is_dropped: bool = False
    is_owed: bool = False
    abandoned: Callable[[Receipt | TransireError], None] | None = None


class Pending:
    """Filled by event loops, emptied by one writer thread.

    Args:
        size: Urgent items beyond which `put` refuses at once.
    """

    def __init__(self, clock: Clock, *, size: int) -> None:
        self._clock = clock
        self._size = size
        self._urgent: deque[Job] = deque()
        self._lingering: deque[Job] = deque()
        self._owed = 0
        self._failures = 0
        self._retry_at = 0.0
        self._is_closing = False
        self._wake = threading.Condition()

    @property
    def is_ready(self) -> bool:
        """False while the last commit failed, outcomes are owed, or the log closes."""
        return not (self._failures or self._owed or self._is_closing)

    @property
    def is_failing(self) -> bool:
        """The last attempt to write failed."""
        return self._failures > 0

    def __len__(self) -> int:
        return len(self._urgent) + len(self._lingering)

    def put(self, job: Job) -> None:
        """Queue a job.

        Raises:
            LogUnavailable: closing, full, or outcomes are owed.
        """
        with self._wake:
            if self._is_closing:
                raise LogUnavailable("the log is closing")
            if job.is_lingering:
                if len(self._lingering) >= _MAX_LINGERING:
                    raise LogUnavailable("too many outcomes wait to be written")
                self._lingering.append(job)
                if len(self._lingering) > 1:
                    return  # the writer has its alarm set for the first of them
            else:
                if self._owed:
                    raise LogUnavailable("outcomes wait that could not be written")
                if len(self._urgent) >= self._size:
                    raise LogUnavailable("the log's queue is full")
                self._urgent.append(job)
            self._wake.notify()

    def take(self, limit: int, until: float | None) -> list[Job] | None:
        """The next batch, urgent first; empty where only `until` or a retry has come.

        Dropped jobs are in it: whoever takes it refuses them.

        Returns None once the log is closing and nothing is left that could still be written.
        """
        with self._wake:
            self._wait(until)
            is_hopeless = self._failures >= _CLOSING_ATTEMPTS
            if self._is_closing and (is_hopeless or not len(self)):
                return None
            if not self._is_due():
                return []
            batch = [self._urgent.popleft() for _ in range(min(len(self._urgent), limit))]
            room = min(len(self._lingering), limit - len(batch))
            batch += [self._lingering.popleft() for _ in range(room)]
        return batch

    def succeeded(self, jobs: list[Job]) -> None:
        """A commit with these jobs, perhaps none, went through."""
        with self._wake:
            self._failures = 0
            self._owed -= sum(job.is_owed for job in jobs)

    def failed(self, jobs: list[Job]) -> list[Job]:
        """A commit failed; lingering jobs stay in their places, the others are handed back."""
        kept = [job for job in jobs if job.is_lingering]
        with self._wake:
            self._retry_at = self._clock.monotonic() + _RETRY_S[min(self._failures, 2)]
            self._failures += 1
            for job in kept:
                self._owed += not job.is_owed
                job.is_owed = True
            self._lingering.extendleft(reversed(kept))
        return [job for job in jobs if not job.is_lingering]

    def discard(self, job: Job) -> None:
        """This very job cannot be written, whatever the disk does; its caller is told."""
        with self._wake:
            self._owed -= job.is_owed

    def close(self) -> None:
        """Refuse further jobs; `take` still hands out what waits."""
        with self._wake:
            self._is_closing = True
            self._wake.notify()

    def drain(self) -> list[Job]:
        """What was given up on when the log closed."""
        with self._wake:
            rest = [*self._urgent, *self._lingering]
            self._urgent.clear()
            self._lingering.clear()
        return rest

    def _wait(self, until: float | None) -> None:
        while not self._is_due() and not self._is_idle_close():
            moments = [moment for moment in (until, self._next_moment()) if moment is not None]
            timeout = min(moments) - self._clock.monotonic() if moments else None
            if timeout is not None and timeout <= 0:
                return
            self._wake.wait(timeout)

    def _next_moment(self) -> float | None:
        if self._failures:
            return self._retry_at
        return self._lingering[0].due if self._lingering else None

    def _is_due(self) -> bool:
        if self._urgent and not (self._is_closing and self._failures):
            return True
        if self._failures:
            return len(self) > 0 and self._retry_at <= self._clock.monotonic()
        if not self._lingering:
            return False
        return self._is_closing or self._lingering[0].due <= self._clock.monotonic()

    def _is_idle_close(self) -> bool:
        return self._is_closing and (not len(self) or self._failures >= _CLOSING_ATTEMPTS)
