"""Where one message's texts meet: read joined too, for a model reads them so. Pure.

`{"text": "db password is "}, {"text": "hunter2"}` hides nothing. Around each border of two texts
of a message a *window* is read as one more text, and what it shows is a hit of the part where it
stands. What begins in one part and ends in a later one is a hit of the first whose end lies beyond
its text: it counts like any other and cannot be replaced in place, so that nothing is redacted
halfway (`is_across`). A message of one text has no window.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final, NamedTuple

from transire.classify.recognizer import Hit
from transire.classify.scan import Scan, joined
from transire.domain.classification import Finding
from transire.domain.request import Part, PartKind

__all__ = ["Window", "is_across", "windows_of", "with_windows"]

_NEAR_CHARS: Final = 1_024
"""Read on either side of a border: more than any phrase or key that is looked for."""
_WORD_CHARS: Final = 128
"""How much further a window reaches to the next blank, so that it cuts no word."""


class _Piece(NamedTuple):
    """A run of one text: its index among the texts, where it begins there and in the window."""

    number: int
    offset: int
    start: int


@dataclass(frozen=True, slots=True)
class Window:
    """Runs of neighbouring texts, joined.

    Attributes:
        pieces: In order; all but the first begin where their text does.
        has_head, has_tail: It begins and ends where a text does, and not inside one.
    """

    text: str
    pieces: tuple[_Piece, ...]
    has_head: bool
    has_tail: bool


def is_across(finding: Finding, parts: Sequence[Part]) -> bool:
    """Whether a finding ends in a later part than it begins in."""
    return finding.end > len(parts[finding.part].text)


def windows_of(parts: Sequence[Part], readable: Sequence[tuple[int, str]]) -> list[Window]:
    """One for each border, or for several that lie close together; no longer than the texts.

    Args:
        readable: (index among the parts, text).
    """
    places = [
        (parts[index].pointer[1], at)
        for at, (index, _) in enumerate(readable)
        if _is_piece(parts[index])
    ]
    if len(places) < 2:
        return []
    windows: list[Window] = []
    for _, group in groupby(places, key=lambda place: place[0]):
        members = [at for _, at in group]
        if len(members) > 1:
            windows += _windows([(at, readable[at][1]) for at in members])
    return windows


def with_windows(
    scans: Sequence[Scan], windows: Sequence[Window], found: Sequence[Scan], sizes: Sequence[int]
) -> list[Scan]:
    """The texts' scans and what their windows add to them.

    Args:
        found: One for each window.
        sizes: Of the texts, in characters.
    """
    added: dict[int, list[Scan]] = {}
    for window, scan in zip(windows, found, strict=True):
        if scan.failed or scan.reduced:
            first = window.pieces[0].number
            added.setdefault(first, []).append(Scan((), scan.failed, scan.reduced))
        known, spans = _known(window, scans)
        moved = {piece.number: piece.start - piece.offset for piece in window.pieces}
        for index, hit in _placed(window, scan.hits):
            best = known.get((index, hit.entity, hit.start, hit.end), -1)
            is_longer = hit.end > sizes[index] and _is_longer(
                spans.get(hit.entity, []), hit.start + moved[index], hit.end + moved[index]
            )
            if hit.score_pct > best and not is_longer:
                added.setdefault(index, []).append(Scan((hit,), ()))
    return [joined((s, *added[at])) if at in added else s for at, s in enumerate(scans)]


def _is_piece(part: Part) -> bool:
    """A text among several of one message: `messages.0.content.1.text`, or a bare string there."""
    pointer = part.pointer
    return len(pointer) in (4, 5) and pointer[2] == "content" and part.kind is PartKind.TEXT


def _windows(members: Sequence[tuple[int, str]]) -> Iterator[Window]:
    """Those of one message's texts."""
    last = len(members) - 1
    pieces, texts, length, has_head = list[_Piece](), list[str](), 0, True
    for number, (index, text) in enumerate(members):
        is_short = len(text) <= 2 * (_NEAR_CHARS + _WORD_CHARS)
        if number > 0:
            end = len(text) if is_short else _after(text)
            pieces.append(_Piece(index, 0, length))
            texts.append(text[:end])
            length += end
            if number == last or not is_short:
                yield Window("".join(texts), tuple(pieces), has_head, end == len(text))
        if number == 0 or (number < last and not is_short):
            start = 0 if is_short else _before(text)
            pieces, texts = [_Piece(index, start, 0)], [text[start:]]
            length, has_head = len(text) - start, start == 0


def _before(text: str) -> int:
    """Where a window that runs to the end of a long text begins."""
    near = len(text) - _NEAR_CHARS
    blanks = [text.rfind(blank, near - _WORD_CHARS, near) for blank in " \n"]
    return max(blanks) + 1 or near


def _after(text: str) -> int:
    """Where a window that runs from the beginning of a long text ends."""
    blanks = [text.find(blank, _NEAR_CHARS, _NEAR_CHARS + _WORD_CHARS) for blank in " \n"]
    return min((at for at in blanks if at >= 0), default=_NEAR_CHARS)


def _placed(window: Window, hits: Iterable[Hit]) -> Iterator[tuple[int, Hit]]:
    """Hits of a window at their places in the texts, but for those that its own borders made."""
    starts = [piece.start for piece in window.pieces]
    size = len(window.text)
    for hit in hits:
        if (hit.start > 0 or window.has_head) and (hit.end < size or window.has_tail):
            piece = window.pieces[bisect_right(starts, hit.start) - 1]
            moved = piece.offset - piece.start
            yield piece.number, replace(hit, start=hit.start + moved, end=hit.end + moved)


def _known(
    window: Window, scans: Sequence[Scan]
) -> tuple[dict[tuple[int, str, int, int], int], dict[str, list[tuple[int, int]]]]:
    """What a window's texts show by themselves: its score by place, and ranges in the window."""
    known: dict[tuple[int, str, int, int], int] = {}
    spans: dict[str, list[tuple[int, int]]] = {}
    for index, offset, start in window.pieces:
        for hit in scans[index].hits:
            key = (index, hit.entity, hit.start, hit.end)
            known[key] = max(known.get(key, 0), hit.score_pct)
            moved = start - offset
            spans.setdefault(hit.entity, []).append((hit.start + moved, hit.end + moved))
    return known, {entity: sorted(some) for entity, some in spans.items()}


def _is_longer(known: Sequence[tuple[int, int]], start: int, end: int) -> bool:
    """Whether a hit across a border only lengthens what was found on one side of it.

    `write to bob@acme.com` and `Thanks!` share no mail address.
    """
    for low, high in known[bisect_left(known, (start, 0)) :]:
        if low >= end:
            return False
        if high <= end:
            return True
    return False
