"""A token bucket as a value. Pure; `level` is always within 0 and the burst."""

import math
from dataclasses import dataclass

__all__ = ["Bucket", "Rate", "filled", "put_back", "spent", "take", "wait_s"]


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast a bucket fills (`per_s`, above 0) and how much it holds (`burst`, at least 1)."""

    per_s: float
    burst: float

    def __post_init__(self) -> None:
        """Refuse rates that would never admit anything, or everything."""
        if not (0 < self.per_s < math.inf and 1 <= self.burst < math.inf):
            raise ValueError("a rate needs `per_s` above 0 and `burst` of at least 1")


@dataclass(frozen=True, slots=True)
class Bucket:
    """What was left at one moment (monotonic seconds)."""

    level: float
    at: float


def filled(bucket: Bucket, rate: Rate, now: float) -> float:
    """What is in it now; a clock that went back adds nothing."""
    return min(rate.burst, bucket.level + max(0.0, now - bucket.at) * rate.per_s)


def take(bucket: Bucket, rate: Rate, now: float, weight: float = 1.0) -> Bucket | None:
    """The bucket with `weight` tokens fewer, or None where it does not hold them.

    A weight above the burst counts as the burst: it would otherwise never be admitted.
    """
    level = filled(bucket, rate, now)
    weight = min(weight, rate.burst)
    if level < weight:
        return None
    return Bucket(level - weight, max(now, bucket.at))


def spent(bucket: Bucket, rate: Rate, now: float) -> Bucket:
    """The bucket with one token fewer, taken elsewhere; none is left where it held less."""
    return Bucket(max(0.0, filled(bucket, rate, now) - 1.0), max(now, bucket.at))


def put_back(bucket: Bucket, rate: Rate, now: float) -> Bucket:
    """The bucket with the one token that was taken and not used; never above its burst."""
    return Bucket(min(rate.burst, filled(bucket, rate, now) + 1.0), max(now, bucket.at))


def wait_s(bucket: Bucket, rate: Rate, now: float, weight: float = 1.0) -> float:
    """Seconds until `weight` tokens are there; 0 where they are already."""
    missing = min(weight, rate.burst) - filled(bucket, rate, now)
    return max(0.0, missing / rate.per_s)
