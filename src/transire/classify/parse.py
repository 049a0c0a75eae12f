"""Bytes to JSON, strictly: one meaning per document, bounded, and no echo of content.

Refused: anything but UTF-8, duplicate keys (parsers disagree on which one counts, and a policy
bypass lives in that gap), `NaN` and `Infinity`, lone surrogates, deep nesting, too many values.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from transire.domain.request import JsonValue
from transire.errors import RequestError, TooLargeError

__all__ = ["MAX_BODY_BYTES", "parse_body"]

MAX_BODY_BYTES: Final = 8 * 1024 * 1024
"""Default bound on a request body; images travel inside it as data URLs."""
_MAX_DEPTH: Final = 64
_MAX_VALUES: Final = 200_000
_BLANK_BEFORE_COLON: Final = re.compile(rb'"[ \t\r\n]+:')


def parse_body(raw: bytes, *, max_bytes: int = MAX_BODY_BYTES) -> Mapping[str, JsonValue]:
    """Parse a request body into a JSON object.

    Raises:
        TooLargeError: too many bytes, values or levels; the message says the bound.
        RequestError: not a JSON object in one reading.
    """
    if len(raw) > max_bytes:
        raise TooLargeError(f"the body may have {max_bytes} bytes")
    try:
        # orjson is strict about UTF-8, surrogates, NaN and trailing bytes, and fast.
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        if "depth" in error.msg:
            raise TooLargeError(f"the body may be nested {_MAX_DEPTH} levels deep") from None
        raise RequestError(
            f"the body is not JSON (line {error.lineno}, column {error.colno})"
        ) from None
    if not isinstance(document, dict):
        raise RequestError("the body must be a JSON object")
    keys = _measure(document)
    # orjson keeps the last of two equal keys. Where no blank stands before a colon, every key has
    # exactly one `":` in the bytes, so an equal count proves that none was dropped; only
    # otherwise is the slow, exact check worth its time.
    if _BLANK_BEFORE_COLON.search(raw) or raw.count(b'":') != keys:
        _refuse_duplicates(raw)
    return document


def _measure(document: dict[str, Any]) -> int:
    """Count keys, bounding depth and number of values."""
    keys = values = 0
    level: list[Any] = [document]
    for _ in range(_MAX_DEPTH):
        following: list[Any] = []
        for node in level:
            if type(node) is dict:
                keys += len(node)
                following += node.values()
            elif type(node) is list:
                following += node
        values += len(following)
        if values > _MAX_VALUES:
            raise TooLargeError(f"the body may hold {_MAX_VALUES} values")
        if not following:
            return keys
        level = following
    raise TooLargeError(f"the body may be nested {_MAX_DEPTH} levels deep")


def _refuse_duplicates(raw: bytes) -> None:
    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        seen = dict(items)
        if len(seen) != len(items):
            raise RequestError("the body holds the same key twice in one object")
        return seen

    json.loads(raw, object_pairs_hook=pairs)
