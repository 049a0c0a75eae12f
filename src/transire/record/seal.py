"""A seal over the key → value state, so that a row changed by hand is found at the next start.

State is a projection that the router acts on (the active bundle, quarantines, approvals), and who
can write the file could write there what no entry says. Every entry therefore carries the seal of
the state after it, and the entry is signed; `open_log` compares it with the rows.

The seal is a keyed multiset hash, MSet-Add-Hash of Clarke, Devadas, van Dijk, Gassend and Suh
(ASIACRYPT 2003): the sum of one HMAC-SHA-256 per row, modulo 2^256. Moving one row costs two
digests, however many rows there are; without the key nobody can find rows of the same sum.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

__all__ = ["StateSeal"]

_MODULUS: Final = 1 << 256


class StateSeal:
    """Sums rows under one key.

    Args:
        key: 32 bytes that nobody but the log's owner has.
    """

    def __init__(self, key: bytes) -> None:
        self._keyed = hmac.new(key, digestmod=hashlib.sha256)

    def of(self, state: Mapping[str, str]) -> int:
        """The seal of a whole state."""
        return sum(self._row(key, value) for key, value in state.items()) % _MODULUS

    def moved(self, seal: int, key: str, old: str | None, new: str | None) -> int:
        """The seal after one row has changed; None is a row that is not there."""
        if old is not None:
            seal -= self._row(key, old)
        if new is not None:
            seal += self._row(key, new)
        return seal % _MODULUS

    @staticmethod
    def spelled(seal: int) -> str:
        """64 hexadecimal digits, as entries carry it."""
        return f"{seal:064x}"

    def _row(self, key: str, value: str) -> int:
        state, name = self._keyed.copy(), key.encode()
        state.update(len(name).to_bytes(4, "big") + name + value.encode())
        return int.from_bytes(state.digest(), "big")
