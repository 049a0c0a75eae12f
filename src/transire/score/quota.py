"""What a quota group was asked for within the last minute; pure.

Providers count requests and tokens a minute. The sliding minute is approximated by two fixed ones:
the running one counts whole, the one before by the share of it that the sliding minute still
covers. For even traffic that is exact, after a burst it may let a few through early (the provider
then says so, and its Retry-After is kept); it needs five numbers, and cannot grow.

Times are seconds of one monotonic clock and arrive as arguments.
"""

import math
from dataclasses import dataclass, replace
from typing import Final

__all__ = ["MINUTE_S", "Window", "counted", "used", "wait_s"]

MINUTE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Window:
    """Requests and tokens of the running minute and of the one before; `since` is its start."""

    since: float = 0.0
    requests: int = 0
    tokens: int = 0
    requests_before: int = 0
    tokens_before: int = 0


def counted(window: Window, now: float, *, requests: int, tokens: int) -> Window:
    """The window after more was asked for, or, negative, after less was used than was thought.

    What is taken back is of the running minute alone, and never goes below nothing.
    """
    current = _rolled(window, now)
    return replace(
        current,
        requests=max(0, current.requests + requests),
        tokens=max(0, current.tokens + tokens),
    )


def used(window: Window, now: float) -> tuple[int, int]:
    """Requests and tokens of the minute that ends now, rounded up."""
    current = _rolled(window, now)
    left = max(0.0, 1 - (now - current.since) / MINUTE_S)
    return (
        current.requests + math.ceil(current.requests_before * left),
        current.tokens + math.ceil(current.tokens_before * left),
    )


def wait_s(window: Window, now: float) -> float:
    """Seconds until the running minute is over: until then a place may fall free at any time."""
    return max(0.0, _rolled(window, now).since + MINUTE_S - now)


def _rolled(window: Window, now: float) -> Window:
    """The window with its minutes moved on; a clock that went back moves nothing."""
    passed = now - window.since
    if passed < MINUTE_S:
        return window
    if passed >= 2 * MINUTE_S:
        return Window(since=now)
    return Window(
        since=window.since + MINUTE_S,
        requests_before=window.requests,
        tokens_before=window.tokens,
    )
