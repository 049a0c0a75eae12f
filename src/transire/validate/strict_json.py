"""One JSON document in exactly one reading, or nothing.

Stricter than `json.loads`: a repeated key, `NaN`, `Infinity`, a number beyond what a double holds,
a lone surrogate and text around the document are refused, because two readers would read two
things (RFC 8259 §4, §6, §8.2; RFC 7493 §2).
"""

import json
import math
from typing import Any, Final

__all__ = ["MAX_CHARS", "NOT_JSON", "read"]

MAX_CHARS: Final = 8 * 1024 * 1024
"""Longer answers are not read; the outbound client stops there as well."""

NOT_JSON: Final = object()
"""What `read` returns for anything that is not one document; None is a document (`null`)."""


def read(text: str) -> Any:
    """The value, or `NOT_JSON`. O(n); deep nesting is refused by the parser's own limit."""
    if len(text) > MAX_CHARS:
        return NOT_JSON
    try:
        value = json.loads(
            text, object_pairs_hook=_pairs, parse_float=_finite, parse_constant=_refuse
        )
        if not text.isascii():
            text.encode()
        if "\\ud" in text or "\\uD" in text:
            # Only an escape can smuggle half a character in: writing it out shows it.
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return NOT_JSON
    return value


def _pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(items)
    if len(value) != len(items):
        raise ValueError
    return value


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError
    return number


def _refuse(_name: str) -> Any:
    raise ValueError
