"""Budgets of a running router: nothing passes one, whatever comes at once and whatever dies."""

import asyncio
import concurrent.futures
import json
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from tests.api.conftest import World, start_world
from tests.api.standing import activate
from tests.api.test_crash import _child_of, _end, kill, serve_again

BODY = {
    "model": "eu-economy",
    "messages": [{"role": "user", "content": "When do you open?"}],
    "max_completion_tokens": 200,
}


def set_budget(world: World, limit_micro_usd: int, named: str = "daily", **scope: Any) -> None:
    scope = scope or {"application": "support-triage"}
    row = {"period": "day", "limit_micro_usd": limit_micro_usd, **scope}
    activate(world, {"catalog/budgets.yaml": json.dumps({"budgets": {named: row}}).encode()})


def spent(world: World) -> int:
    (budget,) = world.act("omar", "GET", "/v1/budgets").json()["budgets"]
    return sum(row["micro_usd"] for row in budget["spent"])


def ask(world: World, **changes: Any) -> Any:
    return world.post("/v1/chat/completions", {**BODY, **changes})


def costs(world: World) -> tuple[int, int]:
    """What one request reserves, and what it costs."""
    reply = ask(world)
    decision, outcome = world.entries(reply.headers["x-transire-decision-id"])
    (reserved,) = decision["permit"]["reserved"]
    assert reserved["budget"] == "daily"
    return reserved["micro_usd"], outcome["charged_micro_usd"]


async def at_once(world: World, count: int) -> Counter[str]:
    headers = {"authorization": f"Bearer {world.keys['support-triage']}"}
    limits = httpx.Limits(max_connections=count)
    async with httpx.AsyncClient(
        headers=headers, limits=limits, timeout=120, trust_env=False
    ) as client:
        url = f"{world.base_url}/chat/completions"
        replies = await asyncio.gather(*(client.post(url, json=BODY) for _ in range(count)))
    return Counter("ok" if r.status_code == 200 else r.json()["error"]["code"] for r in replies)


async def test_of_two_hundred_at_once_no_more_pass_than_the_budget_covers(world: World) -> None:
    set_budget(world, 10**9)
    most, cost = costs(world)
    before = spent(world)
    assert 0 < cost < most
    set_budget(world, before + 50 * cost)

    ended = await at_once(world, 200)
    for _ in range(60):
        ended[ask(world).json().get("error", {}).get("code", "ok")] += 1

    assert 0 < ended["ok"] <= 50
    assert ended["budget_exceeded"] > 0
    assert set(ended) <= {"ok", "budget_exceeded", "rate_limited"}
    # No reservation was forgotten, and what is left is about what one request reserves at most:
    # the scorer, which looks first, counts the bytes that came, and those are a few more.
    assert spent(world) == before + ended["ok"] * cost
    assert spent(world) > before + 50 * cost - most * 1.1
    assert world.verify().returncode == 0


def test_what_is_left_is_told_before_anything_is_spent(world: World) -> None:
    set_budget(world, 5_000_000, named="unspent", application="docs-qa")

    (budget,) = world.act("omar", "GET", "/v1/budgets").json()["budgets"]

    assert budget["spent"] == [{"key_id": None, "micro_usd": 0, "left_micro_usd": 5_000_000}]


def test_the_sdk_is_told_that_a_budget_is_spent_and_does_not_try_again(world: World) -> None:
    set_budget(world, 1)
    world.forget()

    with pytest.raises(openai.RateLimitError) as refused:
        world.client(max_retries=3).chat.completions.create(**BODY)

    assert refused.value.code == "budget_exceeded"
    assert "micro-USD that a budget has left" in refused.value.message
    assert refused.value.response.headers["x-should-retry"] == "false"
    assert world.all_received() == 0
    head = world.entries(refused.value.response.headers["x-transire-decision-id"])[0]
    assert (head["outcome"], head["code"]) == ("refused", "budget_exceeded")


def test_something_cheaper_is_used_where_only_that_fits(world: World) -> None:
    set_budget(world, 10**9)
    most, _ = costs(world)
    set_budget(world, spent(world) + most)

    reply = ask(world, model="auto")

    assert reply.status_code == 200
    head = world.entries(reply.headers["x-transire-decision-id"])[0]
    assert "budget" in head["ranking"]["filtered"]["filter"]


def test_each_key_spends_its_own_budget_where_the_budget_says_so(world: World) -> None:
    set_budget(world, 10**9, application="support-triage", each_key=True)
    reply = ask(world)
    head = world.entries(reply.headers["x-transire-decision-id"])[0]

    (budget,) = world.act("omar", "GET", "/v1/budgets").json()["budgets"]
    assert [row["key_id"] for row in budget["spent"]] == [head["key_id"]]
    assert budget["spent"][0]["micro_usd"] > 0


def test_the_budget_of_another_tenant_is_not_shown(world: World) -> None:
    set_budget(world, 10**9, tenant="globex")

    assert world.act("omar", "GET", "/v1/budgets").json() == {"budgets": []}
    assert ask(world).status_code == 200


def kill_on_the_way(world: World) -> None:
    """Kill -9 while a deployment has a request that it does not answer."""
    before = world.received("eu-economy")["count"]
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask, world)
        while world.received("eu-economy")["count"] == before:
            assert not asking.done()
        kill(world)
        assert isinstance(asking.exception(), httpx.HTTPError)


@pytest.mark.slow
def test_what_a_killed_router_has_reserved_stays_reserved(tmp_path: Path) -> None:
    world = start_world(tmp_path / "first")
    fleet_pid = _child_of(world.process.pid)
    try:
        set_budget(world, 10**9)
        most, cost = costs(world)
        before = spent(world)
        world.behave("eu-economy", "hang")
        kill_on_the_way(world)
        world.behave("eu-economy", "ok")
        serve_again(world)

        assert spent(world) == before + most
        assert costs(world) == (most, cost)  # waits for the outcome, which gives the rest back
        assert spent(world) == before + most + cost
    finally:
        _end(world, fleet_pid)
    assert world.verify().returncode == 0
