"""A moderation service beside a running router: asked where policy permits, and heard by policy."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from tests.api.conftest import DIRECT, World
from tests.api.moderators import Service, service
from tests.api.standing import Standing, activate, standing_on
from tests.api.test_crash import ended_world, kill, serve_again

MODERATORS = """
moderators:
  eu-guard:
    provider: nordwind
    model: breeze-8b.2
    tier: economy
    regions: [DE]
    address: {address}
    upstream_model: guard-1
    zero_retention: true
    timeout_ms: 2000
    max_bytes: 4096
    categories: {{hate: hate, violence: violence}}
"""
RULES = """
@id("moderate.triage")
permit (principal == Application::"support-triage", action == Action::"moderate", resource);

@id("moderation.hate")
@reason("Hate is answered by nobody, and what could not be judged neither")
forbid (principal, action == Action::"route", resource)
when {
  context.raisedGuards.contains(Guard::"hate") || context.failedGuards.contains(Guard::"hate")
}
unless { principal != Application::"support-triage" };
"""
CANARY = "canary-7f3a"


@pytest.fixture(scope="module")
def moderator() -> Iterator[Service]:
    with service() as running:
        yield running


@pytest.fixture(scope="module")
def standing(session_world: World, moderator: Service) -> Iterator[Standing]:
    with standing_on(session_world, bundle_files(moderator)) as stood:
        yield stood


def bundle_files(asked: Service) -> dict[str, bytes]:
    return {
        "catalog/moderators.yaml": MODERATORS.format(address=asked.address).encode(),
        "rules/moderation.cedar": RULES.encode(),
    }


@pytest.fixture(autouse=True)
def _well(moderator: Service) -> Iterator[None]:
    moderator.mode = "ok"
    moderator.received.clear()
    yield
    moderator.mode = "ok"


def entries(world: World, decision_id: str) -> list[dict[str, Any]]:
    """Once every permit has its end."""
    for _ in range(500):
        found = world.act("aud", "GET", f"/v1/decisions/{decision_id}").json()["entries"]
        ends = [e for e in found if e["kind"] in ("outcome", "moderation.ended")]
        if len(ends) >= sum("permit" in e for e in found):
            return list(found)
        time.sleep(0.01)
    raise AssertionError("an end was not written")


def of_kind(found: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next(entry for entry in found if entry["kind"] == kind)


def test_a_harmless_request_is_judged_and_answered(world: World, moderator: Service) -> None:
    client = world.client()

    answer = client.chat.completions.with_raw_response.create(
        model="auto", messages=[{"role": "user", "content": f"Hello {CANARY}"}]
    )

    assert answer.parse().choices[0].message.content
    ((_, body),) = moderator.received
    assert json.loads(body) == {"model": "guard-1", "input": [f"Hello {CANARY}"]}
    found = entries(world, answer.headers["x-transire-decision-id"])
    decision, permit = found[0], of_kind(found, "moderation.permitted")
    assert decision["kind"] == "decision"
    assert permit["index"] < decision["index"]
    assert permit["policies"] == ["moderate.triage"]
    assert permit["permit"]["deployment"] == "eu-guard"
    assert decision["moderation"]["asked"] == [
        {"deployment": "eu-guard", "form": "raw", "attempt": -1, "result": "ok"}
    ]
    assert of_kind(found, "moderation.ended")["status"] == "ok"


def test_what_a_moderator_raises_is_denied_by_the_rule_that_reads_it(
    world: World, moderator: Service
) -> None:
    with pytest.raises(openai.PermissionDeniedError) as denied:
        world.client().chat.completions.create(
            model="auto", messages=[{"role": "user", "content": "They are vermin."}]
        )

    assert denied.value.code == "policy_denied"
    decision_id = denied.value.response.headers["x-transire-decision-id"]
    found = entries(world, decision_id)
    assert found[0]["guards"]["raised"] == ["hate"]
    assert of_kind(found, "moderation.ended")["raised"] == ["hate"]
    assert world.all_received() == 0
    assert len(moderator.received) == 1


@pytest.mark.parametrize(
    ("mode", "result"),
    [("500", "status_5xx"), ("prose", "bad_shape"), ("short", "bad_shape")],
)
def test_a_moderator_that_fails_fails_its_guards_and_is_recorded(
    world: World, moderator: Service, mode: str, result: str
) -> None:
    moderator.mode = mode

    answer = world.chat("Hello there")

    assert answer.status_code == 403, answer.text
    found = entries(world, answer.headers["x-transire-decision-id"])
    assert found[0]["guards"]["failed"] == ["hate", "violence"]
    assert found[0]["moderation"]["asked"][0]["result"] == result
    ended = of_kind(found, "moderation.ended")
    assert (ended["status"], ended["failure"]) == ("failed", result)
    assert world.all_received() == 0


def test_a_category_that_is_left_unsaid_fails_its_guard_alone(
    world: World, moderator: Service
) -> None:
    moderator.mode = "silent"

    answer = world.chat("Hello there")

    found = entries(world, answer.headers["x-transire-decision-id"])
    assert answer.status_code == 403
    assert found[0]["guards"] == {"raised": [], "failed": ["hate"]}


def test_a_text_that_is_too_large_is_not_sent_and_not_passed(
    world: World, moderator: Service
) -> None:
    answer = world.chat("Hello " * 1_000)

    found = entries(world, answer.headers["x-transire-decision-id"])
    assert answer.status_code == 403
    assert moderator.received == []
    assert found[0]["moderation"]["asked"] == [
        {"deployment": "eu-guard", "form": "raw", "result": "too_large"}
    ]


def test_what_policy_keeps_from_a_moderator_never_reaches_it(
    world: World, moderator: Service
) -> None:
    secret = world.chat("the key is AKIAIOSFODNN7EXAMPLE")
    other = world.chat("Hello there", "docs-qa")

    assert secret.status_code == 403
    assert other.status_code == 200, other.text
    assert moderator.received == []
    for answer in (secret, other):
        found = entries(world, answer.headers["x-transire-decision-id"])
        assert [row["result"] for row in found[0]["moderation"]["asked"]] == ["denied"]
        assert found[0]["guards"]["failed"] == ["hate", "violence"]


def test_a_moderator_that_hangs_has_failed_when_its_time_is_over(
    world: World, moderator: Service
) -> None:
    moderator.mode = "hang"

    answer = world.chat("Hello there")

    assert answer.status_code == 403
    found = entries(world, answer.headers["x-transire-decision-id"])
    assert found[0]["moderation"]["asked"][0]["result"] == "timeout"


def test_advice_asks_under_the_same_rule(world: World, moderator: Service) -> None:
    body = {"model": "auto", "messages": [{"role": "user", "content": "They are vermin."}]}

    advice = world.post("/v1/decisions", body).json()

    assert advice["outcome"] == "denied"
    assert len(moderator.received) == 1


def test_a_decision_is_made_again_from_what_its_moderators_said(
    world: World, moderator: Service
) -> None:
    for text in ("Hello again", "They are vermin."):
        answer = world.chat(text)
        name = answer.headers["x-transire-decision-id"]
        entries(world, name)
        moderator.received.clear()

        replayed = world.act("aud", "GET", f"/v1/decisions/{name}/replay").json()

        assert (replayed["agrees"], replayed["moderation_agrees"]) == (True, True), replayed
        assert moderator.received == []


def test_the_whole_log_verifies_and_nobody_else_hears_what_was_asked(
    world: World, moderator: Service
) -> None:
    answer = world.chat(f"Hello {CANARY}")
    entries(world, answer.headers["x-transire-decision-id"])

    verified = world.verify()

    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert CANARY in moderator.received[0][1].decode()
    assert CANARY not in world.stderr.read_text()
    assert "transire_moderations_total" in _metrics(world)
    assert CANARY not in _metrics(world)


def test_killed_between_permit_and_answer_its_end_is_unknown_at_the_next_start(
    tmp_path: Path,
) -> None:
    with service() as hanging, ended_world(tmp_path) as world:
        hanging.mode = "hang"
        activate(world, bundle_files(hanging))
        with ThreadPoolExecutor(1) as pool:
            asking = pool.submit(_chat_until_killed, world)
            _wait_for(lambda: bool(hanging.received))
            kill(world)
            asking.result()

        serve_again(world)

        name = hanging.received[0][0]["x-request-id"].rpartition("-")[0]
        found = entries(world, name)
        assert [entry["kind"] for entry in found] == ["moderation.permitted", "moderation.ended"]
        assert (found[1]["status"], found[1]["attempt"]) == ("unknown", -1)
        assert world.verify().returncode == 0


def _chat_until_killed(world: World) -> None:
    with contextlib.suppress(httpx.HTTPError):
        world.chat("Hello there")


def _wait_for(holds: Callable[[], bool]) -> None:
    for _ in range(3_000):
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come")


def _metrics(world: World) -> str:
    return DIRECT.get(f"{world.admin_url}/metrics").text
