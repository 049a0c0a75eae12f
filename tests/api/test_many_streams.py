"""Two hundred streams at once: none stalls, none is starved, and a cut one never ends cleanly."""

import asyncio
import json
from collections import Counter
from typing import Any

import httpx
from tests.api.conftest import World

STREAMS = 200
LONGEST_S = 60
"""Bounds the test, not the router: a stream that stalls would never end by itself."""


async def read(client: httpx.AsyncClient, world: World, text: str) -> list[str]:
    """Every event of one stream, as the caller gets them."""
    headers = {"authorization": f"Bearer {world.keys['support-triage']}"}
    body = {
        "model": "auto",
        "stream": True,
        "messages": [{"role": "user", "content": text}],
    }
    url = f"{world.base_url}/chat/completions"
    async with client.stream("POST", url, json=body, headers=headers) as reply:
        if reply.status_code != 200:
            return [(await reply.aread()).decode()]
        lines = [line async for line in reply.aiter_lines()]
    return [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]


def at_once(world: World) -> list[list[str]]:
    async def all_of_them() -> list[list[str]]:
        limits = httpx.Limits(max_connections=STREAMS)
        async with httpx.AsyncClient(limits=limits, timeout=LONGEST_S, trust_env=False) as client:
            reading = (read(client, world, f"tell me about case {i}") for i in range(STREAMS))
            async with asyncio.timeout(LONGEST_S):
                return await asyncio.gather(*reading)

    return asyncio.run(all_of_them())


def text_of(events: list[str]) -> str:
    chunks: list[dict[str, Any]] = [json.loads(event) for event in events if event != "[DONE]"]
    deltas = (choice["delta"] for chunk in chunks for choice in chunk.get("choices", []))
    return "".join(delta.get("content") or "" for delta in deltas)


def test_two_hundred_streams_at_once_all_end_with_their_whole_answer(world: World) -> None:
    streams = at_once(world)

    assert len(streams) == STREAMS
    assert all(events[-1] == "[DONE]" for events in streams)
    assert all(events.count("[DONE]") == 1 for events in streams)
    assert all(text_of(events) for events in streams)
    finished = Counter(
        choice["finish_reason"]
        for events in streams
        for event in events[:-1]
        for choice in json.loads(event)["choices"]
        if choice["finish_reason"]
    )
    assert finished == {"stop": STREAMS}


def test_of_two_hundred_cut_streams_none_ends_cleanly(world: World) -> None:
    for name in world.fleet:
        world.behave(name, "cut")

    streams = at_once(world)

    assert len(streams) == STREAMS
    assert not any("[DONE]" in events for events in streams)
    # What was cut five times in a row is asked no more: the rest hear so at once.
    codes = {json.loads(events[-1])["error"]["code"] for events in streams}
    assert "upstream_failed" in codes
    assert codes <= {"upstream_failed", "deployments_unavailable"}
    assert world.verify().returncode == 0
