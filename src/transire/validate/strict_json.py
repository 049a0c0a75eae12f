"""One JSON document in exactly one reading, or nothing.

Stricter than `json.loads`: a repeated key, `NaN`, `Infinity` and text around the document are
refused, because two readers would read two things (RFC 8259 §4, §6).
"""

import json
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
        return json.loads(text, object_pairs_hook=_pairs, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return NOT_JSON


def _pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(items)
    if len(value) != len(items):
        raise ValueError
    return value


def _refuse(_name: str) -> Any:
    raise ValueError
