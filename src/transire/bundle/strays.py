"""Files in a policies folder that are no part of the bundle, so that none governs nothing unseen.

What looks like a part and is none (`catalog/people.yml`, `rules/Night.CEDAR`, `tests/x.yaml`) is
refused: its author believes that it holds. Anything else is named, but for what every folder has:
a README or a licence, dotfiles, and an editor's backups.
"""

import re
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import Final

__all__ = ["lookalikes", "strays"]

_SUFFIXES: Final = frozenset({".yaml", ".yml", ".cedar"})
_TOP: Final = frozenset({"taxonomy.yaml", "routing.yaml", "recognizers.yaml", "experiments.yaml"})
_EXCEPTED: Final = re.compile(
    r"(?:readme|licen[cs]e|notice|contributing|makefile)(?:\..*)?"
    r"|.*~|#.*#|.*\.(?:bak|orig|rej|sw[a-p])",
    re.IGNORECASE,
)


def lookalikes(folder: Path, taken: Collection[str]) -> Iterator[str]:
    """Located reasons why files that look like parts of the bundle are none.

    Args:
        taken: Names of the files that are parts.
    """
    for path in _others(folder, taken):
        if path.suffix.lower() in _SUFFIXES:
            yield f"{path}: looks like a part of the bundle and is none; {_remedy(path)}"
        elif (folder / path).is_dir():
            yield f"{path}: a link to a folder is not followed; put the files themselves there"


def strays(folder: Path, taken: Collection[str]) -> Iterator[str]:
    """A remark on each other file that is no part."""
    for path in _others(folder, taken):
        if path.suffix.lower() not in _SUFFIXES and (folder / path).is_file():
            yield f"{path}: not part of the bundle, so nothing in it governs"


def _others(folder: Path, taken: Collection[str]) -> Iterator[PurePosixPath]:
    for path in sorted(folder.rglob("*")):
        name = PurePosixPath(path.relative_to(folder).as_posix())
        if str(name) in taken or any(step.startswith(".") for step in name.parts):
            continue
        if (path.is_dir() and not path.is_symlink()) or _EXCEPTED.fullmatch(name.name):
            continue
        yield name


def _remedy(path: PurePosixPath) -> str:
    """What its author most likely meant."""
    ending = ".cedar" if path.suffix.lower() == ".cedar" else ".yaml"
    meant = path.with_suffix(ending)
    if path.parts[0] == "tests" and ending == ".yaml" and not meant.stem.endswith("_test"):
        meant = meant.with_stem(f"{meant.stem}_test")
    if len(path.parts) == 1 and meant.name not in _TOP:
        meant = ("rules" if ending == ".cedar" else "catalog") / meant
    where = "out of the folder" if meant == path else f"to `{meant}`, or out of the folder"
    return f"move it {where}"
