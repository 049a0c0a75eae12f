"""Keyed digests under one installation master: HMAC-SHA-256 with HKDF-derived keys (RFC 5869).

Different purposes have unrelated keys, so that a digest of content tells nothing about a digest of
a credential. Losing `install.key` makes stored digests unrecognisable: credentials must then be
issued anew, and reviews cannot be resumed; the log stays verifiable.
"""

import hmac
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
        self._keyed: dict[str, hmac.HMAC] = {}

    def digest(self, purpose: str, data: bytes) -> bytes:
        """See `domain.ports.Keyed`."""
        keyed = self._keyed.get(purpose)
        if keyed is None:
            keyed = self._keyed[purpose] = hmac.new(self.derive(purpose), digestmod="sha256")
        # A copy of the keyed state, not `hmac.digest`: that one lets go of the interpreter lock
        # for every call, and getting it back from the log's writer costs more than the digest.
        state = keyed.copy()
        state.update(data)
        return state.digest()

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
