"""The same letters in plain ASCII: what Unicode offers for disguise, undone. Pure.

Compatibility forms (NFKC, UAX #15), digits of every script, characters that show nothing (controls,
format characters and `Default_Ignorable_Code_Point` of UAX #44), marks on what bears none, dashes
and dots, and Cyrillic and Greek letters that look Latin (UTS #39) inside words that mix scripts.
Only what ends up in ASCII, or disappears, is touched; a text in another script keeps its words.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Final, TypeVar

from transire.classify.views.view import Edit, unwatched

__all__ = ["FOLDED", "HOMOGLYPH", "INVISIBLE", "folds"]

FOLDED: Final = "nfkc"
INVISIBLE: Final = "invisible"
HOMOGLYPH: Final = "homoglyph"

_IGNORABLE: Final = (
    *(0x00AD, 0x034F, 0x061C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFEFF, 0xFFA0),
    *range(0x180B, 0x1810),
    *range(0x200B, 0x2010),
    *range(0x202A, 0x202F),
    *range(0x2060, 0x2070),
    *range(0xFE00, 0xFE10),
    *range(0xFFF0, 0xFFF9),
    *range(0x1BCA0, 0x1BCA4),
    *range(0x1D173, 0x1D17B),
    *range(0xE0000, 0xE1000),
)
"""`Default_Ignorable_Code_Point` of UAX #44 (DerivedCoreProperties.txt 16.0), unassigned ones too:
`unicodedata` does not tell it."""
_SIGNS: Final = {
    "\u2010": "-", "\u2011": "-", "\u2043": "-", "\u2212": "-", "\u02d7": "-", "\u30fb": ".",
    "\u3002": ".", "\uff61": ".", "\u00b7": ".", "\u2219": ".", "\u22c5": ".", "\u0701": ".",
    "\u06d4": ".", "\u2024": ".", "\u2215": "/", "\u2044": "/", "\u2236": ":", "\ua789": ":",
}  # fmt: skip
"""Signs that NFKC leaves alone; the three full stops are those of RFC 3490 §3.1."""
_BLANKS: Final = "\u00a0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
_BETWEEN_DIGITS: Final = {
    **dict.fromkeys("\u2012\u2013\u2014\u2015", "-"),
    **dict.fromkeys(_BLANKS, " "),
}
"""Ordinary typography, and so read as a dash or blank only beside a digit."""
_LOOKALIKES: Final = dict(
    zip(
        "АВЕЅІЈКМНОРСТУХԌԚԜаеоѕіјрсухԁԛԝһӏʟɑɡ" + "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧορνικυ",
        "ABESIJKMHOPCTYXGQWaeosijpcyxdqwhllag" + "ABEZHIKMNOPTYXopviku",
        strict=True,
    )
)
_BLOCKS: Final = (range(0xA0, 0xFFFF), range(0x10000, 0x20000))
"""Where characters with compatibility forms or decimal digits stand."""


def _plain(character: str) -> str | None:
    """How a character reads in ASCII; None where it does not."""
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    # Accents, fractions and trade marks are ordinary writing: only one-to-one forms are disguise,
    # and the letters, digits and signs in circles and brackets (`①`, `⑴`, `🄰`).
    plain = unicodedata.normalize("NFKC", character)
    inner = plain[1:-1] if plain[:1] == "(" and plain[-1:] == ")" else plain
    # U+00AA, U+00B2 and their kin are the `ª`, `²` of ordinary prose, and read alike.
    is_plain = inner.isascii() and 0 < len(inner) <= 2 and not inner.isspace()
    return inner if is_plain else None


def _of(*categories: str) -> frozenset[str]:
    """The characters of general categories (UAX #44 §5.7.1)."""
    every = map(chr, chain.from_iterable(_ASSIGNED))
    return frozenset(c for c in every if unicodedata.category(c) in categories)


def _table() -> dict[str, str]:
    return {
        character: plain
        for character in map(chr, chain.from_iterable(_BLOCKS))
        if not unicodedata.category(character).startswith("C")
        and (plain := _plain(character)) is not None
    }


def _class(characters: str) -> str:
    """A character class of ranges: thousands of single characters would compile slowly."""
    codes = sorted(map(ord, characters))
    spans: list[list[int]] = []
    for code in codes:
        if spans and code == spans[-1][1] + 1:
            spans[-1][1] = code
        else:
            spans.append([code, code])
    return "[" + "".join(f"\\U{a:08x}-\\U{b:08x}" for a, b in spans) + "]"


_FORMS: Final = _table()
_LETTERS: Final = {c: plain for c, plain in _FORMS.items() if plain.isalnum()}
_MARKED: Final = {**{c: p for c, p in _FORMS.items() if c not in _LETTERS}, **_SIGNS}
"""Signs, which a text in another script is full of: read beside Latin letters only."""
_ASSIGNED: Final = (range(0x20000), range(0xE0000, 0xE1000))
"""Where controls, format characters and marks stand: the planes between hold ideographs alone."""
_LAYOUT: Final = "\t\n\r"
"""The controls that ordinary writing is full of."""
_INVISIBLES: Final = frozenset(map(chr, _IGNORABLE)) | (_of("Cc", "Cf") - frozenset(_LAYOUT))
_ACCENTS: Final = frozenset(map(chr, range(0x300, 0x370)))
_MARKS: Final = _of("Mn", "Me") - _INVISIBLES
"""Combining marks. Ordinary writing puts none on a digit or a sign, and on a Latin letter only
those that make another letter of it (UAX #15): `é`, but no `q` with one or letter in a ring."""
_PRINTED: Final = bytes(b for b in range(128) if chr(b) not in _INVISIBLES)
_BEYOND: Final = "\U00010000-\U0001ffff\U000e0000-\U000e0fff"
"""Taken whole: `re` compares one range after another beyond the first plane."""
_WIDE: Final = "\uff01-\uff5e"
"""Full-width signs, of which two make a reference or an escape begin."""


def _seen() -> re.Pattern[str]:
    """A character that may have another reading where it stands.

    Chinese and Japanese prose has a sign that needs a Latin neighbour in each clause, so neighbours
    are looked at here and not one by one in Python.
    """
    alone = {*_LETTERS, *_INVISIBLES, *_ACCENTS}
    first = _first_plane(alone, _MARKED, _BETWEEN_DIGITS, _MARKS)
    itself = _first_plane(alone)
    latin = _first_plane(_LETTERS, more=rf"{_WIDE}A-Za-z\d")
    # A mark of another script is looked at on ASCII alone, or on what may stand on ASCII itself.
    bases = _first_plane(_LETTERS, _INVISIBLES, _ACCENTS, more=r"\x00-\x7f\d")
    marks = _first_plane(_MARKS)
    return re.compile(
        rf"{first}(?:(?<={itself})|(?={latin})|(?<={latin}.)|(?<={bases}{marks}))", re.DOTALL
    )


def _first_plane(*some: Iterable[str], more: str = "") -> str:
    characters = {c for one in some for c in one if c <= "\uffff"}
    return _class("".join(characters)).replace("]", f"{more}{_BEYOND}]")


_SEEN: Final = _seen()
_WORD: Final = re.compile(r"\w+")
_HAS_ASCII: Final = re.compile(r"[A-Za-z0-9]")
_HAS_LOOKALIKE: Final = re.compile(_class("".join(_LOOKALIKES)))
_NO_WORD: Final = bytes(b for b in range(128) if not chr(b).isalnum())


_LOOK_EVERY: Final = 4_096
"""Characters in disguise, or words, between two looks at the clock: a few milliseconds."""
T = TypeVar("T")


def folds(text: str, watch: Callable[[], None] = unwatched) -> list[Edit]:
    """Every run of characters of a text that hide ASCII ones, or nothing. Linear.

    Args:
        watch: Called every few thousand characters in disguise; what it raises ends the work.
    """
    if text.isascii() and not text.encode().translate(None, _PRINTED):
        return []
    edits = list(_runs(text, watch))
    if text.encode("ascii", "ignore").translate(None, _NO_WORD) and _HAS_LOOKALIKE.search(text):
        edits += _lookalikes(text, watch)
        edits.sort()
    return edits


def _watched(found: Iterator[T], watch: Callable[[], None]) -> Iterator[T]:
    for number, one in enumerate(found, 1):
        if not number % _LOOK_EVERY:
            watch()
        yield one


def _runs(text: str, watch: Callable[[], None]) -> Iterator[Edit]:
    """One edit for a run of characters that are read alike: 200 kB of them make few pieces.

    A run of letters may hold single ASCII ones: no span of two characters misses its neighbours.
    """
    start, end, plain, base = 0, 0, list[str](), ""
    for match in _watched(_SEEN.finditer(text), watch):
        at = match.start()
        if at < end:
            continue
        if not plain or plain[-1] or at > end:
            base = text[at - 1 : at]  # and otherwise what stands before all that is hidden
        read = _reading(text, at, base)
        if read is None:
            continue
        if plain and len(plain[0]) == len(read) < 2 and _is_near(text, end, at, read):
            plain += (text[end:at], read) if at > end else (read,)
        else:
            if plain:
                yield _run(start, end, plain)
            start, plain = at, [read]
        end = at + 1
        if text[at] in _MARKS:
            # Whatever is heaped on it stands on the same base.
            while end < len(text) and text[end] in _MARKS:
                end += 1
                plain.append("")
    if plain:
        yield _run(start, end, plain)


def _is_near(text: str, end: int, at: int, read: str) -> bool:
    # Look-alikes, which are edits of their own, are never ASCII.
    return at == end or (bool(read) and at == end + 1 and text[end] < "\x80")


def _run(start: int, end: int, plain: list[str]) -> Edit:
    text = "".join(plain)
    via = FOLDED if plain[0] else INVISIBLE
    return Edit(start, end, text, via, is_even=len(text) == end - start)


def _reading(text: str, at: int, base: str) -> str | None:
    """What is read for a character; None for itself. `base` is what it would stand on."""
    character = text[at]
    if character in _LETTERS:
        return _LETTERS[character]
    if character in _INVISIBLES:
        return ""
    before, after = text[at - 1 : at], text[at + 1 : at + 2]
    if character in _MARKED:
        return _MARKED[character] if _is_latin(before) or _is_latin(after) else None
    if character in _BETWEEN_DIGITS:
        near_digit = before.isdecimal() or after.isdecimal()
        return _BETWEEN_DIGITS[character] if near_digit else None
    return "" if character in _MARKS and _is_odd(base, character) else None


def _is_odd(base: str, mark: str) -> bool:
    """Whether no ordinary writing puts this mark on that."""
    letter = _LETTERS.get(base, base)
    if len(letter) == 1 and letter.isascii() and letter.isalpha():
        return len(unicodedata.normalize("NFC", letter + mark)) > 1
    return base in _ACCENTS or base.isdecimal() or (bool(letter) and letter.isascii())


def _is_latin(character: str) -> bool:
    """A Latin letter or digit in any form, or a full-width sign: `&#` is two of them."""
    is_wide = "\uff01" <= character <= "\uff5e"
    return is_wide or character in _LETTERS or (character.isascii() and character.isalnum())


def _lookalikes(text: str, watch: Callable[[], None]) -> Iterator[Edit]:
    """In words that hold ASCII letters too; beside digits only where nothing else is foreign."""
    for match in _watched(_WORD.finditer(text), watch):
        word = match.group()
        if word.isascii() or _HAS_ASCII.search(word) is None:
            continue
        has_latin = any(c.isascii() and c.isalpha() for c in word)
        if has_latin or all(c.isascii() or c in _LOOKALIKES or c in _LETTERS for c in word):
            for at, character in enumerate(word, match.start()):
                if character in _LOOKALIKES:
                    yield Edit(at, at + 1, _LOOKALIKES[character], HOMOGLYPH)
