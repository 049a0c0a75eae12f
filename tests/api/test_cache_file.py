"""Answers kept in a file: found after a restart, and in no form that anybody else can read."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.api.conftest import World, start_world, stop
from tests.api.standing import standing_on
from tests.api.test_cache import QUESTION, ask, keeping, settle, state

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
    cache={"where": "file"},
)
asyncio.run(serve(settings, started))
"""


def serve(world: World) -> None:
    """A router of this installation that keeps answers in a file, before the same fleet."""
    command = [sys.executable, "-c", SERVE, str(world.data), str(world.data.parent / "policies")]
    with world.stderr.open("a") as log:
        world.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    assert world.process.stdout is not None
    line = world.process.stdout.readline()
    assert line, world.stderr.read_text()
    world.base_url = f"{line.strip()}/v1"


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[World]:
    """A fleet of its own whose router was replaced by one that keeps answers in a file."""
    world = start_world(tmp_path / "world")
    children = Path(f"/proc/{world.process.pid}/task/{world.process.pid}/children")
    fleet = [int(pid) for pid in children.read_text().split()]
    world.process.send_signal(signal.SIGKILL)  # only so does the fleet outlive it
    world.process.wait()
    if world.process.stdout is not None:
        world.process.stdout.close()
    try:
        serve(world)
        yield world
        stop(world)
    finally:
        for client in world.clients:
            client.close()
        for pid in fleet:
            with suppress(ProcessLookupError):  # its workers went with it
                os.kill(pid, signal.SIGTERM)


def again(world: World) -> None:
    stop(world)
    serve(world)


def text_of(reply: Any) -> str:
    return str(reply.json()["choices"][0]["message"]["content"])


@pytest.mark.slow
def test_what_was_kept_is_given_again_after_a_restart_until_it_is_purged(kept: World) -> None:
    world = kept
    with standing_on(world, keeping(world)):
        first = ask(world)
        settle(world, first)
        again(world)
        asked = world.all_received()
        second = ask(world)
        settle(world, second)
        files = sorted(world.data.glob("answers.sqlite*"))
        stored = b"".join(file.read_bytes() for file in files)
        modes = {file.stat().st_mode & 0o077 for file in files if file.suffix == ".sqlite"}
        purged = world.act("omar", "POST", "/v1/cache/purge", {})
        again(world)
        third = ask(world)

    assert (state(first), state(second), state(third)) == ("miss", "hit", "miss")
    assert text_of(first) == text_of(second)
    assert world.all_received() == asked + 1
    assert purged.json() == {"purged": 1}
    assert modes == {0}
    assert stored
    for secret in (text_of(first), QUESTION, text_of(first)[:12]):
        assert secret.encode() not in stored
    assert world.verify().returncode == 0
