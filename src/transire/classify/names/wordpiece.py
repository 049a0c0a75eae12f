"""Text to word pieces as uncased BERT models read them, each piece with its place in the text.

The normaliser and the greedy longest-match-first pieces of Devlin et al. (NAACL 2019, §3) and of
Wu et al. (2016, §4.1). Written here because the library that does it brings a network client along;
`tests/unit/classify/names` compares with vectors made by that library.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["Piece", "WordPieces"]

_MAX_WORD: Final = 100
"""A longer word is unknown as a whole."""
_HAS_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x85]")
"""Controls that Python counts as blanks, or that are dropped; a text with any is read slowly."""
_UNBROKEN: Final = re.compile(r"\S+")
_ASCII_WORD: Final = re.compile(r"[A-Za-z0-9]+|[!-~]")
_DROPPED: Final = frozenset({"Cc", "Cf", "Co", "Cs"})
"""Categories of characters that are read as if they were not there."""


class Piece(NamedTuple):
    """One piece: its id and its half-open range; `starts_word` is false for a continuation."""

    id: int
    start: int
    end: int
    starts_word: bool


class WordPieces:
    """One vocabulary.

    Attributes:
        first, last: Ids that stand around every sequence (`[CLS]`, `[SEP]`).
    """

    def __init__(self, vocabulary: Mapping[str, int], *, is_cased: bool = False) -> None:
        self._ids = vocabulary
        self._is_cased = is_cased
        self._normal = _cased if is_cased else _normal
        self._unknown = vocabulary["[UNK]"]
        self.first, self.last = vocabulary["[CLS]"], vocabulary["[SEP]"]

    @classmethod
    def load(cls, path: Path, *, is_cased: bool = False) -> "WordPieces":
        """Read a vocabulary: one piece a line, its id the line's number from 0."""
        lines = path.read_text(encoding="utf-8").split("\n")
        pieces = {piece: number for number, piece in enumerate(lines) if piece}
        return cls(pieces, is_cased=is_cased)

    def split(self, text: str) -> list[Piece]:
        """Every piece of a text in order; linear but for the length of single words."""
        pieces: list[Piece] = []
        if _HAS_CONTROLS.search(text):  # they vanish, and what stood around them may be one word
            self._read(pieces, text, 0)
            return pieces
        known: dict[str, list[Piece]] = {}
        for match in _UNBROKEN.finditer(text):
            chunk, start = match.group(), match.start()
            if not chunk.isascii():
                self._read(pieces, chunk, start)
                continue
            for word in _ASCII_WORD.finditer(chunk if self._is_cased else chunk.lower()):
                self._place(pieces, word.group(), start + word.start(), known)
        return pieces

    def _place(
        self, pieces: list[Piece], word: str, at: int, known: dict[str, list[Piece]]
    ) -> None:
        """Add a word of ASCII; the same one is cut into pieces once per text."""
        cut = known.get(word)
        if cut is None:
            cut = []
            self._add(cut, word, range(len(word)))
            known[word] = cut
        pieces += [Piece(piece, at + a, at + b, starts) for piece, a, b, starts in cut]

    def _read(self, pieces: list[Piece], text: str, at: int) -> None:
        """Add the pieces of any text that begins at a place, character by character."""
        word, places = "", list[int]()
        for index, character in enumerate(text, at):
            kind, normal = self._normal(character)
            if kind == "part":
                word += normal
                places.extend([index] * len(normal))
            elif kind != "drop":
                self._add(pieces, word, places)
                word, places = "", []
                if kind == "alone":
                    for single in normal:
                        self._add(pieces, single, [index])
        self._add(pieces, word, places)

    def _add(self, pieces: list[Piece], word: str, places: Sequence[int]) -> None:
        if not word:
            return
        whole = Piece(self._unknown, places[0], places[-1] + 1, starts_word=True)
        if len(word) > _MAX_WORD:
            pieces.append(whole)
            return
        found: list[Piece] = []
        start = 0
        while start < len(word):
            end = self._longest(word, start)
            if end == start:
                pieces.append(whole)
                return
            spelled = word[start:end] if start == 0 else f"##{word[start:end]}"
            found.append(Piece(self._ids[spelled], places[start], places[end - 1] + 1, start == 0))
            start = end
        pieces.extend(found)

    def _longest(self, word: str, start: int) -> int:
        prefix = "" if start == 0 else "##"
        for end in range(len(word), start, -1):
            if prefix + word[start:end] in self._ids:
                return end
        return start


@lru_cache(maxsize=65_536)
def _normal(character: str) -> tuple[str, str]:
    """What a character is (`part` of a word, `alone`, `blank`, `drop`) and how it is spelled."""
    if character in "\t\n\r" or unicodedata.category(character) in ("Zs", "Zl", "Zp"):
        return "blank", ""
    if character in "\0\ufffd" or unicodedata.category(character) in _DROPPED:
        return "drop", ""
    plain = "".join(
        c for c in unicodedata.normalize("NFD", character) if unicodedata.category(c) != "Mn"
    ).lower()
    if _is_ideograph(ord(character)) or any(map(_is_mark, plain)):
        return "alone", plain
    return ("part", plain) if plain else ("drop", "")


@lru_cache(maxsize=65_536)
def _cased(character: str) -> tuple[str, str]:
    """The same for models that tell `A` and `ä` from `a`."""
    kind, normal = _normal(character)
    return kind, character if normal else normal


def _is_mark(character: str) -> bool:
    """ASCII signs count as punctuation whatever Unicode calls them."""
    code = ord(character)
    is_sign = 33 <= code <= 47 or 58 <= code <= 64 or 91 <= code <= 96 or 123 <= code <= 126
    return is_sign or unicodedata.category(character).startswith("P")


def _is_ideograph(code: int) -> bool:
    """The CJK blocks that the published tokenizer sets apart."""
    return any(low <= code <= high for low, high in _IDEOGRAPHS)


_IDEOGRAPHS: Final = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)
