"""An event loop on which waiting takes no time: deadlines pass in order, and at once.

A test of what comes first, the attempt's end or the request's, then says the same on a busy machine
as on an idle one. For code without threads and sockets: those would be waited for in real time.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["run_swiftly"]

T = TypeVar("T")


class _Hasty(selectors.SelectSelector):
    """Instead of waiting for a while, lets that while have passed."""

    passed_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(None)
        self.passed_s += max(timeout, 0.0)
        return super().select(0)


class _SwiftLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._hasty = _Hasty()
        super().__init__(self._hasty)

    def time(self) -> float:
        """Seconds that have been waited on this loop."""
        return self._hasty.passed_s


def run_swiftly(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on such a loop."""
    with asyncio.Runner(loop_factory=_SwiftLoop) as runner:
        return runner.run(main)
