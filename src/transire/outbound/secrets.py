"""What deployments ask us to present, by name: kept in memory, read again when a file changes.

A request never reads a file: what a name stands for is in memory once `load` ran, and a file that
was replaced meanwhile counts from the next `refresh` on. A file that is gone, unreadable, empty or
no single line of ASCII is no credential, so its deployments are refused and not asked without one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

__all__ = ["Secrets"]

_Mark: TypeAlias = tuple[int, int, int] | None
"""What tells a file from its successor: inode, size and time of change; None where it is gone."""


@dataclass(frozen=True, slots=True)
class _Held:
    mark: _Mark
    value: str | None


class Secrets:
    """Names → credentials.

    Args:
        given: From the settings themselves; these win.
        folder: One file per name, or None.
    """

    def __init__(self, given: Mapping[str, str], folder: Path | None) -> None:
        self._given = dict(given)
        self._folder = folder
        self._held: dict[str, _Held] = {}

    def __repr__(self) -> str:
        """Names nothing."""
        return "Secrets(…)"

    def get(self, name: str) -> str | None:
        """The credential, or None where there is none; blocks for a name never heard of before."""
        if name in self._given:
            return self._given[name]
        if name not in self._held:
            self.load([name])
        return self._held[name].value

    def load(self, names: Iterable[str]) -> None:
        """Read what these names stand for, where it is not known or has changed; blocks."""
        for name in names:
            mark, held = self._mark(name), self._held.get(name)
            if held is None or held.mark != mark:
                self._held[name] = _Held(mark, None if mark is None else self._read(name))

    def refresh(self) -> None:
        """Look again at every file that was ever asked for; blocks."""
        self.load(list(self._held))

    def _mark(self, name: str) -> _Mark:
        if self._folder is None:
            return None
        try:
            found = (self._folder / name).stat()
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _read(self, name: str) -> str | None:
        assert self._folder is not None  # there is a mark
        try:
            text = (self._folder / name).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return None
        return text if text and text.isprintable() else None
