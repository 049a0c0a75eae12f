"""What is left of budgets, as the log's committed state tells it.

A look, and no more: two requests may see the same rest. Whether it is enough is judged once, with
the attempt's entry, inside the log's batch (`domain.budget`).
"""

from collections.abc import Callable, Mapping

from transire.domain.budget import Budget, applying, spend_of, spent
from transire.domain.ports import Clock
from transire.domain.request import Principal

__all__ = ["left_of"]


def left_of(
    budgets: Mapping[str, Budget], peek: Callable[[str], str | None], clock: Clock
) -> Callable[[Principal], int | None]:
    """Principal → micro-USD left of the tightest budget that counts it, or None without one.

    Args:
        peek: State key → committed value, from memory.
    """

    def left(principal: Principal) -> int | None:
        rests = []
        for budget in applying(budgets, principal):
            spend = spend_of(budget, principal, clock.now(), 0)
            rests.append(budget.limit_micro_usd - spent(peek(spend.key), spend.period))
        return max(min(rests), 0) if rests else None

    return left
