"""Experiments on the real server: through the SDK, the record, both verifiers and the commands."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.api.conftest import World
from tests.api.standing import Standing, file_of, standing_on
from tests.api.terminal import terminal_of
from tests.api.test_replay import FAQ
from tests.integration.test_rules_across_entries import ours

from transire.record.reading import ReadOnlyLog

EXPERIMENTS = b"""\
experiments:
  tone:
    kind: ab
    applications: [support-triage]
    unit: session
    variants:
      control: {share_permille: 500}
      brief: {share_permille: 500, prompt: support@2}
  fleet:
    kind: canary
    applications: [sales]
    unit: request
    variants:
      control: {share_permille: 500}
      premium: {share_permille: 500, prefer: [eu-premium]}
    guard: {min_samples: 10, error_permille: 20}
  size:
    kind: bandit
    applications: [copilot]
    unit: request
    explore_permille: 200
    variants:
      control: {share_permille: 500}
      premium: {share_permille: 500, prefer: [eu-premium]}
  helpful:
    kind: bandit
    applications: [docs-qa]
    unit: request
    explore_permille: 200
    reward: {by: feedback, within_hours: 1}
    variants:
      control: {share_permille: 500}
      premium: {share_permille: 500, prefer: [eu-premium]}
"""


@pytest.fixture(scope="module")
def standing(session_world: World) -> Iterator[Standing]:
    """The starter pack with two prompts and an experiment of each kind."""
    catalog = file_of(session_world, "catalog/tenants.yaml")
    bound = catalog.replace("support-triage: {", "support-triage: {prompt: support@1, ")
    files = {
        "catalog/tenants.yaml": bound.encode(),
        "experiments.yaml": EXPERIMENTS,
        "prompts/support@1.yaml": b"text: Answer in one sentence.\n",
        "prompts/support@2.yaml": b"text: Answer briefly.\n",
    }
    with standing_on(session_world, files) as found:
        yield found


def ask(world: World, application: str, **more: Any) -> dict[str, Any]:
    """One question through the SDK; its decision's entry."""
    reply = world.client(application).chat.completions.with_raw_response.create(
        model="auto", messages=[{"role": "user", "content": FAQ}], **more
    )
    return world.entries(reply.headers["x-transire-decision-id"])[0]


def replayed(world: World, entry: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = world.act("aud", "GET", f"/v1/decisions/{entry['id']}/replay").json()
    return found


def rolled_back(world: World) -> list[dict[str, Any]]:
    with ReadOnlyLog(world.data) as log:
        entries = [json.loads(leaf) for _, leaf in log.leaves()]
    return [entry for entry in entries if entry["kind"] == "experiment.rolled_back"]


def test_a_session_keeps_its_variant_whose_prompt_its_deployment_is_sent(world: World) -> None:
    told = [
        ask(world, "support-triage", extra_body={"transire": {"session_id": f"s{n % 6}"}})
        for n in range(18)
    ]
    drawn = [entry["experiment"] for entry in told]
    arrived = [r for name in world.fleet for r in world.received(name)["received"]]
    sent = {r["body"]["messages"][0]["content"] for r in arrived}

    assert all(drawn[n]["variant"] == drawn[n % 6]["variant"] for n in range(18))
    assert {draw["unit"] for draw in drawn} == {"session"}
    assert {draw["propensity_ppm"] for draw in drawn} == {500_000}
    for entry in told:
        is_brief = entry["experiment"]["variant"] == "brief"
        assert entry["prompt"]["ref"] == ("support@2" if is_brief else "support@1")
    assert sent <= {"Answer in one sentence.", "Answer briefly."}
    assert "Answer briefly" not in json.dumps(told)
    again = [replayed(world, entry) for entry in told[:6]]
    assert all(one["agrees"] is one["experiment_agrees"] is True for one in again)
    assert world.verify().returncode == 0
    assert ours(world.data) == ""


def test_a_canary_whose_deployment_dies_takes_itself_back_though_every_caller_is_answered(
    world: World,
) -> None:
    world.behave("eu-premium", "error_500")
    before = len(rolled_back(world))
    told = [ask(world, "sales") for _ in range(60)]
    [back] = rolled_back(world)[before:]
    later = [ask(world, "sales")["experiment"] for _ in range(10)]

    assert (back["experiment"], back["variant"], back["metric"]) == ("fleet", "premium", "error")
    assert back["bad"] == back["attempts"] >= 10
    assert back["control_bad"] == 0
    assert {entry["experiment"]["variant"] for entry in told} == {"control", "premium"}
    assert {draw["variant"] for draw in later} == {"control"}
    assert {draw["propensity_ppm"] for draw in later} == {1_000_000}
    assert world.verify().returncode == 0
    assert ours(world.data) == ""


def test_a_bandit_leaves_what_fails_and_still_explores(world: World) -> None:
    world.behave("eu-premium", "error_500")
    told = [ask(world, "copilot")["experiment"] for _ in range(60)]

    assert told[0]["shares_ppm"] == [500_000, 500_000]
    assert told[-1]["shares_ppm"][1] < 150_000
    assert all(min(draw["shares_ppm"]) >= 100_000 for draw in told)
    assert world.verify().returncode == 0
    assert ours(world.data) == ""


def test_a_bandit_follows_what_callers_say_helped(world: World) -> None:
    client = world.client("docs-qa")
    for _ in range(24):
        answer = client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": FAQ}]
        )
        name = answer.id.removeprefix("chatcmpl-")
        draw = world.entries(name)[0]["experiment"]
        helped = draw["variant"] == "premium"
        client.post(f"/decisions/{name}/feedback", cast_to=object, body={"success": helped})
    feedback = [e for e in world.entries(name) if e["kind"] == "feedback"]
    later = ask(world, "docs-qa")["experiment"]
    for _ in range(100):
        if sum(count for _, count in later["state"]) == 24:
            break
        later = ask(world, "docs-qa")["experiment"]

    assert feedback[0]["reward"] == {
        "digest": draw["digest"],
        "variant": draw["variant"],
        "task": "faq",
        "won": int(helped),
    }
    assert later["reward"] == "feedback"
    assert sum(count for _, count in later["state"]) == 24
    assert later["state"][0][0] == 0
    assert later["shares_ppm"][1] > 700_000
    assert world.verify().returncode == 0
    assert ours(world.data) == ""


def test_the_commands_say_what_is_tried_and_what_came_of_it(world: World, tmp_path: Path) -> None:
    ask(world, "support-triage")
    plot = tmp_path / "plot.svg"
    ana = terminal_of(world, "ana", tmp_path / "home")
    listed = ana.result("experiment", "list", "active")
    one = ana.result("experiment", "show", "fleet", "active")
    bandit = ana.result("experiment", "show", "size", "active")
    prompts = ana.result("prompts", "list", "active")
    prompt = ana.result("prompts", "show", "support@2", "active")
    report = ana.result(
        "experiment",
        "report",
        str(world.data),
        "--experiment",
        "tone",
        "--json",
        "--svg",
        str(plot),
    )
    unknown = ana.refusal("experiment", "show", "nothing", "active")

    assert [e["experiment"] for e in listed] == ["fleet", "helpful", "size", "tone"]
    assert one["guard"] == {
        "min_samples": 10,
        "alpha_permille": 50,
        "error_permille": 20,
        "contract_permille": 20,
    }
    assert bandit["explore_permille"] == 200
    given = {p["prompt"]: p["given_to"] for p in prompts if p["prompt"].startswith("support@")}
    assert given == {
        "support@1": ["support-triage"],
        "support@2": ["support-triage (tone: brief)"],
    }
    assert (prompt["text"], prompt["findings"]) == ("Answer briefly.", [])
    assert sum(v["decisions"] for v in report[-1]["variants"]) >= 1
    assert plot.read_text().startswith("<svg")
    assert unknown[0] == 1
    assert "it holds fleet, helpful, size, tone" in unknown[1]
