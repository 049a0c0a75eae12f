"""Characters set apart, and addresses written in words. Pure, linear.

`4 1 1 1 …`, `b.o.b.@…`, `bob [at] acme [dot] com`. A row of single digits is far more often a table
than a card, so what stands in one counts only where a checksum or a shape proves it (`PROVEN`).
"""

import re
from collections.abc import Iterator
from typing import Final

from transire.classify.views.view import Edit

__all__ = ["MAIL_WORDS", "PROVEN", "SPACED", "spaced", "spelled"]

SPACED: Final = "spaced"
MAIL_WORDS: Final = "words"
PROVEN: Final = {
    "CREDIT_CARD": 100,
    "CRYPTO": 100,
    "EMAIL_ADDRESS": 100,
    "IBAN_CODE": 100,
    "IP_ADDRESS": 60,
    "PHONE_NUMBER": 75,
    "SECRET": 100,
    "US_SSN": 50,
}
"""Entity → the least score in percent that a hit in a spaced run must have. A number of social
security reaches it only with its dashes, a telephone number with its plus or a word."""

_RUN: Final = re.compile(
    r"(?<!\w)[\w+](?:([ ._,;|*/-])[\w@.:+ -](?![^\W_]))(?:\1[\w@.:+ -](?![^\W_])){6,}+"
)
_AT: Final = r"(?:\s?[\[({<]\s?(?:at|@)\s?[\])}>]\s?|\s(?:at|@)\s)"
_DOT: Final = r"(?:\s?[\[({<]\s?(?:dot|punkt|\.)\s?[\])}>]\s?|\s(?:dot|punkt)\s|\.)"
_SPELLED: Final = re.compile(
    rf"(?i)(?<![\w.+-])[\w.+-]{{1,64}}+(?P<at>{_AT})(?P<host>[\w-]{{1,63}}+)(?P<dots>(?:{_DOT}[\w-]{{1,63}}+){{1,4}})"
)
_NO_HOST: Final = frozenset(
    [
        "the",
        "a",
        "an",
        "this",
        "that",
        "our",
        "your",
        "my",
        "his",
        "her",
        "their",
        "each",
        "every",
        "der",
        "die",
        "das",
    ]
)
"""Words after `at` that begin no host name: `at the dot`."""
_DOTS: Final = re.compile(rf"(?i){_DOT}")


def spaced(text: str) -> list[Edit]:
    """Runs of eight or more single characters with one sign between them, pulled together."""
    return [
        Edit(match.start(), match.end(), match.group()[::2], SPACED)
        for match in _RUN.finditer(text)
    ]


def spelled(text: str) -> list[Edit]:
    """Mail addresses whose `@` and dots are words or stand in brackets."""
    return [edit for match in _SPELLED.finditer(text) for edit in _signs(match)]


def _signs(match: re.Match[str]) -> Iterator[Edit]:
    if match.group("host").lower() in _NO_HOST:
        return
    dots = list(_DOTS.finditer(match.group("dots")))
    # `meet at noon.Then` has a bare dot only: without a bracket or a spelled dot it is prose.
    if not any(mark in match.group("at") for mark in "[({<") and all(
        d.group() == "." for d in dots
    ):
        return
    yield Edit(match.start("at"), match.end("at"), "@", MAIL_WORDS)
    base = match.start("dots")
    for dot in dots:
        if dot.group() != ".":
            yield Edit(base + dot.start(), base + dot.end(), ".", MAIL_WORDS)
