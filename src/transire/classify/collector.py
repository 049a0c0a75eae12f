"""What normalisation gathers while it walks a body: parts, facts, and what was left out."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from transire.classify.fields import LEFT_OUT, Field, Kind
from transire.domain.request import Part, PartKind, Pointer, path_of
from transire.errors import RequestError, TooLargeError

__all__ = ["MAX_PARTS", "Collector"]

MAX_PARTS: Final = 16_384
"""Of one request: four times as many as messages. Each costs some 50 µs to read, however short."""

_MAX_NAMED: Final = 64
"""Left-out fields that are named; an entry has room for these."""
_UNSPELLED: Final = "(unnamed)"
"""Stands for a name that is no identifier. INVARIANT: ASCII, since names go into a header too."""


class Collector:
    """Mutable while one body is read, then thrown away.

    Args:
        omits_unknown: Leave unknown fields out and name them, instead of refusing.
    """

    def __init__(self, *, omits_unknown: bool) -> None:
        self.parts: list[Part] = []
        self.capabilities: set[str] = set()
        self.asked_by: list[str] = []
        self.needs: set[str] = set()
        self.ignored: list[str] = []
        self.carried: list[tuple[Pointer, str]] = []
        self._omits_unknown = omits_unknown

    def text(self, pointer: Pointer, text: str, role: str, kind: PartKind = PartKind.TEXT) -> None:
        """Note one content string that can be replaced in place."""
        if text:
            self._add(Part(pointer=pointer, kind=kind, text=text, role=role))

    def schema(self, pointer: Pointer, value: Any, role: str = "request") -> None:
        """Note structured content: keys and values are read, but cannot be replaced in place."""
        text = orjson.dumps(value).decode()
        self._add(
            Part(pointer=pointer, kind=PartKind.SCHEMA, text=text, role=role, is_redactable=False)
        )

    def opaque(self, pointer: Pointer, kind: PartKind, media_type: str, role: str) -> None:
        """Note content nobody here can read: an image, audio, a file."""
        self._add(Part(pointer=pointer, kind=kind, text=media_type, role=role, is_redactable=False))

    def _add(self, part: Part) -> None:
        if len(self.parts) >= MAX_PARTS:
            raise TooLargeError(
                f"a request may hold {MAX_PARTS} texts (contents, parts, names, ids, arguments); "
                "join short ones or send fewer messages",
                param="messages",
            )
        self.parts.append(part)

    def known(
        self, fields: Mapping[str, Any], table: Mapping[str, Field], pointer: Pointer
    ) -> dict[str, Any]:
        """The fields of one level that stand in its table and are not null, checked.

        Egress-changing ones become facts. Unknown ones are refused or named; so is what is left
        out.
        """
        kept: dict[str, Any] = {}
        for name, value in fields.items():
            row = table.get(name)
            if row is None:
                self.unknown(pointer, name)
            elif value is not None:
                if not row.check(value):
                    where = path_of((*pointer, name))
                    raise RequestError(f"`{where}` must be {row.expects}", param=where)
                if row.kind is Kind.EGRESS and (capability := row.egress(value)):
                    self.egress((*pointer, name), capability)
                kept[name] = value
                if name in LEFT_OUT:
                    self._leave_out(path_of((*pointer, name)))
        return kept

    def egress(self, pointer: Pointer, capability: str) -> None:
        """Note a field that changes what leaves: a fact for policy, with its place for the caller.

        Args:
            pointer: Known names and positions alone, never a name of the caller's.
        """
        self.capabilities.add(capability)
        if len(self.asked_by) < _MAX_NAMED and (where := path_of(pointer)) not in self.asked_by:
            self.asked_by.append(where)

    def unknown(self, pointer: Pointer, name: str) -> None:
        """A field we do not know: its name is echoed only as far as it is a plain identifier."""
        spelled = name if name.isidentifier() and name.isascii() and len(name) <= 64 else _UNSPELLED
        where = path_of((*pointer, spelled))
        if not self._omits_unknown:
            raise RequestError(
                f"`{where}` is not a field this router knows; remove it, or set "
                "`unknown_fields: omit` for the application",
                param=where,
            )
        self._leave_out(where)

    def _leave_out(self, where: str) -> None:
        if len(self.ignored) < _MAX_NAMED:
            self.ignored.append(where)
