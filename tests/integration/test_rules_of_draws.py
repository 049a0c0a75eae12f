"""What entries say of experiments: two verifiers refuse the same lies about draws in one voice."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.integration.test_rules_across_entries import (
    DIGEST,
    FIRST,
    Story,
    asked,
    demand_agreement,
    digest_of,
    honest,
    ours,
    outcome,
    permit,
    theirs,
    write,
)

SHARES = [600_000, 400_000]


def draw(variant: str, point: int, **changes: Any) -> dict[str, Any]:
    share = dict(zip(("control", "new"), SHARES, strict=True))[variant]
    told = {
        "id": "tone",
        "digest": "fixed",
        "variant": variant,
        "unit": "request",
        "point_ppm": point,
        "propensity_ppm": share,
        "variants": ["control", "new"],
        "shares_ppm": SHARES,
    }
    return {"experiment": {**told, **changes}}


def learned(state: Any, by: str = "", **changes: Any) -> dict[str, Any]:
    """A bandit's draw of `new`."""
    more = {"reward": by} if by else {}
    named = {"digest": f"bandit{by}", "id": f"size{by}", "state": state, "explore_permille": 500}
    return draw("new", 999_999, **named, **more, **changes)


def drawn(number: int, experiment: dict[str, Any], **more: Any) -> dict[str, Any]:
    return asked(
        f"dec_d{number}",
        "permitted",
        chosen={"deployment": "g"},
        permit=permit(1, deployment="g"),
        evaluation=digest_of(FIRST),
        bundle=DIGEST,
        quarantine=0,
        signals={"task": "faq"},
        **experiment,
        **more,
    )


def judged(number: int, won: Any, **more: Any) -> dict[str, Any]:
    reward = {"digest": "banditfeedback", "variant": "new", "task": "faq", "won": won}
    return {"kind": "feedback", "decision_id": f"dec_d{number}", "reward": reward, **more}


def counted(digest: str, **changes: Any) -> dict[str, Any]:
    """What an outcome says that it counts for."""
    told = {"digest": digest, "variant": "new", "task": "", "won": 0, "bad": []}
    return {"counted": {**told, **changes}}


BACK = {"kind": "experiment.rolled_back", "experiment": "tone", "digest": "fixed"}


def tried() -> Story:
    """Draws of fixed shares, of a bandit by outcome and of one by feedback; a roll-back ends it."""
    whole = honest()
    begun = {name: whole[name] for name in ("genesis", "proposed", "agreed", "activated", "key")}
    return {
        **begun,
        "control": drawn(1, draw("control", 599_999)),
        "new": drawn(2, draw("new", 600_000)),
        "failed": {
            **outcome(1, "g", None, "failed"),
            **counted("fixed", bad=["error"]),
            "decision_id": "dec_d2",
        },
        "again": {
            "kind": "attempt",
            "decision_id": "dec_d2",
            "permit": permit(2, deployment="g"),
            "evaluation": digest_of(FIRST),
            "request_bundle": DIGEST,
            "bundle": DIGEST,
            "quarantine": 0,
            **draw("new", 600_000),
        },
        "first": drawn(3, learned([[0, 0], [0, 0]])),
        "won": {
            **outcome(1, "g", None, "ok"),
            **counted("bandit", task="faq", won=1, bad=["slow"]),
            "decision_id": "dec_d3",
        },
        "second": drawn(4, learned([[0, 0], [1, 1]])),
        "asked": drawn(5, learned([[0, 0], [0, 0]], "feedback")),
        "helped": judged(5, 1, success=True),
        "thumbs": drawn(6, learned([[0, 0], [1, 1]], "feedback")),
        "not": judged(6, 0, score_permille=499),
        "knows": drawn(7, learned([[0, 0], [1, 2]], "feedback")),
        "advised": {**asked("dec_d8", "permitted"), "kind": "advice", **draw("control", 0)},
        "back": {
            **BACK,
            "variant": "new",
            "metric": "error",
            "bad": 1,
            "attempts": 1,
            "control_bad": 0,
            "control_attempts": 1,
        },
        "after": drawn(9, draw("control", 7)),
    }


def _put(name: str, **changes: Any) -> Callable[[Story], None]:
    return lambda story: story[name]["experiment"].update(changes)


def _set(name: str, **changes: Any) -> Callable[[Story], None]:
    return lambda story: story[name].update(changes)


def _undrawn(story: Story) -> None:
    """The decision drew nothing, and its first attempt's outcome counts nothing."""
    del story["new"]["experiment"], story["failed"]["counted"]


def _counting(name: str, **changes: Any) -> Callable[[Story], None]:
    return lambda story: story[name]["counted"].update(changes)


def _rewarding(name: str, **changes: Any) -> Callable[[Story], None]:
    return lambda story: story[name]["reward"].update(changes)


def _gone(*names: str) -> Callable[[Story], None]:
    def change(story: Story) -> None:
        for name in names:
            del story[name]

    return change


def _added(entry: dict[str, Any]) -> Callable[[Story], None]:
    return lambda story: story.update(added=entry)


def _held(story: Story) -> None:
    held = honest()["held"] | {"id": "dec_dh", **draw("new", 999_999)}
    story["control"] = held


LIES: dict[str, tuple[str, Callable[[Story], None]]] = {
    "a point in another share": ("new", _put("new", point_ppm=599_999)),
    "a point in no share": ("new", _put("new", point_ppm=1_000_000)),
    "a point below all": ("control", _put("control", point_ppm=-1)),
    "another propensity": ("new", _put("new", propensity_ppm=SHARES[0])),
    "another variant": ("new", _put("new", variant="control", propensity_ppm=SHARES[0])),
    "a variant nobody listed": ("new", _put("new", variant="best")),
    "shares that are too much": ("new", _put("new", shares_ppm=[600_000, 400_001])),
    "a share below nothing": ("new", _put("new", shares_ppm=[-1, 1_000_001])),
    "shares of another number": ("new", _put("new", shares_ppm=[1_000_000])),
    "one variant twice": ("new", _put("new", variants=["new", "new"])),
    "no control": ("new", _put("new", variants=["usual", "new"])),
    "no variants": ("new", _put("new", variants=[], shares_ppm=[])),
    "shares that the experiment has nowhere else": (
        "after",
        _put("after", shares_ppm=[700_000, 300_000], propensity_ppm=700_000),
    ),
    "another experiment of the same digest": ("after", _put("after", id="voice")),
    "advice that draws otherwise": ("advised", _put("advised", point_ppm=600_000)),
    "an attempt of another variant": ("again", _set("again", **draw("control", 0))),
    "an attempt that hides its variant": ("again", _set("again", experiment=None)),
    "an attempt of a variant that its decision did not draw": (
        "again",
        _undrawn,
    ),
    "something tried on what a person has to release": ("control", _held),
    "fixed shares that claim to explore": ("new", _put("new", explore_permille=100)),
    "fixed shares that claim a reward": ("new", _put("new", reward="feedback")),
    "a bandit that explores nothing": ("second", _put("second", explore_permille=0)),
    "a bandit below its exploration": ("second", _put("second", explore_permille=801)),
    "a bandit that knows of one variant alone": ("second", _put("second", state=[[1, 1]])),
    "a bandit with half a count": ("second", _put("second", state=[[0, 0], [1]])),
    "a bandit that won more than it tried": ("second", _put("second", state=[[0, 0], [2, 1]])),
    "a bandit that knows too much": ("second", _put("second", state=[[0, 0], [1, 2]])),
    "a bandit that knows of another task": ("second", _set("second", signals={"task": "billing"})),
    "a bandit that knows of answers instead of feedback": (
        "asked",
        _put("asked", state=[[0, 0], [0, 1]]),
    ),
    "a bandit that was helped more often than anybody said": (
        "knows",
        _put("knows", state=[[0, 0], [2, 2]]),
    ),
    "a reward that nobody gave": ("thumbs", _gone("helped")),
    "a reward of another variant": ("helped", _rewarding("helped", variant="control")),
    "a reward of another experiment": ("helped", _rewarding("helped", digest="fixed")),
    "a reward of a decision without a draw": ("helped", _set("helped", decision_id="dec_2")),
    "a reward where answers are the reward": ("helped", _set("helped", decision_id="dec_d4")),
    "a reward that was none": ("helped", _set("helped", success=False)),
    "a reward of no words": ("helped", _set("helped", success=None)),
    "a reward of half": ("not", _rewarding("not", won=1)),
    "a count of another variant": ("won", _counting("won", variant="control")),
    "a count of another experiment": ("won", _counting("won", digest="fixed")),
    "a count of another task": ("won", _counting("won", task="billing")),
    "a count by task where nothing is learned": ("failed", _counting("failed", task="faq")),
    "a count of a decision without a draw": ("won", _set("won", decision_id="dec_2")),
    "a count where feedback is the reward": (
        "added",
        _added(
            {
                **outcome(1, "g", None, "ok"),
                **counted("banditfeedback", task="faq", won=1),
                "decision_id": "dec_d5",
            }
        ),
    ),
    "a failure that counts as none": ("failed", _counting("failed", bad=[])),
    "a failure that counts twice": ("failed", _counting("failed", bad=["error", "error"])),
    "a failure of its contract that was none": (
        "won",
        _counting("won", bad=["contract"]),
    ),
    "a count by what nobody watches": ("won", _counting("won", bad=["ugly"])),
    "a success that counts as none": ("won", _counting("won", won=0)),
    "a failure that counts as a success": ("failed", _counting("failed", won=1)),
    "a count of what nobody knows": ("failed", _set("failed", status="unknown")),
    "a roll-back of control": ("back", _set("back", variant="control")),
    "a roll-back of more than was tried": ("back", _set("back", attempts=2)),
    "a roll-back against more than there was": ("back", _set("back", control_attempts=2)),
    "a roll-back of more than failed": ("back", _set("back", bad=2)),
    "a second roll-back": ("added", _added({**BACK, "variant": "new"})),
    "a draw of what was rolled back": ("added", _added(drawn(10, draw("new", 600_000)))),
}


def test_an_honest_story_of_draws_satisfies_both(tmp_path: Path) -> None:
    write(tmp_path / "data", tried())

    assert ours(tmp_path / "data") == theirs(tmp_path / "data") == ""


@pytest.mark.parametrize("lie", LIES)
def test_both_refuse_a_draw_that_cannot_have_been(tmp_path: Path, lie: str) -> None:
    where, change = LIES[lie]
    story = tried()
    change(story)
    write(tmp_path / "data", story)
    place = f"entry {list(story).index(where)} "

    assert theirs(tmp_path / "data") == ours(tmp_path / "data")
    assert ours(tmp_path / "data").startswith(place)


@given(data=st.data())
@settings(max_examples=600)
def test_both_say_the_same_of_any_value_in_any_field_of_draws(data: st.DataObject) -> None:
    demand_agreement(tried(), data)
