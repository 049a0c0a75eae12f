"""Compile a planned schema with jsonschema-rs and put one value to it.

The only place that touches the library. Its errors quote schema and value, so none of them ever
leaves this module. It holds the interpreter lock while it runs, and its error *list* is built
eagerly (13 µs each; 11 s for a recursive `anyOf` at depth 16, measured), so only the first error
is ever asked for, and only where the process may be killed (`worker`).
"""

from collections import OrderedDict
from typing import Any, Final

import jsonschema_rs
import orjson

from transire.validate.schema import locate

__all__ = [
    "Compiled",
    "Library",
    "SchemaError",
    "compile_schema",
    "first_error",
]

PATTERN_BYTES: Final = 256 * 1024
"""Size of one compiled pattern and of its cache: `\\w{150}` fits, counted repeats of repeats do
not, and 64 patterns of that size take about 12 ms to compile (measured)."""

Compiled = jsonschema_rs.Validator


class SchemaError(Exception):
    """The library refuses the schema; it carries no text, which would be the caller's."""


def compile_schema(source: bytes) -> Compiled:
    """Compile with the linear-time pattern engine and without any way to fetch a reference.

    Raises:
        SchemaError: not a JSON Schema, or a pattern with look-around or back-references.
    """
    try:
        return jsonschema_rs.validator_for(
            orjson.loads(source),
            pattern_options=jsonschema_rs.RegexOptions(
                size_limit=PATTERN_BYTES, dfa_size_limit=PATTERN_BYTES
            ),
            offline=True,
        )
    except (ValueError, jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError):
        raise SchemaError from None


def first_error(compiled: Compiled, source: bytes, value: Any) -> str | None:
    """Where in the schema the value fails first, as `locate` writes it; None if it does not."""
    if compiled.is_valid(value):
        return None
    try:
        compiled.validate(value)
    except jsonschema_rs.ValidationError as error:
        return locate(orjson.loads(source), list(error.schema_path))
    return ""


class Library:
    """The most recently used compiled schemas, by their exact bytes."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._held: OrderedDict[bytes, Compiled] = OrderedDict()

    def get(self, source: bytes) -> Compiled:
        """Find or compile.

        Raises:
            SchemaError: as `compile_schema`.
        """
        held = self._held.get(source)
        if held is None:
            return self.add(source)
        self._held.move_to_end(source)
        return held

    def add(self, source: bytes) -> Compiled:
        """Compile in any case, and remember.

        Raises:
            SchemaError: as `compile_schema`.
        """
        compiled = compile_schema(source)
        self.put(source, compiled)
        return compiled

    def put(self, source: bytes, compiled: Compiled) -> None:
        """Remember what was compiled."""
        self._held[source] = compiled
        self._held.move_to_end(source)
        if len(self._held) > self._size:
            self._held.popitem(last=False)

    def __len__(self) -> int:
        return len(self._held)
