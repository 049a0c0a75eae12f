"""Spending a permit: what is checked before the first byte, wherever it goes.

INVARIANT (I3): the log issued the permit and nothing moved since (`vouch`), it is unspent and
unexpired, and deployment and bytes are the recorded ones. Opening a connection can take seconds, so
that nothing moved and the permit is in time is checked again when it stands, before its first byte.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from transire.domain.outward import Wire
from transire.domain.permit import Permit, Recorded
from transire.domain.ports import Clock, Keyed
from transire.errors import IntegrityError, StaleError

__all__ = ["Spending"]

_MAX_SPENT: Final = 100_000


class Spending:
    """Remembers what was spent.

    Args:
        vouch: Raises where the permit is not ours or no longer current.
    """

    def __init__(
        self, keyed: Keyed, vouch: Callable[[Recorded[Permit]], None], clock: Clock
    ) -> None:
        self._keyed = keyed
        self._vouch = vouch
        self._clock = clock
        self._spent: dict[str, datetime] = {}

    def spend(self, recorded: Recorded[Permit], wire: Wire) -> None:
        """Spend it on these bytes.

        Raises:
            IntegrityError: it is not ours, is spent, or is for another deployment or other bytes.
            StaleError: see `still_stands`.
        """
        permit, now = recorded.value, self._clock.now()
        self.still_stands(recorded)
        if recorded.receipt.entry_id in self._spent:
            raise IntegrityError("this permit is spent")
        if permit.pair.deployment != wire.deployment.id:
            raise IntegrityError("the permit is for another deployment")
        if (
            permit.wire_digest != wire.digest
            or self._keyed.digest("wire", wire.body) != wire.digest
        ):
            raise IntegrityError("the permit is for other bytes")
        if len(self._spent) >= _MAX_SPENT:
            self._spent = {k: until for k, until in self._spent.items() if until > now}
        self._spent[recorded.receipt.entry_id] = permit.expires_at

    def still_stands(self, recorded: Recorded[Permit]) -> None:
        """Nothing moved since it was recorded, and it is in time.

        Raises:
            StaleError: something moved, or it expired.
        """
        self._vouch(recorded)
        if self._clock.now() >= recorded.value.expires_at:
            raise StaleError("the permit expired before the first byte")
