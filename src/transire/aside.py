"""Work on many pieces, off the event loop where it would have to wait for it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

__all__ = ["CHARS_PER_PIECE", "aside", "off_loop"]

CHARS_PER_PIECE: Final = 100
"""Judging languages reads the text again; so much of it costs as much as a hit."""
_INLINE_PIECES: Final = 512
"""Texts and hits of one body that are sorted and rewritten on the event loop: about 5 ms."""
_THREAD: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="transire-aside")
"""One: such work holds the interpreter's lock, so that a second thread would get nothing done
sooner, and take the lock from the event loop as often again."""
T = TypeVar("T")


async def aside(size: int, work: Callable[[], T]) -> T:
    """Do work of this many pieces here, or in a thread where the event loop would wait for it."""
    return work() if size <= _INLINE_PIECES else await off_loop(work)


async def off_loop(work: Callable[[], T]) -> T:
    """Do work in the thread, after whatever was handed to it before."""
    return await asyncio.get_running_loop().run_in_executor(_THREAD, work)
