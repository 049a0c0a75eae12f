"""What one pass over a text can tell: enough to skip every recognizer that cannot match.

A gate is a *necessary* condition, so skipping loses nothing; on clean prose it is the whole cost.
"""

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["Traits", "traits_of"]

_WORD: Final = re.compile(r"[^\W\d_]+")
_DIGIT: Final = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class Traits:
    """Facts about one text.

    Attributes:
        lower: The text in lower case; same length only for most texts, so never for offsets.
        words: Distinct lower-case words.
        digits: How many digits it holds.
    """

    text: str
    lower: str
    words: frozenset[str]
    digits: int


def traits_of(text: str) -> Traits:
    """One pass; linear."""
    lower = text.lower()
    return Traits(text, lower, frozenset(_WORD.findall(lower)), len(_DIGIT.findall(text)))
