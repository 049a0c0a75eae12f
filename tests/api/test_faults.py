"""What upstreams do wrong, and what the caller, the record and the other deployments make of it."""

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.api.conftest import DIRECT, World, start_world, stop

FAQ = "What are your opening hours?"
"""Goes to us-economy first, then eu-economy: both are cheap and permitted."""


def _outcomes(world: World, decision_id: str) -> list[tuple[str, str, str]]:
    entries = world.entries(decision_id)
    return [(e["deployment"], e["status"], e["failure"]) for e in entries if e["kind"] == "outcome"]


@pytest.mark.parametrize(
    ("mode", "failure", "model", "first", "second"),
    [
        ("error_500", "status_5xx", "fast", "us-economy", "eu-economy"),
        ("error_400", "status_4xx", "fast", "us-economy", "eu-economy"),
        ("error_401", "auth", "fast", "us-economy", "eu-economy"),
        ("html", "bad_shape", "fast", "us-economy", "eu-economy"),
        ("redirect", "redirect", "strong", "eu-premium", "us-premium"),
        ("bad_json", "bad_shape", "strong", "eu-premium", "us-premium"),
        ("huge", "too_large", "strong", "eu-premium", "us-premium"),
        ("empty", "empty", "strong", "eu-premium", "us-premium"),
    ],
)
def test_a_failing_deployment_is_left_for_the_next_permitted_one(
    world: World, mode: str, failure: str, model: str, first: str, second: str
) -> None:
    world.behave(first, mode)
    reply = world.chat("hello there", model=model)

    assert reply.status_code == 200, reply.text
    assert reply.headers["x-transire-deployment"] == second
    assert reply.headers["x-transire-attempts"] == "2"
    outcomes = _outcomes(world, reply.headers["x-transire-decision-id"])
    assert (first, failure) == (outcomes[0][0], outcomes[0][2])
    assert outcomes[1] == (second, "ok", "")


def test_every_attempt_has_its_own_permit_recorded_before_it(world: World) -> None:
    world.behave("us-economy", "error_500")
    reply = world.chat(FAQ)
    entries = world.entries(reply.headers["x-transire-decision-id"])

    permits = [e["permit"] for e in entries if "permit" in e]
    assert [1, 2] == [p["attempt"] for p in permits]
    assert ["first", "fallback"] == [p["cause"] for p in permits]
    kinds = [e["kind"] for e in sorted(entries, key=lambda e: e["index"])]
    assert kinds.index("attempt") > kinds.index("decision")


def test_a_cut_stream_ends_in_an_error_event_and_never_in_done(world: World) -> None:
    for name in world.fleet:
        world.behave(name, "cut")
    reply = world.chat("tell me something", stream=True)
    events = [line[6:] for line in reply.text.split("\n") if line.startswith("data: ")]

    assert reply.status_code == 200
    assert "[DONE]" not in events
    error = json.loads(events[-1])["error"]
    assert error["code"] == "upstream_failed"
    assert [t["failure"] for t in error["attempts"]] == ["cut"]
    outcomes = _outcomes(world, reply.headers["x-transire-decision-id"])
    assert [("partial", "cut")] == [(status, failure) for _, status, failure in outcomes]


def test_a_cut_stream_is_not_counted_as_an_answer(world: World) -> None:
    def counted(code: str) -> float:
        page = DIRECT.get(f"{world.admin_url}/metrics").text
        lines = [x for x in page.splitlines() if x.startswith("transire_requests_total{")]
        return sum(float(x.split()[-1]) for x in lines if f'code="{code}"' in x)

    before = counted("ok"), counted("upstream_failed")
    for name in world.fleet:
        world.behave(name, "cut")
    world.chat("tell me something", stream=True)

    assert (counted("ok"), counted("upstream_failed")) == (before[0], before[1] + 1)


def test_a_stream_that_fails_before_its_first_byte_falls_back(world: World) -> None:
    world.behave("us-economy", "error_500")
    reply = world.chat(FAQ, stream=True)

    assert reply.headers["x-transire-attempts"] == "2"
    assert reply.text.endswith("data: [DONE]\n\n")


def test_a_caller_who_goes_away_cancels_the_upstream_and_leaves_an_outcome(world: World) -> None:
    for name in world.fleet:
        world.behave(name, "endless")
    headers = {"authorization": f"Bearer {world.keys['support-triage']}"}
    body = {"model": "auto", "stream": True, "messages": [{"role": "user", "content": FAQ}]}
    with (
        httpx.Client(trust_env=False) as client,
        client.stream(
            "POST", f"{world.base_url}/chat/completions", json=body, headers=headers
        ) as reply,
    ):
        decision_id = reply.headers["x-transire-decision-id"]
        next(reply.iter_bytes())

    assert [("cancelled", "cancelled")] == [o[1:] for o in _outcomes(world, decision_id)]


def test_text_arrives_while_it_is_written_where_tools_are_offered(world: World) -> None:
    for name in world.fleet:
        world.behave(name, "endless")
    headers = {"authorization": f"Bearer {world.keys['support-triage']}"}
    body = {
        "model": "auto",
        "stream": True,
        "tools": [{"type": "function", "function": {"name": "look_up"}}],
        "messages": [{"role": "user", "content": FAQ}],
    }
    with (
        httpx.Client(trust_env=False) as client,
        client.stream(
            "POST", f"{world.base_url}/chat/completions", json=body, headers=headers
        ) as reply,
    ):
        first = next(reply.iter_lines())

    assert json.loads(first.removeprefix("data: "))["choices"][0]["delta"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_nobody_offered_reaches_nobody(world: World, stream: bool) -> None:
    world.behave("us-economy", "wrong_tool")
    tools = [{"type": "function", "function": {"name": "look_up"}}]
    reply = world.chat(FAQ, stream=stream, tools=tools)

    assert reply.headers["x-transire-attempts"] == "2"
    assert "look_up" in reply.text
    assert "nobody_offered_this" not in reply.text
    outcomes = _outcomes(world, reply.headers["x-transire-decision-id"])
    assert outcomes[0] == ("us-economy", "contract_violated", "tool_unknown")


def test_a_caller_who_goes_away_before_the_answer_leaves_an_outcome_too(world: World) -> None:
    for name in world.fleet:
        world.behave(name, "hang")
    headers = {"authorization": f"Bearer {world.keys['copilot']}"}
    body = {"model": "auto", "messages": [{"role": "user", "content": "hello"}]}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{world.base_url}/chat/completions",
            json=body,
            headers=headers,
            timeout=0.5,
            trust_env=False,
        )

    newest = _newest_outcome(world)
    assert newest["status"] == "cancelled"


def _newest_outcome(world: World) -> dict[str, Any]:
    for _ in range(200):
        page = world.act("aud", "GET", "/v1/audit/entries?limit=20").json()["entries"]
        decisions = [e for e in page if e["kind"] == "decision"]
        entries = world.act("aud", "GET", f"/v1/decisions/{decisions[0]['id']}").json()["entries"]
        found = [e for e in entries if e["kind"] == "outcome"]
        if found:
            return dict(found[-1])
        time.sleep(0.02)
    raise AssertionError("no outcome was written")


def test_an_upstreams_words_reach_its_own_caller_alone(world: World) -> None:
    for name in world.fleet:
        world.behave(name, "error_500")
    reply = world.chat("hello")
    text = "the deployment is on fire"

    assert reply.status_code == 502
    assert reply.json()["error"]["upstream"] == text
    assert text not in json.dumps(world.entries(reply.headers["x-transire-decision-id"]))
    assert text not in world.stderr.read_text()


def test_an_upstreams_words_that_hold_findings_are_withheld(world: World) -> None:
    for name in world.fleet:
        world.behave(name, "leak")
    reply = world.chat("hello")

    assert reply.status_code == 502
    assert "4111" not in reply.text


def test_a_tool_call_nobody_offered_is_never_passed_on(world: World) -> None:
    for name in world.fleet:
        world.behave(name, "wrong_tool")
    reply = world.chat("hello")

    assert reply.status_code == 422
    assert "nobody_offered_this" not in reply.text
    assert reply.headers["x-should-retry"] == "false"


def test_a_stream_that_calls_a_tool_nobody_offered_is_cut(world: World) -> None:
    for name in world.fleet:
        world.behave(name, "wrong_tool")
    reply = world.chat("hello", stream=True)

    assert "nobody_offered_this" not in reply.text
    assert "[DONE]" not in reply.text


def test_an_answer_from_another_model_than_the_catalogs_is_recorded(world: World) -> None:
    for name in world.fleet:
        world.behave(name, "wrong_model")
    reply = world.chat("hello")
    entries = world.entries(reply.headers["x-transire-decision-id"])

    assert [["model"]] == [e["contradicts"] for e in entries if e["kind"] == "outcome"]
    assert "somebody-else" not in reply.text


def test_a_request_that_fails_everywhere_says_where_and_how(world: World) -> None:
    modes = {"us-economy": "error_500", "onprem-general": "error_400", "eu-economy": "leak"}
    for name in world.fleet:
        world.behave(name, modes.get(name, "empty"))
    reply = world.chat("hello there, how are you?")
    error = reply.json()["error"]
    tried = error["attempts"]
    outcomes = _outcomes(world, error["decision_id"])

    assert (reply.status_code, error["code"]) == (502, "upstream_failed")
    assert [(t["deployment"], "failed", t["failure"]) for t in tried] == outcomes
    assert [t["attempt"] for t in tried] == list(range(1, len(outcomes) + 1))
    assert {"attempt": 1, "deployment": "us-economy", "failure": "status_5xx"}.items() <= (
        tried[0].items()
    )
    assert tried[0]["http_status"] == 500
    ready = world.act("ana", "GET", "/readyz").json()
    assert isinstance(ready["unwell_deployments"], int)
    assert (ready["status"] == "ok") <= (ready["unwell_deployments"] == 0)
    assert reply.headers["x-transire-attempts"] == str(len(tried))
    assert all(f"`{t['deployment']}`: {t['failure']}" in error["message"] for t in tried)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_an_error_says_how_far_its_request_got(world: World, stream: bool) -> None:
    denied = world.chat("my key is AKIA2E4Q7RT3XYZWUVKL", stream=stream)
    unread = world.post("/v1/chat/completions", b"{")
    held = world.chat("hi", transire={"stakes": "high"}, stream=stream)
    for name in world.fleet:
        world.behave(name, "wrong_tool")
    tools = [{"type": "function", "function": {"name": "look_up"}}]
    broken = world.chat("hello", tools=tools, tool_choice="required", stream=stream)
    bundle = world.act("ana", "GET", "/readyz").json()["bundle"][:16]

    assert [r.status_code for r in (denied, unread, held, broken)] == [403, 400, 403, 422]
    for reply in (denied, held, broken):
        assert reply.headers["x-transire-bundle"] == bundle
    for reply in (denied, unread, held):
        assert reply.headers["x-transire-attempts"] == "0"
        assert float(reply.headers["x-transire-overhead-ms"]) > 0
        origin, index, size = reply.headers["x-transire-receipt"].split()
        decision = reply.headers["x-transire-decision-id"]
        assert origin == "demo.transire.local/log"
        assert world.entries(decision)[0]["index"] == int(index) < int(size)
    assert int(broken.headers["x-transire-attempts"]) > 1
    assert int(broken.headers["x-transire-tokens-in"]) > 0
    assert int(broken.headers["x-transire-cost-micro-usd"]) > 0


def test_all_deployments_down_is_an_explicit_error(tmp_path: Path) -> None:
    # In a world of its own: what was refused so is asked less often for a minute.
    world = start_world(tmp_path / "refusing")
    try:
        for name in world.fleet:
            world.behave(name, "rate_limit")
        world.chat("hello", "sales")
        world.chat("hello", "sales")
        reply = world.chat("hello", "sales")
    finally:
        stop(world)

    assert reply.status_code in (502, 503)
    assert reply.json()["error"]["code"] in ("upstream_failed", "deployments_unavailable")
