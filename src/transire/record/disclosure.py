"""Salted disclosures (RFC 9901 §4.2): personal fields beside the tree, digests inside it.

Deleting a disclosure's row erases the value and leaves every proof valid.
"""

import base64
import hashlib
from collections.abc import Mapping

import orjson

__all__ = ["disclose", "disclosure_digest"]


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


def _encode(salt: bytes, name: str, value: str) -> str:
    return _b64url(orjson.dumps([_b64url(salt), name, value]))


def _b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
