"""A later attempt after the governed state has moved: what its record says, and that it replays."""

import base64
import json
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.api.conftest import World
from tests.api.test_openai_sdk import SCHEMA

FAQ = "What are your opening hours?"
"""Goes to us-economy first, then eu-economy: both are cheap and permitted."""


def _fallback(world: World, meanwhile: Callable[[], object], first: str = "us-economy") -> Any:
    """A chat whose first attempt is on its way while something happens, and fails after it."""
    world.behave(first, "hold")
    with ThreadPoolExecutor(1) as pool:
        answering = pool.submit(world.chat, FAQ)
        for _ in range(500):
            if world.received(first)["count"]:
                break
            time.sleep(0.01)
        meanwhile()
        world.behave(first, "error_500")
        reply = answering.result(timeout=60)
    assert reply.status_code == 200, reply.text
    assert reply.headers["x-transire-attempts"] == "2"
    return reply


def _block_the_next(world: World) -> None:
    body = {"kind": "deployment", "id": "eu-economy", "reason": "incident 12"}
    assert world.act("omar", "POST", "/v1/policies/quarantine", body).status_code == 200


def _replayed(world: World, decision_id: str) -> dict[str, Any]:
    found: dict[str, Any] = world.act("aud", "GET", f"/v1/decisions/{decision_id}/replay").json()
    return found


def _evaluation(world: World, digest: str) -> dict[str, str]:
    """Deployment → effect of the raw form, as the log's own file holds it."""
    with sqlite3.connect(f"file:{world.data / 'log.sqlite'}?mode=ro", uri=True) as database:
        row = database.execute("SELECT data FROM blob WHERE digest=?", (digest,)).fetchone()
    return {v["deployment"]: v["effect"] for v in json.loads(row[0]) if v["form"] == "raw"}


def test_a_fallback_after_a_quarantine_says_what_narrowed_it_and_replays(world: World) -> None:
    reply = _fallback(world, lambda: _block_the_next(world))
    decision_id = reply.headers["x-transire-decision-id"]
    entries = world.entries(decision_id)
    decision, attempt = (e for e in entries if "permit" in e)
    first, later = (_evaluation(world, e["evaluation"]) for e in (decision, attempt))
    told = _replayed(world, decision_id)

    assert reply.headers["x-transire-deployment"] not in ("us-economy", "eu-economy")
    assert (first["eu-economy"], later["eu-economy"]) == ("permit", "forbid")
    assert attempt["quarantine"] == decision["quarantine"] + 1 == attempt["permit"]["quarantine"]
    assert attempt["request_bundle"] == attempt["bundle"] == decision["bundle"]
    assert attempt["facts"] == decision["facts"]
    assert "eu-economy" not in attempt["ranking"]["candidates"]["deployment"]
    assert told["replayable"] is told["agrees"] is True, told
    assert [
        (a["attempt"], a["cause"], a["agrees"], a["policy_agrees"], a["pick_agrees"])
        for a in told["attempts"]
    ] == [(2, "fallback", True, True, True)]
    assert told["attempts"][0]["quarantine"] == attempt["quarantine"]
    assert world.verify().returncode == 0


def test_a_bound_on_cost_is_the_requests_and_what_follows_from_it_replays(world: World) -> None:
    ranking = world.entries(world.chat(FAQ).headers["x-transire-decision-id"])[0]["ranking"]
    rows = ranking["candidates"]
    worst = dict(zip(rows["deployment"], rows["worst_cost_micro_usd"], strict=True))
    # Enough for either at its worst, a little longer than it was; not for both.
    bound = {"max_cost_usd": worst["eu-economy"] * 1.1 / 1_000_000}
    assert worst["us-economy"] > worst["eu-economy"] * 0.1
    world.behave("us-economy", "error_500")
    followed = world.chat(FAQ, transire=bound)
    told = _replayed(world, followed.headers["x-transire-decision-id"])
    world.behave("us-economy", "ok")
    assert world.chat("hi", model="us-economy").status_code == 200
    world.behave("us-economy", "bad_json")  # it said something, and may charge for it
    ended = world.chat(FAQ, transire=bound)

    assert (followed.status_code, followed.headers["x-transire-attempts"]) == (200, "2")
    assert told["replayable"] is told["agrees"] is True, told
    assert [a["pick_agrees"] for a in told["attempts"]] == [True]
    assert (ended.status_code, ended.headers["x-transire-attempts"]) == (502, "1")
    assert world.verify().returncode == 0


def test_a_fallback_after_an_activation_names_both_bundles_and_replays(world: World) -> None:
    active = world.act("ana", "GET", "/v1/policies/bundles/active").json()
    # The pack's own tests expect that deployment to be open.
    files = {n: data for n, data in active["files"].items() if not n.startswith("tests/")}
    rule = (
        '@id("closed.meanwhile") @reason("closed") @owner("ben") @regulation("none")\n'
        'forbid (principal, action == Action::"route", resource == Deployment::"eu-economy");\n'
    )
    grown = base64.b64decode(files["rules/grants.cedar"]).decode() + rule
    files["rules/grants.cedar"] = base64.b64encode(grown.encode()).decode()
    proposed = world.act("ana", "POST", "/v1/policies/bundles", {"files": files})
    assert proposed.status_code == 201, proposed.text
    digest = proposed.json()["digest"]
    path = f"/v1/policies/bundles/{digest}"
    assert world.act("ben", "POST", f"{path}/approve").status_code == 200

    reply = _fallback(world, lambda: world.act("ben", "POST", f"{path}/activate"))
    decision_id = reply.headers["x-transire-decision-id"]
    attempt = next(e for e in world.entries(decision_id) if e["kind"] == "attempt")
    told = _replayed(world, decision_id)

    assert reply.headers["x-transire-deployment"] not in ("us-economy", "eu-economy")
    assert (attempt["request_bundle"], attempt["bundle"]) == (active["digest"], digest)
    assert told["agrees"] is told["attempts"][0]["agrees"] is True, told
    assert told["attempts"][0]["bundle"] == digest
    assert world.verify().returncode == 0


def test_a_fallback_under_an_unmoved_state_names_the_decisions_own_evaluation(
    world: World,
) -> None:
    reply = _fallback(world, lambda: None)
    decision, attempt = (
        e for e in world.entries(reply.headers["x-transire-decision-id"]) if "permit" in e
    )

    assert reply.headers["x-transire-deployment"] == "eu-economy"
    assert attempt["evaluation"] == decision["evaluation"]
    assert attempt["facts"] == decision["facts"]
    assert attempt["memo"] is True


def test_an_attempt_that_was_told_what_was_wrong_replays_from_facts_of_its_own_content(
    world: World,
) -> None:
    for name in world.fleet:
        world.behave(name, "wrong_type")  # until a note says what was wrong
    reply = world.chat("make a ticket", response_format=SCHEMA)
    decision_id = reply.headers["x-transire-decision-id"]
    decision, attempt = (e for e in world.entries(decision_id) if "permit" in e)
    told = _replayed(world, decision_id)

    assert attempt["noted"]
    assert attempt["permit"]["content"] != decision["permit"]["content"]
    assert told["agrees"] is told["attempts"][0]["agrees"] is True, told
    assert told["attempts"][0]["cause"] == "contract"
