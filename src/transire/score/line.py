"""A straight line through what was seen lately: how long something takes, by how much it was.

Exponentially weighted means, variance and covariance (West 1979's update, with a fixed weight), and
a slope that is shrunk towards zero (ridge regression, Hoerl and Kennard 1970): where the amounts
never varied, nothing is said about other amounts, and the line is the plain average. So a
deployment that was only ever asked for short answers is not guessed to be slow at long ones.

Pure, bounded, O(1); times in milliseconds, amounts in tokens.
"""

from dataclasses import dataclass, replace
from typing import Final

__all__ = ["EMPTY", "MOST_TOKENS", "STEEPEST_US", "Line", "drawn", "raised"]

MOST_TOKENS: Final = 1_000_000
"""No amount counts for more: longer than any context window that is served."""

STEEPEST_US: Final = 1_000_000
"""No slope is steeper: a second a token is not a speed anybody waits for."""


@dataclass(frozen=True, slots=True)
class Line:
    """Means of amount and time, the amount's variance, and the covariance of both."""

    tokens: float = 0.0
    time_ms: float = 0.0
    variance: float = 0.0
    covariance: float = 0.0

    def slope_us(self, ridge_tokens: float) -> int:
        """Microseconds a token, never negative: nothing is faster for being longer.

        Args:
            ridge_tokens: A spread of amounts below which the slope is mostly doubted.
        """
        if self.covariance <= 0:
            return 0
        slope = 1000 * self.covariance / (self.variance + ridge_tokens * ridge_tokens)
        return int(min(slope, STEEPEST_US))

    def base_us(self, slope_us: int) -> int:
        """Where a line of this slope through the means meets the amount zero."""
        return int(1000 * self.time_ms - slope_us * self.tokens)


EMPTY: Final = Line()


def drawn(line: Line, tokens: float, time_ms: float, alpha: float) -> Line:
    """The line after one more sample of weight `alpha`; 1 forgets what was before."""
    tokens = tokens if 0 <= tokens <= MOST_TOKENS else float(MOST_TOKENS)
    more, longer = tokens - line.tokens, time_ms - line.time_ms
    kept = 1 - alpha
    return Line(
        tokens=line.tokens + alpha * more,
        time_ms=line.time_ms + alpha * longer,
        variance=kept * (line.variance + alpha * more * more),
        covariance=kept * (line.covariance + alpha * more * longer),
    )


def raised(line: Line, time_ms: float, alpha: float) -> Line:
    """The line after a failure, which has a time and no amount: it can only go up."""
    return replace(line, time_ms=line.time_ms + alpha * max(0.0, time_ms - line.time_ms))
