"""Credentials as text: `tsk_<id>_<secret>` for applications, `tsp_…` for people, `tsi_…` to invite.

The prefix makes leaked ones findable. The secret has 256 random bits, so one keyed hash is enough:
slow hashes are for what people choose. Only the digest is stored.
"""

import base64
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from transire.domain.ports import Keyed

__all__ = ["Credential", "matches", "mint", "parse"]

_FORM: Final = re.compile(r"(tsk|tsp|tsi)_([a-z2-7]{16})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class Credential:
    """A parsed credential; `repr` never shows the secret."""

    prefix: str
    id: str
    secret: str

    def __repr__(self) -> str:
        return f"Credential({self.prefix}_{self.id}_…)"

    def digest(self, keyed: Keyed) -> str:
        """What is stored (hex)."""
        return keyed.digest("credential", f"{self.prefix}_{self.id}_{self.secret}".encode()).hex()

    def text(self) -> str:
        """What its owner keeps."""
        return f"{self.prefix}_{self.id}_{self.secret}"


def mint(prefix: str, entropy: Callable[[int], bytes]) -> Credential:
    """A new credential of a kind."""
    identifier = base64.b32encode(entropy(10)).decode().lower()
    secret = base64.urlsafe_b64encode(entropy(32)).rstrip(b"=").decode()
    return Credential(prefix, identifier, secret)


def parse(text: str) -> Credential | None:
    """The parts of a well-formed credential, else None."""
    match = _FORM.fullmatch(text)
    return Credential(*match.groups()) if match else None


def matches(credential: Credential, stored: str, keyed: Keyed) -> bool:
    """Whether the stored digest is this credential's, in constant time."""
    return hmac.compare_digest(credential.digest(keyed), stored)
