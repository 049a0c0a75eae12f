"""The demo's table says what became of each deployment, why, and where each decision stands."""

import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from transire.demo.situations import SITUATIONS, Case
from transire.demo.table import WIDTH, Row, print_head, print_legend, print_row
from transire.outbound.caller import Answer

FLEET = ["eu-economy", "eu-premium", "us-premium", "us-economy"]
CASE = Case(
    situation="s",
    shows="a dispute",
    application="support-triage",
    prompt="hello",
    is_quoted=True,
)


def candidate(name: str, effect: str = "permit", *because: str) -> dict[str, Any]:
    return {"deployment": name, "form": "raw", "effect": effect, "because": list(because)}


def out(name: str, told: str, kind: str = "quality") -> dict[str, Any]:
    return {"deployment": name, "form": "raw", "filter": kind, "told": told}


EXPLAINED: dict[str, Any] = {
    "index": 41,
    "facts": {"raw": {"base": {"data_classes": ["CONTACT"], "failed_classes": ["HEALTH"]}}},
    "signals": {"cues": ["billing_dispute"]},
    "chosen": {"deployment": "eu-economy"},
    "candidates": [
        candidate("eu-economy"),
        candidate("eu-premium"),
        candidate("us-premium", "forbid", "limits.y"),
        candidate("us-economy"),
    ],
    "filtered": [
        out("us-economy", "quality 0.5 < 0.75, the floor of task `t`"),
        out("us-economy", "quality 0.6 < 0.75, the floor of task `t`"),
    ],
    "ranking": {"reason": "cheapest_meeting_target"},
    "policies": {},
}
DENIED = Answer(status=403, headers={}, document={"error": {"code": "policy_denied"}})
HELD = Answer(status=403, headers={}, document={"error": {"code": "review_required"}})
HEAD: dict[str, Any] = {"kind": "decision", "request": {"needs": ["json_schema"]}, "permit": {}}


def answered(name: str, **more: str) -> Answer:
    headers = {"x-transire-deployment": name, "x-transire-overhead-ms": "12.34"}
    headers |= {f"x-transire-{key}": value for key, value in more.items()}
    document = {"choices": [{"message": {"content": "Your dispute is open."}}]}
    return Answer(status=200, headers=headers, document=document)


def outcome(name: str, attempt: int = 1, status: str = "ok", **more: Any) -> dict[str, Any]:
    return {
        "kind": "outcome",
        "deployment": name,
        "attempt": attempt,
        "status": status,
        "cost_micro_usd": 11,
        **more,
    }


def row(answer: Answer, *outcomes: dict[str, Any]) -> Row:
    said = {"eu-economy": "Contact us."}
    return Row.of(CASE, answer, EXPLAINED, [HEAD, *outcomes], said)


def printed(told: Row, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    console = Console(file=io.TextIOWrapper(raw, encoding=encoding), width=WIDTH + 1)
    print_legend(console)
    print_head(console, told.situation, FLEET)
    print_row(console, told, FLEET)
    console.file.flush()
    return raw.getvalue().decode(encoding)


def test_each_deployment_has_what_became_of_it() -> None:
    told = row(answered("eu-economy"), outcome("eu-economy"))

    assert told.became == {
        "eu-economy": "won",
        "eu-premium": "permitted",
        "us-premium": "refused",
        "us-economy": "unfit",
    }


def test_what_was_found_and_what_kept_deployments_out_is_one_paragraph() -> None:
    told = row(DENIED)

    assert told.facts == (
        ("", "found CONTACT, could not look for HEALTH, cue billing_dispute"),
        ("refused", "limits.y"),
        ("unfit", "quality below 0.75, the floor of task `t`"),
    )


def test_a_missing_capability_is_named() -> None:
    lacking = {**EXPLAINED, "filtered": [out("us-economy", "lacks a capability", "capability")]}

    told = Row.of(CASE, DENIED, lacking, [HEAD], {})

    assert ("unfit", "lacks json_schema") in told.facts


@pytest.mark.parametrize(
    ("ended", "why"),
    [
        ({"status": "superseded", "appraisal": {"verdicts": ["refusal"]}}, "verdict: refusal"),
        (
            {
                "status": "contract_violated",
                "failure": "withheld",
                "received": {"effect": "withheld", "policies": ["answers.x"]},
            },
            "rule: answers.x",
        ),
        ({"status": "contract_violated", "failure": "schema"}, "contract: schema"),
        ({"status": "failed", "failure": "timeout"}, "failed: timeout"),
    ],
)
def test_an_answer_that_was_kept_back_is_told_with_the_reason(
    ended: dict[str, Any], why: str
) -> None:
    told = row(
        answered("eu-premium", escalated="refusal"),
        outcome("eu-premium", 2),
        outcome("eu-economy", **ended),
    )

    assert told.became["eu-economy"] == "kept"
    assert told.notes == (
        ("kept", f"eu-economy, kept back ({why}): “Contact us.”"),
        ("won", "eu-premium, by escalation: “Your dispute is open.”"),
    )


def test_the_cost_is_that_of_all_attempts() -> None:
    told = row(
        answered("eu-premium"), outcome("eu-economy", status="failed"), outcome("eu-premium", 2)
    )

    assert told.cost_usd == "0.000022"


def test_a_repair_is_said() -> None:
    told = row(answered("eu-economy", repaired="closing"), outcome("eu-economy"))

    assert told.notes[-1] == ("won", "eu-economy, repaired (closing): “Your dispute is open.”")


def test_a_held_request_shows_whom_it_waits_for() -> None:
    told = row(HELD)

    assert told.became["eu-economy"] == "held"
    assert (told.overhead_ms, told.cost_usd, told.entry) == ("–", "–", "#41")


def test_what_is_said_of_a_request_fits_into_a_terminal() -> None:
    told = row(answered("eu-economy", repaired="closing"), outcome("eu-economy"))

    assert max(map(len, printed(told).splitlines())) <= WIDTH + 1


@pytest.mark.parametrize(("encoding", "sign"), [("utf-8", "●"), ("ascii", "*")])
def test_signs_need_no_unicode(encoding: str, sign: str) -> None:
    told = replace(row(answered("eu-economy"), outcome("eu-economy")), notes=())

    line = next(x for x in printed(told, encoding).splitlines() if x.startswith("  a dispute"))

    assert line.split()[2] == sign


def test_what_a_case_shows_fits_into_its_column() -> None:
    assert max(len(case.shows) for case in SITUATIONS) <= 27
