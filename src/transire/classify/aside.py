"""Work on many pieces, off the event loop where it would have to wait for it."""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

__all__ = ["CHARS_PER_PIECE", "aside"]

CHARS_PER_PIECE: Final = 100
"""Judging languages reads the text again; so much of it costs as much as a hit."""
_INLINE_PIECES: Final = 512
"""Texts and hits of one body that are sorted and rewritten on the event loop: about 5 ms."""
T = TypeVar("T")


async def aside(size: int, work: Callable[[], T]) -> T:
    """Do work of this many pieces here, or in a thread where the event loop would wait for it."""
    return work() if size <= _INLINE_PIECES else await asyncio.to_thread(work)
