"""The bytes of an entry: a restricted JSON profile whose orjson output equals RFC 8785.

Profile `audit/1`: one JSON object; keys match `[a-z][a-z0-9_]*` at every level and are sorted;
integers within ±(2^53−1); no floats; strings without lone surrogates; at most 60 KiB in all
(c2sp.org/tlog-tiles bounds an entry at 65,535 bytes) and 254 levels deep (orjson's own bound).
Under the profile, sorting by code point equals RFC 8785's sorting by UTF-16 code unit, because keys
are ASCII. Verifiers hash the stored bytes; nothing is ever re-serialised to be checked.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from transire.domain.request import JsonValue
from transire.errors import IntegrityError

__all__ = ["MAX_ENTRY_BYTES", "REQUIRED", "decode_entry", "encode_entry"]

MAX_ENTRY_BYTES: Final = 60 * 1024
REQUIRED: Final = frozenset({"v", "kind", "id", "ts", "salt", "replica", "boot"})
"""What the log adds to every entry."""

_KEY: Final = re.compile(r"[a-z][a-z0-9_]*")
_SCALARS: Final = frozenset({str, int, bool, type(None)})
_OPTIONS: Final = (
    orjson.OPT_SORT_KEYS
    | orjson.OPT_STRICT_INTEGER  # ±(2^53−1)
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
)
_MAX_KNOWN_KEYS: Final = 4_096

_known_keys: set[str] = set()
"""Keys seen to match the grammar. A cache alone: most entries repeat the same hundred keys, and
judging them as one set operation makes the check ten times cheaper than a regex over each."""


def encode_entry(fields: Mapping[str, JsonValue]) -> bytes:
    """The exact leaf bytes of an entry.

    Raises:
        IntegrityError: the fields leave the profile; the message names the path, never a value.
    """
    if not _is_within(fields):
        raise IntegrityError(_explain(fields))
    try:
        data = orjson.dumps(fields, option=_OPTIONS)
    except TypeError:  # a lone surrogate, an integer beyond 53 bits, or too many levels
        raise IntegrityError("an entry holds what the profile cannot spell") from None
    if len(data) > MAX_ENTRY_BYTES:
        raise IntegrityError(f"an entry may have {MAX_ENTRY_BYTES} bytes, this one has {len(data)}")
    return data


def decode_entry(data: bytes) -> dict[str, JsonValue]:
    """Read leaf bytes back, accepting exactly the one spelling `encode_entry` makes.

    Raises:
        IntegrityError: the bytes are not an entry under the profile.
    """
    if len(data) > MAX_ENTRY_BYTES:
        raise IntegrityError(f"an entry may have {MAX_ENTRY_BYTES} bytes, this one has {len(data)}")
    try:
        fields = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise IntegrityError("an entry is not JSON") from None
    if not isinstance(fields, dict) or encode_entry(fields) != data:
        raise IntegrityError("an entry is not in its one canonical spelling")
    return fields


def _is_within(fields: Mapping[str, JsonValue]) -> bool:
    """Whether keys and types keep to the profile; numbers, text and depth are orjson's to judge.

    One flat loop, because a call per value costs more than everything else the log does.
    """
    queue: list[Any] = [fields]  # Any: `type(…) is` narrows nothing, and isinstance costs twice
    for value in queue:  # grows while it is read
        kind = type(value)
        if kind is dict:
            if not _known_keys.issuperset(value) and not all(map(_is_key, value)):
                return False
            queue.extend([v for v in value.values() if type(v) not in _SCALARS])
        elif kind is list or kind is tuple:
            if not _SCALARS.issuperset(map(type, value)):
                queue.extend(value)
        elif kind not in _SCALARS and not isinstance(value, str):  # a StrEnum spells as its text
            return False
    return True


def _is_key(key: object) -> bool:
    if key in _known_keys:
        return True
    if type(key) is not str or _KEY.fullmatch(key) is None:
        return False
    if len(_known_keys) < _MAX_KNOWN_KEYS:
        _known_keys.add(key)
    return True


def _explain(fields: Mapping[str, JsonValue]) -> str:
    """Which place leaves the profile; runs only once something does."""
    queue: list[tuple[str, object]] = [("entry", fields)]
    for path, value in queue:
        if type(value) is dict:
            if not all(map(_is_key, value)):
                return f"a key in `{path}` is not of the profile"
            queue.extend((f"{path}.{key}", inner) for key, inner in value.items())
        elif type(value) is list or type(value) is tuple:
            queue.extend((f"{path}[]", inner) for inner in value)
        elif type(value) not in _SCALARS and not isinstance(value, str):
            return f"`{path}` has a type the profile does not allow"
    return "an entry leaves the profile"
