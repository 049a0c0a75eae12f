"""A shadow in the log: both verifiers accept an honest one and refuse every other."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.integration.test_rules_across_entries import (
    BLOBS,
    DIGEST,
    END,
    NOON,
    Story,
    approved,
    asked,
    created,
    demand_agreement,
    digest_of,
    ours,
    permit,
    quarantined,
    reserved,
    theirs,
    write,
)
from tests.integration.whole import listing


def row(deployment: str, effect: str, form: str = "raw", **reasons: Any) -> dict[str, Any]:
    queue = reasons.pop("queue", None)
    asked_for = [{"kind": "review", "queue": queue, "policy": "p"}] if queue else []
    said = {"policies": [], "limits": [], "errors": [], **reasons}
    return {
        "deployment": deployment,
        "form": form,
        "effect": effect,
        "obligations": asked_for,
        **said,
    }


def evaluation(*rows: dict[str, Any]) -> str:
    data = json.dumps([row("g", "permit", policies=["grant"]), *rows]).encode()
    BLOBS[digest_of(data)] = data
    return digest_of(data)


UNSAID = evaluation(row("s", "forbid"), row("s", "forbid", "redacted"))
GRANTED = evaluation(row("s", "permit", policies=["grant"]))
FORBIDDEN = evaluation(row("s", "forbid", policies=["limits.credential"]))
CLOSED = evaluation(row("s", "forbid", limits=["quarantine"]))
ERRED = evaluation(row("s", "forbid", errors=["odd"]))
REVIEWED = evaluation(row("s", "permit", policies=["grant"], queue="law"))
UNKNOWN = evaluation()
SILENT = evaluation({k: v for k, v in row("s", "forbid").items() if k != "policies"})

OWN = {"budget": "shadow/try", "key": "budget/shadow/try/day", "period": "2026-11-26"}
DRAW = {
    "id": "try",
    "digest": "d1",
    "variant": "s",
    "unit": "request",
    "point_ppm": 950_000,
    "propensity_ppm": 100_000,
    "variants": ["control", "s"],
    "shares_ppm": [900_000, 100_000],
}


def spending(micro_usd: int, **changes: Any) -> dict[str, Any]:
    return {"reserved": [{**OWN, "micro_usd": micro_usd, "limit_micro_usd": 100, **changes}]}


def decided(name: str = "dec_1", **more: Any) -> dict[str, Any]:
    made = permit(1, deployment="g", cause="first")
    ranked = listing("g")
    chosen = {"deployment": "g"}
    asks = {"permit": made, "chosen": chosen, "ranking": ranked, "evaluation": UNSAID, **more}
    return asked(name, "permitted", **asks)


def ended(name: str = "dec_1", status: str = "ok", **more: Any) -> dict[str, Any]:
    named = {"decision_id": name, "attempt": 1, "deployment": "g"}
    return {"kind": "outcome", "status": status, **named, **more}


def copied(name: str = "dec_1", **changes: Any) -> dict[str, Any]:
    made = permit(0, deployment="s", cause="shadow", **spending(40))
    return {
        "kind": "shadow.permitted",
        "decision_id": name,
        "evaluation": UNSAID,
        "bundle": DIGEST,
        "quarantine": 0,
        "experiment": dict(DRAW),
        "policies": ["shadow.try"],
        "permit": {**made, **changes},
    }


def over(name: str = "dec_1", status: str = "ok", **more: Any) -> dict[str, Any]:
    named = {"decision_id": name, "attempt": 0, "deployment": "s", "released_bytes": 0}
    return {"kind": "shadow.ended", "status": status, **named, "charged_micro_usd": 3, **more}


def honest() -> Story:
    """Two answers, each with a copy of its question; the second one's copy is still out."""
    return {
        "genesis": {"kind": "policy.genesis", "bundle_digest": DIGEST, "mode": "team"},
        "key": created("key_1"),
        "other": created("key_2"),
        "first": decided(),
        "ended": ended(),
        "copied": copied(),
        "over": over(),
        "second": decided("dec_2"),
        "answered": ended("dec_2"),
        "again": {**copied("dec_2"), "evaluation": GRANTED},
    }


def _with(name: str, **changes: Any) -> Callable[[Story], None]:
    return lambda story: story[name].update(changes)


def _permit(**changes: Any) -> Callable[[Story], None]:
    return lambda story: story["copied"]["permit"].update(changes)


def _draw(**changes: Any) -> Callable[[Story], None]:
    return lambda story: story["copied"]["experiment"].update(changes)


def _both(*changes: Callable[[Story], None]) -> Callable[[Story], None]:
    def change(story: Story) -> None:
        for each in changes:
            each(story)

    return change


def _without(*names: str) -> Callable[[Story], None]:
    def change(story: Story) -> None:
        for name in names:
            del story[name]

    return change


def _to(deployment: str) -> Callable[[Story], None]:
    def change(story: Story) -> None:
        story["copied"]["permit"]["deployment"] = story["over"]["deployment"] = deployment

    return change


def _moved(name: str, before: str, **changes: Any) -> Callable[[Story], None]:
    def change(story: Story) -> None:
        entry = {**story.pop(name), **changes}
        rest = list(story.items())
        at = list(story).index(before)
        story.clear()
        story.update([*rest[:at], (name, entry), *rest[at:]])

    return change


def _added(before: str, *entries: dict[str, Any]) -> Callable[[Story], None]:
    def change(story: Story) -> None:
        rest = list(story.items())
        at = list(story).index(before)
        story.clear()
        added = [(f"added{i}", entry) for i, entry in enumerate(entries)]
        story.update([*rest[:at], *added, *rest[at:]])

    return change


def _released(story: Story) -> None:
    hold = asked(
        "dec_0",
        "review_required",
        chosen={"deployment": "s"},
        review_id="rev_1",
        review={"queues": ["law"], "expires_at": END.isoformat()},
        evaluation=REVIEWED,
    )
    _added("first", hold, approved("law", "rita"))(story)
    story["first"] |= {"review_id": "rev_1"}


def _another_bundle(story: Story) -> None:
    other = digest_of(b"the first bundle's files")
    named = {"bundle_digest": other, "parent": DIGEST}
    told = {"author": "ana", "approved_by": ["ben"], "by": "ana"}
    _added(
        "copied",
        {"kind": "policy.proposed", **named, "by": "ana"},
        {"kind": "policy.approved", **named, "author": "ana", "by": "ben"},
        {"kind": "policy.activated", **named, **told},
    )(story)
    story["copied"] |= {"bundle": other}
    story["copied"]["permit"]["bundle"] = other
    _without("second", "answered", "again")(story)


def _quarantined(kind: str, name: str) -> Callable[[Story], None]:
    def change(story: Story) -> None:
        _added("copied", quarantined("imposed", 1, kind, name, "omar"))(story)
        story["copied"]["permit"]["quarantine"] = story["copied"]["quarantine"] = 1
        _without("second", "answered", "again")(story)

    return change


def _budget_of_app(story: Story) -> None:
    story["first"]["permit"] |= reserved(10)
    story["second"]["permit"] |= reserved(10)
    story["again"]["permit"] = {**story["again"]["permit"], **spending(10)}
    story["again"]["permit"]["reserved"].insert(0, reserved(10)["reserved"][0])


def _as_attempt(story: Story) -> None:
    story["copied"] |= {"kind": "attempt"}
    story["copied"]["permit"] |= {"attempt": 2}
    story["ended"]["status"] = "failed"


def _late(story: Story) -> None:
    for name in ("copied", "over"):
        story[name]["at"] = NOON
    story["copied"]["permit"]["expires_at"] = "2026-11-26T12:00:00Z"


LIES: dict[str, tuple[str, Callable[[Story], None]]] = {
    "of no decision": ("copied", _with("copied", decision_id="dec_9")),
    "before the answer": ("copied", _moved("copied", "ended")),
    "of what failed": ("copied", _with("ended", status="failed")),
    "of what broke off": ("copied", _with("ended", status="partial")),
    "of what a person released": ("copied", _released),
    "for the second time": ("added0", _added("second", copied())),
    "that is the request's first attempt": ("copied", _permit(attempt=1)),
    "that is a second attempt": ("copied", _as_attempt),
    "that hides what it is": ("copied", _permit(cause="fallback")),
    "to something else than was drawn": ("copied", _to("g")),
    "that was not drawn": ("copied", _draw(point_ppm=10)),
    "with another share than it had": ("copied", _draw(propensity_ppm=5)),
    "that was drawn to stay": (
        "copied",
        _both(_to("control"), _draw(variant="control", point_ppm=1)),
    ),
    "without a draw": ("copied", lambda story: story["copied"].pop("experiment")),
    "by no rule": ("copied", _with("copied", policies=[])),
    "by rules that are no list": ("copied", _with("copied", policies="shadow.try")),
    "of other content": ("copied", _permit(content="c1")),
    "of noted content": (
        "copied",
        _both(_permit(content="c1"), _with("copied", noted=["schema"])),
    ),
    "of a kept answer": (
        "copied",
        _permit(cached={"decision_id": "dec_1", "attempt": 1, "ttl_s": 1, "policies": []}),
    ),
    "under another bundle": ("copied", _another_bundle),
    "under a bundle that it does not name": ("copied", _with("copied", bundle="x")),
    "to a quarantined deployment": ("copied", _quarantined("deployment", "s")),
    "to a quarantined provider": ("copied", _quarantined("provider", "p")),
    "of a revoked key": (
        "copied",
        _added("copied", {"kind": "access.key_revoked", "key_id": "key_1"}),
    ),
    "that a rule forbids now": ("copied", _with("copied", evaluation=FORBIDDEN)),
    "that a rule forbade": ("copied", _with("first", evaluation=FORBIDDEN)),
    "that something else closes": ("copied", _with("copied", evaluation=CLOSED)),
    "that a rule could not judge": ("copied", _with("copied", evaluation=ERRED)),
    "that a person has to release": ("copied", _with("copied", evaluation=REVIEWED)),
    "that had to be released": ("copied", _with("first", evaluation=REVIEWED)),
    "of a pair that nobody judged": ("copied", _with("copied", evaluation=UNKNOWN)),
    "of a verdict that does not say why": ("copied", _with("copied", evaluation=SILENT)),
    "of no evaluation": ("copied", _with("copied", evaluation=None)),
    "that lives on": (
        "copied",
        _permit(expires_at=(NOON + timedelta(seconds=9)).isoformat()),
    ),
    "that reserves nothing": ("copied", _permit(reserved=[])),
    "that reserves of another's": ("copied", _permit(**spending(4, budget="shadow/other"))),
    "that reserves under another key": ("copied", _permit(**spending(4, key="budget/x/day"))),
    "beyond its day": ("copied", _permit(**spending(101))),
    "beyond what its day has left": (
        "again",
        lambda story: story["again"]["permit"].update(spending(98)),
    ),
    "that leaves its application's budget out": ("copied", _budget_of_app),
    "that was answered out loud": ("over", _with("over", released_bytes=5)),
    "that was partly answered": ("over", _with("over", status="partial")),
    "that superseded something": ("over", _with("over", status="superseded")),
    "that ended twice": ("added0", _added("second", over())),
    "that ended elsewhere": ("over", _with("over", deployment="g")),
    "that ended as an attempt": ("over", _with("over", attempt=1)),
    "that ended as an outcome": ("over", _with("over", kind="outcome")),
    "that was sent too late": ("over", _late),
    "that was never permitted": ("over", _without("copied")),
}
"""Lie → where it is found, and what makes it."""


def test_honest_shadows_satisfy_both(tmp_path: Path) -> None:
    write(tmp_path / "data", honest())

    assert ours(tmp_path / "data") == theirs(tmp_path / "data") == ""


@pytest.mark.parametrize(
    "change",
    [
        _with("over", status="unknown", charged_micro_usd=None),
        _with("over", status="failed", charged_micro_usd=None),
        _with("over", status="contract_violated"),
        _with("over", status="cancelled", charged_micro_usd=0),
        _without("over"),
        _both(_with("first", evaluation=GRANTED), _without("over")),
        _both(
            _permit(form="redacted", content="c9"),
            _with("over", status="failed", charged_micro_usd=None),
        ),
    ],
    ids=["unknown", "failed", "violated", "cancelled", "open", "granted first", "redacted"],
)
def test_a_shadow_may_end_in_any_way_but_aloud(
    change: Callable[[Story], Any], tmp_path: Path
) -> None:
    story = honest()
    change(story)

    write(tmp_path / "data", story)

    assert ours(tmp_path / "data") == theirs(tmp_path / "data") == ""


def test_a_shadow_reserves_of_its_applications_budgets_too(tmp_path: Path) -> None:
    story = honest()
    _budget_of_app(story)
    story["copied"]["permit"] = {**story["copied"]["permit"], **spending(20)}
    story["copied"]["permit"]["reserved"].insert(0, reserved(20)["reserved"][0])

    write(tmp_path / "data", story)

    assert ours(tmp_path / "data") == theirs(tmp_path / "data") == ""


def test_nothing_but_a_shadow_reserves_as_one(tmp_path: Path) -> None:
    story = honest()
    story["first"]["permit"] |= spending(10)

    write(tmp_path / "data", story)

    assert ours(tmp_path / "data").startswith("entry 3 ")
    assert theirs(tmp_path / "data").startswith("entry 3 ")


@pytest.mark.parametrize("lie", sorted(LIES))
def test_a_lie_about_a_shadow_is_found_by_both(lie: str, tmp_path: Path) -> None:
    story, (found_at, change) = honest(), LIES[lie]
    change(story)
    at = list(story).index(found_at)

    write(tmp_path / "data", story)

    said = ours(tmp_path / "data"), theirs(tmp_path / "data")
    assert all(f"entry {at} " in one for one in said), said


@given(data=st.data())
@settings(max_examples=600)
def test_both_say_the_same_of_any_value_in_any_field_of_a_shadow(data: st.DataObject) -> None:
    demand_agreement(honest(), data)
