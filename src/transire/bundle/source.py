"""The files of a bundle, their one digest, and the archive that the log keeps.

The digest is over names and bytes, sorted by name, so that formatting counts and nothing can be
changed without changing it; Cedar's own rendering would normalise.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import orjson

from transire.bundle.strays import lookalikes
from transire.domain.ids import BundleDigest
from transire.errors import BundleError, IntegrityError

__all__ = ["archive", "bundle_digest", "check_names", "read_folder", "unarchive"]

_MAX_FILES: Final = 2_000
_MAX_BYTES: Final = 4 * 1024 * 1024
_FIXED: Final = ("taxonomy.yaml", "routing.yaml")
_OPTIONAL: Final = ("recognizers.yaml", "experiments.yaml")
_STEP: Final = r"(?:[A-Za-z0-9_][A-Za-z0-9._-]*/)*[A-Za-z0-9_][A-Za-z0-9._-]*"
_PROMPT: Final = r"[a-z0-9][a-z0-9._-]{0,63}@[1-9][0-9]{0,5}"
_NAME: Final = re.compile(
    rf"taxonomy\.yaml|routing\.yaml|recognizers\.yaml|experiments\.yaml|catalog/{_STEP}\.yaml"
    rf"|rules/{_STEP}\.cedar|tests/{_STEP}_test\.yaml|prompts/{_PROMPT}\.yaml"
)
"""What may stand in a bundle; no step begins with a dot, so none leads out of the folder."""


def read_folder(folder: Path) -> dict[str, bytes]:
    """Read the files that make a bundle: path relative to `folder` → bytes, sorted.

    Taken are `taxonomy.yaml`, `routing.yaml`, `recognizers.yaml` and `experiments.yaml` where there
    are such, `catalog/**/*.yaml`, `rules/**/*.cedar`, `prompts/*.yaml` and `tests/**/*_test.yaml`;
    everything else in the folder is not governed and not read (`strays` names it).

    Raises:
        BundleError: the folder or a fixed file is missing, a link leads out, it is too large, or
            a file looks like a part and is none.
    """
    if not folder.is_dir():
        raise BundleError([f"{folder}: no such policies folder; `transire init` writes one"])
    root = folder.resolve()
    paths = [folder / name for name in _FIXED]
    paths += [folder / name for name in _OPTIONAL if (folder / name).exists()]
    paths += folder.glob("catalog/**/*.yaml")
    paths += folder.glob("rules/**/*.cedar")
    paths += folder.glob("prompts/*.yaml")
    paths += folder.glob("tests/**/*_test.yaml")
    files: dict[str, bytes] = {}
    for path in sorted(paths):
        name = path.relative_to(folder).as_posix()
        if not path.is_file():
            raise BundleError([f"{name}: this file is missing"])
        if not path.resolve().is_relative_to(root):
            raise BundleError([f"{name}: a link leads out of the policies folder"])
        files[name] = path.read_bytes()
    if problems := list(lookalikes(folder, files)):
        raise BundleError(problems)
    check_names(files)
    return files


def check_names(files: Mapping[str, bytes]) -> None:
    """Refuse files that are no part of a bundle, wherever they came from (folder or API).

    Raises:
        BundleError: a name of no known kind, or too many files or bytes.
    """
    problems = [
        f"{name!r}: no such kind of file in a bundle" for name in files if not _NAME.fullmatch(name)
    ]
    if len(files) > _MAX_FILES or sum(map(len, files.values())) > _MAX_BYTES:
        problems.append(f"a bundle has at most {_MAX_FILES} files and {_MAX_BYTES} bytes")
    if problems:
        raise BundleError(problems)


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
    try:
        files = {name: base64.b64decode(t, validate=True) for name, t in orjson.loads(data).items()}
    except (orjson.JSONDecodeError, binascii.Error, AttributeError, TypeError):
        raise IntegrityError("a stored bundle is not an archive") from None
    if archive(files) != data:
        raise IntegrityError("a stored bundle is not in its one canonical spelling")
    return files
