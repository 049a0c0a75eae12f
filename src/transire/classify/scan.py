"""The fail-closed loop: every chosen recognizer on one text and its views, inside one deadline.

Runs the same in the event loop's process and in a worker. A recognizer that raises or runs out of
time is named; a text that holds an opaque blob, or something in too many disguises, fails for
everything that was promised. What a view shows is reported where it stands in the text itself.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import regex

from transire.classify.gate import Panel
from transire.classify.guards import guard_recognizers
from transire.classify.operators import operator_recognizers
from transire.classify.recognizer import Hit, Recognizer
from transire.classify.recognizers import select
from transire.classify.traits import Traits, traits_of
from transire.classify.views import View, is_credible, is_plain, is_text, views_of
from transire.domain.pack import NO_PACK, Pack

__all__ = [
    "DISGUISED",
    "MAX_HITS",
    "OPAQUE",
    "Scan",
    "has_blob",
    "joined",
    "panel_of",
    "run",
    "scan_texts",
]

OPAQUE: Final = "opaque_blob"
"""The name under which an unreadable run of characters is reported as failed."""
DISGUISED: Final = "disguise_not_read"
"""The same for disguises nested too deep, too large, or too slow to undo."""
MAX_HITS: Final = 20_000
"""Hits kept for one text; a recognizer that finds more has failed."""
BLOB_CHARS: Final = 4_096
"""A run of encoded characters this long is data, not text; shorter ones are hashes and keys."""
# Both start where a run starts, so that a run just too short is read once, not once per character.
_UNBROKEN: Final = regex.compile(rf"(?<![A-Za-z0-9+/=_%-])[A-Za-z0-9+/=_%-]{{{BLOB_CHARS},}}+")
_FOLDED_CHARS: Final = 48
_FOLDED: Final = regex.compile(
    rf"(?m)^(?:[ \t]*+[A-Za-z0-9+/=_-]{{{_FOLDED_CHARS},256}}+[ \t]*+\r?\n){{16,}}+"
)
"""The same, folded into lines as MIME (RFC 2045 §6.8) and PEM (RFC 7468 §2) fold it."""
_MIN_VARIETY: Final = 8
"""Distinct characters below which a run is a rule or padding (`----`, `aaaa`, `10101`)."""


@dataclass(frozen=True, slots=True)
class Scan:
    """The result for one text; picklable, offsets and names only.

    Attributes:
        hits: Sorted by start, then end, then entity.
        failed: Entities whose recognizer failed, sorted. A name that is no entity (`OPAQUE`, or
            the pool's) stands for the whole scan.
        reduced: Entities that a weaker model than the bundle names has read, in part.
    """

    hits: tuple[Hit, ...]
    failed: tuple[str, ...]
    reduced: tuple[str, ...] = ()


def joined(scans: Iterable[Scan]) -> Scan:
    """Several scans of one text as one."""
    scans = tuple(scans)
    hits = (hit for scan in scans for hit in scan.hits)
    whole = _scan(hits, (name for scan in scans for name in scan.failed))
    reduced = {name for scan in scans for name in scan.reduced}
    return replace(whole, reduced=tuple(sorted(reduced))) if reduced else whole


def _order(hit: Hit) -> tuple[int, int, str, int, str]:
    return hit.start, hit.end, hit.entity, hit.score_pct, hit.via or ""


def scan_texts(
    texts: Sequence[str], seconds: float, entities: frozenset[str], pack: Pack = NO_PACK
) -> tuple[Scan, ...]:
    """Scan texts one after another inside one shared deadline; one result each."""
    # Compiling a new pack is no part of a scan's time.
    panel = panel_of(entities, pack)
    deadline = time.monotonic() + seconds
    return tuple(run(text, deadline, panel) for text in texts)


def panel_of(entities: frozenset[str], pack: Pack = NO_PACK) -> Panel[Recognizer]:
    """The installed recognizers for these entities, a bundle's own, and guards, in this order."""
    own = (*operator_recognizers(pack), *guard_recognizers(entities))
    return _panel(select(entities), own)


@lru_cache(maxsize=8)
def _panel(installed: tuple[Recognizer, ...], own: tuple[Recognizer, ...]) -> Panel[Recognizer]:
    return Panel((*installed, *own))


def run(
    text: str,
    deadline: float,
    panel: Panel[Recognizer],
    monotonic: Callable[[], float] = time.monotonic,
) -> Scan:
    """Run recognizers on one text.

    Args:
        deadline: On `monotonic`; what is not finished by then is failed, by entity.
    """
    traits = traits_of(text)
    hits, failed = _read(traits, deadline, panel, monotonic)
    if is_plain(traits):
        return _scan(hits, failed) if hits or failed else _CLEAN

    def watch() -> None:
        if monotonic() > deadline:
            raise TimeoutError

    try:
        for view in views_of(traits, watch):
            found, broken = _read(traits_of(view.text), deadline, panel, monotonic)
            failed |= broken
            hits += _revealed(view, found, hits)
            if len(hits) > MAX_HITS:
                raise OverflowError
    except Exception:  # noqa: BLE001 - a disguise not undone, in time, is a failure, never silence
        failed.add(DISGUISED)
    return _scan(hits[:MAX_HITS], failed)


def _scan(hits: Iterable[Hit], failed: Iterable[str]) -> Scan:
    return Scan(tuple(sorted(set(hits), key=_order)), tuple(sorted(set(failed))))


_CLEAN: Final = Scan((), ())


def _read(
    traits: Traits,
    deadline: float,
    panel: Panel[Recognizer],
    monotonic: Callable[[], float],
) -> tuple[list[Hit], set[str]]:
    """What stands in one reading, and what failed on it."""
    hits: list[Hit] = []
    failed: set[str] = set()
    for recognizer in panel.due(traits):
        try:
            if recognizer.gate(traits):
                _collect(hits, recognizer, traits, deadline, monotonic)
        except Exception:  # noqa: BLE001 - a time-out or a bug is a failed class, never silence
            failed.add(recognizer.entity)
    # The shortest line of a folded blob is a long token, too.
    if len(traits.text) >= BLOB_CHARS and traits.longest >= _FOLDED_CHARS and has_blob(traits.text):
        failed.add(OPAQUE)
    return hits, failed


def _revealed(view: View, found: Iterable[Hit], known: Iterable[Hit]) -> list[Hit]:
    """Hits of a view at their places in the text, but for those that are known there already."""
    best: dict[tuple[int, int, str], int] = {}
    for hit in known:
        key = (hit.start, hit.end, hit.entity)
        best[key] = max(best.get(key, 0), hit.score_pct)
    revealed = []
    for hit in found:
        place = view.source(hit.start, hit.end)
        if place is None or not is_credible(hit.entity, hit.score_pct, place[2]):
            continue
        start, end, via = place
        if best.get((start, end, hit.entity), -1) < hit.score_pct:
            revealed.append(Hit(start, end, hit.entity, hit.score_pct, via, hit.by))
    return revealed


def _collect(
    hits: list[Hit],
    recognizer: Recognizer,
    traits: Traits,
    deadline: float,
    monotonic: Callable[[], float],
) -> None:
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError
    told = recognizer.told
    for hit in recognizer.find(traits.text, left) if told is None else told(traits, left):
        if len(hits) >= MAX_HITS:
            raise OverflowError
        hits.append(hit)
    # A recognizer's patterns each get the time left; together they may not pass the deadline.
    if monotonic() > deadline:
        raise TimeoutError


def has_blob(text: str) -> bool:
    """Whether the text holds a long run of encoded data, in one line or folded, that is no text.

    What decodes to text is read as a view, and judged by what it says.
    """
    runs = [match.group() for match in _UNBROKEN.finditer(text)]
    runs += [m.group() for m in _FOLDED.finditer(text) if len(m.group()) >= BLOB_CHARS]
    return any(len(set(found)) >= _MIN_VARIETY and not is_text(found) for found in runs)
