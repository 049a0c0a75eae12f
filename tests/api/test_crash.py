"""kill -9 between record and forward: never a forwarded request without a durable entry (I1)."""

import concurrent.futures
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from tests.api.conftest import REPOSITORY, World, start_world

ROUNDS = 10


def _load(world: World, answered: threading.Semaphore) -> None:
    """Requests until the router is gone."""
    headers = {"authorization": f"Bearer {world.keys['support-triage']}"}
    body = {"model": "auto", "messages": [{"role": "user", "content": "hello"}]}
    client = httpx.Client(trust_env=False, headers=headers, timeout=60)
    with client, contextlib.suppress(httpx.HTTPError):
        while True:
            reply = client.post(f"{world.base_url}/chat/completions", json=body)
            if reply.status_code == 200:
                answered.release()


def _kill_in_traffic(world: World, answers: int) -> None:
    """Kill -9 after so many answers, with seven more requests somewhere on the path."""
    answered = threading.Semaphore(0)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        running = [pool.submit(_load, world, answered) for _ in range(8)]
        try:
            assert all(answered.acquire(timeout=60) for _ in range(answers))
        finally:
            kill(world)
    for loading in running:
        loading.result()


def kill(world: World) -> None:
    world.process.send_signal(signal.SIGKILL)
    world.process.wait()
    if world.process.stdout is not None:
        world.process.stdout.close()


def serve_again(world: World) -> None:
    """A router of the same installation, before the same fleet, which outlived the last one."""
    folder = world.data.parent
    command = [sys.executable, "-c", SERVE, str(world.data), str(folder / "policies")]
    with world.stderr.open("a") as log:
        world.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    assert world.process.stdout is not None
    line = world.process.stdout.readline()
    assert line, world.stderr.read_text()
    world.base_url = f"{line.strip()}/v1"


def _decisions_with_permits(data: Path) -> dict[str, set[int]]:
    """Decision id → attempts with a durable permit, as the files say after the crash."""
    permits: dict[str, set[int]] = {}
    with sqlite3.connect(data / "log.sqlite") as database:
        for (leaf,) in database.execute("SELECT leaf FROM log ORDER BY idx"):
            entry = orjson.loads(leaf)
            if "permit" in entry:
                name = entry["id"] if entry["kind"] == "decision" else entry["decision_id"]
                permits.setdefault(name, set()).add(entry["permit"]["attempt"])
    return permits


def _fleet_saw(world: World) -> list[dict[str, Any]]:
    """Everything that was forwarded in any round; the fleet keeps a thousand per deployment."""
    return [r for name in world.fleet for r in world.received(name)["received"]]


@pytest.mark.slow
def test_ten_times_killed_nothing_was_forwarded_that_is_not_in_the_log(tmp_path: Path) -> None:
    world = start_world(tmp_path / "first")
    fleet_pid = _child_of(world.process.pid)
    try:
        for round_ in range(ROUNDS):
            if round_:
                serve_again(world)
            before = len(_fleet_saw(world))
            _kill_in_traffic(world, 13 + 5 * round_)
            permits = _decisions_with_permits(world.data)
            seen = _fleet_saw(world)
            assert len(seen) >= before + 13
            for request in seen:
                decision_id, _, attempt = request["headers"]["x-request-id"].rpartition("-")
                assert int(attempt) in permits[decision_id]
    finally:
        _end(world, fleet_pid)
    assert world.verify().returncode == 0


@contextlib.contextmanager
def ended_world(folder: Path) -> Iterator[World]:
    """A world of its own, whose router may be killed; it is gone afterwards, fleet and all."""
    world = start_world(folder / "first")
    fleet_pid = _child_of(world.process.pid)
    try:
        yield world
    finally:
        _end(world, fleet_pid)


def _end(world: World, fleet_pid: int) -> None:
    kill(world)
    os.kill(fleet_pid, signal.SIGTERM)


def _child_of(pid: int, module: bytes = b"transire.demo.fleet") -> int:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for child in map(int, children):
        if module in Path(f"/proc/{child}/cmdline").read_bytes():
            return child
    raise AssertionError(f"no {module!r}")


SERVE = """
import asyncio, sys
from transire.api.serve import serve
from transire.observe.logging import configure_logging
from transire.settings import load_settings

async def started(listening):
    print(listening.base_url, flush=True)

configure_logging(level="warning")  # stdout is for the address
settings = load_settings(
    None,
    data=sys.argv[1],
    server={"port": 0, "admin_port": 0},
    governance={"policies": sys.argv[2]},
    log={"origin": "demo.transire.local/log"},
    limits={"rate_per_s": 5_000, "burst": 10_000},
)
asyncio.run(serve(settings, started))
"""


KILLED_WRITER = """
import asyncio, sys
from pathlib import Path
from transire.clock import SystemClock
from transire.domain.log import Item
from transire.record.opening import open_log

async def main():
    log = open_log(Path(sys.argv[1]), clock=SystemClock(), replica="r1")
    async def produce(worker):
        for n in range(10_000):
            receipt = await log.append(Item(kind="test", fields={"w": worker, "n": n}))
            sys.stdout.write(f"{receipt.index}\\n"); sys.stdout.flush()
    await asyncio.gather(*(produce(w) for w in range(16)))

asyncio.run(main())
"""


@pytest.mark.slow
def test_ten_times_killed_the_log_still_holds_every_acknowledged_entry(tmp_path: Path) -> None:
    from transire.record.opening import create_log

    place = tmp_path / "data"
    create_log(place, origin="log.example/crash")
    acknowledged: set[int] = set()
    for round_ in range(ROUNDS):
        writer = subprocess.Popen(
            [sys.executable, "-c", KILLED_WRITER, str(place)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(40 + 7 * round_)]
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read()
        writer.wait()
        writer.stdout.close()
        whole = "".join(lines) + rest
        complete = whole[: whole.rfind("\n") + 1]
        acknowledged |= {int(line) for line in complete.split()}
        with sqlite3.connect(place / "log.sqlite") as database:
            stored = {row[0] for row in database.execute("SELECT idx FROM log")}
        assert acknowledged <= stored
        assert stored == set(range(len(stored)))
    checked = subprocess.run(
        [sys.executable, str(REPOSITORY / "audit" / "verify.py"), str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.slow
def test_a_router_whose_writer_is_killed_serves_again_by_itself(tmp_path: Path) -> None:
    world = start_world(tmp_path / "first")
    fleet_pid = _child_of(world.process.pid)
    try:
        assert world.chat("hello before").status_code == 200
        os.kill(_child_of(world.process.pid, b"transire.record.process"), signal.SIGKILL)
        codes = [world.chat("hello meanwhile").status_code]
        while codes[-1] != 200 and len(codes) < 200:
            time.sleep(0.05)
            codes.append(world.chat("hello meanwhile").status_code)
        assert codes[-1] == 200
        assert set(codes) <= {200, 503}
    finally:
        _end(world, fleet_pid)
    checked = world.verify()
    assert checked.returncode == 0, checked.stderr


@pytest.mark.slow
def test_a_restart_closes_what_a_crash_left_open(tmp_path: Path) -> None:
    world = start_world(tmp_path / "first")
    fleet_pid = _child_of(world.process.pid)
    try:
        for name in world.fleet:
            world.behave(name, "hang")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            asked = pool.submit(world.chat, "hi", "copilot")
            _until_on_the_wire(world)
            world.process.kill()
            with pytest.raises(httpx.HTTPError):
                asked.result()
    finally:
        _end(world, fleet_pid)
    opened = subprocess.run(
        [sys.executable, "-c", REOPEN, str(world.data), str(world.data.parent / "policies")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert opened.returncode == 0, opened.stderr
    with sqlite3.connect(world.data / "log.sqlite") as database:
        leaves = [orjson.loads(row[0]) for row in database.execute("SELECT leaf FROM log")]
    unknown = [e for e in leaves if e["kind"] == "outcome" and e["status"] == "unknown"]
    assert len(unknown) == 1
    assert world.verify().returncode == 0


def _until_on_the_wire(world: World) -> None:
    """Until the request has been recorded and a deployment has it."""
    for _ in range(1_500):
        if world.all_received():
            return
        time.sleep(0.02)
    raise AssertionError("nothing was forwarded")


REOPEN = """
import asyncio, sys
from transire.bootstrap import open_installation
from transire.settings import load_settings

async def main():
    settings = load_settings(None, data=sys.argv[1], governance={"policies": sys.argv[2]},
                             log={"origin": "demo.transire.local/log"})
    installation = await open_installation(settings)
    await installation.close()

asyncio.run(main())
"""
