"""Files as the detection tools read them: texts, numbered lines, texts with known spans.

Errors name the place and never quote what stands there.
"""

import gzip
import json
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from transire.errors import RequestError

__all__ = ["bytes_of", "labelled_rows", "numbered_lines", "object_of", "text_of"]

Spans: TypeAlias = list[tuple[int, int, str]]


def bytes_of(file: str) -> bytes:
    """A file, or standard input for `-`.

    Raises:
        RequestError: it cannot be read.
    """
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError:
        raise RequestError(f"`{file}` cannot be read") from None


def text_of(data: bytes, what: str) -> str:
    """Bytes as UTF-8.

    Raises:
        RequestError: they are not.
    """
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise RequestError(f"{what} is not UTF-8") from None


def numbered_lines(file: str) -> Iterator[tuple[int, str]]:
    """Numbered lines that are not blank; standard input as it comes.

    Cut at line feeds alone: a JSON string may hold any other separator of lines.
    """
    lines: Iterable[bytes] = sys.stdin.buffer if file == "-" else bytes_of(file).split(b"\n")
    return _numbered(lines)


def object_of(line: str, number: int) -> dict[str, Any]:
    """A line as a JSON object.

    Raises:
        RequestError: it is none.
    """
    try:
        given = json.loads(line)
    except (ValueError, RecursionError):
        raise RequestError(f"line {number} is not JSON") from None
    if not isinstance(given, dict):
        raise RequestError(f"line {number} is not a JSON object")
    return given


def labelled_rows(path: Path) -> Iterator[tuple[str, Spans]]:
    """Texts with spans: JSON lines, or a presidio-research list; either may be `.gz`.

    Raises:
        RequestError: a line or row is not what it should be; says which.
    """
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if path.suffix == ".gz" else data
    except (OSError, EOFError, zlib.error):
        raise RequestError(f"`{path}` cannot be read") from None
    if data.lstrip().startswith(b"["):
        yield from _research_rows(data, path)
        return
    for number, line in _numbered(data.split(b"\n")):
        given = object_of(line, number)
        try:
            row = _row(given["text"], given["spans"])
        except (KeyError, TypeError, ValueError):
            raise RequestError(
                f"line {number}: expected `text` and `spans: [[start, end, label]]`"
            ) from None
        yield row


def _numbered(lines: Iterable[bytes]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield number, text_of(line, f"line {number}")


def _research_rows(data: bytes, path: Path) -> Iterator[tuple[str, Spans]]:
    try:
        rows = json.loads(data)
    except (ValueError, RecursionError):  # its own message would quote the text
        raise RequestError(f"`{path}` is not JSON") from None
    for number, row in enumerate(rows, 1):
        names = ("start_position", "end_position", "entity_type")
        try:
            read = _row(row["full_text"], [[s[name] for name in names] for s in row["spans"]])
        except (KeyError, TypeError, ValueError):
            raise RequestError(f"row {number}: expected `full_text` and `spans`") from None
        yield read


def _row(text: object, given: Iterable[Iterable[Any]]) -> tuple[str, Spans]:
    if not isinstance(text, str):
        raise TypeError
    spans = [(int(start), int(end), str(label)) for start, end, label in given]
    if any(not 0 <= start <= end for start, end, _ in spans):
        raise ValueError
    return text, spans
