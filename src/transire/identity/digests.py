"""Keyed digests under one installation master: HMAC-SHA-256 with HKDF-derived keys (RFC 5869).

Different purposes have unrelated keys, so that a digest of content tells nothing about a digest of
a credential. Losing `install.key` makes stored digests unrecognisable: credentials must then be
issued anew, and reviews cannot be resumed; the log stays verifiable.
"""

import hashlib
import os
import stat
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from transire.errors import IntegrityError

__all__ = ["INSTALL_KEY_FILE", "InstallationKeys"]

INSTALL_KEY_FILE: Final = "install.key"


class InstallationKeys:
    """Implements `domain.ports.Keyed`.

    Args:
        master: 32 random bytes.
    """

    def __init__(self, master: bytes) -> None:
        if len(master) != 32:
            raise IntegrityError("the installation key has 32 bytes")
        self._master = master
        self._keyed: dict[str, _Hmac] = {}

    def digest(self, purpose: str, data: bytes) -> bytes:
        """See `domain.ports.Keyed`."""
        keyed = self._keyed.get(purpose)
        if keyed is None:
            keyed = self._keyed[purpose] = _Hmac(self.derive(purpose))
        return keyed.digest(data)

    def derive(self, purpose: str) -> bytes:
        """The 32-byte key of one purpose."""
        return HKDF(
            algorithm=SHA256(), length=32, salt=None, info=b"transire/" + purpose.encode()
        ).derive(self._master)

    @classmethod
    def create(cls, directory: Path, entropy: bytes) -> "InstallationKeys":
        """Write a new master; refuses to replace one."""
        path = directory / INSTALL_KEY_FILE
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(entropy.hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        return cls(entropy)

    @classmethod
    def load(cls, directory: Path) -> "InstallationKeys":
        """Read the master, refusing one that others can read."""
        path = directory / INSTALL_KEY_FILE
        if not path.exists():
            raise IntegrityError(f"`{path}` is missing; restore it from backup")
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise IntegrityError(f"`{path.name}` must be readable by its owner alone (chmod 600)")
        try:
            return cls(bytes.fromhex(path.read_text().strip()))
        except ValueError:
            raise IntegrityError(f"`{path.name}` does not hold 64 hex digits") from None


class _Hmac:
    """HMAC-SHA-256 under one key of at most 64 bytes (RFC 2104 §2), both of its pads hashed before.

    A request is digested six times. The module `hmac` takes twice as long: its objects are Python's
    own, and `hmac.digest` hashes both pads and lets go of the interpreter lock in every call.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = key.ljust(64, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def digest(self, data: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(data)
        outer.update(inner.digest())
        return outer.digest()
