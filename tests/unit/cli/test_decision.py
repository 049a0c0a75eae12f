"""One line per entry of a decision."""

from typing import Any

import pytest

from transire.cli.decision import _line

PERMIT = {"attempt": 2, "cause": "fallback", "deployment": "eu-economy"}


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (
            {
                "kind": "decision",
                "outcome": "permitted",
                "chosen": {"deployment": "us-economy"},
                "permit": {**PERMIT, "attempt": 1, "cause": "first"},
            },
            "decision: permitted, us-economy",
        ),
        ({"kind": "attempt", "permit": PERMIT}, "attempt 2: fallback, eu-economy"),
        (
            {"kind": "outcome", "attempt": 2, "status": "ok", "deployment": "eu-economy"},
            "outcome attempt 2: ok, eu-economy",
        ),
        ({"kind": "decision", "outcome": "denied", "code": "policy_denied"}, "policy_denied"),
        (
            {"kind": "shadow.permitted", "permit": {**PERMIT, "attempt": 0, "cause": "shadow"}},
            "shadow.permitted: shadow, eu-economy",
        ),
        (
            {"kind": "shadow.ended", "attempt": 0, "status": "ok", "deployment": "eu-economy"},
            "shadow.ended: ok, eu-economy",
        ),
    ],
)
def test_a_line_says_what_was_decided_sent_or_answered(entry: dict[str, Any], said: str) -> None:
    line = _line({"index": 7, "ts": "2026-11-25T09:00:00.000000Z", **entry})

    assert line.startswith("     7  2026-11-25T09:00:00.000000Z  ")
    assert line.endswith(said)
