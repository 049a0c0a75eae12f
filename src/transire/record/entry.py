"""The bytes of an entry: a restricted JSON profile whose orjson output equals RFC 8785.

Profile `audit/1`: one JSON object; keys match `[a-z][a-z0-9_]*` at every level and are sorted;
integers within ±(2^53−1); no floats; strings without lone surrogates; at most 60 KiB in all
(c2sp.org/tlog-tiles bounds an entry at 65,535 bytes). Under the profile, sorting by code point
equals RFC 8785's sorting by UTF-16 code unit, because keys are ASCII. Verifiers hash the stored
bytes; nothing is ever re-serialised to be checked.
"""

import re
from collections.abc import Mapping
from typing import Final

import orjson

from transire.domain.request import JsonValue
from transire.errors import IntegrityError

__all__ = ["MAX_ENTRY_BYTES", "decode_entry", "encode_entry"]

MAX_ENTRY_BYTES: Final = 60 * 1024
_MAX_INTEGER: Final = 2**53 - 1
_KEY: Final = re.compile(r"[a-z][a-z0-9_]*")
_MAX_DEPTH: Final = 12
_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_PLAIN_KEY: Final = re.compile(rb'(?<=[{,])"[a-z][a-z0-9_]*":')
_ODD_NUMBER: Final = re.compile(rb"\d[.eE]|\d{16}|\[{13}|\{{13}")
"""A float, an integer near the bound, or nesting worth a closer look."""


def encode_entry(fields: Mapping[str, JsonValue]) -> bytes:
    """The exact leaf bytes of an entry.

    Raises:
        IntegrityError: the fields leave the profile; the message names the path, never a value.
    """
    try:
        data = orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        raise IntegrityError("an entry holds what JSON cannot spell") from None
    if not _is_plain(data):
        _check(fields, "entry", 0)
    if len(data) > MAX_ENTRY_BYTES:
        raise IntegrityError(f"an entry may have {MAX_ENTRY_BYTES} bytes, this one has {len(data)}")
    return data


def decode_entry(data: bytes) -> dict[str, JsonValue]:
    """Read leaf bytes back, accepting exactly the one spelling `encode_entry` makes.

    Raises:
        IntegrityError: the bytes are not an entry under the profile.
    """
    try:
        fields = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise IntegrityError("an entry is not JSON") from None
    if not isinstance(fields, dict) or encode_entry(fields) != data:
        raise IntegrityError("an entry is not in its one canonical spelling")
    return fields


def _is_plain(data: bytes) -> bool:
    """A quick look at the bytes: True proves the profile, False proves nothing.

    Inside a JSON string a quote is always escaped, so `{"` and `,"` open a string, and what is left
    once strings are taken out is structure and numbers alone.
    """
    bare = _STRING.sub(b"s", data)
    keys = len(_PLAIN_KEY.findall(data))
    return keys == bare.count(b"s:") and _ODD_NUMBER.search(bare) is None


def _check(value: object, path: str, depth: int) -> None:
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return  # orjson itself refuses lone surrogates
    if kind is int:
        if not -_MAX_INTEGER <= value <= _MAX_INTEGER:  # type: ignore[operator] # kind says int
            raise IntegrityError(f"`{path}` is outside ±(2^53−1)")
        return
    if depth >= _MAX_DEPTH:
        raise IntegrityError(f"`{path}` is nested deeper than {_MAX_DEPTH}")
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not _KEY.fullmatch(key):
                raise IntegrityError(f"a key in `{path}` is not of the profile")
            _check(inner, f"{path}.{key}", depth + 1)
        return
    if isinstance(value, list | tuple):
        for inner in value:
            _check(inner, f"{path}[]", depth + 1)
        return
    raise IntegrityError(f"`{path}` has a type the profile does not allow")
