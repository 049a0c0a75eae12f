"""An explanation as text: what closed each pair, never what would have opened it."""

from typing import Any

from transire.cli.explanation import explained

TOLD: dict[str, Any] = {
    "outcome": "denied",
    "code": "policy_denied",
    "facts": {
        "raw": {"base": {"data_classes": ["HEALTH"]}},
        "redacted": {"base": {"data_classes": ["PSEUDONYMISED"]}},
    },
    "candidates": [
        {
            "deployment": "eu-a",
            "form": "raw",
            "effect": "forbid",
            "policies": ["grant.acme"],
            "limits": ["asserted.model"],
            "errors": [],
            "because": ["asserted.model"],
        }
    ],
    "filtered": [
        {"deployment": "eu-b", "form": "raw", "filter": "quality", "told": "quality 0.7 < 0.75"},
        {"deployment": "eu-c", "form": "redacted", "filter": "health", "told": "out of order"},
    ],
    "policies": {"grant.acme": {"effect": "permit", "reason": "Acme may use all"}},
}


def test_what_only_a_limit_closed_is_not_laid_to_a_grant() -> None:
    lines = list(explained(TOLD))

    assert "forbid  eu-a             raw       asserted.model" in lines
    assert "asserted.model: the caller asked for other deployments" in lines
    assert not any("grant.acme" in line for line in lines)


def test_what_was_found_is_told_for_each_form() -> None:
    lines = list(explained(TOLD))

    assert lines[1:3] == ["found: HEALTH", "found, redacted: PSEUDONYMISED"]


def test_a_filtered_deployment_has_a_line_that_says_why() -> None:
    lines = list(explained(TOLD))

    assert "out: eu-b: quality 0.7 < 0.75" in lines
    assert "out: eu-c (redacted): out of order" in lines


def test_a_request_that_nobody_read_is_explained_by_its_code() -> None:
    unread = {"outcome": "refused", "code": "bad_request", "candidates": [], "policies": {}}

    assert list(explained(unread)) == ["refused: bad_request", "found: nothing"]


def test_what_nobody_looked_for_is_not_told_as_nothing_found() -> None:
    base = {"data_classes": [], "uncovered_classes": ["HR_DATA"], "failed_classes": ["PCI"]}
    lines = list(explained({**TOLD, "facts": {"raw": {"base": base}}}))

    assert lines[1] == "found: nothing"
    assert lines[2].startswith("uncovered: HR_DATA (")
    assert lines[3].startswith("failed: PCI (")


def test_a_hold_names_its_rule_its_queue_its_review_and_who_released_it() -> None:
    row = {**TOLD["candidates"][0], "deployment": "eu-a", "effect": "permit", "because": []}
    row["obligations"] = [{"kind": "review", "queue": "marketing", "policy": "review.claims"}]
    act = {"kind": "review.approved", "by": "rita", "queue": "marketing", "ts": "2026-11-25"}
    told = {
        **TOLD,
        "outcome": "review_required",
        "chosen": {"deployment": "eu-a"},
        "review_id": "rev_1",
        "candidates": [row],
        "policies": {"review.claims": {"reason": "Health claims are read by a person"}},
        "review": [{**act, "disclosed": {"comment": "it is true"}}, {**act, "erased": 1}],
    }
    lines = list(explained(told))

    assert lines[1:5] == [
        "review: rev_1",
        "held for marketing: review.claims: Health claims are read by a person",
        "review.approved by rita in marketing at 2026-11-25: it is true",
        "review.approved by rita in marketing at 2026-11-25: what was written is erased",
    ]


def test_a_conflict_and_a_quarantine_are_told_in_words() -> None:
    block = {"what": "deployment/eu-a", "by": "omar", "at": "2026-11-25", "reason": "a leak"}
    lines = list(explained({**TOLD, "code": "review_spent", "quarantined": [block]}))

    assert lines[1].startswith("review_spent: the approval of this review was used already")
    assert "quarantine: deployment/eu-a by omar at 2026-11-25: a leak" in lines
