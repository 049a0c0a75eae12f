"""What the predictor reads of a prompt: hashed words and pairs of words, and twelve cheap traits.

Measured against an encoder of sentences, this is as good on prompts like those it was fitted on and
some three hundred times cheaper (research of routing; RouteLLM's MMLU responses). Neither carries
over to other kinds of prompts, so nothing fitted is shipped.

Pure and deterministic across processes and machines: CRC-32 (ISO 3309), never Python's `hash`.
"""

import math
import re
import zlib
from typing import Final, NamedTuple

__all__ = ["BUCKETS", "TRAITS", "Features", "features_of"]

BUCKETS: Final = 1 << 18
"""Hash buckets: at some 30,000 distinct words and pairs, one in ten shares its bucket."""

_HEAD_CHARS: Final = 1_500
_TAIL_CHARS: Final = 1_000
"""Of a longer prompt the beginning and the end are read: cost stays bounded and so does what
padding can do. The instruction stands at one of the two."""

_TOKEN: Final = re.compile(r"\w+|[^\w\s]")
_ASCII_TOKEN: Final = re.compile(rb"\w+|[^\w\s\x1c-\x1f]")
"""The same on ASCII, three times as fast; of bytes, four separators are no white space to `re`."""
_MATH: Final = re.compile(r"[=+*/^<>\\∑√∫≤≥]")
_CODE_SIGNS: Final = ("{", "}", "```")
_CODE_WORDS: Final = (
    ("def ", re.compile(r"\bdef \w")),
    ("class ", re.compile(r"\bclass \w")),
    ("import ", re.compile(r"\bimport \w")),
    (";", re.compile(r";\s*$", re.MULTILINE)),
)
"""What must stand there at all, which is quickly told, and what then makes it code."""
_DIGITS: Final = b"0123456789"
_CAPITALS: Final = bytes(range(65, 91))

TRAITS: Final = (
    "log_chars",
    "log_words",
    "chars_per_word",
    "digit_share",
    "upper_share",
    "sign_share",
    "lines_per_100_chars",
    "log_questions",
    "distinct_share",
    "log_math",
    "has_code",
    "foreign_share",
)
"""Names of the cheap traits, in the order in which a model file holds their weights."""


class Features(NamedTuple):
    """One prompt as the predictor sees it.

    Attributes:
        buckets: Distinct buckets of its words and pairs, ascending.
        traits: One number for each of `TRAITS`.
        tags: The caller's `task` and `domain`, as `task=…` and `domain=…`.
    """

    buckets: tuple[int, ...]
    traits: tuple[float, ...]
    tags: tuple[str, ...] = ()


def features_of(prompt: str, tags: tuple[str, ...] = ()) -> Features:
    """Read a prompt: at most `_HEAD_CHARS` and `_TAIL_CHARS` of it, but for its length."""
    read = prompt
    if len(prompt) > _HEAD_CHARS + _TAIL_CHARS:
        read = f"{prompt[:_HEAD_CHARS]} {prompt[-_TAIL_CHARS:]}"
    words = _words(read)
    crc32, mask = zlib.crc32, BUCKETS - 1
    codes = [crc32(word) for word in words]
    buckets = {code & mask for code in codes}
    # The code of a pair goes on from that of its first word (RFC 1952 §8).
    buckets.update(
        [
            crc32(word, crc32(b" ", code)) & mask
            for word, code in zip(words[1:], codes, strict=False)
        ]
    )
    return Features(tuple(sorted(buckets)), _traits(read, len(prompt), words), tags)


def _words(read: str) -> list[bytes]:
    """Words and single signs in lower case; a lone surrogate is a `?`."""
    if read.isascii():
        return _ASCII_TOKEN.findall(read.lower().encode())
    lower = read.lower().encode("utf-8", "replace").decode()
    return [word.encode() for word in _TOKEN.findall(lower)]


def _traits(read: str, chars: int, words: list[bytes]) -> tuple[float, ...]:
    size, count = max(len(read), 1), max(len(words), 1)
    raw = read.encode("utf-8", "replace")
    digits, capitals = _counted(read, raw)
    signs = sum(len(word) == 1 and not word.isalnum() for word in words)
    return (
        math.log1p(chars),
        math.log1p(len(words)),
        size / count,
        digits / size,
        capitals / size,
        signs / count,
        100 * read.count("\n") / size,
        math.log1p(read.count("?")),
        len(set(words)) / count,
        math.log1p(len(_MATH.findall(read))),
        1.0 if _is_code(read) else 0.0,
        (len(raw) - len(read)) / size,
    )


def _counted(read: str, raw: bytes) -> tuple[int, int]:
    """Digits and capital letters, of whatever script."""
    digits = len(raw) - len(raw.translate(None, _DIGITS))
    capitals = len(raw) - len(raw.translate(None, _CAPITALS))
    if len(raw) > len(read):
        foreign = [char for char in read if char > "\x7f"]
        digits += sum(map(str.isdigit, foreign))
        capitals += sum(map(str.isupper, foreign))
    return digits, capitals


def _is_code(read: str) -> bool:
    return any(sign in read for sign in _CODE_SIGNS) or any(
        sign in read and pattern.search(read) is not None for sign, pattern in _CODE_WORDS
    )
