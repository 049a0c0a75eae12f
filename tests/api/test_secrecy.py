"""Canaries planted wherever a caller or an upstream can write must appear nowhere we keep (I6)."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from tests.api.conftest import DIRECT, World

CANARIES = {
    "prompt": "CANARYPROMPT7391",
    "system": "CANARYSYSTEM7391",
    "name": "CANARYNAME7391",
    "tool": "CANARYTOOL7391",
    "argument": "CANARYARGUMENT7391",
    "key": "CANARYKEY7391",
    "result": "CANARYRESULT7391",
    "schema": "CANARYSCHEMA7391",
    "file": "CANARYFILE7391",
    "user": "CANARYUSER7391",
    "metadata": "CANARYMETADATA7391",
    "header": "CANARYHEADER7391",
    "stop": "CANARYSTOP7391",
    "model": "CANARYMODEL7391",
    "email": "canary.mail.7391@example.com",
}


def _plant(world: World) -> None:
    c = CANARIES
    messages = [
        {"role": "system", "content": c["system"]},
        {"role": "user", "content": f"{c['prompt']} {c['email']}", "name": c["name"]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {
                        "name": c["tool"],
                        "arguments": f'{{"{c["key"]}": "{c["argument"]}"}}',
                    },
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": c["result"]},
        {"role": "user", "content": "and now?"},
    ]
    tools = [
        {
            "type": "function",
            "function": {
                "name": c["tool"],
                "parameters": {"type": "object", "properties": {c["schema"]: {"type": "string"}}},
            },
        }
    ]
    body = {
        "model": "auto",
        "messages": messages,
        "tools": tools,
        "user": c["user"],
        "metadata": {"note": c["metadata"]},
        "stop": [c["stop"]],
    }
    for name in ("docs-qa", "support-triage"):
        assert world.post("/v1/chat/completions", body, name).status_code == 200
        world.post("/v1/chat/completions", {**body, "stream": True}, name)
        world.post("/v1/decisions", body, name)
    world.post("/v1/chat/completions", {**body, "model": c["model"]})
    world.post("/v1/chat/completions", {**body, "temperature": c["prompt"]})
    world.chat("hi", headers={"x-transire-purpose": c["header"]})
    world.chat("hi", headers={"x-transire-session-id": c["header"]})
    file = {"type": "file", "file": {"filename": c["file"], "file_data": "data:text/plain,aGk="}}
    files = [{"role": "user", "content": [file]}]
    world.post("/v1/chat/completions", {"model": "auto", "messages": files})
    for mode in ("leak", "error_500", "bad_json", "wrong_tool"):
        for deployment in ("eu-economy", "us-economy", "eu-premium"):
            world.behave(deployment, mode)
        world.post("/v1/chat/completions", body)


def _kept(world: World) -> Iterator[tuple[str, bytes]]:
    for path in sorted(world.data.iterdir()):
        if path.is_file():
            yield path.name, path.read_bytes()
    yield "stderr", world.stderr.read_bytes()
    yield "metrics", DIRECT.get(f"{world.admin_url}/metrics").content
    for table in ("log", "state", "blob", "disclosure", "checkpoint"):
        with sqlite3.connect(f"file:{world.data / 'log.sqlite'}?mode=ro", uri=True) as db:
            rows = db.execute(f"SELECT * FROM {table}").fetchall()
        yield table, repr(rows).encode()
    page = world.act("aud", "GET", "/v1/audit/entries?limit=500").content
    yield "audit", page


def test_no_canary_is_kept_anywhere(world: World) -> None:
    _plant(world)

    kept = list(_kept(world))
    assert len(kept) > 8
    for place, data in kept:
        for kind, canary in CANARIES.items():
            assert canary.encode() not in data, f"{kind} stands in {place}"
    assert b"4111 1111" not in b"".join(data for _, data in kept)
    assert b"on fire" not in b"".join(data for _, data in kept)


def test_the_planted_request_reached_an_upstream_whole_but_for_what_is_consumed_here(
    world: World,
) -> None:
    _plant(world)
    seen = repr([world.received(name)["received"] for name in world.fleet])

    for kind in ("prompt", "tool", "argument", "key", "result", "schema", "stop"):
        assert CANARIES[kind] in seen, kind
    for kind in ("user", "metadata", "header"):
        assert CANARIES[kind] not in seen, kind
    key = world.keys["docs-qa"]
    assert key not in seen


def test_nothing_secret_is_world_readable(world: World) -> None:
    for name in ("log.key", "install.key"):
        assert 0o600 == (world.data / name).stat().st_mode & 0o777
    assert Path(world.data).stat().st_mode & 0o077 == 0
