"""The folder that keeps remarks, beside the data folder and no part of it.

    feedback.jsonl  one remark a line, only ever added to
    digest.key      the key of their digests: 64 hex digits
    content.jsonl   texts, in clear, where somebody asked to keep them; delete it to forget them

All are made with mode 0600, and refused where others can read them. Adding takes a lock on the
file and is synced before it returns; several processes may add at once. A line that is none is
named and nothing is read past it. Not a record: nothing here is signed.
"""

import fcntl
import hmac
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from transire.errors import RequestError
from transire.workbench.feedback.mark import KeptText, Mark

__all__ = ["FeedbackStore"]

_KEY_BYTES: Final = 32
_DIGEST_CHARS: Final = 32
"""128 bits: enough to tell values apart."""
T = TypeVar("T", bound=BaseModel)


class FeedbackStore:
    """One folder.

    Args:
        entropy: Gives so many random bytes, for the key of a new folder.
    """

    def __init__(self, folder: Path, entropy: Callable[[int], bytes] = os.urandom) -> None:
        self._folder = folder
        self._entropy = entropy
        self._marks = folder / "feedback.jsonl"
        self._key_file = folder / "digest.key"
        self._key: bytes | None = None
        self.content_file = folder / "content.jsonl"

    def marks(self) -> list[Mark]:
        """Every remark, in the order they were made; none of a folder that is not there.

        Raises:
            RequestError: a file is not as it should be; says which, and the line.
        """
        return _read(self._marks, Mark)

    def texts(self) -> list[KeptText]:
        """Every text that is kept.

        Raises:
            RequestError: see `marks`.
        """
        return _read(self.content_file, KeptText)

    def add(self, marks: Sequence[Mark], text: KeptText | None = None) -> list[Mark]:
        """Keep remarks, and the text if it is given; gives the remarks that were not there.

        The text is written first: a crash in between leaves a text without remarks, whose
        findings all count as right, and no remark without the text that was to be kept.

        Raises:
            RequestError: see `marks`.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if text is not None:
            with _locked(self.content_file) as file:
                if text not in _read(self.content_file, KeptText):
                    _append(file, [text])
        with _locked(self._marks) as file:
            known = self.marks()
            new = [mark for mark in marks if not any(map(mark.is_same_as, known))]
            _append(file, new)
        return new

    def digest(self, purpose: str, text: str) -> str:
        """HMAC-SHA-256 (hex, 128 bits) under this folder's key; makes the key the first time.

        Raises:
            RequestError: the key is not as it should be.
        """
        if self._key is None:
            self._key = self._loaded_key()
        data = f"{purpose}\0{text}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, data, "sha256").hex()[:_DIGEST_CHARS]

    def _loaded_key(self) -> bytes:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(self._key_file) as file:
            if os.fstat(file).st_size == 0:
                if self._marks.exists() and self._marks.stat().st_size:
                    # Under a new key no value would be known again, and nobody would be told.
                    self._key_file.unlink()
                    raise RequestError(f"`{self._key_file}` is missing; restore it from a backup")
                key = self._entropy(_KEY_BYTES)
                os.write(file, f"{key.hex()}\n".encode())
                os.fsync(file)
                return key
        try:
            key = bytes.fromhex(_private(self._key_file).decode().strip())
        except ValueError:
            key = b""
        if len(key) != _KEY_BYTES:
            raise RequestError(f"`{self._key_file}` does not hold {2 * _KEY_BYTES} hex digits")
        return key


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """The file's descriptor, open for adding and locked; made where it is not there."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
    file = os.open(path, flags, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
    finally:
        os.close(file)


def _append(file: int, rows: Sequence[BaseModel]) -> None:
    if rows:
        data = "".join(f"{row.model_dump_json()}\n" for row in rows).encode()
        while data:
            data = data[os.write(file, data) :]
        os.fsync(file)


def _private(path: Path) -> bytes:
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise RequestError(f"`{path}` must be readable by its owner alone (chmod 600)")
    return path.read_bytes()


def _read(path: Path, kind: type[T]) -> list[T]:
    if not path.exists():
        return []
    rows = []
    for number, line in enumerate(_private(path).split(b"\n"), 1):
        if line:
            try:
                rows.append(kind.model_validate_json(line))
            except ValidationError:  # its own message would quote the line
                raise RequestError(f"`{path}` line {number} cannot be read; mend it") from None
    return rows
