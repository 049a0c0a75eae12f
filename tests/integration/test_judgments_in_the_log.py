"""A judgment in the log: both verifiers accept an honest one and refuse every other."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.integration.test_rules_across_entries import (
    DIGEST,
    END,
    NOON,
    Story,
    approved,
    asked,
    created,
    demand_agreement,
    ours,
    permit,
    reserved,
    theirs,
    write,
)
from tests.integration.test_shadows_in_the_log import (
    CLOSED,
    ERRED,
    FORBIDDEN,
    GRANTED,
    REVIEWED,
    SILENT,
    UNKNOWN,
    UNSAID,
    _added,
    _both,
    _moved,
    _with,
    _without,
    decided,
    ended,
)

OWN = {"budget": "judge/strict", "key": "budget/judge/strict/day", "period": "2026-11-26"}


def spending(micro_usd: int, **changes: Any) -> dict[str, Any]:
    return {"reserved": [{**OWN, "micro_usd": micro_usd, "limit_micro_usd": 100, **changes}]}


def judged(name: str = "dec_1", *, drawn: bool = False, **changes: Any) -> dict[str, Any]:
    made = permit(-1001, deployment="s", cause="judgment", content="c7", **spending(40))
    why: dict[str, Any] = {"judge": "strict", "digest": "d1", "attempt": 1}
    if drawn:
        why |= {"point_ppm": 40_000, "share_ppm": 50_000}
    return {
        "kind": "judge.permitted",
        "decision_id": name,
        "evaluation": UNSAID,
        "bundle": DIGEST,
        "quarantine": 0,
        "judged": why,
        "policies": ["judge.strict"],
        "permit": {**made, **changes},
    }


def scored(name: str = "dec_1", status: str = "ok", **more: Any) -> dict[str, Any]:
    named = {"decision_id": name, "attempt": -1001, "deployment": "s", "released_bytes": 0}
    said = {"score": 700} if status == "ok" else {}
    charged = 3 if status == "ok" else None
    end = {"kind": "judge.ended", "status": status, **named, "charged_micro_usd": charged}
    return {**end, **said, **more}


def appraisal(**more: Any) -> dict[str, Any]:
    return {"verdicts": [], "judge": "strict", "judgment": "ok", "score": 700, **more}


def honest() -> Story:
    """A cascade's answer, judged before it went out, and another that was drawn afterwards."""
    return {
        "genesis": {"kind": "policy.genesis", "bundle_digest": DIGEST, "mode": "team"},
        "key": created("key_1"),
        "other": created("key_2"),
        "first": decided(),
        "judged": judged(),
        "over": scored(),
        "ended": ended(appraisal=appraisal()),
        "second": decided("dec_2"),
        "answered": ended("dec_2"),
        "drawn": {**judged("dec_2", drawn=True), "evaluation": GRANTED},
        "prose": scored("dec_2", "contract_violated", failure="no_score"),
    }


def _permit(name: str = "judged", **changes: Any) -> Callable[[Story], None]:
    return lambda story: story[name]["permit"].update(changes)


def _why(name: str = "judged", **changes: Any) -> Callable[[Story], None]:
    return lambda story: story[name]["judged"].update(changes)


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


def _late(story: Story) -> None:
    for name in ("judged", "over"):
        story[name]["at"] = NOON
    story["judged"]["permit"]["expires_at"] = "2026-11-26T12:00:00Z"


def _budget_of_app(story: Story) -> None:
    for name in ("first", "second"):
        story[name]["permit"] |= reserved(10)
    story["drawn"]["permit"] |= spending(10)
    story["drawn"]["permit"]["reserved"].insert(0, reserved(10)["reserved"][0])


LIES: dict[str, tuple[str, Callable[[Story], None]]] = {
    "of no decision": ("judged", _with("judged", decision_id="dec_9")),
    "of an attempt that there was not": (
        "judged",
        _both(_why(attempt=2), _permit(attempt=-1002)),
    ),
    "of no attempt": ("judged", _both(_why(attempt=0), _permit(attempt=-1000))),
    "after the answer went out, by a cascade": (
        "judged",
        _both(_moved("judged", "second"), _without("over"), _with("ended", appraisal=None)),
    ),
    "before the answer went out, of a share": ("drawn", _moved("drawn", "answered")),
    "of what failed, of a share": ("drawn", _with("answered", status="failed")),
    "of what a person released": ("judged", _released),
    "for the second time": ("added0", _added("over", judged())),
    "that was not drawn": ("drawn", _why("drawn", point_ppm=50_000)),
    "that was drawn from nothing": ("drawn", _why("drawn", share_ppm=None)),
    "that is numbered as another": ("judged", _permit(attempt=-1002)),
    "that is numbered as a moderation": ("judged", _permit(attempt=-1)),
    "that hides what it is": ("judged", _permit(cause="shadow")),
    "by no rule": ("judged", _with("judged", policies=[])),
    "by nobody": ("judged", lambda story: story["judged"].pop("judged")),
    "of a kept answer": (
        "judged",
        _permit(cached={"decision_id": "dec_1", "attempt": 1, "ttl_s": 1, "policies": []}),
    ),
    "under a bundle that it does not name": ("judged", _with("judged", bundle="x")),
    "of a revoked key": (
        "judged",
        _added("judged", {"kind": "access.key_revoked", "key_id": "key_1"}),
    ),
    "that a rule forbids": ("judged", _with("judged", evaluation=FORBIDDEN)),
    "that something else closes": ("judged", _with("judged", evaluation=CLOSED)),
    "that a rule could not judge": ("judged", _with("judged", evaluation=ERRED)),
    "that a person has to release": ("judged", _with("judged", evaluation=REVIEWED)),
    "of a pair that nobody judged": ("judged", _with("judged", evaluation=UNKNOWN)),
    "of a verdict that does not say why": ("judged", _with("judged", evaluation=SILENT)),
    "of no evaluation": ("judged", _with("judged", evaluation=None)),
    "that lives on": ("judged", _permit(expires_at=(NOON + timedelta(seconds=9)).isoformat())),
    "that reserves nothing": ("judged", _permit(reserved=[])),
    "that reserves of another's": ("judged", _permit(**spending(4, budget="judge/other"))),
    "that reserves as a shadow": ("judged", _permit(**spending(4, budget="shadow/strict"))),
    "beyond its day": ("judged", _permit(**spending(101))),
    "beyond what its day has left": ("drawn", _permit("drawn", **spending(98))),
    "that leaves its application's budget out": ("judged", _budget_of_app),
    "that was said out loud": ("over", _with("over", released_bytes=5)),
    "that was partly said": ("over", _with("over", status="partial")),
    "that ended twice": ("added0", _added("ended", scored())),
    "that ended elsewhere": ("over", _with("over", deployment="g")),
    "that ended as an attempt": ("over", _with("over", attempt=1)),
    "that ended as a moderation": ("over", _with("over", kind="moderation.ended", attempt=-1)),
    "that ended as an outcome": ("over", _with("over", kind="outcome")),
    "that was sent too late": ("over", _late),
    "that was never permitted": ("over", _without("judged")),
    "that gives no score and ends well": ("over", _with("over", score=None)),
    "that gives a score and does not end well": ("prose", _with("prose", score=0)),
    "that gives more than there is": ("over", _with("over", score=1_001)),
    "that gives less than nothing": ("over", _with("over", score=-1)),
    "whose score is another in the outcome": ("ended", _with("over", score=600)),
    "whose score is made up where it failed": (
        "ended",
        lambda story: story.update(over=scored(status="failed")),
    ),
    "that nobody was asked for": ("ended", _without("judged", "over")),
    "that another judge gave": ("ended", _with("ended", appraisal=appraisal(judge="lenient"))),
    "that came after it was relied on, and is another": (
        "over",
        _both(_with("over", score=600), _moved("over", "second")),
    ),
}
"""Lie → where it is found, and what makes it."""


def test_honest_judgments_satisfy_both(tmp_path: Path) -> None:
    write(tmp_path / "data", honest())

    assert ours(tmp_path / "data") == theirs(tmp_path / "data") == ""


UNHEARD = appraisal(judgment="timeout", score=None, failed=True)


@pytest.mark.parametrize(
    "change",
    [
        _both(
            lambda story: story.update(over=scored(status="unknown", charged_micro_usd=None)),
            _with("ended", appraisal=UNHEARD),
        ),
        _both(
            lambda story: story.update(over=scored(status="failed")),
            _with("ended", appraisal=UNHEARD),
        ),
        _with("ended", appraisal=UNHEARD),
        _both(_without("over"), _with("ended", appraisal=UNHEARD)),
        _both(_without("judged", "over"), _with("ended", appraisal=UNHEARD)),
        _moved("over", "second"),
        _permit(form="redacted"),
        _with("ended", status="cancelled"),
    ],
    ids=["unknown", "failed", "late", "open", "denied", "told later", "redacted", "caller left"],
)
def test_what_a_judge_does_not_say_is_no_lie(
    change: Callable[[Story], Any], tmp_path: Path
) -> None:
    story = honest()
    change(story)

    write(tmp_path / "data", story)

    assert ours(tmp_path / "data") == theirs(tmp_path / "data") == ""


def test_nothing_but_a_judgment_reserves_as_one(tmp_path: Path) -> None:
    story = honest()
    story["first"]["permit"] |= spending(10)

    write(tmp_path / "data", story)

    assert ours(tmp_path / "data").startswith("entry 3 ")
    assert theirs(tmp_path / "data").startswith("entry 3 ")


@pytest.mark.parametrize("lie", sorted(LIES))
def test_a_lie_about_a_judgment_is_found_by_both(lie: str, tmp_path: Path) -> None:
    story, (found_at, change) = honest(), LIES[lie]
    change(story)
    at = list(story).index(found_at)

    write(tmp_path / "data", story)

    said = ours(tmp_path / "data"), theirs(tmp_path / "data")
    assert all(f"entry {at} " in one or f"entry {at}:" in one for one in said), said


@given(data=st.data())
@settings(max_examples=600)
def test_both_say_the_same_of_any_value_in_any_field_of_a_judgment(data: st.DataObject) -> None:
    demand_agreement(honest(), data)
