"""Salted disclosures (RFC 9901 §4.2): personal fields beside the tree, digests inside it.

Deleting a disclosure's row erases the value and leaves every proof valid.
"""

import base64
import hashlib
from collections.abc import Mapping

import orjson

from transire.errors import IntegrityError

__all__ = ["disclose", "disclosed", "disclosure_digest"]


def disclose(values: Mapping[str, str], salts: Mapping[str, bytes]) -> list[tuple[str, str]]:
    """(digest, encoded disclosure) for each value, sorted by digest.

    Args:
        values: Name → value.
        salts: Name → at least 16 random bytes.
    """
    return sorted(
        (disclosure_digest(encoded), encoded)
        for encoded in (_encode(salts[name], name, value) for name, value in values.items())
    )


def disclosure_digest(encoded: str) -> str:
    """Base64url SHA-256 over the encoded disclosure."""
    return _b64url(hashlib.sha256(encoded.encode()).digest())


def disclosed(encoded: str) -> tuple[str, str]:
    """(name, value) of an encoded disclosure.

    Raises:
        IntegrityError: it is none.
    """
    try:
        raw = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        _, name, value = orjson.loads(raw)
    except (ValueError, TypeError):
        raise IntegrityError("a stored disclosure cannot be read; run audit/verify.py") from None
    return str(name), str(value)


def _encode(salt: bytes, name: str, value: str) -> str:
    return _b64url(orjson.dumps([_b64url(salt), name, value]))


def _b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
