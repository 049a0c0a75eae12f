"""Words that are bytes in disguise: base64 (RFC 4648 §4, §5, and folded, RFC 2045 §6.8) and hex.

A run counts only where its bytes are text; hashes, keys, ids and pictures are not, and stay what
they are. One edit for a whole run: redaction can only take it out as a whole. Pure, linear.
"""

import binascii
import re
from collections.abc import Iterator
from typing import Final

from transire.classify.views.escapes import is_writing
from transire.classify.views.view import Edit

__all__ = ["BASE64", "HEX", "LEAST", "blobs", "decoded", "hex_bytes"]

BASE64: Final = "base64"
HEX: Final = "hex"
LEAST: Final = 11
"""Characters of the shortest run: eight bytes, the shortest identifier worth hiding."""

_SET: Final = r"[A-Za-z0-9+/_-]"
_RUN: Final = re.compile(
    # Lines of one blob first: folded as mail and PEM fold it, and a last one that is shorter. A run
    # is taken whole, so that no match begins inside one.
    rf"(?:{_SET}{{40,256}}+[ \t]{{0,8}}\r?\n[ \t]{{0,8}})++{_SET}{{4,}}+={{0,2}}"
    rf"|{_SET}{{{LEAST},}}+={{0,2}}"
)
_LINE: Final = re.compile(rf"{_SET}{{{LEAST},}}+={{0,2}}")
_PART: Final = re.compile(rf"[A-Za-z0-9]{{{LEAST},}}+={{0,2}}")
"""A piece of a path or name that holds a blob: `/d/…`, `token_…`."""
_SIGN_OF_BYTES: Final = re.compile(
    r"[2-9A-Fa-f][0-9A-Fa-f][ :,-][2-9A-Fa-f][0-9A-Fa-f][ :,-][2-9A-Fa-f]"
)
"""Three bytes of text in a row: quick to look for, and no identifier has fewer."""
_BYTES: Final = re.compile(
    r"(?<![0-9A-Za-z])[0-9A-Fa-f]{2}(?:[ :,-][0-9A-Fa-f]{2}(?![0-9A-Za-z])){6,}+"
)
"""Hex with a sign between its bytes; seven at least, so that a MAC address is none."""
_INNER: Final = re.compile(r"[A-Z0-9]")
_NO_HEX: Final = re.compile("[^0-9A-Fa-f]")
_LEAST_HEX: Final = 14
_HEX: Final = re.compile(r"(?:0[xX])?((?:[0-9A-Fa-f]{2})+)")
_FOLDS: Final = str.maketrans("-_", "+/", " \t\r\n=")
_LEAST_TEXT: Final = 7
_MOST_NOISE: Final = 0.15
"""Share of bytes that may be none of printable ASCII, so that one odd byte hides nothing; eight
random bytes pass once in a hundred, sixteen once in twenty thousand, and reveal nothing then."""
_PRINTABLE: Final = bytes([*range(0x20, 0x7F), 9, 10, 13])


def blobs(text: str) -> list[Edit]:
    """Every run of base64 or hex that decodes to text."""
    return [edit for match in _RUN.finditer(text) for edit in _in_run(match)]


def hex_bytes(text: str) -> list[Edit]:
    """Hex with a blank or sign between the bytes, as dumps print it."""
    if _SIGN_OF_BYTES.search(text) is None:
        return []
    return [
        Edit(match.start(), match.end(), plain, HEX)
        for match in _BYTES.finditer(text)
        if (plain := _readable(bytes.fromhex(_NO_HEX.sub("", match.group())))) is not None
    ]


def decoded(word: str) -> tuple[str, str] | None:
    """What a run says and in which encoding; None where its bytes are no text."""
    if len(word) >= _LEAST_HEX and (match := _HEX.fullmatch(word)) is not None:
        plain = _readable(bytes.fromhex(match[1]))
        if plain is not None:
            return plain, HEX
    bare = word.translate(_FOLDS)
    # A stray character at the end is no reason to give up on the rest.
    bare = bare[:-1] if len(bare) % 4 == 1 else bare
    try:
        raw = binascii.a2b_base64(bare + "=" * (-len(bare) % 4))
    except binascii.Error:
        return None
    plain = _readable(raw)
    return None if plain is None else (plain, BASE64)


def _in_run(match: re.Match[str]) -> Iterator[Edit]:
    """The run as a whole, or else its lines, or else their parts."""
    found = match.group()
    if _INNER.search(found, 1) is None:  # an ordinary word; no mail address or number looks so
        return
    at = match.start()
    if (whole := decoded(found)) is not None:
        yield Edit(at, match.end(), *whole)
        return
    if found.rstrip("=").isalnum():
        return
    for line in _LINE.finditer(found):
        low, high = at + line.start(), at + line.end()
        if line.group() != found and (read := decoded(line.group())) is not None:
            yield Edit(low, high, *read)
            continue
        for part in _PART.finditer(line.group()):
            if part.group() != line.group() and (read := decoded(part.group())) is not None:
                yield Edit(low + part.start(), low + part.end(), *read)


def _readable(raw: bytes) -> str | None:
    """Bytes as text: UTF-8, the ASCII of UTF-16, or ASCII with a little noise; else None."""
    if len(raw) < _LEAST_TEXT:
        return None
    if len(raw) >= 2 * _LEAST_TEXT and not any(raw[1::2]):
        raw = raw[::2]
    noise = len(raw.translate(None, _PRINTABLE))
    if not noise:
        return raw.decode("ascii")
    try:
        plain = raw.decode()
    except UnicodeDecodeError:
        plain = ""
    if plain:
        strange = sum(not is_writing(c) for c in plain)
        if strange <= len(plain) * _MOST_NOISE:
            return plain
    return raw.decode("ascii", "replace") if noise <= len(raw) * _MOST_NOISE else None
