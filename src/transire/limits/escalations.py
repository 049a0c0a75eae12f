"""How much may be escalated, by key and by application; and who escalates far more than others.

A verdict is ours, but a caller can provoke one: text that makes a small model refuse is easily
written. So what escalating costs is bounded by buckets that no text moves: one for each key, one
for each application. Beyond them the small model's answer goes out, with its verdict.

A key is compared with the other keys of its application, over about the last ten minutes: where its
requests ask for escalations three times as often as theirs do, and in more than a fifth of all, it
*steers*. That is counted and said in the log, and the key gets no larger share of its requests
escalated than the bound. Where the others have asked too little to compare with, nobody steers, and
the buckets alone bound it.

Decided from memory alone. What was granted stands in the log, as an attempt; so a start, and within
seconds every other replica, counts it here too (`recalled`). One event loop owns an instance;
nothing here awaits, so nothing here locks. Memory is bounded.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Generic, NamedTuple, TypeVar

import structlog

from transire.domain.ports import Clock
from transire.domain.request import Principal
from transire.limits.bucket import Bucket, Rate, put_back, spent, take

__all__ = ["EscalationQuota", "Whose"]

_log = structlog.get_logger()

HALF_LIFE_S: Final = 600.0
"""After so long a request counts half as much towards its key's share."""
LEAST_REQUESTS: Final = 20.0
"""With fewer, of a key or of the others, a share says nothing: one in twenty is a step of 5 %."""
FACTOR: Final = 3.0
FLOOR: Final = 0.2
"""Shares up to this are nobody's attack: the others may happen to have asked nothing hard."""
MAX_REMEMBERED: Final = 10_000
"""Keys and applications remembered, each; the least recently used goes first (some 4 MB)."""

K = TypeVar("K")


class Whose(NamedTuple):
    """Whose requests are counted together: a key's, and its application's."""

    key_id: str
    application: str

    @classmethod
    def of(cls, tenant: str, application: str | None, key_id: str) -> "Whose":
        """By the names that a principal and an entry have."""
        return cls(key_id, f"{tenant}/{application or ''}")


@dataclass(slots=True)
class _Shares:
    """Requests judged, wanted and granted, each fading."""

    judged: float = 0.0
    wanted: float = 0.0
    granted: float = 0.0
    at: float = 0.0

    def fade(self, now: float) -> None:
        """Let what was counted before weigh less; a clock that went back changes nothing."""
        kept = 0.5 ** (max(0.0, now - self.at) / HALF_LIFE_S)
        self.judged *= kept
        self.wanted *= kept
        self.granted *= kept
        self.at = max(self.at, now)


@dataclass(slots=True)
class _Key:
    bucket: Bucket
    shares: _Shares = field(default_factory=_Shares)
    is_steering: bool = False
    said_at: float | None = None


@dataclass(slots=True)
class _Application:
    bucket: Bucket
    shares: _Shares = field(default_factory=_Shares)


@dataclass(slots=True)
class _Recent(Generic[K]):
    """Values by name, as many as may be remembered."""

    make: Callable[[float], K]
    known: OrderedDict[str, K] = field(default_factory=OrderedDict)

    def of(self, name: str, now: float) -> K:
        """The value of a name, made where it is new."""
        found = self.known.get(name)
        if found is None:
            found = self.known[name] = self.make(now)
            if len(self.known) > MAX_REMEMBERED:
                self.known.popitem(last=False)
        else:
            self.known.move_to_end(name)
        return found


class EscalationQuota:
    """Implements `domain.escalation.Escalations`.

    Args:
        key: How many escalations one credential may have.
        application: How many all of an application's together.
        steered: Told of each escalation that a steering key asks for.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        key: Rate,
        application: Rate,
        steered: Callable[[Principal], None],
    ) -> None:
        self._clock = clock
        self._key_rate, self._application_rate = key, application
        self._steered = steered
        self._keys = _Recent(lambda now: _Key(Bucket(key.burst, now)))
        self._applications = _Recent(lambda now: _Application(Bucket(application.burst, now)))

    def judged(self, principal: Principal, *, is_wanted: bool) -> None:
        """See `domain.escalation.Escalations`."""
        now = self._clock.monotonic()
        key = self._weigh(_whose(principal), now, is_wanted=is_wanted)
        if key.is_steering and is_wanted:
            self._steered(principal)
            self._say(principal, key, now)

    def take(self, principal: Principal) -> str:
        """See `domain.escalation.Escalations`."""
        now = self._clock.monotonic()
        key, application = self._of(_whose(principal), now)
        bound = _bound(key.shares, application.shares) if key.is_steering else None
        if bound is not None and key.shares.granted + 1.0 > bound * key.shares.judged:
            return "steered"
        own = take(key.bucket, self._key_rate, now)
        if own is None:
            return "quota"
        everybodys = take(application.bucket, self._application_rate, now)
        if everybodys is None:
            return "application_quota"
        key.bucket, application.bucket = own, everybodys
        key.shares.granted += 1.0
        return ""

    def give_back(self, principal: Principal) -> None:
        """See `domain.escalation.Escalations`."""
        now = self._clock.monotonic()
        key, application = self._of(_whose(principal), now)
        key.bucket = put_back(key.bucket, self._key_rate, now)
        application.bucket = put_back(application.bucket, self._application_rate, now)
        key.shares.granted = max(0.0, key.shares.granted - 1.0)

    def recall_judged(self, whose: Whose, at: float, *, is_wanted: bool) -> None:
        """A request was judged at a moment before: by an earlier start, or elsewhere.

        Args:
            at: Monotonic seconds of this process; below 0 where it was not up yet.
        """
        self._weigh(whose, at, is_wanted=is_wanted)

    def recall_granted(self, whose: Whose, at: float) -> None:
        """An escalation was granted at a moment before: it counts, whatever is left."""
        key, application = self._of(whose, at)
        key.bucket = spent(key.bucket, self._key_rate, at)
        application.bucket = spent(application.bucket, self._application_rate, at)
        key.shares.granted += 1.0

    def _weigh(self, whose: Whose, now: float, *, is_wanted: bool) -> _Key:
        key, application = self._of(whose, now)
        for shares in (key.shares, application.shares):
            shares.fade(now)
            shares.judged += 1.0
            shares.wanted += is_wanted
        bound = _bound(key.shares, application.shares)
        key.is_steering = bound is not None and key.shares.wanted > bound * key.shares.judged
        return key

    def _say(self, principal: Principal, key: _Key, now: float) -> None:
        """One line for each key and half-life: whoever steers must not fill the log as well."""
        if key.said_at is not None and now - key.said_at < HALF_LIFE_S:
            return
        key.said_at = now
        _log.warning(
            "escalation.steered",
            key_id=principal.key_id,
            application=principal.application,
            tenant=principal.tenant,
            count=round(key.shares.wanted),
        )

    def _of(self, whose: Whose, now: float) -> tuple[_Key, _Application]:
        keys, applications = self._keys, self._applications
        return keys.of(whose.key_id, now), applications.of(whose.application, now)


def _whose(principal: Principal) -> Whose:
    return Whose.of(principal.tenant, principal.application, principal.key_id)


def _bound(key: _Shares, application: _Shares) -> float | None:
    """The share up to which a key does not steer; None where there is nothing to compare with."""
    others = application.judged - key.judged
    if key.judged < LEAST_REQUESTS or others < LEAST_REQUESTS:
        return None
    wanted = max(0.0, application.wanted - key.wanted)
    return max(FLOOR, FACTOR * wanted / others)
