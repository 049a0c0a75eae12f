"""The fail-closed loop: every recognizer on one text, inside one deadline.

Runs the same in the event loop's process and in a worker. A recognizer that raises or runs out of
time is named; a text that looks like an opaque blob fails for everything that was promised.
"""

import time
from dataclasses import dataclass
from typing import Final

import regex

from transire.classify.recognizer import Hit
from transire.classify.recognizers import all_recognizers
from transire.classify.traits import traits_of

__all__ = ["MAX_HITS", "OPAQUE", "Scan", "scan_text"]

OPAQUE: Final = "opaque_blob"
"""The name under which an unreadable run of characters is reported as failed."""
MAX_HITS: Final = 20_000
_BLOB: Final = regex.compile(r"[A-Za-z0-9+/=_-]{4096,}")
"""An unbroken run this long is encoded data, not text; shorter ones are hashes and keys."""
_MIN_VARIETY: Final = 20
"""Distinct characters below which a run is padding (`aaaa…`), which hides nothing."""


@dataclass(frozen=True, slots=True)
class Scan:
    """The result for one text; picklable, offsets and names only."""

    hits: tuple[Hit, ...]
    failed: tuple[str, ...]


def scan_text(text: str, seconds: float, entities: frozenset[str]) -> Scan:
    """Run every recognizer for `entities`.

    Args:
        seconds: Wall-clock budget; what is not finished by then is failed, by entity name.
    """
    deadline = time.monotonic() + seconds
    traits = traits_of(text)
    hits: list[Hit] = []
    failed: set[str] = set()
    for recognizer in all_recognizers():
        if recognizer.entity not in entities:
            continue
        try:
            if not recognizer.gate(traits):
                continue
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            hits.extend(recognizer.find(text, left))
        except TimeoutError:
            failed.add(recognizer.entity)
        except Exception:  # noqa: BLE001 - a recognizer's bug is a failed class, never silence
            failed.add(recognizer.entity)
        if len(hits) > MAX_HITS:
            failed.add(recognizer.entity)
            del hits[MAX_HITS:]
    if len(text) >= 4096 and _has_blob(text):
        failed.add(OPAQUE)
    return Scan(
        tuple(sorted(set(hits), key=lambda h: (h.start, h.end, h.entity))), tuple(sorted(failed))
    )


def _has_blob(text: str) -> bool:
    return any(len(set(match.group())) >= _MIN_VARIETY for match in _BLOB.finditer(text))
