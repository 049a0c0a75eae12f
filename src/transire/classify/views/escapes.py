"""Characters written by their numbers or names: one edit for each. Pure, linear.

Percent-encoding (RFC 3986 §2.1), character references (HTML §13.5), escapes of JSON (RFC 8259 §7)
and of programming languages, and quoted-printable (RFC 2045 §6.7).
"""

import html
import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from transire.classify.views.view import Edit

__all__ = [
    "HTML",
    "PERCENT",
    "QUOTED_PRINTABLE",
    "UNICODE_ESCAPE",
    "escaped",
    "is_writing",
    "quoted",
]

PERCENT: Final = "percent"
HTML: Final = "html"
UNICODE_ESCAPE: Final = "escape"
QUOTED_PRINTABLE: Final = "quoted-printable"

_PERCENT_RUN: Final = re.compile(r"(?:%(?:25)*[0-9A-Fa-f]{2})+")
_PERCENT: Final = re.compile(r"%(?:25)*([0-9A-Fa-f]{2})")
_REFERENCE: Final = re.compile(
    r"&(?:amp;)*((?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});?)"
)
"""Escaped escapes (`%2541`, `&amp;#65;`, `\\\\u0041`) are read at once: they come from documents
inside documents, and would use up the depth that real disguises are allowed."""
_ESCAPE: Final = re.compile(
    r"(?<!\\)\\++(u[dD][89abAB][0-9A-Fa-f]{2}\\++u[dD][c-fC-F][0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}"
    r"|x[0-9A-Fa-f]{2}|U[0-9A-Fa-f]{8}|u\{[0-9A-Fa-f]{1,6}\}|[0-3][0-7]{2}"
    r"|[nrt](?=[\w+@-])|[\"'/])"
)
_BLANKS: Final = {"n": "\n", "r": "\r", "t": "\t"}
_QUOTED: Final = re.compile(r"=([0-9A-F]{2})")
_QUOTED_RUN: Final = re.compile(r"(?:=[0-9A-F]{2})+|=[ \t]{0,8}\r?\n")
_LAST_CODE: Final = 0x10FFFF


def escaped(text: str) -> list[Edit]:
    """Percent-encoding, character references and backslash escapes; their syntaxes are disjoint."""
    edits: list[Edit] = []
    if "%" in text:
        for match in _PERCENT_RUN.finditer(text):
            edits += _bytes(match, _PERCENT, PERCENT)
    if "&" in text:
        edits += _references(text)
    if "\\" in text:
        edits += _backslashes(text)
    edits.sort()
    return edits


def quoted(text: str) -> list[Edit]:
    """Quoted-printable, apart from the others: its soft line break is also base64's padding."""
    if "=" not in text:
        return []
    edits: list[Edit] = []
    for match in _QUOTED_RUN.finditer(text):
        if match.group()[-1] == "\n":
            edits.append(Edit(match.start(), match.end(), "", QUOTED_PRINTABLE))
        else:
            edits += _bytes(match, _QUOTED, QUOTED_PRINTABLE)
    return edits


def _bytes(run: re.Match[str], one: re.Pattern[str], via: str) -> Iterator[Edit]:
    """One edit a character; bytes that are no UTF-8 or no text are left as they stand."""
    units = list(one.finditer(run.string, *run.span()))
    raw = bytes(int(unit[1], 16) for unit in units)
    at = 0
    for character in raw.decode(errors="surrogateescape"):
        size = 1 if "\udc80" <= character <= "\udcff" else len(character.encode())
        if is_writing(character):
            yield Edit(units[at].start(), units[at + size - 1].end(), character, via)
        at += size


def is_writing(character: str) -> bool:
    """Whether a character belongs in a text: shown, a blank, or an invisible one (`Cf`)."""
    if character.isprintable() or character in "\t\r\n":
        return True
    return unicodedata.category(character) in ("Cf", "Zs", "Zl", "Zp")


def _references(text: str) -> Iterator[Edit]:
    for match in _REFERENCE.finditer(text):
        written = f"&{match[1]}"
        plain = html.unescape(written)
        if plain != written:
            yield Edit(match.start(), match.end(), plain, HTML)


def _backslashes(text: str) -> Iterator[Edit]:
    for match in _ESCAPE.finditer(text):
        plain = _unescaped(match[1])
        if plain is not None:
            yield Edit(match.start(), match.end(), plain, UNICODE_ESCAPE)


def _unescaped(found: str) -> str | None:
    kind, rest = found[0], found[1:]
    if kind in _BLANKS:
        return _BLANKS[kind]
    if kind in "\"'/":
        return kind
    if kind in "0123":
        return chr(int(found, 8))
    if "\\" in rest:  # two halves of one character beyond the first plane
        return bytes.fromhex(rest[:4] + rest[-4:]).decode("utf-16-be")
    code = int(rest.strip("{}"), 16)
    return chr(code) if code <= _LAST_CODE else None
