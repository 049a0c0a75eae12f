"""Canaries again, where every feature that sees content is on at once: copies, moderators, kept
answers, cascades, redaction, judged answers, held requests and feedback keep none of them (I6)."""

import json
import sqlite3
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from tests.api.conftest import DIRECT, World, start_world, stop
from tests.api.moderators import Service, service
from tests.api.standing import Standing, file_of, standing_on
from tests.api.test_moderation import MODERATORS

APPLICATIONS = ("support-triage", "docs-qa", "sales", "copilot")
RULE = """
@id("all.{action}-{application}")
permit (principal == Application::"{application}", action == Action::"{action}", resource{to});
"""
TO = {"cache": "", "moderate": "", "shadow": ' == Deployment::"eu-premium"'}
RULES = "".join(
    RULE.format(application=name, action=action, to=to)
    for action, to in TO.items()
    for name in APPLICATIONS
)
SHADOWS = """\
shadows:
  try-premium:
    targets: {eu-premium: 1000000}
    daily_micro_usd: 100000000
"""
MAIL = "canarymail4417@example.com"
SAID = {
    "prompt": "CANARYPROMPT4417",
    "mail": MAIL,
    "session": "CANARYSESSION4417",
    "answer": "CANARYANSWER4417",
    "comment": "CANARYCOMMENT4417",
    "review": "CANARYREVIEW4417",
    "moderator": "CANARYMODERATOR4417",
}
QUESTION = f"Write back {SAID['answer']} to {MAIL}, please: {SAID['prompt']}"
CLAIM = f"Is this claim about our drug allowed: it cures diabetes, says {SAID['review']}?"


@pytest.fixture(scope="module")
def moderator() -> Iterator[Service]:
    with service() as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world of its own: what others escalated would count against the same quotas here."""
    started = start_world(tmp_path_factory.mktemp("everything"))
    yield started
    stop(started)


@pytest.fixture(scope="module")
def standing(server: World, moderator: Service) -> Iterator[Standing]:
    """Everything on, for every application."""
    routing = yaml.safe_load(file_of(server, "routing.yaml"))
    for task in routing["tasks"].values():
        task["cascade"] = {"on": ["refusal"]}
    routing["cache"] = {"ttl_s": 600}
    files = {
        "catalog/moderators.yaml": MODERATORS.format(address=moderator.address).encode(),
        "rules/everything.cedar": RULES.encode(),
        "experiments.yaml": SHADOWS.encode(),
        "routing.yaml": yaml.safe_dump(routing).encode(),
    }
    with standing_on(server, files) as stood:
        yield stood


@pytest.fixture
def world(server: World, standing: Standing) -> World:
    del standing
    return server


def kept(world: World) -> Iterator[tuple[str, bytes]]:
    """Everything that is written down or told to anybody but the caller."""
    for path in sorted(world.data.iterdir()):
        if path.is_file():
            yield path.name, path.read_bytes()
    for name in ("log.sqlite", "index.sqlite"):
        with sqlite3.connect(f"file:{world.data / name}?mode=ro", uri=True) as db:
            tables = db.execute("SELECT name FROM sqlite_schema WHERE type='table'").fetchall()
            for (table,) in tables:
                rows = db.execute(f"SELECT * FROM {table}").fetchall()
                yield f"{name}: {table}", repr(rows).encode()
    yield "stderr", world.stderr.read_bytes()
    yield "metrics", DIRECT.get(f"{world.admin_url}/metrics").content
    for route in ("/v1/audit/entries?limit=500", "/v1/cache", "/v1/reviews", "/readyz"):
        person = "rita" if route == "/v1/reviews" else "aud"
        yield route, world.act(person, "GET", route).content


def everything(world: World, moderator: Service) -> list[str]:
    """Use every feature, well and failing; returns the decisions that were answered."""
    answered = []
    session = {"transire": {"session_id": SAID["session"]}}
    for mode in ("echo", "refuses", "leak", "makes_up"):
        for name in world.fleet:
            world.behave(name, mode)
        for application in APPLICATIONS:
            for stream in (False, True):
                reply = world.chat(QUESTION, application, temperature=0, stream=stream, **session)
                if reply.status_code == 200:
                    answered.append(reply.headers["x-transire-decision-id"])
    for name in world.fleet:
        world.behave(name, "echo")
    for moderator.mode in ("500", "prose", "silent", "ok"):
        world.chat(f"{QUESTION} {moderator.mode}", "docs-qa")
    world.chat(QUESTION, temperature=0)  # kept by now
    judged = {"thumbs": "down", "comment": SAID["comment"]}
    world.post(f"/v1/decisions/{answered[0]}/feedback", judged)
    world.post(f"/v1/decisions/{answered[0]}/feedback", {**judged, "reason": SAID["comment"]})
    hold(world)
    return answered


def hold(world: World) -> None:
    """A held request that a person looks into, comments and releases."""
    held = world.chat(CLAIM, "sales").json()["error"]
    review = f"/v1/reviews/{held['review_id']}"
    assert SAID["review"] in world.act("rita", "GET", f"{review}/content").text
    assert world.act("rita", "POST", f"{review}/approve", {"comment": "fine"}).status_code == 200
    again = {"x-transire-review-id": held["review_id"]}
    assert world.chat(CLAIM, "sales", headers=again).status_code == 200


def test_no_canary_is_kept_by_any_feature(world: World, moderator: Service) -> None:
    answered = everything(world, moderator)
    ended(world)
    found = list(kept(world))
    log = dict(found)["/v1/audit/entries?limit=500"].decode()
    explained = [world.act("aud", "GET", f"/v1/decisions/{d}/explain").content for d in answered]

    for kind in ("shadow.permitted", "shadow.ended", "moderation.permitted", "feedback"):
        assert f'"kind":"{kind}"' in log  # it was on
    for word in ('"cause":"cache_hit"', '"status":"superseded"', '"review.approved"'):
        assert word in log
    assert any(MAIL.encode() in body for _, body in moderator.received)
    for place, data in [*found, *(("explain", e) for e in explained)]:
        for kind, canary in SAID.items():
            assert canary.encode() not in data, f"{kind} stands in {place}"
        for value in (b"AKIA2E4Q7RT3XYZWUVKL", b"dora.lindqvist", b"4111 1111"):
            assert value not in data, f"{value!r} stands in {place}"


def ended(world: World) -> None:
    """Until every copy and every question to a moderator has its end in the log."""
    for _ in range(500):
        entries: list[dict[str, Any]] = []
        entries = world.act("aud", "GET", "/v1/audit/entries?limit=500").json()["entries"]
        count = {k: sum(e["kind"] == k for e in entries) for k in {e["kind"] for e in entries}}
        shadows = count.get("shadow.permitted", 0) - count.get("shadow.ended", 0)
        asked = count.get("moderation.permitted", 0) - count.get("moderation.ended", 0)
        if shadows == asked == 0 and "shadow.ended" in count:
            return
        time.sleep(0.02)
    raise AssertionError(f"some have not ended: {json.dumps(count)}")
