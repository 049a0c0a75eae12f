"""A budget's sum under any order of reservations, settlements and crashes."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transire.domain.budget import Budget, Period, Scope, spend_of, spent, spent_after, sums_after
from transire.domain.ids import KeyId, TenantId
from transire.domain.request import Principal
from transire.errors import BudgetExceeded

WHO = Principal(kind="application", tenant=TenantId("acme"), key_id=KeyId("key_1"))
NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def budget(limit: int, period: Period = Period.DAY) -> Budget:
    return Budget(
        id="b",
        scope=Scope.TENANT,
        period=period,
        limit_micro_usd=limit,
        tenant=TenantId("acme"),
    )


attempts = st.lists(
    st.tuples(
        st.integers(0, 500),  # the most it can cost
        st.floats(0, 1),  # what it costs of that
        st.booleans(),  # whether its process lives to settle it
    ),
    max_size=60,
)


@given(limit=st.integers(1, 5_000), tries=attempts)
def test_what_is_really_spent_never_passes_the_limit(
    limit: int, tries: list[tuple[int, float, bool]]
) -> None:
    value: str | None = None
    really, open_spends = 0, []
    for most, share, settles in tries:
        spend = spend_of(budget(limit), WHO, NOON, most)
        after = spent_after(value, spend)
        if after is None:
            assert spent(value, "2026-11-26") + most > limit
            continue
        value, cost = after, int(most * share)
        really += cost
        if settles:
            open_spends.append((spend, cost))
        assert really <= spent(value, "2026-11-26") <= limit

    for spend, cost in reversed(open_spends):
        value = spent_after(value, spend.settled(cost))
        assert really <= spent(value, "2026-11-26") <= limit


@given(most=st.integers(0, 100), share=st.floats(0, 1))
def test_what_is_given_back_can_be_spent_again(most: int, share: float) -> None:
    spend = spend_of(budget(100), WHO, NOON, most)
    cost = int(most * share)

    value = spent_after(spent_after(None, spend), spend.settled(cost))

    assert spent(value, "2026-11-26") == cost


def test_a_new_period_begins_with_nothing_spent() -> None:
    value = spent_after(None, spend_of(budget(10), WHO, NOON, 10))

    assert spent_after(value, spend_of(budget(10), WHO, NOON, 1)) is None
    tomorrow = NOON.replace(day=27)
    assert spent_after(value, spend_of(budget(10), WHO, tomorrow, 10)) == "2026-11-27 10"


def test_an_outcome_of_an_earlier_period_changes_nothing_in_this_one() -> None:
    late = spend_of(budget(10), WHO, NOON, 10)
    value = spent_after(None, spend_of(budget(10), WHO, NOON.replace(day=27), 7))

    assert spent_after(value, late.settled(2)) == value


def test_a_clock_that_goes_back_opens_no_budget() -> None:
    value = spent_after(None, spend_of(budget(10), WHO, NOON, 3))

    assert spent_after(value, spend_of(budget(10), WHO, NOON.replace(day=25), 1)) is None


def test_a_refusal_says_whether_the_money_is_spent_or_the_clock_is_behind() -> None:
    spend = spend_of(budget(10), WHO, NOON, 3)
    state = {spend.key: spent_after(None, spend)}

    with pytest.raises(BudgetExceeded, match="not enough left for 2026-11-26"):
        sums_after(state.get, [spend_of(budget(10), WHO, NOON, 8)])
    with pytest.raises(
        BudgetExceeded, match="counts 2026-11-26 already, and nothing of 2026-11-25"
    ):
        sums_after(state.get, [spend_of(budget(10), WHO, NOON.replace(day=25), 1)])


def test_a_cost_beyond_the_reservation_is_counted_all_the_same() -> None:
    spend = spend_of(budget(10), WHO, NOON, 4)

    value = spent_after(spent_after(None, spend), spend.settled(25))

    assert spent(value, "2026-11-26") == 25
    assert spent_after(value, spend_of(budget(10), WHO, NOON, 1)) is None


def test_each_key_has_a_sum_of_its_own_where_the_budget_says_so() -> None:
    each = replace(budget(10, Period.MONTH), scope=Scope.KEY)

    spend = spend_of(each, WHO, NOON, 1)

    assert (spend.key, spend.period) == ("budget/b/month/key_1", "2026-11")


def test_a_budget_that_changes_its_period_begins_anew() -> None:
    value = spend_of(budget(10), WHO, NOON, 10)
    month = spend_of(budget(10, Period.MONTH), WHO, NOON, 10)

    assert value.key != month.key
