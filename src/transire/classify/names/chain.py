"""Token classifiers over one vocabulary, best first: the last one reads what the first had no time
for.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from transire.classify.names.spans import PERSON, names_in
from transire.classify.names.tagger import Tagger, windows
from transire.classify.names.wordpiece import WordPieces
from transire.classify.scan import Scan

__all__ = ["Deadline", "Reading", "TaggerChain"]


class Deadline:
    """The time one request has, and whether anybody still waits for it."""

    def __init__(self, monotonic: Callable[[], float], at: float) -> None:
        self._monotonic = monotonic
        self._at = at
        self.is_left = threading.Event()

    def check(self) -> float:
        """Now, on the clock.

        Raises:
            TimeoutError: the time is over, or the caller has gone.
        """
        now = self._monotonic()
        if now >= self._at or self.is_left.is_set():
            raise TimeoutError
        return now


class Reading(Protocol):
    """Something that reads names in one text; called from several threads at once."""

    @property
    def digest(self) -> str:
        """Names the model (hex)."""
        ...

    def read(self, text: str, handover: float, deadline: Deadline) -> Scan:
        """Names in one text; whatever is raised is a failure of the class.

        Args:
            handover: When, on the deadline's clock, a better model leaves the rest to a faster one.

        Raises:
            TimeoutError: by `deadline.check`.
        """
        ...


class TaggerChain:
    """Implements `Reading`; at least one model."""

    def __init__(self, models: Sequence[Tagger], pieces: WordPieces) -> None:
        self._models = tuple(models)
        self._pieces = pieces

    @property
    def digest(self) -> str:
        """Names the models in their order."""
        return "+".join(model.digest[:16] for model in self._models)

    def read(self, text: str, handover: float, deadline: Deadline) -> Scan:
        """See `Reading`."""
        if not any(map(str.isalpha, text)):
            return Scan((), ())
        pieces = self._pieces.split(text)
        last, is_reduced = len(self._models) - 1, False
        parts: list[Any] = []
        for start, end, judged, until in windows(pieces):
            chosen = 0 if deadline.check() < handover else last
            is_reduced = is_reduced or chosen > 0
            model = self._models[chosen]
            likely = model.judge(pieces[start:end], self._pieces.first, self._pieces.last)
            parts.append(likely[judged - start : until - start])
        if not parts:
            return Scan((), ())
        names = tuple(names_in(text, pieces, np.concatenate(parts)))
        return Scan(names, (), (PERSON,) if is_reduced else ())
