"""What a bundle can observe, and what may therefore be remembered."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.unit.authorize.worlds import GRANT, classes, facts, ruled

from transire.authorize.memo import Instants, Memo, fact_projection, instants_of

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
TICK = timedelta(milliseconds=1)


def _rule(condition: str) -> str:
    return (
        '@id("own") @reason("why")\n'
        f'forbid (principal, action in Action::"dispatch", resource) when {{ {condition} }};\n'
    )


def test_a_memo_forgets_what_was_used_longest_ago() -> None:
    memo: Memo[int] = Memo(2)
    memo.remember("a", 1)
    memo.remember("b", 2)
    memo.recall("a")
    memo.remember("c", 3)

    assert [1, None, 3] == [memo.recall(key) for key in ("a", "b", "c")]


def test_a_moment_stands_before_at_or_after_an_instant() -> None:
    instants = Instants([NOON])

    windows = {instants.window(moment) for moment in (NOON - TICK, NOON, NOON + TICK)}

    assert len(windows) == 3


def test_moments_between_two_instants_are_alike() -> None:
    instants = Instants([NOON, NOON + timedelta(days=1)])

    assert instants.window(NOON + TICK) == instants.window(NOON + timedelta(hours=23))


def test_time_is_judged_to_the_millisecond_that_cedar_sees() -> None:
    assert NOON + TICK == Instants([]).judged(NOON + timedelta(microseconds=1_999))


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(59.999, 10.001), (60, 60.0), (90, 60.0), (10, 10.0), (10.5, 10.001), (9.999, 0.0)],
    ids=["late", "next", "in the next", "at an instant", "past an instant", "before an instant"],
)
def test_time_arithmetic_moves_by_minutes_and_never_back_across_an_instant(
    seconds: float, expected: float
) -> None:
    instants = Instants([NOON + timedelta(seconds=10)], has_arithmetic=True)

    judged = instants.judged(NOON + timedelta(seconds=seconds))

    assert NOON + timedelta(seconds=expected) == judged
    assert judged == instants.judged(judged)


def test_two_minutes_of_time_arithmetic_are_different_windows() -> None:
    instants = Instants([], has_arithmetic=True)

    assert instants.window(NOON) != instants.window(NOON + timedelta(minutes=1))


@pytest.mark.parametrize(
    "condition",
    [
        'context.now < datetime("2026-11-25T12:00:00Z")',
        '[datetime("2026-11-25T13:00:00+0100")].contains(context.now)',
        '{at: datetime("2026-11-25T12:00:00.000Z")}.at == context.now',
        'if context.now >= datetime("2026-11-25T12:00:00Z") then true else false',
    ],
)
def test_every_instant_a_rule_names_is_a_boundary(condition: str) -> None:
    instants = instants_of(ruled(GRANT + _rule(condition)))

    assert instants.window(NOON - TICK) != instants.window(NOON)


def test_a_date_means_its_midnight_in_utc() -> None:
    instants = instants_of(ruled(GRANT + _rule('context.now < datetime("2026-11-26")')))
    midnight = datetime(2026, 11, 26, tzinfo=UTC)

    assert instants.window(midnight - TICK) != instants.window(midnight)


def test_the_ends_of_contracts_are_boundaries() -> None:
    instants = instants_of(ruled(GRANT))
    end = datetime(2028, 1, 1, tzinfo=UTC)

    assert instants.window(end - TICK) != instants.window(end)


@pytest.mark.parametrize(
    "condition",
    [
        'context.now.toTime() > duration("17h")',
        'context.now.toDate() == datetime("2026-12-24")',
        'context.now.offset(duration("1h")) > datetime("2026-11-25")',
        'context.now.durationSince(datetime("2026-01-01")).toDays() > 3',
    ],
)
def test_a_rule_that_computes_with_time_is_judged_by_the_minute(condition: str) -> None:
    instants = instants_of(ruled(GRANT + _rule(condition)))
    moment = NOON + timedelta(seconds=30)

    assert NOON == instants.judged(moment)


def test_a_bundle_without_time_arithmetic_is_judged_at_the_very_moment() -> None:
    moment = NOON + timedelta(seconds=30)

    assert moment == instants_of(ruled(GRANT)).judged(moment)


OTHER: list[dict[str, Any]] = [
    {"purpose": "support"},
    {"stakes": "high"},
    {"data_classes": classes("PHI")},
    {"failed_classes": classes("PHI")},
    {"uncovered_classes": classes("PHI")},
    {"reduced_classes": classes("PHI")},
    {"raised_guards": frozenset({"jailbreak"})},
    {"failed_guards": frozenset({"jailbreak"})},
    {"unscanned_parts": 1},
    {"capabilities": frozenset({"store"})},
    {"redacted": True},
    {"subject_region": "DE"},
    {"user": "ana"},
]
READING = {
    "purpose": 'context.purpose == Purpose::"hr"',
    "stakes": 'context.stakes == Stakes::"high"',
    "data_classes": "context.dataClasses.isEmpty()",
    "failed_classes": "context.failedClasses.isEmpty()",
    "uncovered_classes": "context.uncoveredClasses.isEmpty()",
    "reduced_classes": "context.reducedClasses.isEmpty()",
    "raised_guards": "context.raisedGuards.isEmpty()",
    "failed_guards": "context.failedGuards.isEmpty()",
    "unscanned_parts": "context.unscannedParts > 0",
    "capabilities": 'context["capabilities"].isEmpty()',
    "redacted": "context.redacted",
    "subject_region": "context has subjectRegion",
    "user": 'context has user && context.user in Role::"author"',
}


@pytest.mark.parametrize("read", READING)
def test_a_fact_that_a_rule_reads_is_in_the_key_and_no_other(read: str) -> None:
    observed = fact_projection(ruled(GRANT + _rule(READING[read])))
    plain = facts()

    changing = {
        name
        for other in OTHER
        for name in other
        if observed(replace(plain, **other)) != observed(plain)
    }

    assert {read} == changing


def test_a_rule_that_uses_the_context_as_a_whole_puts_every_fact_in_the_key() -> None:
    observed = fact_projection(ruled(GRANT + _rule("context == context")))

    assert all(observed(replace(facts(), **other)) != observed(facts()) for other in OTHER)


def test_a_bundle_that_reads_no_fact_has_one_key() -> None:
    observed = fact_projection(ruled(GRANT))

    assert {observed(facts())} == {observed(replace(facts(), **other)) for other in OTHER}


def test_acceptances_are_for_the_record_and_never_in_the_key() -> None:
    observed = fact_projection(ruled(GRANT + _rule("context == context")))

    assert observed(facts()) == observed(facts(acceptances=("a",)))
