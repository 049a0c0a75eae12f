"""What was learned and granted outlives the router: read from the log, on a real server."""

import time
from typing import Any

import pytest
import yaml
from tests.api.conftest import World
from tests.api.standing import file_of, standing_on
from tests.api.test_cache_file import again, kept
from tests.api.test_experiments import EXPERIMENTS, ask, rolled_back
from tests.api.test_replay import FAQ
from tests.integration.test_rules_across_entries import ours

__all__ = ["kept"]

BURST, PER_S = 30, 0.5
"""Of escalations of one key, as the settings have them."""


def escalating(world: World) -> bytes:
    """`routing.yaml` in which refusals of every question are escalated."""
    routing = yaml.safe_load(file_of(world, "routing.yaml").replace("{on:", '{"on":'))
    routing["tasks"]["faq"]["cascade"] = {"on": ["refusal"]}
    return yaml.safe_dump(routing).encode()


def judged(world: World) -> dict[str, Any]:
    """One answer of the bandit that feedback rewards, and a judgement on it; its draw."""
    answer = world.client("docs-qa").chat.completions.create(
        model="auto", messages=[{"role": "user", "content": FAQ}]
    )
    name = answer.id.removeprefix("chatcmpl-")
    draw: dict[str, Any] = world.entries(name)[0]["experiment"]
    body = {"success": draw["variant"] == "premium"}
    world.client("docs-qa").post(f"/decisions/{name}/feedback", cast_to=object, body=body)
    return draw


def known(draw: dict[str, Any]) -> int:
    return sum(count for _, count in draw["state"])


@pytest.mark.slow
def test_bandits_and_a_canary_go_on_after_a_restart_with_what_they_knew(kept: World) -> None:
    world = kept
    canary = EXPERIMENTS.replace(b"min_samples: 10", b"min_samples: 12")
    with standing_on(world, {"experiments.yaml": canary.replace(b", prompt: support@2", b"")}):
        begun = len(rolled_back(world))
        world.behave("eu-premium", "error_500")
        before = [ask(world, "sales")["experiment"]["variant"] for _ in range(18)]
        for _ in range(20):
            ask(world, "copilot")
        earned = sum("unwell" not in judged(world) for _ in range(8))
        again(world)
        learned = ask(world, "copilot")["experiment"]
        told = judged(world)
        after = [ask(world, "sales")["experiment"]["variant"] for _ in range(30)]

        [back] = rolled_back(world)[begun:]

    assert max(before.count("premium"), before.count("control")) < 18
    assert (known(learned), known(told)) == (20, earned)
    assert earned
    assert back["attempts"] == back["bad"] >= 12
    assert back["attempts"] > after.count("premium")
    assert world.verify().returncode == 0
    assert ours(world.data) == ""


@pytest.mark.slow
def test_a_restart_fills_no_bucket_of_escalations(kept: World) -> None:
    world = kept
    with standing_on(world, {"routing.yaml": escalating(world)}):
        world.behave("us-economy", "refuses")
        started = time.monotonic()
        first = _escalated(world, BURST + 5)
        again(world)
        second = _escalated(world, BURST)
        took_s = time.monotonic() - started

    # What a bucket holds, and what has run into it since: a new one would hold as much again.
    assert BURST <= first + second <= BURST + took_s * PER_S + 1
    assert world.verify().returncode == 0
    assert ours(world.data) == ""


def _escalated(world: World, count: int) -> int:
    replies = [world.chat(FAQ) for _ in range(count)]
    assert {reply.status_code for reply in replies} == {200}
    return sum("x-transire-escalated" in reply.headers for reply in replies)
