"""What one pass over a text can tell: enough to skip every recognizer that cannot match.

Nearly every request pays for this and for nothing else, so facts come from tables of bytes, and
what only a suspicious text needs (its words, its runs) is found out when it is asked for.
"""

import re
from typing import Final

__all__ = ["LONG_CHARS", "SIGNS", "Traits", "traits_of", "word_bytes"]

SIGNS: Final = "%&\\=([{<@:#`"
"""The characters that gates may ask for."""
LONG_CHARS: Final = 14
"""A shorter run is an ordinary word to every gate (`Traits.longest`)."""

_WORD: Final = re.compile(r"[^\W\d_]+")
_DIGIT: Final = re.compile(r"\d")
_CAPITALS: Final = re.compile(rb"[A-Z]{3}")
_INNER: Final = re.compile(r"[A-Z0-9]")
_APART: Final = re.compile(r"(?:.[._,;|*/-]){7}")
_CODED_CHARS: Final = 11
_FEW_SINGLES: Final = 8
_FEW_BETWEEN: Final = 3
"""Eight single characters leave so many that stand between blanks and do not share one."""
_DIGITS: Final = b"0123456789"
_CAPITAL: Final = bytes(range(65, 91))
_TOLD: Final = _DIGITS + _CAPITAL + SIGNS.encode()
_PLAIN: Final = bytes(b for b in range(256) if b not in _TOLD)
"""Bytes that tell a gate nothing."""
_NO_SIGNS: Final = _DIGITS + _CAPITAL
_ASCII_WORDS: Final = bytes(b if 97 <= b <= 122 else 32 for b in range(256))
"""Lower-case letters stay, everything else becomes a blank."""
_SHAPE: Final = bytes(32 if b < 128 and chr(b).isspace() else 120 for b in range(256))
"""Blanks stay, everything else becomes an `x`."""
_CASED: Final = bytes(88 if b in _DIGITS + _CAPITAL else s for b, s in enumerate(_SHAPE))
"""The same, and capitals and digits become an `X`."""
_LONG_RUN: Final = b"x" * LONG_CHARS
_CODED_RUN: Final = b"x" * _CODED_CHARS


class Traits:
    """Facts about one text.

    Attributes:
        lower: The text in lower case; same length only for most texts, so never for offsets.
        pieces: Lower-case runs of ASCII letters, as bytes, in order: every ASCII word is among
            them, beside what is left of words with other letters.
        digits: How many digits it holds.
        longest: Characters of the longest run without a blank that ASCII text in it can have; 0
            where that is less than `LONG_CHARS`.
        signs: The `SIGNS` it holds, as bytes, repeated as often as they stand there.
        shouts: It holds three capitals in a row, as every marking does.
        is_coded: A word of eleven characters or more has a digit or capital inside, as bytes in
            base64 or hex have.
        is_spaced: Eight characters stand alone, or so many stand apart in one word.
    """

    __slots__ = (
        "_words",
        "digits",
        "is_coded",
        "is_spaced",
        "longest",
        "lower",
        "pieces",
        "shouts",
        "signs",
        "text",
    )

    def __init__(self, text: str) -> None:
        is_ascii = text.isascii()
        self.text = text
        self.lower = lower = text.lower()
        self._words: frozenset[str] | None = None
        raw = text.encode() if is_ascii else text.encode("ascii", "replace")
        small = lower.encode() if is_ascii else lower.encode("ascii", "replace")
        self.pieces = word_bytes(small)
        told = raw.translate(None, _PLAIN)
        self.signs = told.translate(None, _NO_SIGNS)
        self.digits = len(told) - len(told.translate(None, _DIGITS))
        capitals = len(told) - len(self.signs) - self.digits
        self.shouts = capitals >= 3 and _CAPITALS.search(raw) is not None
        may_differ = _may_have_runs(raw, has_inner=self.digits + capitals > 0)
        if not is_ascii:
            self.digits = len(_DIGIT.findall(text))
            may_differ = True
        self.longest, self.is_coded, self.is_spaced = (
            _runs(text, is_ascii=is_ascii) if may_differ else (0, False, False)
        )

    @property
    def words(self) -> frozenset[str]:
        """Distinct lower-case words; found when first asked for."""
        if self._words is None:
            self._words = (
                frozenset(piece.decode() for piece in self.pieces)
                if self.text.isascii()
                else frozenset(_WORD.findall(self.lower))
            )
        return self._words


def traits_of(text: str) -> Traits:
    """One pass; linear. ASCII, which most texts are, goes by tables instead of patterns."""
    return Traits(text)


def word_bytes(lower: bytes) -> list[bytes]:
    """The runs of ASCII letters in a text in lower case."""
    return lower.translate(_ASCII_WORDS).split()


def _may_have_runs(raw: bytes, *, has_inner: bool) -> bool:
    """Whether `_runs` could find anything in ASCII text; splitting each text would cost double."""
    shape = raw.translate(_SHAPE)
    if _LONG_RUN in shape or shape.count(b" x ") >= _FEW_BETWEEN:
        return True
    if not has_inner or _CODED_RUN not in shape:
        return False
    cased = raw.translate(_CASED)
    return b"xX" in cased or b"XX" in cased


def _runs(text: str, *, is_ascii: bool) -> tuple[int, bool, bool]:
    """`longest`, `is_coded`, `is_spaced` of a text that may have something to say there."""
    runs = text.split()
    lengths = list(map(len, runs))
    is_spaced = lengths.count(1) >= _FEW_SINGLES
    longest = max(lengths, default=0)
    if longest < _CODED_CHARS:
        return 0, False, is_spaced
    long = [run for run in runs if len(run) >= _CODED_CHARS]
    is_spaced = is_spaced or any(map(_APART.search, long))
    is_coded = any(_INNER.search(run, 1) for run in long)
    if not is_ascii:
        # Tokens are ASCII: a sentence in a script without blanks is no long token.
        longest = max(len(run.encode("ascii", "ignore")) for run in long)
    return longest if longest >= LONG_CHARS else 0, is_coded, is_spaced
