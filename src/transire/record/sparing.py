"""What is left of budgets to requests by what is none: shadows and judgments."""

from collections.abc import Callable, Iterable

from transire.domain.budget import Spend, spent
from transire.errors import BudgetExceeded

__all__ = ["demand_room"]


def demand_room(spends: Iterable[Spend], peek: Callable[[str], str | None]) -> None:
    """Nothing is taken of what requests may still need: the second half is theirs.

    A look before the entry, as the other half of the check is made with it: those that look at once
    may pass the half together, and never the whole.

    Args:
        peek: State key → committed value, from memory.

    Raises:
        BudgetExceeded: more than half of a budget would be spent.
    """
    for spend in spends:
        used = spent(peek(spend.key), spend.period) + spend.micro_usd
        if used * 2 > (spend.limit_micro_usd or 0):
            raise BudgetExceeded(
                f"the budget `{spend.budget}` is kept for requests",
                facts={"budget": spend.budget},
            )
