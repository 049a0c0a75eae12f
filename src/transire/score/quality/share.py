"""How many of a key's requests a predictor may make dearer: its spend control.

Words that weigh much, put before any prompt, move a linear predictor wherever their author wants:
ten of them sent every prompt to the dear model in our own attack (`research` of routing). So the
predictor does not decide how much is spent: a key's requests earn, one by one, what its moved
requests spend. Local to a process, as balancing is.
"""

from collections import OrderedDict
from typing import Final

__all__ = ["DearerShare"]

_START: Final = 5.0
"""Moves a key may make before its first request has earned any."""
_MOST: Final = 20.0
"""Moves that may be saved up: a quiet key cannot save for a storm."""
_KEYS: Final = 10_000
"""Keys remembered; a forgotten one starts anew."""
_DECISIONS: Final = 4_096
"""Later attempts of a decision ask again and are told the same."""


class DearerShare:
    """Counts per key. Called on one event loop, so nothing here locks.

    Args:
        permille: What one request earns, in thousandths of a move.
    """

    def __init__(self, permille: int) -> None:
        self._earned = permille / 1000
        self._saved: OrderedDict[str, float] = OrderedDict()
        self._told: OrderedDict[str, bool] = OrderedDict()

    def asked(self, key: str, decision: str, *, moves: bool) -> bool:
        """Count one decision of a key; whether it may be moved.

        Args:
            moves: The predictor wants it to; else it only earns.
        """
        told = self._told.get(decision)
        if told is not None:
            return told
        saved = min(_MOST, self._saved.pop(key, _START) + self._earned)
        may = moves and saved >= 1.0
        self._saved[key] = saved - 1.0 if may else saved
        self._told[decision] = may
        if len(self._saved) > _KEYS:
            self._saved.popitem(last=False)
        if len(self._told) > _DECISIONS:
            self._told.popitem(last=False)
        return may
