"""What a router and its log's writer process say to each other: framed JSON over one socket.

A frame is a number, two lengths (JSON, then side data; all big-endian), the JSON, and the side data
as it is. Items are numbered from 1; everything else has the number 0. The number stands outside the
JSON, so that an item nobody can read is still known by it, and fails alone.

Only these two processes, of one installation and one version, ever speak it; what is stored has its
own formats (audit/FORMAT.md).
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from transire.domain.budget import Spend
from transire.domain.log import Change, Condition, Item
from transire.errors import (
    BudgetExceeded,
    ConflictError,
    IntegrityError,
    LogUnavailable,
    StaleError,
    TransireError,
)

__all__ = [
    "Frame",
    "Frames",
    "decode_item",
    "encode_item",
    "error_of",
    "frame",
    "message",
    "spell_error",
]

_HEAD: Final = struct.Struct(">QII")
_OPTIONS: Final = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
"""What an entry refuses must not become text on its way there (`entry`)."""

_ERRORS: Final[Mapping[str, type[TransireError]]] = {
    kind.__name__: kind
    for kind in (StaleError, ConflictError, BudgetExceeded, IntegrityError, LogUnavailable)
}
"""What the writer says about an item; anything else is told as `LogUnavailable`."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as it came; nobody has looked at the JSON yet."""

    number: int
    content: bytes
    side: bytes

    def read(self) -> Any:
        """The JSON.

        Raises:
            IntegrityError: it is none.
        """
        try:
            return orjson.loads(self.content)
        except orjson.JSONDecodeError:
            raise IntegrityError("a message to or from the log's writer is not JSON") from None


class Frames:
    """Cuts a stream of bytes into frames, however the socket delivers them."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Every frame that is complete by now."""
        buffer = self._buffer
        buffer += data
        at, size = 0, len(buffer)
        while size - at >= _HEAD.size:
            number, content, side = _HEAD.unpack_from(buffer, at)
            start = at + _HEAD.size
            middle, end = start + content, start + content + side
            if end > size:
                break
            yield Frame(number, bytes(buffer[start:middle]), bytes(buffer[middle:end]))
            at = end
        del buffer[:at]


def frame(number: int, content: bytes, *side: bytes) -> bytes:
    """One frame, on its way."""
    head = _HEAD.pack(number, len(content), sum(map(len, side)))
    return b"".join((head, content, *side))


def message(content: object) -> bytes:
    """A frame that is no item.

    Raises:
        TypeError: the content is not JSON (a lone surrogate, a value of another kind).
    """
    return frame(0, orjson.dumps(content, option=_OPTIONS))


def encode_item(
    number: int, item: Item, *, linger: bool, entry_id: str | None, blobs: Mapping[str, bytes]
) -> bytes:
    """An item as a frame.

    Args:
        number: 1 or more.
        entry_id: The entry's id where the item itself has none: with it, whether an entry was
            written can be asked after the writer died.
        blobs: Those of the item's that the log does not hold yet.

    Raises:
        TypeError: as `message`.
    """
    content = {
        "linger": linger,
        "kind": item.kind,
        "fields": item.fields,
        "id": entry_id,
        "conditions": [(c.key, c.equals, c.stale) for c in item.conditions],
        "changes": [(c.key, c.value) for c in item.changes],
        "blobs": [(digest, len(data)) for digest, data in blobs.items()],
        "disclosures": item.disclosures,
        "erases": sorted(item.erases),
        "spends": [
            (s.budget, s.key, s.period, s.micro_usd, s.limit_micro_usd) for s in item.spends
        ],
        "since": None if item.since is None else item.since.isoformat(),
        "until": None if item.until is None else item.until.isoformat(),
    }
    return frame(number, orjson.dumps(content, option=_OPTIONS), *blobs.values())


def decode_item(received: Frame) -> tuple[Item, bool]:
    """Read `encode_item` back: the item, and whether it lingers.

    Raises:
        IntegrityError: it is no item; whoever sent it must hear so, and nobody else.
    """
    try:
        content = received.read()
        return _item_of(content, received.side), bool(content["linger"])
    except (LookupError, TypeError, ValueError, AttributeError):
        raise IntegrityError("the log's writer cannot read this item") from None


def _item_of(content: Mapping[str, Any], side: bytes) -> Item:
    fields = dict(content["fields"])
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
        blobs=_blobs_of(content["blobs"], side),
        disclosures=dict(content["disclosures"]),
        erases=frozenset(content["erases"]),
        spends=tuple(
            Spend(budget=budget, key=key, period=period, micro_usd=amount, limit_micro_usd=limit)
            for budget, key, period, amount, limit in content["spends"]
        ),
        since=_moment_of(content["since"]),
        until=_moment_of(content["until"]),
    )


def _moment_of(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _blobs_of(sizes: list[tuple[str, int]], side: bytes) -> dict[str, bytes]:
    blobs, at = {}, 0
    for digest, size in sizes:
        blobs[digest] = side[at : at + size]
        at += size
    if at != len(side):
        raise ValueError("side data is longer or shorter than it says")
    return blobs


def spell_error(error: TransireError) -> list[Any]:
    """An error as JSON: kind, message, facts."""
    return [type(error).__name__, error.message, error.facts]


def error_of(spelled: list[Any]) -> TransireError:
    """The error that was spelled."""
    kind, text, facts = spelled
    return _ERRORS.get(kind, LogUnavailable)(text, facts=facts)
