"""Other readings of a text: what is written in disguise, read as the model behind would read it.

Each family of disguises is undone for itself and the result read again, at most `MAX_DEPTH`
decodings deep and within the room of `_ROOM_CHARS`; what lies deeper or passes it is *failed*,
never silence (ADR 5). A text without a sign of any of them has no views and costs one test for
each family; only windows around what was undone are read again.

Not undone, and said so in docs/explanation/disguises.md: ciphers (rot13), reversed text, numbers in
words, leet, pictures, archives.
"""

from collections.abc import Callable, Iterator
from typing import Final

from transire.classify.traits import CONTROLS, SIGNS, Traits
from transire.classify.views.blobs import blobs, hex_bytes
from transire.classify.views.escapes import escaped, quoted
from transire.classify.views.fold import folds
from transire.classify.views.joints import BROKEN, GLUED, broken, glued
from transire.classify.views.spaced import MAIL_WORDS, PROVEN, SPACED, spaced, spelled
from transire.classify.views.view import Edit, View, edited, unwatched, whole

__all__ = [
    "MAX_DEPTH",
    "TooDeepError",
    "View",
    "folded",
    "is_credible",
    "is_plain",
    "is_text",
    "views_of",
]

MAX_DEPTH: Final = 3
"""Decodings inside one another."""
_MAX_STEPS: Final = 6
"""Readings after one another, folds and joins included."""
_ROOM_CHARS: Final = 8_192
_ROOM_FACTOR: Final = 4
"""All views together may have so many characters, and so many times the text's: each is scanned."""
_FEW_DIGITS: Final = 7
"""Fewer rule out hex with blanks: each printable character's code holds a digit."""

_MOSTLY: Final = 0.85
"""Share of a run that must decode for the run to be text."""
_NEVER: Final = 101
_DOUBTFUL: Final = frozenset({SPACED, BROKEN, GLUED})
_SPELLED_DOTS: Final = frozenset({b"dot", b"punkt"})
_BRACKETS: Final = "([{<"
_NO_DISGUISE: Final = frozenset(SIGNS.encode()) - frozenset(b"%&\\=([{<")
_CONTROLS: Final = frozenset(CONTROLS)
_BRACKETED: Final = tuple(f"{a}{sign}" for a in _BRACKETS for sign in ("at", " at", "@", " @"))

_Found = tuple[list[Edit], bool]
"""Edits, and whether they decode."""
_DECODERS: Final[tuple[Callable[[str], list[Edit]], ...]] = (escaped, blobs, hex_bytes, quoted)
_JOINERS: Final[tuple[Callable[[str], list[Edit]], ...]] = (folds, spaced, spelled, broken, glued)


class TooDeepError(Exception):
    """Disguises are nested too deep, or take more room than there is; carries no content."""


def views_of(traits: Traits, watch: Callable[[], None] = unwatched) -> Iterator[View]:
    """Every other reading, nearest first; nothing for a text in plain writing.

    Args:
        watch: Called before each view is built, in a long one, and around each family looked for
            in it; whatever it raises ends the reading. Not called for a text without a view: it
            lacks no reading, however late it is.

    Raises:
        TooDeepError: something was left unread.
    """
    first = list(_first(traits))
    if first:
        yield from _views(traits, first, watch)


def _watched(found: Iterator[_Found], watch: Callable[[], None]) -> Iterator[_Found]:
    watch()
    for one in found:
        yield one
        watch()


def _views(traits: Traits, first: list[_Found], watch: Callable[[], None]) -> Iterator[View]:
    root = whole(traits.text)
    waiting = [(root, edits, is_decoding, 1) for edits, is_decoding in first]
    room = _ROOM_CHARS + _ROOM_FACTOR * len(traits.text)
    seen = {traits.text}
    while waiting:
        parent, edits, is_decoding, steps = waiting.pop(0)
        if steps > _MAX_STEPS or parent.depth + is_decoding > MAX_DEPTH:
            if any(parent.is_made(edit.start, edit.end) for edit in edits):
                raise TooDeepError
            continue
        view = edited(parent, edits, depth=parent.depth + is_decoding, watch=watch)
        if view.text in seen:
            continue
        seen.add(view.text)
        room -= len(view.text)
        if room < 0:
            raise TooDeepError
        yield view
        found = _watched(_next(view.text), watch)
        waiting += [(view, some, kind, steps + 1) for some, kind in found]


def is_text(run: str) -> bool:
    """Whether a run of encoded characters says something in words, and is read as a view."""
    edits = (*blobs(run), *escaped(run))
    return sum(edit.end - edit.start for edit in edits) >= len(run) * _MOSTLY


def is_credible(entity: str, score_pct: int, via: str) -> bool:
    """Whether a find may be believed: characters that were pulled together need proof."""
    names = via.split("+")
    if MAIL_WORDS in names:
        return entity == "EMAIL_ADDRESS"
    return _DOUBTFUL.isdisjoint(names) or score_pct >= PROVEN.get(entity, _NEVER)


def folded(text: str, watch: Callable[[], None] = unwatched) -> View | None:
    """The whole text with its letters in plain writing; None where it is that already.

    Args:
        watch: Called as the work goes on; whatever it raises ends it.
    """
    edits = folds(text, watch)
    if not edits:
        return None
    return edited(whole(text), edits, depth=0, is_windowed=False, watch=watch)


def is_plain(traits: Traits) -> bool:
    """Whether no family can have anything to undo: the whole cost of disguises for most texts."""
    return not (
        (traits.signs and not _NO_DISGUISE.issuperset(traits.signs))
        or traits.is_coded
        or traits.is_spaced
        or traits.digits >= _FEW_DIGITS
        or not traits.text.isascii()
        or not _SPELLED_DOTS.isdisjoint(traits.pieces)
    )


def _first(traits: Traits) -> Iterator[_Found]:
    """Families that can have something to undo, by what one pass over the text has told."""
    text = traits.text
    if "%" in text or "&" in text or "\\" in text:
        yield from _some(escaped(text), is_decoding=True)
    if traits.is_coded:
        yield from _some(blobs(text), is_decoding=True)
    if traits.digits >= _FEW_DIGITS:
        yield from _some(hex_bytes(text), is_decoding=True)
    if "=" in text:
        yield from _some(quoted(text), is_decoding=True)
    if not text.isascii() or not _CONTROLS.isdisjoint(traits.signs):
        yield from _some(folds(text), is_decoding=False)
    if traits.is_spaced:
        yield from _some(spaced(text), is_decoding=False)
    if traits.digits >= _FEW_DIGITS:
        if "\n" in text:
            yield from _some(broken(text), is_decoding=False)
        yield from _some(glued(text), is_decoding=False)
    if not _SPELLED_DOTS.isdisjoint(traits.pieces) or (
        any(bracket in text for bracket in _BRACKETS)
        and any(sign in traits.lower for sign in _BRACKETED)
    ):
        yield from _some(spelled(text), is_decoding=False)


def _next(text: str) -> Iterator[_Found]:
    for decode in _DECODERS:
        yield from _some(decode(text), is_decoding=True)
    for join in _JOINERS:
        yield from _some(join(text), is_decoding=False)


def _some(edits: list[Edit], *, is_decoding: bool) -> Iterator[_Found]:
    if edits:
        yield edits, is_decoding
