"""How answers ended and what they cost, and when one share is larger than another beyond chance."""

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from transire.workbench.report.trace import Ended
from transire.workbench.wilson import wilson

__all__ = ["RECENT", "SIGNIFICANT", "Answers", "is_more", "surely"]

SIGNIFICANT: Final = 2.58
"""Standard errors: one false finding in a hundred comparisons."""
RECENT: Final = 100
"""A deployment's newest answers to a task, which are held against those before them."""


@dataclass(slots=True)
class Answers:
    """Of one deployment or name: how its answers ended, the newest apart, and what they cost."""

    recent: deque[bool] = field(default_factory=lambda: deque(maxlen=RECENT))
    earlier: int = 0
    earlier_ok: int = 0
    costed: int = 0
    cost: int = 0
    cost_squared: int = 0
    cost_unknown: int = 0
    tokens: int = 0

    def add(self, event: Ended) -> None:
        """See one more; the oldest of the newest moves to the earlier ones."""
        if len(self.recent) == RECENT:
            self.earlier += 1
            self.earlier_ok += self.recent[0]
        self.recent.append(event.status == "ok")
        if event.status != "ok":
            return
        if event.cost_micro_usd is None:
            self.cost_unknown += 1
            return
        self.costed += 1
        self.cost += event.cost_micro_usd
        self.cost_squared += event.cost_micro_usd**2
        self.tokens += (event.tokens_in or 0) + (event.tokens_out or 0)

    @property
    def count(self) -> int:
        """All of them."""
        return self.earlier + len(self.recent)

    @property
    def ok(self) -> int:
        """Those that were whole and kept their contract."""
        return self.earlier_ok + sum(self.recent)

    @property
    def mean_cost(self) -> float:
        """Per good answer of known cost, of which there must be one."""
        return self.cost / self.costed

    @property
    def cost_error_squared(self) -> float:
        """Of the mean; squared."""
        variance = self.cost_squared / self.costed - self.mean_cost**2
        return max(variance, 0.0) / self.costed


def surely(ok: int, count: int) -> float:
    """What a share of good answers is at least, as sure as `SIGNIFICANT` is."""
    return wilson(ok, count, z=SIGNIFICANT)[0]


def is_more(ok: int, count: int, other_ok: int, other: int) -> bool:
    """Whether the first share is larger, beyond chance (pooled two-proportion test)."""
    pooled = (ok + other_ok) / (count + other)
    error = math.sqrt(pooled * (1 - pooled) * (1 / count + 1 / other))
    return ok / count - other_ok / other > SIGNIFICANT * error
