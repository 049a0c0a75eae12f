"""Who reads names in a text, and for how long.

Each window is read by the first model of a chain while its budget lasts and by the last one after
that, so that a long document is still read whole; such a text is *reduced* for PERSON, which policy
and record see. Only where the last one runs out of time too is PERSON failed. What stands in
disguise is read as well, where a decoding made letters. Work runs on a few threads of its own
(onnxruntime lets go of the interpreter lock), behind a bounded queue: a request that finds it full
fails closed.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from transire.bundle.namemodels import local_model, name_problems
from transire.classify.names.chain import Deadline, Reading, TaggerChain
from transire.classify.names.forms import FormReader
from transire.classify.names.local import load_local
from transire.classify.names.spans import PERSON
from transire.classify.names.tagger import load_tagger
from transire.classify.names.wordpiece import WordPieces
from transire.classify.recognizer import Hit
from transire.classify.scan import Scan, joined
from transire.classify.traits import traits_of
from transire.classify.views import View, folded, is_credible, views_of
from transire.errors import BundleError
from transire.limits.turns import NoRoomError, Turns

__all__ = ["EMBEDDED", "LANGUAGES", "NameFinder", "readers_of"]

_WEIGHTS: Final = Path(__file__).parent / "weights"
EMBEDDED: Final = {"accurate": _WEIGHTS / "accurate.onnx", "fast": _WEIGHTS / "fast.onnx"}
_CHAINS: Final = {"accurate": ("accurate", "fast"), "fast": ("fast",)}
LANGUAGES: Final = frozenset({"en", "de"})
"""In which both models learned from real text. English was measured on text nobody trained on,
German by a sibling alone, on few names (docs/reference/names.md)."""
_FIRST_SHARE: Final = 0.6
_FIRST_S: Final = 1.0
"""When the better model hands the rest to the faster one: after this share of the deadline, or
after so many seconds (about 20,000 characters), whichever comes first."""
_LONG_CHARS: Final = 4_000
"""Longer texts wait in a lane of their own, so that short ones do not wait behind them."""
_ESCAPED: Final = (("\\n", " \n"), ("\\t", " \t"), ("\\r", " \r"))
_FAILED: Final = Scan((), (PERSON,))


def readers_of(names: tuple[str, ...]) -> tuple[Reading, ...]:
    """The readers of a `detector.names` value, and the rules beside them; none for `none`.

    Raises:
        BundleError: the value names nothing that can be used, or a model that is not there.
    """
    if problems := [*name_problems(names)]:
        raise BundleError([f"taxonomy.yaml: `detector.names`: {problem}" for problem in problems])
    readers = [_reader(name) for name in names if name != "none"]
    return (*readers, FormReader()) if readers else ()


def _reader(name: str) -> Reading:
    local = local_model(name)
    if local is not None:
        return load_local(local)
    return TaggerChain([load_tagger(EMBEDDED[model]) for model in _CHAINS[name]], _vocabulary())


class NameFinder:
    """Finds names of people.

    Args:
        readers: Each reads every text; what one of them finds is found. At least one.
        threads: Short texts read at once, on one core each; as many long ones beside them.
        queue: Requests that may wait in each lane, in fair turns (`limits.turns`); one more fails.
    """

    def __init__(
        self,
        readers: Sequence[Reading],
        monotonic: Callable[[], float],
        *,
        threads: int = 1,
        queue: int = 64,
    ) -> None:
        self._readers = tuple(readers)
        self._monotonic = monotonic
        self._short = ThreadPoolExecutor(threads, thread_name_prefix="names")
        self._long = ThreadPoolExecutor(threads, thread_name_prefix="long-names")
        self._turns = {
            lane: Turns(places=threads, room=queue) for lane in (self._short, self._long)
        }

    @classmethod
    def load(
        cls,
        names: tuple[str, ...],
        monotonic: Callable[[], float],
        *,
        threads: int = 1,
        queue: int = 64,
    ) -> "NameFinder | None":
        """The finder of a `detector.names` value; None for `none`.

        Raises:
            BundleError: see `readers_of`.
        """
        readers = readers_of(names)
        return cls(readers, monotonic, threads=threads, queue=queue) if readers else None

    @property
    def digest(self) -> str:
        """Names the models in their order."""
        return ",".join(reader.digest for reader in self._readers)

    async def find(self, texts: Sequence[str], seconds: float, party: str = "") -> list[Scan]:
        """Names in each text, inside one deadline for all; cancelled with its caller.

        Args:
            seconds: From when reading begins: others' texts in front take none of it.
            party: Who asks; parties take turns.
        """
        lane = self._long if sum(map(len, texts)) > _LONG_CHARS else self._short
        try:
            async with self._turns[lane].turn(party):
                return await self._read_in(lane, texts, seconds)
        except NoRoomError:
            return [_FAILED] * len(texts)

    async def _read_in(
        self, lane: ThreadPoolExecutor, texts: Sequence[str], seconds: float
    ) -> list[Scan]:
        deadline = Deadline(self._monotonic, self._monotonic() + seconds)
        try:
            return await asyncio.get_running_loop().run_in_executor(
                lane, self._read_all, texts, deadline, seconds
            )
        finally:
            deadline.is_left.set()  # a cancelled caller's texts are not read to their end

    def find_now(self, texts: Sequence[str], seconds: float) -> list[Scan]:
        """The same in the calling thread; for start-up and tools."""
        return self._read_all(
            texts, Deadline(self._monotonic, self._monotonic() + seconds), seconds
        )

    def close(self) -> None:
        """Let the threads end."""
        for lane in (self._short, self._long):
            lane.shutdown(wait=False, cancel_futures=True)

    def _read_all(self, texts: Sequence[str], deadline: Deadline, seconds: float) -> list[Scan]:
        """One scan per text; a model that raises has failed, as any recognizer does (I4)."""
        handover = self._monotonic() + min(seconds * _FIRST_SHARE, _FIRST_S)
        return [self._read_one(text, handover, deadline) for text in texts]

    def _read_one(self, text: str, handover: float, deadline: Deadline) -> Scan:
        def read(plain: str) -> Scan:
            written = _unescaped(plain)
            scans = (reader.read(written, handover, deadline) for reader in self._readers)
            return joined(scans)

        def watch() -> None:
            deadline.check()

        try:
            view = folded(text, watch)
            first = read(text) if view is None else _shown(view, read(view.text))
            return joined((first, *(_made(v, read(v.text)) for v in _decoded(text, watch))))
        except Exception:  # noqa: BLE001 - onnxruntime's errors share no base
            return _FAILED


def _unescaped(text: str) -> str:
    """The text with written-out line feeds and tabs as such, every other letter in its place.

    A model would otherwise read the `n` that stands for a line feed as the next word's first.
    """
    if "\\" not in text:
        return text
    for written, meant in _ESCAPED:
        text = text.replace(written, meant)
    return text


def _decoded(text: str, watch: Callable[[], None]) -> Iterator[View]:
    """Readings in which a decoding made letters; an escaped quote or line feed hides no name."""
    for view in views_of(traits_of(text), watch):
        ends = (*view.starts[1:], len(view.text))
        made = (
            view.text[start:end]
            for piece, start, end in zip(view.pieces, view.starts, ends, strict=True)
            if piece.via
        )
        if view.depth and any(any(map(str.isalpha, run)) for run in made):
            yield view


def _shown(view: View, scan: Scan) -> Scan:
    """Names of a text in plain writing, at their places in the text as it was sent."""
    hits = []
    for hit in scan.hits:
        place = view.source(hit.start, hit.end)
        if place is not None:
            via = place[2] if view.is_made(hit.start, hit.end) else None
            hits.append(Hit(place[0], place[1], hit.entity, hit.score_pct, via, hit.by))
    return replace(scan, hits=tuple(hits))


def _made(view: View, scan: Scan) -> Scan:
    """The same, of names that only the view shows."""
    shown = _shown(view, scan)
    hits = (h for h in shown.hits if h.via and is_credible(h.entity, h.score_pct, h.via))
    return replace(shown, hits=tuple(hits))


@lru_cache(maxsize=1)
def _vocabulary() -> WordPieces:
    return WordPieces.load(_WEIGHTS / "vocab.txt")
