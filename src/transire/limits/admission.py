"""Who may come in now: rate and concurrency per principal, places in all, shed by priority.

Checked before classification, so that being refused costs us next to nothing. The order is: places
in all (least work to tell) → the principal's concurrency → its rate. Only an admitted request
takes tokens. A refused one raises `ThrottledError` with the seconds to wait and is counted in a
`Tally`. One event loop owns an instance: nothing here awaits, so nothing here locks.

Memory is bounded: idle principals are forgotten once their bucket is full again, and at most
`MAX_PRINCIPALS` are remembered at all.
"""

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from transire.domain.ports import Clock
from transire.errors import ThrottledError
from transire.limits.bucket import Bucket, Rate, filled, take, wait_s
from transire.limits.tally import Tally

__all__ = ["Admission", "AdmissionLimits", "FailedAuthLimiter", "Place", "places_for"]

MAX_PRINCIPALS: Final = 100_000
"""Buckets remembered: 20 MB at most. The least recently used goes first."""

HIGHEST_PRIORITY: Final = 9

RESERVED_PERMILLE: Final = 250
"""Share of all places that the lowest priority may not use; each step up frees a ninth of it."""

UNAUTHENTICATED: Final = "unauthenticated"
"""The key under which refusals before authentication are counted."""

BUSY_RETRY_S: Final = 1.0
"""What to wait where no bucket can tell: about one answer's time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionLimits:
    """Limits of one process.

    Attributes:
        in_flight: Requests of everybody together.
        per_principal: Requests of one principal at once.
        rate: Requests of one principal over time.
    """

    in_flight: int
    per_principal: int
    rate: Rate


@dataclass(slots=True)
class _Principal:
    bucket: Bucket
    active: int = 0


@dataclass(slots=True)
class Admission:
    """Admits or refuses requests of authenticated principals."""

    clock: Clock
    limits: AdmissionLimits
    tally: Tally = field(default_factory=Tally)
    _in_flight: int = 0
    _known: OrderedDict[str, _Principal] = field(default_factory=OrderedDict)

    @property
    def in_flight(self) -> int:
        """Requests admitted and not finished."""
        return self._in_flight

    def enter(self, principal_key: str, *, priority: int = 5) -> "Place":
        """A place for one request, not taken yet: entering it as a block does, or `Place.take`.

        Args:
            principal_key: Whose limits apply; the credential's id, never the credential.
            priority: 0 (shed first) to 9, from the credential; callers can only lower it.
        """
        return Place(self, principal_key, priority)

    def reconsider(self, principal_key: str, priority: int) -> None:
        """Judge an admitted request once more, now that it has asked for a lower priority.

        Raises:
            ThrottledError: with that priority it would not have been admitted.
        """
        if self._in_flight > places_for(priority, self.limits.in_flight):
            raise self._refused(principal_key, "overloaded", BUSY_RETRY_S)

    def crowded_out(self, principal_key: str) -> ThrottledError:
        """The error for an admitted request for which there is no room after all; counted."""
        return self._refused(principal_key, "overloaded", BUSY_RETRY_S)

    def drain_counts(self) -> tuple[tuple[str, str, int], ...]:
        """(key, code, count) of refusals since the last call, for one `throttled` entry."""
        self._forget_idle()
        return self.tally.drain()

    def _admit(self, key: str, priority: int) -> _Principal:
        now = self.clock.monotonic()
        if self._in_flight >= places_for(priority, self.limits.in_flight):
            raise self._refused(key, "overloaded", BUSY_RETRY_S)
        principal = self._known.get(key)
        if principal is None:
            principal = _Principal(Bucket(self.limits.rate.burst, now))
        if principal.active >= self.limits.per_principal:
            raise self._refused(key, "concurrency", BUSY_RETRY_S)
        bucket = take(principal.bucket, self.limits.rate, now)
        if bucket is None:
            wait = wait_s(principal.bucket, self.limits.rate, now)
            raise self._refused(key, "rate", wait)
        principal.bucket = bucket
        self._remember(key, principal)
        return principal

    def _remember(self, key: str, principal: _Principal) -> None:
        self._known[key] = principal
        self._known.move_to_end(key)
        if len(self._known) > MAX_PRINCIPALS:
            # Whoever has a request in flight stays: forgotten, they would have all places anew.
            oldest = next((k for k, p in self._known.items() if not p.active and k != key), None)
            if oldest is not None:
                del self._known[oldest]

    def _forget_idle(self) -> None:
        now, rate = self.clock.monotonic(), self.limits.rate
        idle = [
            key
            for key, p in self._known.items()
            if p.active == 0 and filled(p.bucket, rate, now) >= rate.burst
        ]
        for key in idle:
            del self._known[key]

    def _refused(self, key: str, code: str, retry_after_s: float) -> ThrottledError:
        self.tally.add(key, code)
        return ThrottledError(_MESSAGES[code], retry_after_s=retry_after_s)


_MESSAGES: Final = {
    "overloaded": "the router is at its limit of requests in flight",
    "concurrency": "this credential is at its limit of requests at once",
    "rate": "this credential is over its rate of requests",
    "authentication": "too many failed authentications from this address",
}


class Place:
    """One request's place: taken on entering a block and given back on leaving it, or by name."""

    __slots__ = ("_admission", "_asked", "_principal")

    def __init__(self, admission: Admission, key: str, priority: int) -> None:
        self._admission = admission
        self._asked = (key, priority)
        self._principal: _Principal | None = None

    def take(self) -> None:
        """Take it.

        Raises:
            ThrottledError: over a limit; says how long to wait.
        """
        self._principal = self._admission._admit(*self._asked)  # noqa: SLF001 - its other half
        self._admission._in_flight += 1  # noqa: SLF001 - its other half
        self._principal.active += 1

    def leave(self) -> None:
        """Give it back; safe twice."""
        if self._principal is not None:
            self._admission._in_flight -= 1  # noqa: SLF001 - its other half
            self._principal.active -= 1
            self._principal = None

    def __enter__(self) -> None:
        self.take()

    def __exit__(self, *_: object) -> None:
        self.leave()


class FailedAuthLimiter:
    """Slows down guessing: a bucket of *failed* authentications per remote address.

    A valid credential is never slowed, whoever else is behind its address. An IPv6 address counts
    as its /64 network, which is what one subscriber gets. Refusals are counted under one key: an
    address is personal data, and the log has no use for it.
    """

    def __init__(self, clock: Clock, rate: Rate, tally: Tally | None = None) -> None:
        self._clock = clock
        self._rate = rate
        self._tally = tally if tally is not None else Tally()
        self._known: OrderedDict[str, Bucket] = OrderedDict()

    def check(self, address: str) -> None:
        """Refuse an address with too many failures; asked once its credential has failed again.

        Raises:
            ThrottledError: says how long to wait.
        """
        bucket = self._known.get(_network(address))
        if bucket is None:
            return
        wait = wait_s(bucket, self._rate, self._clock.monotonic())
        if wait > 0:
            self._tally.add(UNAUTHENTICATED, "authentication")
            raise ThrottledError(_MESSAGES["authentication"], retry_after_s=wait)

    def failed(self, address: str) -> None:
        """Count one failed authentication."""
        now, network = self._clock.monotonic(), _network(address)
        bucket = self._known.get(network, Bucket(self._rate.burst, now))
        # Where the bucket is empty already it stays so: failures are not remembered as debt.
        self._known[network] = take(bucket, self._rate, now) or bucket
        self._known.move_to_end(network)
        if len(self._known) > MAX_PRINCIPALS:
            self._known.popitem(last=False)

    def drain_counts(self) -> tuple[tuple[str, str, int], ...]:
        """(key, code, count) of refusals since the last call."""
        now = self._clock.monotonic()
        for address in [a for a, b in self._known.items() if self._is_full(b, now)]:
            del self._known[address]
        return self._tally.drain()

    def _is_full(self, bucket: Bucket, now: float) -> bool:
        return filled(bucket, self._rate, now) >= self._rate.burst


def _network(address: str) -> str:
    """The address itself, or the /64 of an IPv6 one; anything else stands for itself."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed.packed, 64), strict=False))


def places_for(priority: int, places: int) -> int:
    """How many places in all this priority may fill: 9 all, 0 three quarters, at least one."""
    bounded = min(max(priority, 0), HIGHEST_PRIORITY)
    withheld = places * RESERVED_PERMILLE * (HIGHEST_PRIORITY - bounded)
    return max(1, places - withheld // (1000 * HIGHEST_PRIORITY))
