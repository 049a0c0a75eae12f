"""A cache hit in the log: both verifiers accept an honest one and refuse every other."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.integration.test_rules_across_entries import (
    DIGEST,
    LATER,
    NOON,
    Story,
    asked,
    created,
    digest_of,
    ours,
    permit,
    reserved,
    theirs,
    write,
)
from tests.integration.whole import REQUEST

CACHED = {"decision_id": "dec_1", "attempt": 1, "ttl_s": 600, "policies": ["cache.sales"]}


def answered(name: str, **changes: Any) -> dict[str, Any]:
    made = {**permit(1, deployment="g"), **changes}
    chosen = {"deployment": made["deployment"]}
    return asked(name, "permitted", permit=made, chosen=chosen, evaluation=digest_of(LATER))


def ended(name: str, status: str = "ok") -> dict[str, Any]:
    named = {"decision_id": name, "attempt": 1, "deployment": "g"}
    return {"kind": "outcome", "status": status, **named}


def honest() -> Story:
    """A question, its answer, and the same answer to the same question later."""
    return {
        "genesis": {"kind": "policy.genesis", "bundle_digest": DIGEST, "mode": "team"},
        "key": created("key_1"),
        "other": created("key_2"),
        "first": answered("dec_1", cause="first"),
        "ended": ended("dec_1"),
        "hit": {**answered("dec_2", cause="cache_hit", cached=dict(CACHED))},
        "given": ended("dec_2"),
    }


def _hit(**changes: Any) -> Callable[[Story], None]:
    return lambda story: story["hit"]["permit"].update(changes)


def _cached(**changes: Any) -> Callable[[Story], None]:
    return lambda story: story["hit"]["permit"]["cached"].update(changes)


def _asked(**changes: Any) -> Callable[[Story], None]:
    return lambda story: story["hit"].update(changes)


def _first(**changes: Any) -> Callable[[Story], None]:
    return lambda story: story["first"]["permit"].update(changes)


def _ended(status: str) -> Callable[[Story], None]:
    return lambda story: story["ended"].update(status=status)


def _later(seconds: int) -> Callable[[Story], None]:
    return lambda story: story["hit"].update(at=NOON + timedelta(seconds=seconds))


def _of_a_hit(story: Story) -> None:
    cached = {**CACHED, "decision_id": "dec_2"}
    story["again"] = answered("dec_3", cause="cache_hit", cached=cached)


def _of_other_content(story: Story) -> None:
    story["hit"]["permit"]["content"] = "c1"
    story["hit"]["request"] = {**REQUEST, "content": "c1"}


def _of_another_deployment(story: Story) -> None:
    story["hit"]["permit"]["deployment"] = "f"
    story["hit"]["chosen"] = {"deployment": "f"}
    story["given"]["deployment"] = "f"


def _activated(story: Story) -> None:
    given = {name: story.pop(name) for name in ("hit", "given")}
    same = {"bundle_digest": DIGEST, "parent": DIGEST}
    story["proposed"] = {"kind": "policy.proposed", **same, "by": "ana"}
    story["agreed"] = {"kind": "policy.approved", **same, "author": "ana", "by": "ben"}
    named = {"author": "ana", "approved_by": ["ben"], "by": "ana"}
    story["activated"] = {"kind": "policy.activated", **same, **named}
    story.update(given)


LIES: dict[str, tuple[str, Callable[[Story], None]]] = {
    "of another key": ("hit", _asked(key_id="key_2")),
    "to other content": ("hit", _of_other_content),
    "of another deployment": ("hit", _of_another_deployment),
    "of nothing": ("hit", _cached(decision_id="dec_9")),
    "of an attempt that was not made": ("hit", _cached(attempt=2)),
    "of an answer that failed": ("hit", _ended("failed")),
    "of an answer that broke off": ("hit", _ended("partial")),
    "that is too old": ("hit", _later(661)),
    "of another hit": ("again", _of_a_hit),
    "across an activation": ("hit", _activated),
    "that reserves": ("hit", _hit(**reserved(10))),
    "that names no answer": ("hit", lambda story: story["hit"]["permit"].pop("cached")),
    "that says it is a first attempt": ("hit", _hit(cause="first")),
    "that lives for ever": ("hit", _cached(ttl_s=2**40)),
    "with a lifetime that is no number": ("hit", _cached(ttl_s="600")),
    "with a field too many": ("hit", _cached(other=1)),
    "by no list of rules": ("hit", _cached(policies="cache.sales")),
    "of a permit that is one itself": (
        "first",
        _first(cause="cache_hit", cached={**CACHED, "decision_id": "dec_0"}),
    ),
}


def test_an_answer_given_again_in_time_satisfies_both(tmp_path: Path) -> None:
    write(tmp_path / "data", honest())

    assert ours(tmp_path / "data") == theirs(tmp_path / "data") == ""


def test_an_answer_is_good_to_the_end_of_its_time(tmp_path: Path) -> None:
    story = honest()
    _later(600)(story)
    write(tmp_path / "data", story)

    assert ours(tmp_path / "data") == theirs(tmp_path / "data") == ""


def test_a_hit_spends_nothing_where_budgets_count_its_application(tmp_path: Path) -> None:
    story = honest()
    story["first"]["permit"].update(reserved(10))
    write(tmp_path / "data", story)

    assert ours(tmp_path / "data") == theirs(tmp_path / "data") == ""


@pytest.mark.parametrize("lie", LIES)
def test_no_hit_is_believed(tmp_path: Path, lie: str) -> None:
    name, change = LIES[lie]
    story = honest()
    change(story)
    write(tmp_path / "data", story)
    at = f"entry {list(story).index(name)} "

    assert ours(tmp_path / "data").startswith(at)
    assert theirs(tmp_path / "data").startswith(at)
