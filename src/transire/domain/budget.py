"""What may be spent, and how much of it is: reserved before an attempt, settled after it. Pure.

An attempt reserves the most it can cost; its outcome gives back what it did not. So the sum that is
kept is never below what was really spent, and a process that dies between the two has spent the
reservation: no crash opens a budget. Amounts are whole micro-USD (ADR 15).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from transire.domain.ids import ApplicationId, TenantId
from transire.domain.request import Principal
from transire.errors import BudgetExceeded

__all__ = [
    "Budget",
    "Period",
    "Scope",
    "Spend",
    "applying",
    "period_at",
    "spend_of",
    "spent",
    "spent_after",
    "sum_key",
    "sums_after",
]

_PREFIX: Final = "budget/"
"""State keys of budgets begin so."""


class Scope(StrEnum):
    """Whose spending one budget counts together."""

    TENANT = "tenant"
    APPLICATION = "application"
    KEY = "key"


class Period(StrEnum):
    """How long one budget lasts, in UTC."""

    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A hard limit of the bundle: what would pass it is refused.

    Attributes:
        tenant, application: Whose requests it counts; exactly one is set.
        scope: `key` counts each application key for itself.
    """

    id: str
    scope: Scope
    period: Period
    limit_micro_usd: int
    tenant: TenantId | None = None
    application: ApplicationId | None = None

    def applies(self, principal: Principal) -> bool:
        """Whether this principal's requests are counted."""
        if self.tenant is not None:
            return principal.tenant == self.tenant
        return principal.application == self.application


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """A change to one budget's sum, judged and made with an entry.

    Attributes:
        budget: The budget's id, as the entry names it.
        key: State key of its sum.
        period: `2026-11-26` or `2026-11`. A sum of an earlier period counts as 0; a change for an
            earlier period than the sum's comes too late to matter, and changes nothing.
        micro_usd: Added; negative where a reservation is given back.
        limit_micro_usd: The sum may not pass it; None adds whatever it is (settling).
    """

    budget: str
    key: str
    period: str
    micro_usd: int
    limit_micro_usd: int | None = None

    def settled(self, cost_micro_usd: int) -> "Spend":
        """What turns this reservation into the cost."""
        return Spend(
            budget=self.budget,
            key=self.key,
            period=self.period,
            micro_usd=cost_micro_usd - self.micro_usd,
        )


def applying(budgets: Mapping[str, Budget], principal: Principal) -> tuple[Budget, ...]:
    """The budgets that count this principal's requests, in the order of their ids."""
    return tuple(b for b in budgets.values() if b.applies(principal)) if budgets else ()


def period_at(period: Period, moment: datetime) -> str:
    """The name of the period a moment (aware UTC) lies in; names sort as time passes."""
    day = moment.date().isoformat()
    return day if period is Period.DAY else day[:7]


def sum_key(budget: Budget, key_id: str = "") -> str:
    """The state key of a sum; of a budget that counts each key, what all of them begin with.

    Days and months are counted apart: their names do not compare.
    """
    each = f"/{key_id}" if budget.scope is Scope.KEY else ""
    return f"{_PREFIX}{budget.id}/{budget.period}{each}"


def spend_of(budget: Budget, principal: Principal, moment: datetime, micro_usd: int) -> Spend:
    """The reservation of an attempt that costs at most so much."""
    return Spend(
        budget=budget.id,
        key=sum_key(budget, principal.key_id),
        period=period_at(budget.period, moment),
        micro_usd=micro_usd,
        limit_micro_usd=budget.limit_micro_usd,
    )


def spent(value: str | None, period: str) -> int:
    """What a state value says was spent or reserved in this period."""
    return int(value.partition(" ")[2]) if value and _period_of(value) == period else 0


def spent_after(value: str | None, spend: Spend) -> str | None:
    """The state value after a change; None where the budget does not allow it."""
    if _period_of(value) > spend.period:
        # An outcome so late changes nothing: its reservation went with its period. A reservation
        # so late comes of a clock that is behind, and would be counted nowhere.
        return value if spend.limit_micro_usd is None else None
    total = spent(value, spend.period) + spend.micro_usd
    if spend.limit_micro_usd is not None and total > spend.limit_micro_usd:
        return None
    return f"{spend.period} {max(total, 0)}"


def sums_after(get: Callable[[str], str | None], spends: Iterable[Spend]) -> dict[str, str]:
    """State key → sum after these changes, made one after the other; all of them or none.

    Args:
        get: The state as it is.

    Raises:
        BudgetExceeded: a budget has not enough left, or counts a later period already.
    """
    sums: dict[str, str] = {}
    for spend in spends:
        before = sums.get(spend.key) or get(spend.key)
        after = spent_after(before, spend)
        if after is None:
            reached = _period_of(before)
            why = f"has not enough left for {spend.period}"
            if reached > spend.period:
                why = f"counts {reached} already, and nothing of {spend.period}"
            raise BudgetExceeded(
                f"the budget `{spend.budget}` {why}", facts={"budget": spend.budget}
            )
        sums[spend.key] = after
    return sums


def _period_of(value: str | None) -> str:
    return (value or "").partition(" ")[0]
