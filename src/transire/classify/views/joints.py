"""Values broken by a line's end, or glued to what stands beside them. Pure, linear.

`536-9⏎0-4399`, `_4111_1111_1111_1111_`, `x536-90-4399y`. Numbers stand below one another and beside
letters in every table and program, so what is read this way counts only where a checksum or a shape
proves it (`spaced.PROVEN`).
"""

import re
from collections.abc import Iterator
from typing import Final

from transire.classify.views.view import Edit

__all__ = ["BROKEN", "GLUED", "broken", "glued"]

BROKEN: Final = "broken"
GLUED: Final = "glued"

_BREAK: Final = re.compile(
    r"(?<=[\d.+:-])[ \t]{0,3}\r?\n[ \t]{0,8}(?=[\d.:-])|(?<=[A-Z]\d\d)\r?\n(?=\d)"
)
_WHOLE_LINE: Final = re.compile(r"[\s\d.,;:+-]*")
_MOST_BEFORE: Final = 80
"""Characters before a break in which its line must hold a word, or it is one line of a table."""
_LOW: Final = re.compile(r"_(?=[\d+])|(?<=\d)_|(?<![A-Za-z0-9])_(?=[A-Z]{2}\d\d)")
_VALUE: Final = re.compile(r"\d{3}-\d{2}-\d{4}|\+\d[\d ().-]{6,18}\d|[A-Z]{2}\d\d[A-Z\d]{11,30}")
"""Numbers of social security, telephones, accounts: shapes that letters around them hide."""


def broken(text: str) -> list[Edit]:
    """Line ends inside a value; not those of a table of numbers."""
    return [
        Edit(match.start(), match.end(), "", BROKEN)
        for match in _BREAK.finditer(text)
        if not _is_table(text, match.start())
    ]


def _is_table(text: str, at: int) -> bool:
    low = max(text.rfind("\n", max(0, at - _MOST_BEFORE), at) + 1, at - _MOST_BEFORE, 0)
    return _WHOLE_LINE.fullmatch(text, low, at) is not None


def glued(text: str) -> list[Edit]:
    """Low lines in place of signs, and letters right before or after a number."""
    return sorted({*_low_lines(text), *_letters(text)})


def _low_lines(text: str) -> Iterator[Edit]:
    if "_" not in text:
        return
    for match in _LOW.finditer(text):
        start, end = match.span()
        is_inside = text[start - 1 : start].isdigit() and text[end : end + 1].isdigit()
        yield Edit(start, end, "-" if is_inside else " ", GLUED)


def _letters(text: str) -> Iterator[Edit]:
    for match in _VALUE.finditer(text):
        for at in (match.start() - 1, match.end()):
            if text[max(at, 0) : at + 1].isalpha():
                yield Edit(at, at + 1, " ", GLUED)
