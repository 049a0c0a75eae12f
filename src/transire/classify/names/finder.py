"""Which name model reads how much of a text, and for how long.

Each window is read by the first model of the plan while its budget lasts and by the last one after
that, so that a long document is still read whole; such a text is *reduced* for PERSON, which policy
and record see. Only where the last one runs out of time too is PERSON failed. Work runs on a few
threads of its own (onnxruntime lets go of the interpreter lock), behind a bounded queue: a request
that finds it full fails closed.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from transire.classify.names.spans import PERSON, names_in
from transire.classify.names.tagger import Tagger, load_tagger, windows
from transire.classify.names.wordpiece import WordPieces
from transire.classify.recognizer import Hit
from transire.classify.scan import Scan
from transire.classify.views import View, folded
from transire.errors import BundleError

__all__ = ["EMBEDDED", "LANGUAGES", "NameFinder", "plan_of"]

_WEIGHTS: Final = Path(__file__).parent / "weights"
EMBEDDED: Final = {"accurate": _WEIGHTS / "accurate.onnx", "fast": _WEIGHTS / "fast.onnx"}
LANGUAGES: Final = frozenset({"en", "de"})
"""In which both models learned from real text. English was measured on text nobody trained on,
German was not: there is no further set of it here (docs/reference/names.md)."""
_FIRST_SHARE: Final = 0.6
_FIRST_S: Final = 1.0
"""When the better model hands the rest to the faster one: after this share of the deadline, or
after so many seconds (about 20,000 characters), whichever comes first."""
_LONG_CHARS: Final = 4_000
"""Longer texts wait in a lane of their own, so that short ones do not wait behind them."""
_FAILED: Final = Scan((), (PERSON,))


def plan_of(names: str) -> tuple[Path, ...]:
    """The models of a `detector.names` value, best first; none for `none`.

    Raises:
        BundleError: the value names nothing that there is.
    """
    plans = {
        "none": (),
        "fast": (EMBEDDED["fast"],),
        "accurate": (EMBEDDED["accurate"], EMBEDDED["fast"]),
    }
    if names not in plans:
        raise BundleError(["taxonomy.yaml: `detector.names` is none, fast or accurate"])
    return plans[names]


class NameFinder:
    """Finds names of people.

    Args:
        models: Best first; at least one.
        threads: Short texts read at once, on one core each; as many long ones beside them.
        queue: Requests that may wait; one more fails. One event loop asks, so nothing here locks.
    """

    def __init__(
        self,
        models: Sequence[Tagger],
        pieces: WordPieces,
        monotonic: Callable[[], float],
        *,
        threads: int = 1,
        queue: int = 64,
    ) -> None:
        self._models = tuple(models)
        self._pieces = pieces
        self._monotonic = monotonic
        self._room = threads + queue
        self._waiting = 0
        self._short = ThreadPoolExecutor(threads, thread_name_prefix="names")
        self._long = ThreadPoolExecutor(threads, thread_name_prefix="long-names")

    @classmethod
    def load(
        cls, names: str, monotonic: Callable[[], float], *, threads: int = 1, queue: int = 64
    ) -> "NameFinder | None":
        """The finder of a `detector.names` value; None for `none`.

        Raises:
            BundleError: see `plan_of` and `load_tagger`.
        """
        paths = plan_of(names)
        if not paths:
            return None
        models = [load_tagger(path) for path in paths]
        return cls(models, _vocabulary(), monotonic, threads=threads, queue=queue)

    @property
    def digest(self) -> str:
        """Names the models in their order."""
        return "+".join(model.digest[:16] for model in self._models)

    async def find(self, texts: Sequence[str], seconds: float) -> list[Scan]:
        """Names in each text, inside one deadline for all; cancelled with its caller."""
        if self._waiting >= self._room:
            return [_FAILED] * len(texts)
        deadline = self._monotonic() + seconds
        is_left = threading.Event()
        lane = self._long if sum(map(len, texts)) > _LONG_CHARS else self._short
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                lane, self._read_all, texts, deadline, seconds, is_left
            )
        finally:
            is_left.set()  # a cancelled caller's texts are not read to their end
            self._waiting -= 1

    def find_now(self, texts: Sequence[str], seconds: float) -> list[Scan]:
        """The same in the calling thread; for start-up and tools."""
        return self._read_all(texts, self._monotonic() + seconds, seconds, threading.Event())

    def close(self) -> None:
        """Let the threads end."""
        for lane in (self._short, self._long):
            lane.shutdown(wait=False, cancel_futures=True)

    def _read_all(
        self, texts: Sequence[str], deadline: float, seconds: float, is_left: threading.Event
    ) -> list[Scan]:
        """One scan per text; a model that raises has failed, as any recognizer does (DESIGN I4)."""
        handover = self._monotonic() + min(seconds * _FIRST_SHARE, _FIRST_S)
        return [self._read_one(text, handover, deadline, is_left) for text in texts]

    def _read_one(
        self, text: str, handover: float, deadline: float, is_left: threading.Event
    ) -> Scan:
        try:
            view = folded(text)
            if view is None:
                return self._read(text, handover, deadline, is_left)
            return _unfolded(view, self._read(view.text, handover, deadline, is_left))
        except Exception:  # noqa: BLE001 - onnxruntime's errors share no base
            return _FAILED

    def _read(self, text: str, handover: float, deadline: float, is_left: threading.Event) -> Scan:
        if not any(map(str.isalpha, text)):
            return Scan((), ())
        pieces = self._pieces.split(text)
        parts: list[Any] = []
        last = len(self._models) - 1
        is_reduced = False
        for start, end, judged, until in windows(pieces):
            now = self._monotonic()
            if now >= deadline or is_left.is_set():
                return _FAILED
            chosen = 0 if now < handover else last
            is_reduced = is_reduced or chosen > 0
            model = self._models[chosen]
            likely = model.judge(pieces[start:end], self._pieces.first, self._pieces.last)
            parts.append(likely[judged - start : until - start])
        if not parts:
            return Scan((), ())
        names = tuple(names_in(text, pieces, np.concatenate(parts)))
        return Scan(names, (), (PERSON,) if is_reduced else ())


def _unfolded(view: View, scan: Scan) -> Scan:
    """Names of a text in plain writing, at their places in the text as it was sent."""
    hits = []
    for hit in scan.hits:
        place = view.source(hit.start, hit.end)
        if place is not None:
            via = place[2] if view.is_made(hit.start, hit.end) else None
            hits.append(Hit(place[0], place[1], hit.entity, hit.score_pct, via))
    return replace(scan, hits=tuple(hits))


@lru_cache(maxsize=1)
def _vocabulary() -> WordPieces:
    return WordPieces.load(_WEIGHTS / "vocab.txt")
