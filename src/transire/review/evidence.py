"""The encrypted hold: what a `content` queue's reviewers may look at, destroyed at close.

AES-256-GCM under a key of its own per review (NIST SP 800-38D; one message per key, so the nonce
never repeats). Ciphertext and key stand under separate state keys; at close both are deleted, and
`secure_delete` overwrites the pages. A backup taken meanwhile still holds both: see the docs.
"""

from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from transire.domain.log import Change
from transire.errors import IntegrityError

__all__ = ["MAX_HELD_BYTES", "destroy", "hold_key", "key_key", "open_hold", "seal"]

MAX_HELD_BYTES: Final = 1024 * 1024
"""What is longer is not kept: its review then says `facts`."""

_NONCE: Final = b"\x00" * 12


def hold_key(review_id: str) -> str:
    """Where the ciphertext stands."""
    return f"hold/{review_id}"


def key_key(review_id: str) -> str:
    """Where its key stands."""
    return f"hold-key/{review_id}"


def seal(review_id: str, content: bytes, entropy: Callable[[int], bytes]) -> tuple[Change, ...]:
    """Encrypt content for one review."""
    key = entropy(32)
    sealed = AESGCM(key).encrypt(_NONCE, content, review_id.encode())
    return (
        Change(key=hold_key(review_id), value=sealed.hex()),
        Change(key=key_key(review_id), value=key.hex()),
    )


def open_hold(review_id: str, sealed: str, key: str) -> bytes:
    """Decrypt.

    Raises:
        IntegrityError: the ciphertext was altered or belongs to another review.
    """
    try:
        return AESGCM(bytes.fromhex(key)).decrypt(_NONCE, bytes.fromhex(sealed), review_id.encode())
    except (InvalidTag, ValueError):
        raise IntegrityError("a held request does not decrypt") from None


def destroy(review_id: str) -> tuple[Change, ...]:
    """Delete ciphertext and key."""
    return (
        Change(key=hold_key(review_id), value=None),
        Change(key=key_key(review_id), value=None),
    )
