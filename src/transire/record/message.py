"""What a router and its log's writer process say to each other: framed JSON over one socket.

A message is eight bytes of lengths (JSON, then side data; both big-endian), the JSON, and the side
data as it is. Only these two processes, of one installation and one version, ever speak it; what
is stored has its own formats (audit/FORMAT.md).
"""

import struct
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from transire.domain.log import Change, Condition, Item
from transire.errors import (
    ConflictError,
    IntegrityError,
    LogUnavailable,
    StaleError,
    TransireError,
)

__all__ = ["Frames", "decode_item", "encode_item", "error_of", "message", "spell_error"]

_LENGTHS: Final = struct.Struct(">II")

_ERRORS: Final[Mapping[str, type[TransireError]]] = {
    kind.__name__: kind for kind in (StaleError, ConflictError, IntegrityError, LogUnavailable)
}
"""What the writer says about an item; anything else is told as `LogUnavailable`."""


class Frames:
    """Cuts a stream of bytes into messages, however the socket delivers them."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[Any, bytes]]:
        """Every message that is complete by now: its JSON and its side data."""
        buffer = self._buffer
        buffer += data
        at, size = 0, len(buffer)
        while size - at >= _LENGTHS.size:
            header, side = _LENGTHS.unpack_from(buffer, at)
            start, end = at + _LENGTHS.size, at + _LENGTHS.size + header + side
            if end > size:
                break
            yield orjson.loads(buffer[start : start + header]), bytes(buffer[start + header : end])
            at = end
        del buffer[:at]


def message(content: object, *side: bytes) -> bytes:
    """One message.

    Raises:
        TypeError: the content is not JSON (a lone surrogate, a value of another kind).
    """
    header = orjson.dumps(content)
    return b"".join((_LENGTHS.pack(len(header), sum(map(len, side))), header, *side))


def encode_item(
    number: int, item: Item, *, linger: bool, entry_id: str | None, blobs: Mapping[str, bytes]
) -> bytes:
    """An item as a message.

    Args:
        entry_id: The entry's id where the item itself has none: with it, whether an entry was
            written can be asked after the writer died.
        blobs: Those of the item's that the log does not hold yet.
    """
    content = {
        "n": number,
        "linger": linger,
        "kind": item.kind,
        "fields": item.fields,
        "id": entry_id,
        "conditions": [(c.key, c.equals, c.stale) for c in item.conditions],
        "changes": [(c.key, c.value) for c in item.changes],
        "blobs": [(digest, len(data)) for digest, data in blobs.items()],
        "disclosures": item.disclosures,
        "erases": sorted(item.erases),
    }
    return message(content, *blobs.values())


def decode_item(content: Mapping[str, Any], side: bytes) -> Item:
    """Read `encode_item` back."""
    blobs, at = {}, 0
    for digest, size in content["blobs"]:
        blobs[digest] = side[at : at + size]
        at += size
    fields = content["fields"]
    if content["id"] is not None:
        fields["id"] = content["id"]
    return Item(
        kind=content["kind"],
        fields=fields,
        conditions=tuple(
            Condition(key=key, equals=equals, stale=stale)
            for key, equals, stale in content["conditions"]
        ),
        changes=tuple(Change(key=key, value=value) for key, value in content["changes"]),
        blobs=blobs,
        disclosures=content["disclosures"],
        erases=frozenset(content["erases"]),
    )


def spell_error(error: TransireError) -> list[Any]:
    """An error as JSON: kind, message, facts."""
    return [type(error).__name__, error.message, error.facts]


def error_of(spelled: list[Any]) -> TransireError:
    """The error that was spelled."""
    kind, text, facts = spelled
    return _ERRORS.get(kind, LogUnavailable)(text, facts=facts)
