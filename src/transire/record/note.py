"""Signed notes and their keys (c2sp.org/signed-note), Ed25519 only.

A note is text that ends in a newline, an empty line, and signature lines of the form
`— NAME base64(key id ‖ signature)`. A verifier key is written `NAME+hex key id+base64(0x01 ‖ key)`.
Unknown keys' signatures are ignored, as the specification asks; a known key's bad one is an error.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from transire.errors import IntegrityError

__all__ = ["VerifierKey", "key_id", "open_note", "sign_line"]

_ED25519: Final = b"\x01"
_NAME: Final = re.compile(r"[^\s+]{1,255}")
_MAX_NOTE_BYTES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A named public key; `str()` gives its one spelling."""

    name: str
    public: bytes

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Read `NAME+HEXID+BASE64`, refusing any other spelling."""
        try:
            name, identifier, encoded = text.strip().split("+", 2)
            raw = base64.b64decode(encoded, validate=True)
        except (ValueError, binascii.Error):
            raise IntegrityError("a verifier key is `name+id+base64`") from None
        if not _NAME.fullmatch(name) or raw[:1] != _ED25519 or len(raw) != 33:
            raise IntegrityError("a verifier key names an Ed25519 key of 32 bytes")
        key = cls(name, raw[1:])
        if f"{int.from_bytes(key.id, 'big'):08x}" != identifier:
            raise IntegrityError("the verifier key's id does not match its name and key")
        return key

    @property
    def id(self) -> bytes:
        """The four-byte key id."""
        return key_id(self.name, self.public)

    def __str__(self) -> str:
        encoded = base64.b64encode(_ED25519 + self.public).decode()
        return f"{self.name}+{self.id.hex()}+{encoded}"


def key_id(name: str, public: bytes) -> bytes:
    """`SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key)[:4]`."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]


def sign_line(name: str, identifier: bytes, signature: bytes) -> str:
    """Format one signature line, newline included."""
    return f"— {name} {base64.b64encode(identifier + signature).decode()}\n"


def open_note(note: str, keys: Sequence[VerifierKey]) -> str:
    """Return the text of a note that at least one of `keys` has signed.

    Raises:
        IntegrityError: malformed, unsigned by these keys, or badly signed by one of them.
    """
    if len(note) > _MAX_NOTE_BYTES or "\n\n" not in note or not note.endswith("\n"):
        raise IntegrityError("a signed note is text, an empty line and signatures")
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    is_signed = False
    for line in signatures[:-1].split("\n"):
        name, identifier, signature = _parse_signature(line)
        for key in keys:
            if key.name == name and key.id == identifier:
                _verify(key, signature, text)
                is_signed = True
    if not is_signed:
        raise IntegrityError("no known key has signed this note")
    return text


def _parse_signature(line: str) -> tuple[str, bytes, bytes]:
    fields = line.split(" ")
    if len(fields) != 3 or fields[0] != "—":
        raise IntegrityError("a signature line is `— name base64`")
    try:
        raw = base64.b64decode(fields[2], validate=True)
    except (ValueError, binascii.Error):
        raise IntegrityError("a signature is not base64") from None
    if base64.b64encode(raw).decode() != fields[2] or len(raw) < 5:
        raise IntegrityError("a signature is not in its one canonical spelling")
    return fields[1], raw[:4], raw[4:]


def _verify(key: VerifierKey, signature: bytes, text: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, text.encode())
    except (InvalidSignature, ValueError):
        raise IntegrityError(f"the signature of `{key.name}` does not match") from None
