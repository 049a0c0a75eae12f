"""`transire budgets`."""

from transire.cli.session import RemoteRouter, acting, emit

__all__ = ["list_budgets"]


@acting
def list_budgets(router: RemoteRouter) -> None:
    """Your tenant's budgets: limits, and what was spent or reserved in this period."""
    emit(router.call("GET", "/v1/budgets"))
