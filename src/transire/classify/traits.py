"""What one pass over a text can tell: enough to skip every recognizer that cannot match.

Nearly every request pays for this and for nothing else, so facts come from tables of bytes, and
what only a suspicious text needs (its words, its runs) is found out when it is asked for.
"""

import re
import unicodedata
from typing import Final

__all__ = ["CONTROLS", "LONG_CHARS", "SIGNS", "Traits", "traits_of", "word_bytes"]

SIGNS: Final = "%&\\=([{<@:#`"
"""The characters that gates may ask for."""
CONTROLS: Final = bytes(b for b in (*range(32), 127) if chr(b) not in "\t\n\r")
"""What ordinary ASCII does not hold, and shows nothing."""
LONG_CHARS: Final = 14
"""A shorter run is an ordinary word to every gate (`Traits.longest`)."""

_WORD: Final = re.compile(r"[^\W\d_]+")
_DIGIT: Final = re.compile(r"\d")
_OTHER_SCRIPT: Final = re.compile(
    "[\u0370-\u1dff\u1f00-\u1fff\u2c00-\u2c5f\u2c80-\u2dff\u2e80-\ua4ff\ua640-\ud7ff"
    "\uf900-\uffdc\U00010000-\U0001cfff\U00020000-\U0003ffff]"
)
"""From Greek on, without Latin letters, punctuation, symbols and emoji (Unicode's blocks)."""
_SHOUT: Final = b"XXX"
_INNER: Final = re.compile(rb"[A-Z0-9]")
_APART: Final = re.compile(r"(?:.[._,;|*/-]){7}")
_SEPARATORS: Final = b"._,;|*/-"
_CODED_CHARS: Final = 11
_FEW_APART: Final = 7
_FEW_SINGLES: Final = 8
_FEW_BETWEEN: Final = 3
"""Eight single characters leave so many that stand between blanks and do not share one."""
_IN_A_ROW: Final = b"x x x x"
_BLANK_BETWEEN: Final = b"   "
"""Prose has many a single letter, but no four in a row; a blank may be one of the characters."""
_DIGITS: Final = b"0123456789"
_CAPITAL: Final = bytes(range(65, 91))
_LOUD: Final = bytes(88 if b in _CAPITAL else 32 for b in range(256))
"""Capitals become an `X`, everything else a blank."""
_TOLD: Final = _DIGITS + _CAPITAL + SIGNS.encode() + CONTROLS
_PLAIN: Final = bytes(b for b in range(256) if b not in _TOLD)
"""Bytes that tell a gate nothing."""
_NO_SIGNS: Final = _DIGITS + _CAPITAL
_BLANK: Final = bytes(b for b in range(128) if chr(b).isspace())
_WORDS: Final = bytes(b if 97 <= b <= 122 else 32 for b in range(256))
"""Lower-case letters stay, everything else becomes a blank."""
_RUNS: Final = bytes(32 if b in _BLANK else 120 for b in range(256))
"""Blanks stay, everything else becomes an `x`."""
_FOREIGN: Final = b"?"
"""What stands for a character beyond ASCII."""
_TOKENS: Final = bytes(32 if b in _BLANK + _FOREIGN else b for b in range(256))
"""Tokens are ASCII, so any other character ends one, as a blank does."""
_CASED: Final = bytes(88 if b in _DIGITS + _CAPITAL else run for b, run in enumerate(_RUNS))
"""The same, and capitals and digits become an `X`."""
_DENSE: Final = bytes(
    48 if b in _DIGITS else 97 if b < 128 and chr(b).isalpha() else 46 for b in range(256)
)
_SEPARATING: Final = _BLANK + _FOREIGN + b":-.()/+"
_LONG_RUN: Final = b"x" * LONG_CHARS
_CODED_RUN: Final = b"x" * _CODED_CHARS


class Traits:
    """Facts about one text.

    Attributes:
        lower: The text in lower case; same length only for most texts, so never for offsets.
        pieces: Lower-case runs of ASCII letters, as bytes: every ASCII word is among them, beside
            what is left of words with other letters.
        digits: How many digits it holds.
        has_foreign_digits: Some of them are not ASCII.
        longest: Characters of the longest token, a run of ASCII without a blank; 0 where that is
            less than `LONG_CHARS`.
        signs: The `SIGNS` and `CONTROLS` it holds, as bytes, repeated as often as they stand there.
        shouts: It holds three capitals in a row, as every marking does.
        is_coded: A token of eleven characters or more has a digit or capital inside, as bytes in
            base64 or hex have.
        is_spaced: Eight characters stand alone and some of them in a row, or so many stand apart in
            one word.
    """

    __slots__ = (
        "_dense",
        "_has_other_script",
        "_words",
        "digits",
        "has_foreign_digits",
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
        self._dense: bytes | None = None
        self._has_other_script: bool | None = False if is_ascii else None
        raw = text.encode() if is_ascii else text.encode("ascii", "replace")
        small = lower.encode() if is_ascii else lower.encode("ascii", "replace")
        self.pieces = frozenset(word_bytes(small))
        told = raw.translate(None, _PLAIN)
        self.signs = told.translate(None, _NO_SIGNS)
        self.digits = len(told) - len(told.translate(None, _DIGITS))
        capitals = len(told) - len(self.signs) - self.digits
        self.shouts = capitals >= 3 and _SHOUT in raw.translate(_LOUD)
        has_inner = self.digits + capitals > 0
        runs = raw.translate(_RUNS)
        self.is_spaced = _is_spaced(text, raw, runs)
        tokens = raw if is_ascii else raw.translate(_TOKENS)
        self.has_foreign_digits = False
        if not is_ascii:
            runs = tokens.translate(_RUNS)
            self.has_foreign_digits = _FOREIGN_DIGIT.search(text) is not None
            if self.has_foreign_digits:
                self.digits = len(_DIGIT.findall(text))
        is_long = _CODED_RUN in runs
        self.is_coded = is_long and has_inner and _is_coded(tokens)
        self.longest = max(map(len, runs.split())) if is_long and _LONG_RUN in runs else 0

    def may_hold(self, shape: bytes) -> bool:
        """Whether this stands in it: `a` for a letter, `0` for a digit, separators passed over.

        A necessary condition twenty times as fast as the pattern that says where.
        """
        if self._dense is None:
            raw = self.text.encode("ascii", "replace")
            self._dense = raw.translate(_DENSE, _SEPARATING)
        return self.has_foreign_digits or shape in self._dense

    @property
    def has_other_script(self) -> bool:
        """It holds a letter of a script other than Latin; found out when first asked for."""
        if self._has_other_script is None:
            self._has_other_script = _OTHER_SCRIPT.search(self.text) is not None
        return self._has_other_script

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
    return lower.translate(_WORDS).split()


def _is_spaced(text: str, raw: bytes, runs: bytes) -> bool:
    if (
        runs.count(b" x ") >= _FEW_BETWEEN
        and (_IN_A_ROW in runs or _BLANK_BETWEEN in runs)
        and [*map(len, text.split())].count(1) >= _FEW_SINGLES
    ):
        return True
    if _LONG_RUN not in runs or len(raw) - len(raw.translate(None, _SEPARATORS)) < _FEW_APART:
        return False
    return any(map(_APART.search, text.split()))


def _is_coded(tokens: bytes) -> bool:
    cased = tokens.translate(_CASED)
    return (b"xX" in cased or b"XX" in cased) and any(
        len(token) >= _CODED_CHARS and _INNER.search(token, 1) for token in tokens.split()
    )


def _foreign_digits() -> re.Pattern[str]:
    """Decimal digits beyond ASCII, and whole planes; `re` asks a class of digits more slowly."""
    starts = [c for c in range(0x80, 0x10000) if unicodedata.decimal(chr(c), None) == 0]
    return re.compile(
        "[" + "".join(f"\\u{c:04x}-\\u{c + 9:04x}" for c in starts) + "\U00010000-\U0010ffff]"
    )


_FOREIGN_DIGIT: Final = _foreign_digits()
