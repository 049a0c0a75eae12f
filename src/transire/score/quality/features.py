"""What the predictor reads of a prompt: hashed words and pairs of words, and twelve cheap traits.

Measured against an encoder of sentences, this is as good on prompts like those it was fitted on and
some three hundred times cheaper (research of routing; RouteLLM's MMLU responses). Neither carries
over to other kinds of prompts, so nothing fitted is shipped.

Pure and deterministic across processes and machines: CRC-32 (ISO 3309), never Python's `hash`.
"""

import math
import re
import zlib
from itertools import pairwise
from typing import Final, NamedTuple

__all__ = ["BUCKETS", "TRAITS", "Features", "features_of"]

BUCKETS: Final = 1 << 18
"""Hash buckets: at some 30,000 distinct words and pairs, one in ten shares its bucket."""

_HEAD_CHARS: Final = 3_000
_TAIL_CHARS: Final = 1_000
"""Of a longer prompt the beginning and the end are read: cost stays bounded and so does what
padding can do. The instruction stands at one of the two."""

_TOKEN: Final = re.compile(r"\w+|[^\w\s]")
_MATH: Final = re.compile(r"[=+*/^<>\\∑√∫≤≥]")
_CODE: Final = re.compile(r"```|\bdef \w|\bclass \w|\bimport \w|;\s*$|[{}]", re.MULTILINE)

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
    words = [word.encode("utf-8", "replace") for word in _TOKEN.findall(read.lower())]
    crc32, mask = zlib.crc32, BUCKETS - 1
    buckets = {crc32(word) & mask for word in words}
    buckets.update(crc32(b"%b %b" % pair) & mask for pair in pairwise(words))
    return Features(tuple(sorted(buckets)), _traits(read, len(prompt), words), tags)


def _traits(read: str, chars: int, words: list[bytes]) -> tuple[float, ...]:
    size, count = max(len(read), 1), max(len(words), 1)
    signs = sum(len(word) == 1 and not word.isalnum() for word in words)
    return (
        math.log1p(chars),
        math.log1p(len(words)),
        size / count,
        sum(map(str.isdigit, read)) / size,
        sum(map(str.isupper, read)) / size,
        signs / count,
        100 * read.count("\n") / size,
        math.log1p(read.count("?")),
        len(set(words)) / count,
        math.log1p(len(_MATH.findall(read))),
        1.0 if _CODE.search(read) else 0.0,
        (len(read.encode("utf-8", "replace")) - len(read)) / size,
    )
