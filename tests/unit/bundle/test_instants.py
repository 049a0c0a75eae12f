"""When `now` changes what a bundle answers."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.unit.authorize.worlds import GRANT, ruled

from transire.bundle.instants import Instants, instants_of

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
TICK = timedelta(milliseconds=1)


def _rule(condition: str) -> str:
    return (
        '@id("own") @reason("why")\n'
        f'forbid (principal, action in Action::"dispatch", resource) when {{ {condition} }};\n'
    )


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
