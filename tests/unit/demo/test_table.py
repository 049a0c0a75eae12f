"""The demo's table says why each deployment was out, and where each decision stands."""

import io
from typing import Any

from rich.console import Console

from transire.demo.situations import Case
from transire.demo.table import Row, print_rows
from transire.outbound.caller import Answer

CASE = Case(situation="s", shows="a translation", application="support-triage", prompt="hello")
EXPLAINED: dict[str, Any] = {
    "index": 41,
    "facts": {"raw": {"base": {"data_classes": []}}},
    "candidates": [
        {"deployment": "a", "form": "raw", "effect": "permit", "because": ["grant.x"]},
        {"deployment": "b", "form": "raw", "effect": "forbid", "because": ["limits.y"]},
    ],
    "filtered": [
        {"deployment": "a", "form": "raw", "filter": "quality", "told": "quality 0.5 < 0.75"}
    ],
    "policies": {},
}
DENIED = Answer(status=403, headers={}, document={"error": {"code": "policy_denied"}})


def test_a_filtered_deployment_is_told_with_its_reason() -> None:
    row = Row.of(CASE, DENIED, EXPLAINED)

    assert row.refused == "1: limits.y; out: a: quality 0.5 < 0.75"


def test_a_denial_has_its_place_in_the_log_too() -> None:
    assert Row.of(CASE, DENIED, EXPLAINED).entry == "#41"


def test_a_legend_says_what_the_signs_mean() -> None:
    console = Console(file=io.StringIO(), width=160)
    print_rows(console, [Row.of(CASE, DENIED, EXPLAINED)])

    assert "+ms: what routing added" in console.file.getvalue()  # type: ignore[attr-defined] # StringIO
