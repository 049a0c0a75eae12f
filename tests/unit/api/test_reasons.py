"""Why a pair was closed or dropped, from its entry and the bundle it was decided under."""

from typing import Any

import pytest
from tests.unit.paths import COMPILED

from transire.api.reasons import because, filtered_rows

BUNDLE = COMPILED.bundle
GRANT = min(BUNDLE.permits)


def head(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "ranking": {
            "scorer": "s",
            "seed": 1,
            "target_ms": 1,
            "near_tie_permille": 0,
            "reason": "none",
            "candidates": {"deployment": []},
            "filtered": {"deployment": ["eu-medical"], "filter": [name]},
            "budget_micro_usd": 1_200,
        },
        "signals": {"task": "translation", "cues": ["translation"]},
        "limits": {"min_quality": None, "max_cost_micro_usd": 10, "max_latency_ms": 50, **changes},
    }


def test_a_grant_is_no_reason_for_a_forbidden_pair() -> None:
    row = {"policies": [GRANT], "limits": ["quarantine"], "errors": []}

    assert because({**row, "effect": "forbid"}, BUNDLE) == ["quarantine"]
    assert because({**row, "effect": "permit"}, BUNDLE) == [GRANT]


@pytest.mark.parametrize(
    ("filtered_by", "told"),
    [
        ("quality", "quality 0.5 < 0.75, the floor of task `translation`"),
        ("budget", "may cost more than the 0.001200 USD left of a budget, or has no known price"),
        ("max_cost", "may cost more than `max_cost_usd`, 0.000010 USD, or has no known price"),
        ("max_latency", "slower than `max_latency_ms`, 50"),
        ("capability", "lacks a capability that the request asks for"),
    ],
)
def test_a_filter_says_what_it_compared(filtered_by: str, told: str) -> None:
    assert filtered_rows(head(filtered_by), BUNDLE) == [
        {"deployment": "eu-medical", "form": "raw", "filter": filtered_by, "told": told}
    ]


def test_a_floor_is_the_callers_only_where_it_is_higher_than_the_bundles() -> None:
    (same,) = filtered_rows(head("quality", min_quality=750), BUNDLE)
    (higher,) = filtered_rows(head("quality", min_quality=751), BUNDLE)

    assert same["told"].endswith("the floor of task `translation`")
    assert higher["told"] == "quality 0.5 < 0.751, the floor of `min_quality`"


def test_an_older_bundle_that_is_not_at_hand_leaves_the_bare_reason() -> None:
    (row,) = filtered_rows(head("quality"), None)

    assert row["told"] == "below the quality floor"


def test_an_unread_request_has_no_filtered_pairs() -> None:
    assert filtered_rows({"kind": "decision"}, BUNDLE) == []
