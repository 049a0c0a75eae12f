"""Words and signs of a text, as dictionaries and registered documents see them; linear."""

import unicodedata
from typing import Final

import regex

__all__ = ["ANY", "WORDS", "folded", "tokens_of"]

_WORD: Final = r"(?:[^\W_]\p{M}*+)++"
ANY: Final = regex.compile(rf"{_WORD}|[^\s]")
"""A run of letters and digits, or one sign; `project_x` is three tokens."""
WORDS: Final = regex.compile(_WORD)
"""Runs of letters and digits alone."""


def folded(token: str) -> str:
    """One spelling of a word, whatever its case, width or composition (Unicode 3.13, NFKC)."""
    return token.lower() if token.isascii() else unicodedata.normalize("NFKC", token).casefold()


def tokens_of(text: str, kind: regex.Pattern[str], seconds: float) -> list[tuple[int, int, str]]:
    """Start, end and spelling of every token.

    Raises:
        TimeoutError: it took longer than `seconds`.
    """
    return [(*m.span(), m.group()) for m in kind.finditer(text, timeout=seconds)]
