"""The log's signing key: an Ed25519 seed in a file only its owner can read.

The file `log.key` holds `NAME+base64(seed)`. `log.pub` beside it holds the verifier key and is
meant to be handed out. Who holds the seed can sign another history; what guards against that are
the checkpoints others hold (receipts, witnesses), not this file.
"""

import base64
import os
import stat
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from transire.errors import IntegrityError
from transire.record.checkpoint import Checkpoint
from transire.record.note import VerifierKey, sign_line
from transire.record.seal import StateSeal

__all__ = ["KEY_FILE", "PUBLIC_FILE", "Signer"]

KEY_FILE: Final = "log.key"
PUBLIC_FILE: Final = "log.pub"


class Signer:
    """Signs checkpoints under one name.

    Args:
        name: The log's origin, which is also the key's name.
        seed: 32 bytes.

    Attributes:
        state_seal: Seals the log's state under a key made of the same seed.
    """

    def __init__(self, name: str, seed: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        public = self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.key = VerifierKey(name, public)
        self._key_id = self.key.id
        self.state_seal = StateSeal(
            HKDF(algorithm=SHA256(), length=32, salt=None, info=b"transire/state").derive(seed)
        )

    def sign(self, checkpoint: Checkpoint) -> str:
        """The signed note."""
        return self.sign_text(checkpoint.text())

    def sign_text(self, text: str) -> str:
        """A signed note of any text; what kind it is must show in the text itself."""
        signature = self._private.sign(text.encode())
        return f"{text}\n{sign_line(self.key.name, self._key_id, signature)}"

    @classmethod
    def create(cls, directory: Path, name: str, seed: bytes) -> "Signer":
        """Write a new key pair; refuses to replace one."""
        signer = cls(name, seed)
        line = f"{name}+{base64.b64encode(seed).decode()}\n"
        descriptor = os.open(directory / KEY_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        (directory / PUBLIC_FILE).write_text(f"{signer.key}\n", encoding="utf-8")
        return signer

    @classmethod
    def load(cls, directory: Path) -> "Signer":
        """Read the key pair, refusing one that others can read."""
        path = directory / KEY_FILE
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise IntegrityError(f"`{path.name}` must be readable by its owner alone (chmod 600)")
        try:
            name, _, encoded = path.read_text(encoding="utf-8").strip().partition("+")
            return cls(name, base64.b64decode(encoded, validate=True))
        except ValueError:
            raise IntegrityError(f"`{path.name}` does not hold `name+base64(seed)`") from None
