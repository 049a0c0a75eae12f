"""The files of a bundle, their one digest, and the archive that the log keeps.

The digest is over names and bytes, sorted by name, so that formatting counts and nothing can be
changed without changing it; Cedar's own rendering would normalise.
"""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import orjson

from transire.domain.ids import BundleDigest
from transire.errors import BundleError, IntegrityError

__all__ = ["archive", "bundle_digest", "read_folder", "unarchive"]

_MAX_FILES: Final = 2_000
_MAX_BYTES: Final = 16 * 1024 * 1024
_FIXED: Final = ("taxonomy.yaml", "routing.yaml")


def read_folder(folder: Path) -> dict[str, bytes]:
    """Read the files that make a bundle: path relative to `folder` → bytes, sorted.

    Taken are `taxonomy.yaml`, `routing.yaml`, `catalog/**/*.yaml`, `rules/**/*.cedar` and
    `tests/**/*_test.yaml`; everything else in the folder is not governed and not read.

    Raises:
        BundleError: the folder or a fixed file is missing, a link leads out, or it is too large.
    """
    if not folder.is_dir():
        raise BundleError([f"{folder}: no such policies folder; `transire init` writes one"])
    root = folder.resolve()
    paths = [folder / name for name in _FIXED]
    paths += folder.glob("catalog/**/*.yaml")
    paths += folder.glob("rules/**/*.cedar")
    paths += folder.glob("tests/**/*_test.yaml")
    files: dict[str, bytes] = {}
    for path in sorted(paths):
        name = path.relative_to(folder).as_posix()
        if not path.is_file():
            raise BundleError([f"{name}: this file is missing"])
        if not path.resolve().is_relative_to(root):
            raise BundleError([f"{name}: a link leads out of the policies folder"])
        files[name] = path.read_bytes()
    if len(files) > _MAX_FILES or sum(map(len, files.values())) > _MAX_BYTES:
        raise BundleError([f"a bundle has at most {_MAX_FILES} files and {_MAX_BYTES} bytes"])
    return files


def bundle_digest(files: Mapping[str, bytes]) -> BundleDigest:
    """SHA-256 (hex) over the archive bytes."""
    return BundleDigest(hashlib.sha256(archive(files)).hexdigest())


def archive(files: Mapping[str, bytes]) -> bytes:
    """Canonical bytes of a bundle: a JSON object of base64, sorted by path."""
    encoded = {name: base64.b64encode(data).decode() for name, data in files.items()}
    return orjson.dumps(encoded, option=orjson.OPT_SORT_KEYS)


def unarchive(data: bytes, digest: str) -> dict[str, bytes]:
    """Files of an archive, having checked its digest.

    Raises:
        IntegrityError: the bytes are not the bundle of this digest.
    """
    if hashlib.sha256(data).hexdigest() != digest:
        raise IntegrityError("a stored bundle does not have the digest it is stored under")
    return {name: base64.b64decode(text) for name, text in orjson.loads(data).items()}
