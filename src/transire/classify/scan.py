"""The fail-closed loop: every chosen recognizer on one text, inside one deadline.

Runs the same in the event loop's process and in a worker. A recognizer that raises or runs out of
time is named; a text that holds an opaque blob fails for everything that was promised.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import regex

from transire.classify.operators import operator_recognizers
from transire.classify.recognizer import Hit, Recognizer
from transire.classify.recognizers import select
from transire.classify.traits import traits_of
from transire.domain.pack import NO_PACK, Pack

__all__ = ["MAX_HITS", "OPAQUE", "Scan", "has_blob", "joined", "run", "scan_texts"]

OPAQUE: Final = "opaque_blob"
"""The name under which an unreadable run of characters is reported as failed."""
MAX_HITS: Final = 20_000
"""Hits kept for one text; a recognizer that finds more has failed."""
BLOB_CHARS: Final = 4_096
"""A run of encoded characters this long is data, not text; shorter ones are hashes and keys."""
# Both start where a run starts, so that a run just too short is read once, not once per character.
_UNBROKEN: Final = regex.compile(rf"(?<![A-Za-z0-9+/=_%-])[A-Za-z0-9+/=_%-]{{{BLOB_CHARS},}}+")
_FOLDED: Final = regex.compile(r"(?m)^(?:[ \t]*+[A-Za-z0-9+/=_-]{48,256}+[ \t]*+\r?\n){16,}+")
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
    """

    hits: tuple[Hit, ...]
    failed: tuple[str, ...]


def joined(scans: Iterable[Scan]) -> Scan:
    """Several scans of one text as one."""
    scans = tuple(scans)
    hits = {hit for scan in scans for hit in scan.hits}
    failed = {name for scan in scans for name in scan.failed}
    return Scan(tuple(sorted(hits, key=_order)), tuple(sorted(failed)))


def _order(hit: Hit) -> tuple[int, int, str, int]:
    return hit.start, hit.end, hit.entity, hit.score_pct


def scan_texts(
    texts: Sequence[str], seconds: float, entities: frozenset[str], pack: Pack = NO_PACK
) -> tuple[Scan, ...]:
    """Scan texts one after another inside one shared deadline; one result each."""
    # Compiling a new pack is no part of a scan's time.
    recognizers = (*select(entities), *operator_recognizers(pack))
    deadline = time.monotonic() + seconds
    return tuple(run(text, deadline, recognizers) for text in texts)


def run(
    text: str,
    deadline: float,
    recognizers: Sequence[Recognizer],
    monotonic: Callable[[], float] = time.monotonic,
) -> Scan:
    """Run recognizers on one text.

    Args:
        deadline: On `monotonic`; what is not finished by then is failed, by entity.
    """
    traits = traits_of(text)
    hits: list[Hit] = []
    failed: set[str] = set()
    for recognizer in recognizers:
        try:
            if recognizer.gate(traits):
                _collect(hits, recognizer, text, deadline, monotonic)
        except Exception:  # noqa: BLE001 - a time-out or a bug is a failed class, never silence
            failed.add(recognizer.entity)
    if len(text) >= BLOB_CHARS and has_blob(text):
        failed.add(OPAQUE)
    ordered = sorted(set(hits), key=_order)
    return Scan(tuple(ordered), tuple(sorted(failed)))


def _collect(
    hits: list[Hit],
    recognizer: Recognizer,
    text: str,
    deadline: float,
    monotonic: Callable[[], float],
) -> None:
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError
    for hit in recognizer.find(text, left):
        if len(hits) >= MAX_HITS:
            raise OverflowError
        hits.append(hit)
    # A recognizer's patterns each get the time left; together they may not pass the deadline.
    if monotonic() > deadline:
        raise TimeoutError


def has_blob(text: str) -> bool:
    """Whether the text holds a long run of encoded data, in one line or folded."""
    runs = [match.group() for match in _UNBROKEN.finditer(text)]
    runs += [m.group() for m in _FOLDED.finditer(text) if len(m.group()) >= BLOB_CHARS]
    return any(len(set(found)) >= _MIN_VARIETY for found in runs)
