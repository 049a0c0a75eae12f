"""Server-sent events, read incrementally (WHATWG HTML §9.2.6), bounded. Pure.

Only `data` matters in chat streams; comments, ids and event names are skipped. Lines may end in
LF, CR LF or CR, and pieces may be cut anywhere, inside a code point included.
"""

from collections.abc import Iterator
from typing import Final

__all__ = ["EventTooLargeError", "SseReader"]

_MAX_EVENT_BYTES: Final = 4 * 1024 * 1024


class EventTooLargeError(Exception):
    """One event passed the bound."""


class SseReader:
    """Feeds on bytes, yields the data of complete events."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The data of every event this piece completes.

        Raises:
            EventTooLargeError: an event or line grows past the bound.
        """
        is_open = not self._buffer.endswith(b"\r") and b"\n" not in piece and b"\r" not in piece
        self._buffer += piece
        if len(self._buffer) + self._size > _MAX_EVENT_BYTES:
            raise EventTooLargeError
        if is_open:  # a long line in small pieces is put together once, not once a piece
            return
        # A trailing CR may be half of a CR LF: it waits for the next piece.
        end = len(self._buffer) - (1 if self._buffer.endswith(b"\r") else 0)
        complete = bytes(self._buffer[:end]).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        head, newline, tail = complete.rpartition(b"\n")
        if not newline:
            return
        rest = self._buffer[end:]
        self._buffer = bytearray(tail) + rest
        for line in head.split(b"\n"):
            if line:
                self._take(line)
            elif self._data:
                yield self._event()

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            value = value.removeprefix(b" ")
            self._size += len(value)
            self._data.append(value)

    def _event(self) -> bytes:
        event = b"\n".join(self._data)
        self._data.clear()
        self._size = 0
        return event
