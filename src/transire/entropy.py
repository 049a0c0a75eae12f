"""Random bytes by the block: asking the system for ten costs a thread its turn.

Each read of the system's generator lets go of the interpreter lock, and beside a busy writer thread
getting it back takes longer than all the rest of making an id.
"""

import os
from collections.abc import Callable
from typing import Final

__all__ = ["BlockEntropy"]

_BLOCK: Final = 4_096
"""Bytes asked for at a time: 400 ids."""


class BlockEntropy:
    """Random bytes from `source`, none handed out twice; one thread's own, nothing here locks.

    What waits in the block is secret only until it is used: ids and salts, never keys.

    Args:
        source: Returns n random bytes.
    """

    def __init__(self, source: Callable[[int], bytes] = os.urandom) -> None:
        self._source = source
        self._block = b""
        self._at = 0

    def __call__(self, count: int) -> bytes:
        """`count` bytes."""
        end = self._at + count
        if end > len(self._block):
            self._block, end = self._source(max(_BLOCK, count)), count
        taken = self._block[end - count : end]
        self._at = end
        return taken
