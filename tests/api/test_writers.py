"""A router whose log a thread writes, as `log.writer: thread` asks."""

from pathlib import Path

import pytest
from tests.api.conftest import start_world, stop

from transire.record.opening import hold

MESSAGES = [{"role": "user", "content": "hello"}]
QUARANTINE = {"kind": "provider", "id": "atlantic", "reason": "a drill"}


@pytest.mark.slow
def test_a_router_that_writes_in_a_thread_serves_and_leaves_a_whole_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRANSIRE_LOG__WRITER", "thread")
    world = start_world(tmp_path / "world")
    try:
        children = _children(world.process.pid)
        reply = world.chat("What are your opening hours?")
        entries = world.entries(reply.headers["x-transire-decision-id"])
        advised = world.post("/v1/decisions", {"model": "auto", "messages": MESSAGES})
        blocked = world.act("omar", "POST", "/v1/policies/quarantine", QUARANTINE)
        ready = world.act("omar", "GET", "/readyz")
    finally:
        stop(world)

    assert any(b"transire.demo.fleet" in child for child in children)
    assert not any(b"transire.record.process" in child for child in children)
    assert [r.status_code for r in (reply, advised, blocked, ready)] == [200] * 4
    assert [e["kind"] for e in entries] == ["decision", "outcome"]
    assert world.process.returncode == 0, world.stderr.read_text()
    hold(world.data).close()
    checked = world.verify()
    assert checked.returncode == 0, checked.stderr


def _children(pid: int) -> list[bytes]:
    """Command lines of a process's children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [Path(f"/proc/{child}/cmdline").read_bytes() for child in children]
