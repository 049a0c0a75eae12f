"""What is left of budgets, for people of the tenant they count."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request

from transire.api.asker import person_of
from transire.domain.budget import Budget, Scope, period_at, spent, sum_key
from transire.domain.deployment import Catalog
from transire.domain.ids import TenantId
from transire.installation import Installation

__all__ = ["add_budgets"]


def add_budgets(router: APIRouter, it: Installation) -> None:
    """Looking at budgets; they change as the bundle does."""

    @router.get("/v1/budgets", tags=["budgets"])
    async def list_budgets(request: Request) -> dict[str, Any]:
        """One's tenant's budgets: limits, and what was spent or reserved in this period."""
        principal, catalog = person_of(it, request), it.governed.bundle.catalog
        return {
            "budgets": [
                await _told(budget, it)
                for budget in catalog.budgets.values()
                if _tenant_of(budget, catalog) == principal.tenant
            ]
        }


def _tenant_of(budget: Budget, catalog: Catalog) -> TenantId:
    if budget.application is not None:
        return catalog.applications[budget.application].tenant
    assert budget.tenant is not None  # exactly one of the two (`bundle.references`)
    return budget.tenant


async def _told(budget: Budget, it: Installation) -> dict[str, Any]:
    whole = sum_key(budget)
    period = period_at(budget.period, it.clock.now())
    rows: Sequence[tuple[str, str | None]]
    if budget.scope is Scope.KEY:
        rows = await it.log.scan(whole)
    else:
        rows = [(whole, it.log.peek(whole))]
    return {
        "budget": budget.id,
        "counts": budget.scope,
        "of": budget.application or budget.tenant,
        "period": period,
        "limit_micro_usd": budget.limit_micro_usd,
        "spent": [
            {
                "key_id": key.removeprefix(whole) or None,
                "micro_usd": spent(value, period),
                "left_micro_usd": max(budget.limit_micro_usd - spent(value, period), 0),
            }
            for key, value in rows
        ],
    }
