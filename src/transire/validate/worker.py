"""The child process in which a schema may take as long as it likes, until it is killed.

Reads frames from standard input and answers each on standard output; the parent's closing its end
is the order to leave. A request frame is `<u32 schema size><u32 text size>` (big-endian), then
both; a text size of `ONLY_COMPILE` asks whether the schema compiles. The answer is one frame of
JSON: `{"state": "valid" | "invalid" | "not_json" | "bad_schema", "at": …, "is_object": …}`.
A schema size of `ONLY_REPAIR` brings no schema and asks how the text's syntax is repaired; the
answer is `{"edits": [[start, end, new, rule], …] | null}`.

It is started without environment, so it holds no secret, and with a bound on memory.
"""

import resource
import struct
import sys
from typing import Any, BinaryIO, Final

import orjson

from transire.validate.compiled import Library, SchemaError, first_error
from transire.validate.repair import repair
from transire.validate.strict_json import NOT_JSON, read

__all__ = ["HEADER", "ONLY_COMPILE", "ONLY_REPAIR", "SIZE", "main", "serve"]

HEADER: Final = struct.Struct(">II")
SIZE: Final = struct.Struct(">I")
ONLY_COMPILE: Final = 0xFFFFFFFF
ONLY_REPAIR: Final = 0xFFFFFFFF
MEMORY_BYTES: Final = 2 * 1024**3
"""Address space; the largest answer (8 MB of small numbers) needs under 0.6 GB as objects."""

_SCHEMAS: Final = 64


def main() -> None:
    """Bound the memory, then serve standard input until it ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    serve(sys.stdin.buffer, sys.stdout.buffer)


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer frames until the source ends, in the middle of a frame or between two."""
    library = Library(_SCHEMAS)
    while len(header := source.read(HEADER.size)) == HEADER.size:
        schema_size, text_size = HEADER.unpack(header)
        schema = source.read(schema_size) if schema_size != ONLY_REPAIR else None
        text = None if text_size == ONLY_COMPILE else source.read(text_size)
        answer = orjson.dumps(
            _answer(library, schema, text) if schema is not None else _edits(text or b"")
        )
        sink.write(SIZE.pack(len(answer)) + answer)
        sink.flush()


def _edits(text: bytes) -> dict[str, Any]:
    edits = repair(text.decode("utf-8", "surrogatepass"))
    return {"edits": edits and [tuple(edit) for edit in edits]}


def _answer(library: Library, schema: bytes, text: bytes | None) -> dict[str, Any]:
    try:
        compiled = library.get(schema) if text is not None else library.add(schema)
    except SchemaError:
        return {"state": "bad_schema"}
    if text is None:
        return {"state": "valid"}
    value = read(text.decode("utf-8", "surrogatepass"))
    if value is NOT_JSON:
        return {"state": "not_json"}
    at = first_error(compiled, schema, value)
    is_object = isinstance(value, dict)
    if at is None:
        return {"state": "valid", "is_object": is_object}
    return {"state": "invalid", "at": at, "is_object": is_object}
