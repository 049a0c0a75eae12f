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
    """

    text: str
    lower: str
    words: frozenset[str]
    digits: int
    longest: int
    shouts: bool


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
    longest = max(map(len, text.split()), default=0)
    shouts = text != lower and _CAPITALS.search(text) is not None
    return Traits(text, lower, words, digits, longest, shouts)
