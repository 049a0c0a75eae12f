"""Names of things, as types, so that one cannot be passed for another.

Every id that can stand in a policy follows one ASCII grammar, `ID_PATTERN`; ids of
entries (`dec_…`, `rev_…`) are a prefix and 26 Crockford base-32 characters (a ULID:
48 bits of milliseconds, 80 random bits, so they sort by time).
"""

import re
from typing import Final, NewType

__all__ = [
    "ID_PATTERN",
    "ApplicationId",
    "BundleDigest",
    "DataClass",
    "DecisionId",
    "DeploymentId",
    "Jurisdiction",
    "KeyId",
    "ModelId",
    "PersonId",
    "PolicyId",
    "ProviderId",
    "Purpose",
    "ReviewId",
    "Stakes",
    "TenantId",
    "Tier",
    "is_id",
    "make_ulid",
    "ulid_ms",
]

ID_PATTERN: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""The grammar of every id in catalog and policies (use `fullmatch`)."""

TenantId = NewType("TenantId", str)
ApplicationId = NewType("ApplicationId", str)
PersonId = NewType("PersonId", str)
DeploymentId = NewType("DeploymentId", str)
ProviderId = NewType("ProviderId", str)
ModelId = NewType("ModelId", str)
PolicyId = NewType("PolicyId", str)
KeyId = NewType("KeyId", str)
DecisionId = NewType("DecisionId", str)
ReviewId = NewType("ReviewId", str)
BundleDigest = NewType("BundleDigest", str)

DataClass = NewType("DataClass", str)
Jurisdiction = NewType("Jurisdiction", str)
Purpose = NewType("Purpose", str)
Stakes = NewType("Stakes", str)
Tier = NewType("Tier", str)

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS: Final = tuple(high + low for high in _CROCKFORD for low in _CROCKFORD)
"""Every ten bits as two digits: an id is made for each entry, and is half the work this way."""


def is_id(text: str) -> bool:
    """True where `text` follows the one id grammar."""
    return ID_PATTERN.fullmatch(text) is not None


def make_ulid(prefix: str, *, now_ms: int, entropy: bytes) -> str:
    """Format a ULID (github.com/ulid/spec) behind `prefix_`.

    Args:
        prefix: Kind of thing named, such as `dec`.
        now_ms: Unix time in milliseconds, below 2**48.
        entropy: Exactly 10 random bytes.
    """
    number = (now_ms << 80) | int.from_bytes(entropy, "big")
    pairs = [_PAIRS[(number >> shift) & 1023] for shift in range(120, -1, -10)]
    return f"{prefix}_{''.join(pairs)}"


def ulid_ms(text: str) -> int | None:
    """The milliseconds in an id that `make_ulid` formatted; None where it is no such id."""
    digits = text.rpartition("_")[2]
    if len(digits) != 26 or not set(digits) <= set(_CROCKFORD) or digits[0] > "7":
        return None
    number = 0
    for digit in digits[:10]:
        number = number * 32 + _CROCKFORD.index(digit)
    return number
