"""Timeouts and other alarms of an event loop, one timer of the system for all of them.

A request sets half a dozen, and next to none ever rings. Each timer of the loop costs 5 µs to set
and cancel (uvloop makes and closes a handle), a timeout of asyncio 9 µs; here it is a place in a
heap. The loop's own timer is set for the earliest alarm and looks, when it rings, for the next one.

    with within(5.0):
        await something()
"""

import asyncio
import heapq
import itertools
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

__all__ = ["Alarm", "Within", "ring_in", "within"]

_FEW: Final = 1_000
"""Cancelled alarms that may lie in the heap whatever else does; more go once they outnumber it."""


class Alarm:
    """Rings once unless it is cancelled; made by `ring_in`, belongs to one event loop."""

    __slots__ = ("_alarms", "_ring")

    def __init__(self, alarms: "_Alarms", ring: Callable[[], object]) -> None:
        self._alarms = alarms
        self._ring: Callable[[], object] | None = ring

    @property
    def is_over(self) -> bool:
        """It has rung, or was cancelled."""
        return self._ring is None

    def cancel(self) -> None:
        """Let it not ring; safe after it has, and twice."""
        if self._ring is not None:
            self._ring = None
            self._alarms.forget()

    def ring(self) -> None:
        """Call what was asked for, once; the loop's timer does."""
        ring, self._ring = self._ring, None
        if ring is not None:
            ring()


class _Alarms:
    """The alarms of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._heap: list[tuple[float, int, Alarm]] = []
        self._numbers = itertools.count()
        self._cancelled = 0
        self._timer: asyncio.TimerHandle | None = None
        self._at = 0.0

    def set(self, seconds: float, ring: Callable[[], object]) -> Alarm:
        alarm, at = Alarm(self, ring), self.loop.time() + seconds
        heapq.heappush(self._heap, (at, next(self._numbers), alarm))
        if self._timer is None or at < self._at:
            self._wait(at)
        return alarm

    def forget(self) -> None:
        """An alarm in the heap was cancelled: drop the likes of it where they have become many."""
        self._cancelled += 1
        if self._cancelled > _FEW and self._cancelled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if not entry[2].is_over]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def _wait(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._at = at
        self._timer = self.loop.call_at(at, self._ring_due)

    def _ring_due(self) -> None:
        self._timer = None
        try:
            while self._heap:
                at, _, alarm = self._heap[0]
                # The timer may come a little early, by as much as its own ticks are long.
                if not alarm.is_over and at > self.loop.time():
                    return
                heapq.heappop(self._heap)
                self._cancelled -= alarm.is_over
                alarm.ring()
        finally:  # also where one of them raised
            if self._heap and (self._timer is None or self._heap[0][0] < self._at):
                self._wait(self._heap[0][0])


class Within:
    """A block that must end in time; see `within`."""

    __slots__ = ("_alarm", "_cancelling", "_has_rung", "_seconds", "_task")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._has_rung = False

    @property
    def has_rung(self) -> bool:
        """Its time is up, whether or not the block has ended."""
        return self._has_rung

    def __enter__(self) -> Self:
        alarms, task = _current()
        self._task: asyncio.Task[object] | None = task
        self._cancelling = task.cancelling()
        self._alarm = alarms.set(self._seconds, self._ring)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        task, self._task = self._task, None
        self._alarm.cancel()
        if (
            self._has_rung
            and task is not None
            and task.uncancel() <= self._cancelling
            and kind is asyncio.CancelledError
        ):
            raise TimeoutError from raised

    def _ring(self) -> None:
        self._has_rung = True
        if self._task is not None:
            self._task.cancel()


def within(seconds: float) -> Within:
    """What the block awaits is cancelled after so many seconds, and `TimeoutError` raised.

    Means what `asyncio.timeout` means, cancellation from outside included, for blocks whose end is
    known when they begin. Not to be left by a `yield`.
    """
    return Within(seconds)


def ring_in(seconds: float, ring: Callable[[], object]) -> Alarm:
    """Call `ring` on the running loop in so many seconds, unless the alarm is cancelled first."""
    return _of_loop(asyncio.get_running_loop()).set(seconds, ring)


class _Here(threading.local):
    """The alarms of the loop that runs, or ran last, in this thread."""

    alarms: _Alarms | None = None


_here = _Here()


def _current() -> tuple[_Alarms, "asyncio.Task[object]"]:
    alarms = _here.alarms
    # Only a running loop has a current task; which one runs costs a call of the system to ask.
    task = None if alarms is None else asyncio.current_task(alarms.loop)
    if alarms is None or task is None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a block that must end in time needs a task")
        alarms = _of_loop(task.get_loop())
    return alarms, task


def _of_loop(loop: asyncio.AbstractEventLoop) -> _Alarms:
    alarms = _here.alarms
    if alarms is None or alarms.loop is not loop:
        # Alarms of an earlier loop keep their own: each holds on to what it was made by.
        alarms = _here.alarms = _Alarms(loop)
    return alarms
