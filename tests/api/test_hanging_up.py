"""Callers who leave, or never come to the point: recorded where they asked, and never waited on."""

import json
import socket
import time
from typing import Any

from tests.api.conftest import World

WORDS = "the parcel was late and we waited near a big blue door while rain fell on our roof "


def test_a_request_whose_caller_hangs_up_while_it_is_read_is_recorded(world: World) -> None:
    key = world.act("omar", "POST", "/v1/keys", {"application": "sandbox"}).json()
    prompt = " ".join(f"{WORDS}{i}" for i in range(2_000))
    message = {"role": "user", "content": prompt}
    body = json.dumps({"model": "auto", "messages": [message]}).encode()
    _ask_and_leave(world, key["key"], body, after_s=0.3)
    entries = _entries_of(world, key["id"])

    assert [(e["outcome"], e.get("permit")) for e in entries] == [("refused", None)]
    assert entries[0]["code"] in ("cancelled", "bad_request")  # the body may not have been read yet
    assert world.all_received() == 0


def test_a_head_that_never_ends_is_given_up(world: World) -> None:
    host, _, port = world.root.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nhos")
        said = connection.recv(100)
        rest = connection.recv(100)

    assert said.startswith(b"HTTP/1.1 408 ")
    assert rest == b""


def _ask_and_leave(world: World, key: str, body: bytes, *, after_s: float) -> None:
    host, _, port = world.root.removeprefix("http://").partition(":")
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + body)
        time.sleep(after_s)


def _entries_of(world: World, key_id: str) -> list[dict[str, Any]]:
    """Decisions of one key, once there is one."""
    for _ in range(300):
        page = world.act("aud", "GET", "/v1/audit/entries?kind=decision&limit=50").json()
        found = [entry for entry in page["entries"] if entry["key_id"] == key_id]
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("the request left no entry")
