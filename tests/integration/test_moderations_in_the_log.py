"""A moderation in the log: both verifiers accept an honest one and refuse every other."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.integration.test_rules_across_entries import (
    DIGEST,
    NOON,
    Story,
    asked,
    created,
    demand_agreement,
    ours,
    permit,
    quarantined,
    theirs,
    write,
)
from tests.integration.test_shadows_in_the_log import evaluation, row
from tests.integration.whole import REQUEST

OPEN = evaluation(row("m", "permit", policies=["moderate.all"]))
SHUT = evaluation(row("m", "forbid"))
REVIEWED = evaluation(row("m", "permit", policies=["moderate.all"], queue="law"))
Change = Callable[[Story], Any]


def shown(name: str = "dec_1", **changes: Any) -> dict[str, Any]:
    made = permit(-1, deployment="m", cause="moderation")
    requested = asked(name, "denied")
    whose = {key: requested[key] for key in ("tenant", "app", "key_id", "request")}
    return {
        "kind": "moderation.permitted",
        **whose,
        "decision_id": name,
        "evaluation": OPEN,
        "bundle": DIGEST,
        "quarantine": 0,
        "policies": ["moderate.all"],
        "permit": {**made, **changes},
    }


def judged(name: str = "dec_1", status: str = "ok", **more: Any) -> dict[str, Any]:
    said: dict[str, Any] = {"raised": ["hate"], "failed": []}
    named = {"decision_id": name, "attempt": -1, "deployment": "m"}
    return {"kind": "moderation.ended", "status": status, **named, **said, **more}


def decided(name: str = "dec_1", result: str = "ok", **more: Any) -> dict[str, Any]:
    rows = [{"deployment": "m", "form": "raw", "attempt": -1, "result": result}]
    said = {"moderation": {"asked": rows}, "guards": {"raised": ["hate"], "failed": []}}
    return asked(name, "denied", evaluation=SHUT, **{**said, **more})


def honest() -> Story:
    """A request that was judged and denied, and one that was judged and never decided."""
    return {
        "genesis": {"kind": "policy.genesis", "bundle_digest": DIGEST, "mode": "team"},
        "key": created("key_1"),
        "other_key": created("key_2"),
        "shown": shown(),
        "judged": judged(),
        "decided": decided(),
        "left": shown("dec_2"),
    }


def _with(name: str, **fields: Any) -> Change:
    return lambda story: story[name].update(fields)


def _permit(**fields: Any) -> Change:
    return lambda story: story["shown"]["permit"].update(fields)


def _row(**fields: Any) -> Change:
    return lambda story: story["decided"]["moderation"]["asked"][0].update(fields)


def _without(name: str) -> Change:
    return lambda story: story.pop(name)


def _moved(name: str, before: str) -> Change:
    """The entry `name`, put right before another."""

    def change(story: Story) -> None:
        moved, rest = story.pop(name), dict(story)
        story.clear()
        for each, entry in rest.items():
            if each == before:
                story[name] = moved
            story[each] = entry

    return change


def _added(before: str, entry: dict[str, Any]) -> Change:
    def change(story: Story) -> None:
        story["added"] = entry
        _moved("added", before)(story)

    return change


def _both(*changes: Change) -> Change:
    def change(story: Story) -> None:
        for each in changes:
            each(story)

    return change


LIES: dict[str, tuple[str, Change]] = {
    "after the decision": (
        "shown",
        _both(_moved("shown", "left"), _without("judged"), _row(attempt=None)),
    ),
    "of another request": (
        "decided",
        _with("decided", request={**REQUEST, "mac": "x", "content": "y"}),
    ),
    "for another key": ("decided", _with("decided", key_id="key_2")),
    "by no rule": ("shown", _with("shown", policies=[])),
    "that its evaluation forbids": ("shown", _with("shown", evaluation=SHUT)),
    "that a person has to release": ("shown", _with("shown", evaluation=REVIEWED)),
    "of no evaluation": ("shown", _with("shown", evaluation=None)),
    "of other content": ("shown", _permit(content="c1")),
    "under a bundle that is not active": ("shown", _permit(bundle="x")),
    "under a bundle that it does not name": ("shown", _with("shown", bundle="x")),
    "to a quarantined provider": (
        "shown",
        _added("shown", quarantined("imposed", 1, "provider", "p", "omar")),
    ),
    "of a revoked key": (
        "shown",
        _added("shown", {"kind": "access.key_revoked", "key_id": "key_1"}),
    ),
    "that lives on": ("shown", _permit(expires_at=(NOON + timedelta(seconds=9)).isoformat())),
    "numbered as an attempt": ("shown", _permit(attempt=1)),
    "numbered as a shadow": ("shown", _permit(attempt=0)),
    "that skips a number": ("shown", _permit(attempt=-2)),
    "that hides what it is": ("shown", _permit(cause="first")),
    "that reserves": ("shown", _permit(reserved=[])),
    "that ended elsewhere": ("judged", _with("judged", deployment="g")),
    "that ended twice": ("added", _added("left", judged())),
    "that was never permitted": ("judged", _without("shown")),
    "that ended as an answer": ("judged", _with("judged", status="contract_violated")),
    "that a decision leaves out": (
        "decided",
        _with("decided", guards={"raised": [], "failed": []}),
    ),
    "that failed in silence": (
        "decided",
        _with("judged", raised=[], failed=["violence"], status="failed"),
    ),
    "that went otherwise than is said": ("decided", _row(result="timeout")),
    "that nobody was asked for": ("decided", _row(attempt=-2)),
    "of another deployment": ("decided", _row(deployment="g")),
}
"""Lie → where it is found, and what makes it."""


def test_honest_moderations_satisfy_both(tmp_path: Path) -> None:
    write(tmp_path / "data", honest())

    assert ours(tmp_path / "data") == theirs(tmp_path / "data") == ""


@pytest.mark.parametrize(
    "change",
    [
        _with("judged", status="unknown", failure="restart", raised=None, failed=None),
        _without("judged"),
        _moved("judged", "left"),
        _both(
            _with("judged", status="failed", raised=[], failed=["hate"]),
            _row(result="timeout"),
            _with("decided", guards={"raised": [], "failed": ["hate", "violence"]}),
        ),
        _without("decided"),
        _with("decided", kind="advice"),
        _permit(form="redacted", content="c9"),
    ],
    ids=["unknown", "open", "told later", "failed", "never decided", "advice", "redacted"],
)
def test_a_moderation_may_end_in_any_way_that_its_decision_tells(
    change: Change, tmp_path: Path
) -> None:
    story = honest()
    change(story)
    if story["shown"]["permit"].get("form") == "redacted":
        story["decided"]["moderation"]["asked"][0]["form"] = "redacted"
        story["shown"]["evaluation"] = evaluation(
            row("m", "permit", "redacted", policies=["moderate.all"])
        )

    write(tmp_path / "data", story)

    assert ours(tmp_path / "data") == theirs(tmp_path / "data") == ""


@pytest.mark.parametrize("lie", sorted(LIES))
def test_a_lie_about_a_moderation_is_found_by_both(lie: str, tmp_path: Path) -> None:
    story, (found_at, change) = honest(), LIES[lie]
    change(story)
    at = list(story).index(found_at)

    write(tmp_path / "data", story)

    said = ours(tmp_path / "data"), theirs(tmp_path / "data")
    assert all(f"entry {at} " in one or f"entry {at}:" in one for one in said), said


@given(data=st.data())
@settings(max_examples=300)
def test_both_say_the_same_of_any_value_in_any_field_of_a_moderation(data: st.DataObject) -> None:
    demand_agreement(honest(), data)
