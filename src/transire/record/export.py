"""Export as a tlog-tiles directory (c2sp.org/tlog-tiles): static files any server can hold.

`checkpoint`, `tile/<level>/<index>` with 256 hashes each, `tile/entries/<index>` with entries as
uint16 length and bytes; partial tiles end in `.p/<width>`. `log.pub` holds the verifier key.

Beside the tiles, in `side`, is what entries name by digest, so that the folder can be judged whole:
`side/blob/<digest>`, and `side/disclosures`, a line of JSON for each that was not erased. The tiles
may be published; what people wrote is in `side` alone.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import orjson

from transire.errors import ConflictError, IntegrityError
from transire.record.merkle import leaf_hash, node_hash
from transire.record.reading import ReadOnlyLog
from transire.record.signer import PUBLIC_FILE

__all__ = ["export_tiles", "tile_path"]

_WIDTH: Final = 256
_SIDE: Final = "side"


def export_tiles(log: ReadOnlyLog, directory: Path) -> int:
    """Write all entries under the newest checkpoint; returns the tree size."""
    if directory.exists() and any(directory.iterdir()):
        raise ConflictError(f"`{directory}` is not empty")
    # One snapshot: what is named is there, and what an entry erased is not.
    with log.reader.snapshot():
        newest = log.reader.checkpoint()
        if newest is None:
            raise IntegrityError("the log has no checkpoint yet")
        size, note = newest
        entries = [leaf for index, leaf in log.leaves() if index < size]
        _write_side(log, directory / _SIDE)
    _write_entries(directory, entries)
    _write_hashes(directory, [leaf_hash(entry) for entry in entries])
    (directory / "checkpoint").write_text(note)
    (directory / PUBLIC_FILE).write_text((log.directory / PUBLIC_FILE).read_text())
    return size


def _write_side(log: ReadOnlyLog, directory: Path) -> None:
    for digest, data in log.reader.blobs():
        _write(directory / "blob" / digest, data)
    lines = [orjson.dumps(row) + b"\n" for row in log.reader.disclosures()]
    _write(directory / "disclosures", b"".join(lines))


def tile_path(kind: str, index: int, width: int) -> str:
    """A tile's path; indexes are written in groups of three digits, all but the last with `x`."""
    groups = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        groups.insert(0, f"x{index % 1000:03d}")
    partial = "" if width == _WIDTH else f".p/{width}"
    return f"tile/{kind}/{'/'.join(groups)}{partial}"


def _write_entries(directory: Path, entries: Sequence[bytes]) -> None:
    for start in range(0, len(entries), _WIDTH):
        some = entries[start : start + _WIDTH]
        data = b"".join(len(entry).to_bytes(2, "big") + entry for entry in some)
        _write(directory / tile_path("entries", start // _WIDTH, len(some)), data)


def _write_hashes(directory: Path, hashes: Sequence[bytes]) -> None:
    level = 0
    while hashes:
        for start in range(0, len(hashes), _WIDTH):
            some = hashes[start : start + _WIDTH]
            _write(directory / tile_path(str(level), start // _WIDTH, len(some)), b"".join(some))
        whole = [hashes[i : i + _WIDTH] for i in range(0, len(hashes) - _WIDTH + 1, _WIDTH)]
        hashes, level = [_root(tile) for tile in whole], level + 1


def _root(hashes: Sequence[bytes]) -> bytes:
    """The root of a full tile."""
    while len(hashes) > 1:
        hashes = [node_hash(hashes[i], hashes[i + 1]) for i in range(0, len(hashes), 2)]
    return hashes[0]


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
