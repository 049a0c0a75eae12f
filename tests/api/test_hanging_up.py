"""Callers who leave, or never come to the point: recorded where they asked, and never waited on."""

import json
import socket
import time
from typing import Any

from tests.api.conftest import World

WORDS = "the parcel was late and we waited near a big blue door while rain fell on our roof "


def test_a_caller_who_leaves_before_the_decision_leaves_an_entry(world: World) -> None:
    """The whole request has arrived; what it asks for is still being classified."""
    key = _new_key(world)
    body = _long_request()

    _ask_and_leave(world, key["key"], body, sent=len(body))

    entries = _entries_of(world, key["id"])
    found = [(e["outcome"], e["code"], e.get("permit")) for e in entries]
    assert found == [("refused", "cancelled", None)]
    assert world.all_received() == 0


def test_a_caller_who_leaves_in_the_middle_of_the_request_leaves_an_entry(world: World) -> None:
    key = _new_key(world)
    body = _long_request()

    _ask_and_leave(world, key["key"], body, sent=len(body) // 2)

    entries = _entries_of(world, key["id"])
    found = [(e["outcome"], e["code"], e.get("permit")) for e in entries]
    assert found == [("refused", "bad_request", None)]
    assert world.all_received() == 0


def test_a_head_that_never_ends_is_given_up(world: World) -> None:
    host, _, port = world.root.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nhos")
        said = connection.recv(100)
        rest = connection.recv(100)

    assert said.startswith(b"HTTP/1.1 408 ")
    assert rest == b""


def _new_key(world: World) -> dict[str, str]:
    key: dict[str, str] = world.act("omar", "POST", "/v1/keys", {"application": "sandbox"}).json()
    return key


def _long_request() -> bytes:
    message = {"role": "user", "content": " ".join(f"{WORDS}{i}" for i in range(2_000))}
    return json.dumps({"model": "auto", "stream": False, "messages": [message]}).encode()


def _ask_and_leave(world: World, key: str, body: bytes, *, sent: int) -> None:
    """Hang up right after so many bytes of the body, for which the router has asked (RFC 9110)."""
    host, _, port = world.root.removeprefix("http://").partition(":")
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        "expect: 100-continue\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body[:sent])


def _entries_of(world: World, key_id: str) -> list[dict[str, Any]]:
    """Decisions of one key, once there is one."""
    for _ in range(300):
        page = world.act("aud", "GET", "/v1/audit/entries?kind=decision&limit=50").json()
        found = [entry for entry in page["entries"] if entry["key_id"] == key_id]
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("the request left no entry")
