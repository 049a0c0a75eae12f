"""Shadows through the real server, as the unmodified SDK, a target and an auditor see them."""

import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.api.conftest import DIRECT, World, start_world, stop
from tests.api.standing import activate
from tests.api.test_crash import _child_of, _end, kill, serve_again

TARGET = "eu-premium"
QUESTION = "What are your opening hours?"
DECLINED = "What are your opening hours on Sundays?"
RULES = """
@id("shadow.support")
permit (principal == Application::"support-triage", action == Action::"shadow",
        resource == Deployment::"eu-premium");

@id("shadow.docs")
permit (principal == Application::"docs-qa", action == Action::"shadow",
        resource == Deployment::"eu-premium");

@id("shadow.docs-redacted")
@reason("Nothing personal is shown to what is only tried out")
forbid (principal == Application::"docs-qa", action == Action::"shadow", resource)
when { context.dataClasses.contains(DataClass::"CONTACT") };

@id("shadow.sales")
permit (principal == Application::"sales", action == Action::"shadow",
        resource == Deployment::"eu-premium");
"""
SHADOWS = """\
shadows:
  poor:
    tasks: [translation]
    targets: {eu-premium: 1000000}
    daily_micro_usd: 1
  try-premium:
    targets: {eu-premium: 1000000}
    daily_micro_usd: 100000000
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A router whose bundle copies every request it may; activating one takes its time."""
    started = start_world(tmp_path_factory.mktemp("shadows"))
    copy_everything(started)
    yield started
    stop(started)


@pytest.fixture
def world(server: World) -> Iterator[World]:
    until_quiet(server)
    server.forget()
    yield server
    while server.clients:
        server.clients.pop().close()
    for name in server.touched:
        server.behave(name, "ok")


def copy_everything(world: World) -> None:
    """The active bundle, with a shadow of all requests."""
    activate(world, {"rules/shadow.cedar": RULES.encode(), "experiments.yaml": SHADOWS.encode()})


def until_quiet(world: World) -> None:
    """Every copy that another test's requests led to has come to its end."""
    for _ in range(500):
        begun, ended = (
            world.act("aud", "GET", f"/v1/audit/entries?kind=shadow.{how}&limit=500").json()
            for how in ("permitted", "ended")
        )
        if len(begun["entries"]) == len(ended["entries"]):
            return
        time.sleep(0.01)
    raise AssertionError("a copy did not end")


def ask(world: World, text: str = QUESTION, application: str = "support-triage", **f: Any) -> Any:
    reply = world.chat(text, application, **f)
    assert reply.status_code == 200, reply.text
    return reply


def entries(world: World, decision_id: str, *kinds: str) -> list[dict[str, Any]]:
    """The decision's entries, once these kinds are among them."""
    for _ in range(500):
        found = world.act("aud", "GET", f"/v1/decisions/{decision_id}").json()["entries"]
        if set(kinds) <= {entry["kind"] for entry in found}:
            return list(found)
        time.sleep(0.01)
    raise AssertionError(f"there is no entry of {kinds}")


def shadowed(world: World, reply: Any) -> dict[str, dict[str, Any]]:
    """Kind → entry of a decision whose shadow has ended."""
    found = entries(world, reply.headers["x-transire-decision-id"], "shadow.ended")
    return {entry["kind"]: entry for entry in found}


def counted(world: World, result: str) -> float:
    """How many copies came to this, by the metrics."""
    text = DIRECT.get(f"{world.admin_url}/metrics").text
    name = f'transire_shadows_total{{deployment="{TARGET}",result="{result}"}}'
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


def until_counted(world: World, result: str, more_than: float) -> None:
    for _ in range(500):
        if counted(world, result) > more_than:
            return
        time.sleep(0.01)
    raise AssertionError(f"no copy was {result}")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_the_sdk_is_answered_by_one_deployment_and_another_hears_the_question(
    stream: bool, world: World
) -> None:
    raw = world.client().chat.completions.with_raw_response.create(
        model="auto", messages=[{"role": "user", "content": QUESTION}], stream=stream
    )
    answer: Any = raw.parse()
    said = (
        "".join(c.choices[0].delta.content or "" for c in answer if c.choices)
        if stream
        else answer.choices[0].message.content
    )
    found = shadowed(world, raw)

    permitted, ended = found["shadow.permitted"], found["shadow.ended"]
    assert raw.headers["x-transire-deployment"] != TARGET
    assert raw.headers["x-transire-attempts"] == "1"
    received = world.received(TARGET)["received"]
    assert [r["body"]["messages"][-1]["content"] for r in received] == [QUESTION]
    assert permitted["permit"]["deployment"] == ended["deployment"] == TARGET
    assert permitted["policies"] == ["shadow.support"]
    assert (ended["status"], ended["released_bytes"], ended["attempt"]) == ("ok", 0, 0)
    assert ended["primary"]["attempt"] == 1
    assert permitted["index"] > found["outcome"]["index"]
    assert said not in json.dumps([permitted, ended])
    replay = world.act("aud", "GET", f"/v1/decisions/{permitted['decision_id']}/replay").json()
    assert (replay["agrees"], replay["shadows"][0]["shadow_agrees"]) == (True, True)
    assert world.verify().returncode == 0, world.verify().stderr


def test_a_shadow_delays_nobody(world: World) -> None:
    world.behave(TARGET, "hold")

    replies = [ask(world) for _ in range(3)]
    open_permits = entries(
        world, replies[0].headers["x-transire-decision-id"], "shadow.permitted", "outcome"
    )
    world.behave(TARGET, "ok")

    assert not [entry for entry in open_permits if entry["kind"] == "shadow.ended"]
    for reply in replies:
        assert shadowed(world, reply)["shadow.ended"]["status"] == "ok"


def test_the_form_is_the_targets_own(world: World) -> None:
    text = "Please summarise what dora.lindqvist@example.org wrote."

    found = shadowed(world, ask(world, text, "docs-qa"))

    sent = json.dumps(world.received(TARGET)["received"])
    assert found["shadow.permitted"]["permit"]["form"] == "redacted"
    assert "form" not in found["decision"]["permit"]
    assert "dora.lindqvist" not in sent
    assert "<EMAIL_ADDRESS_" in sent


@pytest.mark.parametrize(
    ("text", "application", "fields"),
    [
        (DECLINED, "support-triage", {"transire": {"shadow": "off"}}),
        (DECLINED, "support-triage", {"headers": {"x-transire-shadow": "off"}}),
    ],
    ids=["declined in the body", "declined in a header"],
)
def test_some_requests_are_heard_by_one_deployment_alone(
    text: str, application: str, fields: dict[str, Any], world: World
) -> None:
    reply = ask(world, text, application, **fields)
    last = ask(world)
    shadowed(world, last)

    found = entries(world, reply.headers["x-transire-decision-id"], "outcome")
    assert not [entry for entry in found if entry["kind"].startswith("shadow.")]
    heard = [r["body"]["messages"][-1]["content"] for r in world.received(TARGET)["received"]]
    assert text not in heard
    assert QUESTION in heard


def test_what_waits_for_a_person_is_copied_nowhere(world: World) -> None:

    held = world.chat("Does the therapy help patients with diabetes?", "sales")
    shadowed(world, ask(world))

    assert held.json()["error"]["code"] == "review_required"
    assert [r["body"]["messages"][-1]["content"] for r in world.received(TARGET)["received"]] == [
        QUESTION
    ]


def test_what_no_rule_permits_leaves_no_entry_and_is_counted(world: World) -> None:
    before = counted(world, "denied")

    reply = ask(world, "Rename this variable.", "copilot")
    until_counted(world, "denied", before)

    found = entries(world, reply.headers["x-transire-decision-id"], "outcome")
    assert {entry["kind"] for entry in found} == {"decision", "outcome"}
    assert world.received(TARGET)["count"] == 0


def test_a_day_that_is_spent_copies_nothing(world: World) -> None:
    before = counted(world, "budget")

    ask(world, "Translate this into German: good morning.")
    until_counted(world, "budget", before)

    assert world.received(TARGET)["count"] == 0


def test_a_target_that_fails_costs_the_caller_nothing(world: World) -> None:
    world.behave(TARGET, "error_500")

    replies = [ask(world) for _ in range(8)]
    found = [shadowed(world, reply)["shadow.ended"] for reply in replies]
    world.behave(TARGET, "ok")

    assert {(ended["status"], ended["failure"]) for ended in found} == {("failed", "status_5xx")}
    # Its breaker knows nothing of it: the first to ask for it by name is answered by it.
    named = ask(world, model=TARGET)
    assert named.headers["x-transire-attempts"] == "1"


def test_an_answer_that_took_two_attempts_is_copied_once(world: World) -> None:
    world.behave("us-economy", "error_500")

    reply = ask(world)
    found = entries(world, reply.headers["x-transire-decision-id"], "shadow.ended")

    assert reply.headers["x-transire-attempts"] == "2"
    assert [e["kind"] for e in found].count("shadow.permitted") == 1
    assert found[-1]["primary"]["attempt"] == 2
    assert world.verify().returncode == 0, world.verify().stderr


def test_a_refusal_of_the_target_is_told_beside_the_answer(world: World) -> None:
    world.behave(TARGET, "refuses")

    ended = shadowed(world, ask(world))["shadow.ended"]

    assert ended["appraisal"]["verdicts"] == ["refusal"]
    assert ended["primary"]["verdicts"] == []


@pytest.mark.slow
def test_neither_a_kill_nor_a_stop_leaves_a_copy_without_an_end(tmp_path: Path) -> None:
    world = start_world(tmp_path / "first")
    fleet_pid = _child_of(world.process.pid)
    try:
        copy_everything(world)
        world.behave(TARGET, "hold")
        killed = ask(world)
        entries(world, killed.headers["x-transire-decision-id"], "shadow.permitted")
        kill(world)
        serve_again(world)
        after_kill = shadowed(world, killed)["shadow.ended"]
        stopped = ask(world)
        entries(world, stopped.headers["x-transire-decision-id"], "shadow.permitted")
        world.process.terminate()
        world.process.wait(timeout=60)
    finally:
        _end(world, fleet_pid)

    told = ends(world)
    assert (after_kill["status"], after_kill["failure"]) == ("unknown", "restart")
    assert told[stopped.headers["x-transire-decision-id"]] == "cancelled"
    assert world.verify().returncode == 0, world.verify().stderr


def ends(world: World) -> dict[str, str]:
    """Decision → how its shadow ended, as the stopped router's file says."""
    with sqlite3.connect(f"file:{world.data / 'log.sqlite'}?mode=ro", uri=True) as database:
        leaves = [json.loads(row[0]) for row in database.execute("SELECT leaf FROM log")]
    return {e["decision_id"]: e["status"] for e in leaves if e["kind"] == "shadow.ended"}
