"""A refusal that a better deployment answers, through the real server and both verifiers."""

import concurrent.futures
import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from tests.api.conftest import World, start_world
from tests.api.standing import activate, file_of
from tests.api.test_crash import _child_of, _end, kill, serve_again
from tests.integration.test_rules_across_entries import ours

FAQ = "What are your opening hours?"
"""Goes to us-economy first: it is cheap and permitted."""


@pytest.fixture(autouse=True)
def _cascading(request: pytest.FixtureRequest) -> None:
    if "world" in request.fixturenames:
        cascade(request.getfixturevalue("world"))


def cascade(world: World, *tasks: str) -> None:
    """These tasks, or all, escalate refusals; by two people."""
    routing = yaml.safe_load(file_of(world, "routing.yaml"))
    for task in routing["tasks"].values():
        if "cascade" in task:  # whose `on` is true to YAML 1.1
            task["cascade"]["on"] = task["cascade"].pop(True)
    for name in tasks or routing["tasks"]:
        routing["tasks"][name]["cascade"] = {"on": ["refusal"]}
    activate(world, {"routing.yaml": yaml.safe_dump(routing).encode()})


def _replayed(world: World, decision_id: str) -> dict[str, Any]:
    found: dict[str, Any] = world.act("aud", "GET", f"/v1/decisions/{decision_id}/replay").json()
    return found


def _verified(world: World) -> None:
    found = world.verify()
    assert found.returncode == 0, found.stdout + found.stderr
    assert ours(world.data) == ""


def test_a_refusal_is_superseded_by_a_better_deployments_answer(world: World) -> None:
    world.behave("us-economy", "refuses")

    reply = world.chat(FAQ)
    decision_id = reply.headers["x-transire-decision-id"]
    entries = world.entries(decision_id)
    first, later = (e for e in entries if "permit" in e)
    ends = {e["attempt"]: e for e in entries if e["kind"] == "outcome"}
    told = _replayed(world, decision_id)

    assert reply.status_code == 200, reply.text
    assert reply.headers["x-transire-escalated"] == "refusal"
    assert "sorry" not in reply.json()["choices"][0]["message"]["content"]
    assert reply.headers["x-transire-deployment"] == later["permit"]["deployment"]
    assert first["permit"]["deployment"] == "us-economy" != later["permit"]["deployment"]
    assert later["permit"]["cause"] == "escalation"
    assert (later["escalation"]["verdicts"], later["escalation"]["over"]) == (["refusal"], 1)
    assert {n: end["status"] for n, end in ends.items()} == {1: "superseded", 2: "ok"}
    assert ends[1]["released_bytes"] == 0 < ends[2]["released_bytes"]
    assert ends[1]["appraisal"] == {"verdicts": ["refusal"]}
    assert "sorry" not in json.dumps(entries)
    assert told["replayable"] is told["agrees"] is True, told
    assert [(a["cause"], a["pick_agrees"]) for a in told["attempts"]] == [("escalation", True)]
    _verified(world)


def test_a_refusal_goes_out_where_nothing_better_answers(world: World) -> None:
    for name in world.fleet:
        world.behave(name, "refuses" if name == "us-economy" else "error_500")

    reply = world.chat(FAQ)
    entries = world.entries(reply.headers["x-transire-decision-id"])
    ends = {e["attempt"]: e for e in entries if e["kind"] == "outcome"}

    assert reply.status_code == 200, reply.text
    assert reply.headers["x-transire-deployment"] == "us-economy"
    assert reply.headers["x-transire-verdicts"] == "refusal"
    assert reply.json()["transire"]["verdicts"] == ["refusal"]
    assert ends[1]["status"] == "ok"
    assert ends[1]["not_escalated"] == "failed"
    assert {end["status"] for n, end in ends.items() if n > 1} == {"failed"}
    _verified(world)


def test_a_good_answer_is_not_asked_for_twice(world: World) -> None:
    reply = world.chat(FAQ)
    entries = world.entries(reply.headers["x-transire-decision-id"])

    assert reply.headers["x-transire-attempts"] == "1"
    assert "x-transire-escalated" not in reply.headers
    assert [e["status"] for e in entries if e["kind"] == "outcome"] == ["ok"]


@contextlib.contextmanager
def kept_answer(world: World, better: str) -> Iterator["concurrent.futures.Future[Any]"]:
    """A request whose first answer is kept while a better deployment behaves like this."""
    for name in world.fleet:
        world.behave(name, "refuses" if name == "us-economy" else better)
    world.forget()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        asking = pool.submit(world.chat, FAQ)
        for _ in range(1_000):
            if world.all_received() > 1:
                break
            time.sleep(0.01)
        assert world.all_received() == 2
        yield asking


def test_what_is_quarantined_while_its_answer_is_kept_does_not_go_out(world: World) -> None:
    with kept_answer(world, "hold") as asking:
        body = {"kind": "tenant", "id": "acme", "reason": "a drill"}
        assert world.act("omar", "POST", "/v1/policies/quarantine", body).status_code == 200
        for name in world.fleet:
            world.behave(name, "ok")
        reply = asking.result(timeout=60)
    ends = [
        e for e in world.entries(reply.json()["error"]["decision_id"]) if e["kind"] == "outcome"
    ]

    assert reply.status_code == 502, reply.text
    assert "sorry" not in reply.text
    assert [end["released_bytes"] for end in ends] == [0] * len(ends)
    assert len(ends) == 2
    assert {(e["status"], e["failure"]) for e in ends} == {("failed", "quarantined")}
    _verified(world)


@pytest.mark.slow
def test_a_crash_while_an_answer_is_kept_leaves_two_permits_of_unknown_outcome(
    tmp_path: Path,
) -> None:
    world = start_world(tmp_path / "crash")
    fleet_pid = _child_of(world.process.pid)
    try:
        cascade(world)
        with kept_answer(world, "hang") as asking:
            kill(world)
            with pytest.raises(httpx.HTTPError):
                asking.result(timeout=60)
        for name in world.fleet:
            world.behave(name, "ok")
        serve_again(world)
        assert world.chat(FAQ).status_code == 200
        entries = world.act("aud", "GET", "/v1/audit/entries?limit=500").json()["entries"]
        closed = [e for e in entries if e["kind"] == "outcome" and e["failure"] == "restart"]
        [kept] = [e for e in closed if e["deployment"] == "us-economy"]

        assert {e["status"] for e in closed} == {"unknown"}
        assert len({e["attempt"] for e in closed if e["decision_id"] == kept["decision_id"]}) == 2
    finally:
        _end(world, fleet_pid)
    _verified(world)
