"""Judging answers over the API: who may, how often, and what is left of it."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.api.conftest import World
from tests.api.terminal import terminal_of


def answered(world: World) -> str:
    reply = world.chat("How are you today?")
    assert reply.status_code == 200, reply.text
    return str(reply.headers["x-transire-decision-id"])


def judge(world: World, name: str, application: str = "support-triage", **body: Any) -> Any:
    return world.post(f"/v1/decisions/{name}/feedback", body, application)


def told(world: World, name: str) -> list[dict[str, Any]]:
    return [e for e in world.entries(name) if e["kind"] == "feedback"]


def test_an_application_judges_its_own_answer_once_and_words_are_not_kept(world: World) -> None:
    name = answered(world)
    body = {"thumbs": "up", "success": True, "reason": "style", "comment": "zanzibar"}
    first, again = judge(world, name, **body), judge(world, name, **body)
    other = judge(world, name, score=3)

    assert first.json() == {"decision_id": name, "recorded": True}
    assert again.json() == {"decision_id": name, "recorded": False}
    assert other.status_code == 409
    [entry] = told(world, name)
    assert (entry["source"], entry["score_permille"]) == ("application", 1000)
    assert (entry["success"], entry["reason"], entry["comment_chars"]) == (True, "style", 8)
    assert "zanzibar" not in json.dumps(world.entries(name))
    assert world.verify().returncode == 0


def test_a_person_who_may_read_the_log_judges_beside_it(world: World) -> None:
    name = answered(world)
    path = f"/v1/decisions/{name}/feedback"
    allowed = world.act("aud", "POST", path, {"score": 400})
    refused = world.act("ana", "POST", path, {"score": 400})

    assert (allowed.status_code, refused.status_code) == (200, 403)
    assert [e["source"] for e in told(world, name)] == ["person/aud"]


def test_the_command_judges_for_a_person(world: World, tmp_path: Path) -> None:
    name = answered(world)
    aud = terminal_of(world, "aud", tmp_path)
    said = aud.result("decision", "feedback", name, "--not-helped", "--reason", "wrong")
    code, line = aud.refusal("decision", "feedback", name, "--helped")
    empty = aud.refusal("decision", "feedback", answered(world))

    assert said == {"decision_id": name, "recorded": True}
    assert (code, "otherwise" in line) == (1, True)
    assert "`score`, `thumbs` and `success`" in empty[1]
    [entry] = told(world, name)
    assert (entry["source"], entry["success"], entry["reason"]) == ("person/aud", False, "wrong")


def test_two_at_once_are_one(world: World) -> None:
    name = answered(world)
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: judge(world, name, score=500), range(8)))

    assert sorted(r.json()["recorded"] for r in replies) == [False] * 7 + [True]
    assert len(told(world, name)) == 1


def test_somebody_elses_decision_is_not_found(world: World) -> None:
    name = answered(world)

    assert judge(world, name, "sales", score=1).status_code == 404
    assert judge(world, "dec_00000000000000000000000000", score=1).status_code == 404
    assert told(world, name) == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"reason": "wrong"},
        {"score": 1001},
        {"score": -1},
        {"score": 1, "thumbs": "up"},
        {"thumbs": "sideways"},
        {"score": 1, "reason": "because I say so"},
        {"score": 1, "comment": "x" * 4001},
        {"score": 1, "words": "x"},
    ],
    ids=["empty", "no-score", "high", "low", "both", "thumbs", "reason", "long", "unknown"],
)
def test_what_is_no_judgement_is_refused(world: World, body: dict[str, Any]) -> None:
    name = answered(world)
    reply = judge(world, name, **body)

    assert reply.status_code in (400, 422)
    assert told(world, name) == []
