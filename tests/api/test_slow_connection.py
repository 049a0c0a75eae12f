"""A quarantine against a connection that is still being opened: nothing leaves afterwards."""

import base64
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.api.conftest import World

NAME = "eu-economy"
TABLE = Path("/proc/net/tcp")
SYN_SENT = "02"
"""The table's state of a connection that was asked for and not yet accepted."""


@pytest.fixture
def deaf(world: World) -> Iterator[socket.socket]:
    """A listener with a full backlog, at the address that the active bundle gives for `NAME`."""
    files = dict(world.act("ana", "GET", "/v1/policies/bundles/active").json()["files"])
    catalog = base64.b64decode(files["catalog/deployments.yaml"]).decode()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        here = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        moved = catalog.replace(f"{world.fleet[NAME]}/v1", here)
        assert moved != catalog
        fillers = [_filler(listener) for _ in range(3)]
        try:
            encoded = base64.b64encode(moved.encode()).decode()
            _activate(world, {**files, "catalog/deployments.yaml": encoded})
            yield listener
        finally:
            for filler in fillers:
                filler.close()
            for person in ("omar", "ben"):
                world.act(person, "DELETE", f"/v1/policies/quarantine/deployment/{NAME}")
            _activate(world, files)


@pytest.mark.skipif(not TABLE.exists(), reason="needs Linux's table of sockets")
def test_no_byte_leaves_on_a_connection_that_stands_only_after_the_quarantine(
    world: World, deaf: socket.socket
) -> None:
    replies: list[Any] = []
    port = deaf.getsockname()[1]
    before = _opening(port)
    asking = threading.Thread(target=lambda: replies.append(world.chat("a secret", model=NAME)))
    asking.start()
    _until_more_than(before, port)
    body = {"kind": "deployment", "id": NAME, "reason": "incident"}
    imposed = world.act("omar", "POST", "/v1/policies/quarantine", body)
    received = _all_received(deaf, asking)

    assert imposed.status_code == 200
    assert received == b""
    assert replies[0].status_code >= 400
    entries = world.entries(replies[0].json()["error"]["decision_id"])
    assert [e["failure"] for e in entries if e["kind"] == "outcome"] == ["stale"]


def _activate(world: World, files: dict[str, str]) -> None:
    proposed = world.act("ana", "POST", "/v1/policies/bundles", {"files": files})
    assert proposed.status_code == 201, proposed.text
    digest = proposed.json()["digest"]
    for step in ("approve", "activate"):
        reply = world.act("ben", "POST", f"/v1/policies/bundles/{digest}/{step}")
        assert reply.status_code == 200, reply.text


def _filler(listener: socket.socket) -> socket.socket:
    """A connection that takes a place in the backlog, or waits for one, and says nothing."""
    filler = socket.socket()
    filler.setblocking(False)  # noqa: FBT003 - the socket API
    filler.connect_ex(listener.getsockname())
    return filler


def _opening(port: int) -> int:
    rows = [line.split() for line in TABLE.read_text().splitlines()[1:]]
    return sum(row[2].endswith(f":{port:04X}") and row[3] == SYN_SENT for row in rows)


def _until_more_than(before: int, port: int) -> None:
    for _ in range(1_000):
        if _opening(port) > before:
            return
        time.sleep(0.01)
    raise AssertionError("the router never tried to connect")


def _all_received(listener: socket.socket, asking: threading.Thread) -> bytes:
    """Accept until the caller has its answer, and read what came on any connection."""
    received, accepted = b"", []
    listener.settimeout(0.1)
    while asking.is_alive():
        try:
            accepted.append(listener.accept()[0])
        except TimeoutError:
            continue
    assert accepted
    for connection in accepted:
        connection.settimeout(0.2)
        try:
            while piece := connection.recv(65_536):
                received += piece
        except (TimeoutError, ConnectionError):
            pass
        connection.close()
    return received
