"""A text read in another way, and where each of its characters stood. Pure.

A view is its parent's text with some pieces replaced (`Edit`), cut down to windows around them, so
that one escape in a long text costs a few hundred characters and not the text again. Spans lead
back through every parent to the text itself.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

__all__ = ["Edit", "View", "edited", "unwatched", "whole"]

_NEAR: Final = 80
"""Characters kept on either side of an edit: more than the 60 in which context words count."""
_WORD: Final = 4_096
"""How much further a window reaches to the next blank, so that it cuts no word: a blob's length."""
_GAP: Final = "\n\n"
"""Stands between two windows."""
_LOOK_PIECES: Final = 4_096
"""Pieces between two looks at the clock: a few milliseconds."""


class Edit(NamedTuple):
    """`text` is read in place of the half-open range; `via` says by which view.

    Attributes:
        is_even: `text` is read letter for letter, so that a run of folded characters is one edit
            and a span inside it still leads to its own letters.
    """

    start: int
    end: int
    text: str
    via: str
    is_even: bool = False


class _Piece(NamedTuple):
    """A run of a view's text and its range in the parent's text.

    `via` is empty for a run that stands there as it is, None between two windows.
    """

    start: int
    end: int
    via: str | None
    is_even: bool


@dataclass(frozen=True, slots=True)
class View:
    """One reading.

    Attributes:
        via: What made it.
        depth: Decodings between the text and this view.
    """

    text: str
    via: str
    depth: int
    parent: "View | None"
    starts: Sequence[int]
    pieces: Sequence[_Piece]

    def source(self, start: int, end: int) -> tuple[int, int, str] | None:
        """The original span of a span of this view, and the views it was read through.

        Never empty, monotone in both bounds, and covers every piece that was touched. None where
        the span was made by cutting windows: it crosses a gap or ends where a window does.
        """
        first = bisect_right(self.starts, start) - 1
        last = bisect_right(self.starts, end - 1) - 1
        if self._is_cut(start, end, first, last):
            return None
        # A neighbour counts: what it was read as may be the border that the match needed.
        names = {p.via for p in self.pieces[max(0, first - 1) : last + 2] if p.via}
        head, tail = self.pieces[first], self.pieces[last]
        low = head.start + start - self.starts[first] if head.is_even else head.start
        high = tail.start + end - self.starts[last] if tail.is_even else tail.end
        via = "+".join(sorted(names)) or self.via
        if self.parent is None:
            return low, high, via
        above = self.parent.source(low, high)
        if above is None:
            return None
        known = {*via.split("+"), *above[2].split("+")} - {""}
        return above[0], above[1], "+".join(sorted(known))

    def is_made(self, start: int, end: int) -> bool:
        """Whether a range holds text that some decoding made (and not only its surroundings)."""
        first = bisect_right(self.starts, start) - 1
        last = bisect_right(self.starts, end - 1) - 1
        return any(piece.via for piece in self.pieces[first : last + 1])

    def _is_cut(self, start: int, end: int, first: int, last: int) -> bool:
        if any(piece.via is None for piece in self.pieces[first : last + 1]):
            return True
        after = last + 1
        cut_before = (
            first > 0 and self.starts[first] == start and self.pieces[first - 1].via is None
        )
        at_gap = after < len(self.pieces) and self.pieces[after].via is None
        return cut_before or (at_gap and self.starts[after] == end)


def whole(text: str) -> View:
    """The text itself, as the first parent."""
    return View(text, "", 0, None, (0,), (_Piece(0, len(text), "", is_even=True),))


def unwatched() -> None:
    """Keeps no deadline."""


def edited(
    parent: View,
    edits: Sequence[Edit],
    *,
    depth: int,
    is_windowed: bool = True,
    watch: Callable[[], None] = unwatched,
) -> View:
    """The view that edits make; they are in order and do not overlap. Linear.

    Args:
        watch: Called before the first piece and every few thousand; what it raises ends the work.
    """
    watch()
    spans = _windows(parent.text, edits) if is_windowed else [(0, len(parent.text))]
    starts: list[int] = []
    pieces: list[_Piece] = []
    texts: list[str] = []
    length = 0
    for piece, text in _cut(parent.text, edits, spans):
        starts.append(length)
        pieces.append(piece)
        texts.append(text)
        length += len(text)
        if not len(pieces) % _LOOK_PIECES:
            watch()
    above = parent if parent.parent is not None or parent.via else None
    return View("".join(texts), edits[0].via, depth, above, starts, pieces)


def _cut(
    text: str, edits: Sequence[Edit], spans: Sequence[tuple[int, int]]
) -> Iterator[tuple[_Piece, str]]:
    if spans[0][0] > 0:
        yield _Piece(0, spans[0][0], None, is_even=False), _GAP
    upcoming = iter([*edits, None])
    edit = next(upcoming)
    at = 0
    for low, high in spans:
        if at and low > at:
            yield _Piece(at, low, None, is_even=False), _GAP
        at = low
        while edit is not None and edit.end <= high:
            if edit.start > at:
                yield _Piece(at, edit.start, "", is_even=True), text[at : edit.start]
            yield _Piece(edit.start, edit.end, edit.via, edit.is_even), edit.text
            at = edit.end
            edit = next(upcoming)
        if high > at:
            yield _Piece(at, high, "", is_even=True), text[at:high]
            at = high
    if at < len(text):
        yield _Piece(at, len(text), None, is_even=False), _GAP


def _windows(text: str, edits: Sequence[Edit]) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    low, last = edits[0].start, edits[0].end
    for edit in edits:
        if edit.start > last + 2 * _NEAR:
            _widen(spans, text, low, last)
            low = edit.start
        last = edit.end
    _widen(spans, text, low, last)
    return spans


def _widen(spans: list[tuple[int, int]], text: str, low: int, high: int) -> None:
    """Add a window around a range, or lengthen the last one where they meet."""
    start, end = _before(text, low), _after(text, high)
    if spans and start <= spans[-1][1]:
        spans[-1] = (spans[-1][0], end)
    else:
        spans.append((start, end))


def _before(text: str, at: int) -> int:
    low = max(0, at - _NEAR)
    floor = max(0, low - _WORD)
    return max((text.rfind(blank, floor, low) + 1 for blank in " \n\t"), default=0) or floor


def _after(text: str, at: int) -> int:
    high = min(len(text), at + _NEAR)
    ceiling = min(len(text), high + _WORD)
    ends = [end for blank in " \n\t" if (end := text.find(blank, high, ceiling)) >= 0]
    return min(ends, default=ceiling)
