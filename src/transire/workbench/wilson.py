"""Where a share lies that was seen in a sample: Wilson's score interval. Pure.

E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the
American Statistical Association 22 (1927), 209-212. Unlike the share plus or minus its standard
error it stays within 0 and 1, and says something of none and of all.
"""

import math
from typing import Final

__all__ = ["Z_95", "wilson"]

Z_95: Final = 1.96
"""Standard deviations that hold 95 % of a normal distribution."""


def wilson(hits: float, count: float, *, z: float = Z_95) -> tuple[float, float]:
    """The lower and upper end of the interval, within 0 and 1; both ends where nothing was seen.

    It takes what was counted for independent, which several spans of one text are not.

    Args:
        hits: How many of `count` had the property; either may be a fraction, of an effective count.
        z: Standard deviations; the larger, the surer and the wider.
    """
    if count == 0:
        return 0.0, 1.0
    share = hits / count
    middle = share + z**2 / (2 * count)
    half = z * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    below = 1 + z**2 / count
    return max(0.0, (middle - half) / below), min(1.0, (middle + half) / below)
