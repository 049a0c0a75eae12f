"""What is left of budgets: the tightest one says it, of its own period alone."""

from tests.conftest import FakeClock

from transire.domain.budget import Budget, Period, Scope
from transire.domain.ids import ApplicationId, KeyId, TenantId
from transire.domain.request import Principal
from transire.limits.spending import left_of

WHO = Principal(
    kind="application",
    tenant=TenantId("acme"),
    application=ApplicationId("sales"),
    key_id=KeyId("key_1"),
)
MONTH = Budget(
    id="all",
    scope=Scope.TENANT,
    period=Period.MONTH,
    limit_micro_usd=100,
    tenant=TenantId("acme"),
)
DAY = Budget(
    id="sales",
    scope=Scope.APPLICATION,
    period=Period.DAY,
    limit_micro_usd=30,
    application=ApplicationId("sales"),
)


def left(clock: FakeClock, *budgets: Budget, **state: str) -> int | None:
    values = {name.replace("_", "/"): value for name, value in state.items()}
    return left_of({b.id: b for b in budgets}, values.get, clock)(WHO)


def test_the_tightest_budget_says_what_is_left(clock: FakeClock) -> None:
    assert left(clock, MONTH, DAY) == 30
    assert left(clock, MONTH, DAY, budget_all_month="2026-11 80") == 20
    assert (
        left(clock, MONTH, DAY, budget_all_month="2026-11 80", budget_sales_day="2026-11-25 25")
        == 5
    )


def test_what_another_period_spent_does_not_count(clock: FakeClock) -> None:
    assert left(clock, DAY, budget_sales_day="2026-11-24 30") == 30


def test_an_overspent_budget_has_nothing_left(clock: FakeClock) -> None:
    assert left(clock, DAY, budget_sales_day="2026-11-25 45") == 0


def test_who_is_counted_by_no_budget_has_no_bound(clock: FakeClock) -> None:
    other = Budget(
        id="x",
        scope=Scope.TENANT,
        period=Period.DAY,
        limit_micro_usd=1,
        tenant=TenantId("globex"),
    )
    assert left(clock, other) is None
