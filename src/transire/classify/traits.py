"""What one pass over a text can tell: enough to skip every recognizer that cannot match.

A gate is a *necessary* condition, so skipping loses nothing; on clean prose it is the whole cost.
"""

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["Traits", "traits_of"]

_WORD: Final = re.compile(r"[^\W\d_]+")
_DIGIT: Final = re.compile(r"\d")
_CAPITALS: Final = re.compile(r"[A-Z]{3}")
_INNER: Final = re.compile(r"[A-Z0-9]")
_APART: Final = re.compile(r"(?:.[._,;|*/-]){7}")
_CODED_CHARS: Final = 11
_FEW_SINGLES: Final = 8
_ASCII_DIGITS: Final = b"0123456789"
_ASCII_WORDS: Final = bytes(b if 97 <= b <= 122 else 32 for b in range(256))
"""Lower-case letters stay, everything else becomes a blank."""


@dataclass(frozen=True, slots=True)
class Traits:
    """Facts about one text.

    Attributes:
        lower: The text in lower case; same length only for most texts, so never for offsets.
        words: Distinct lower-case words.
        digits: How many digits it holds.
        longest: Characters of the longest run without a blank.
        shouts: It holds three capitals in a row, as every marking does.
        is_coded: A word of eleven characters or more has a digit or capital inside, as bytes in
            base64 or hex have.
        is_spaced: Eight characters stand alone, or so many stand apart in one word.
    """

    text: str
    lower: str
    words: frozenset[str]
    digits: int
    longest: int
    shouts: bool
    is_coded: bool
    is_spaced: bool


def traits_of(text: str) -> Traits:
    """One pass; linear. ASCII, which most texts are, goes by tables instead of patterns."""
    lower = text.lower()
    if text.isascii():
        raw = lower.encode()
        words = frozenset(raw.translate(_ASCII_WORDS).decode().split())
        digits = len(raw) - len(raw.translate(None, _ASCII_DIGITS))
    else:
        words = frozenset(_WORD.findall(lower))
        digits = len(_DIGIT.findall(text))
    runs = text.split()
    lengths = list(map(len, runs))
    longest = max(lengths, default=0)
    shouts = text != lower and _CAPITALS.search(text) is not None
    long = [run for run in runs if len(run) >= _CODED_CHARS] if longest >= _CODED_CHARS else []
    is_spaced = lengths.count(1) >= _FEW_SINGLES or any(map(_APART.search, long))
    is_coded = any(_INNER.search(run, 1) for run in long)
    return Traits(text, lower, words, digits, longest, shouts, is_coded, is_spaced)
