"""What a bundle can observe, and what may therefore be remembered."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.unit.authorize.worlds import GRANT, classes, facts, ruled

from transire.authorize.memo import Memo, fact_projection

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
