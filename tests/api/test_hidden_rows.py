"""Who can write `index.sqlite` hides nothing from an auditor, and spoils no log."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.api.conftest import World, start_world
from tests.api.test_crash import REOPEN

PATHS = ("", "/explain", "/proof", "/replay")


@pytest.fixture(scope="module")
def own_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A demo whose files are altered, apart from the one others use."""
    world = start_world(tmp_path_factory.mktemp("hidden"))
    yield world
    _stop(world)


def _stop(world: World) -> None:
    world.process.send_signal(signal.SIGTERM)
    world.process.wait()
    assert world.process.stdout is not None
    world.process.stdout.close()


def _alter(world: World, statement: str, *values: object) -> int:
    with sqlite3.connect(world.data / "index.sqlite", timeout=5) as database:
        count = database.execute(statement, values).rowcount
    database.close()
    return count


def _decided(world: World) -> str:
    answer = world.chat("hello")
    assert answer.status_code == 200, answer.text
    decision = str(answer.headers["x-transire-decision-id"])
    assert [e["kind"] for e in world.entries(decision)] == ["decision", "outcome"]
    return decision


def _is_seen(world: World, decision: str) -> bool:
    codes = {world.act("aud", "GET", f"/v1/decisions/{decision}{p}").status_code for p in PATHS}
    page = world.act("aud", "GET", "/v1/audit/entries?limit=200").json()
    size = int(world.act("aud", "GET", "/v1/audit/checkpoint").json()["checkpoint"].split("\n")[1])
    assert page["complete_to"] == size
    return codes == {200} and decision in {entry["id"] for entry in page["entries"]}


def test_deleted_rows_hide_no_decision(own_world: World) -> None:
    decision = _decided(own_world)
    assert _alter(own_world, "DELETE FROM entry_ix WHERE decision_id=?", decision) == 2

    assert _is_seen(own_world, decision)
    assert "index.discarded" in own_world.stderr.read_text()


def test_a_file_that_says_it_has_read_more_than_there_is_hides_nothing_from_then_on(
    own_world: World,
) -> None:
    before = _decided(own_world)
    _alter(own_world, "UPDATE progress SET size=size+1000000")
    after = _decided(own_world)

    assert _is_seen(own_world, before)
    assert _is_seen(own_world, after)
    ready = own_world.act("aud", "GET", "/readyz").json()
    assert (ready["status"], ready["index_complete_to"]) == ("ok", None)


def test_a_decision_that_does_not_exist_is_404_and_says_how_far_was_looked(
    own_world: World,
) -> None:
    known = _decided(own_world)
    reply = own_world.act("aud", "GET", f"/v1/decisions/{known[:-4]}0000")

    assert reply.status_code == 404
    assert reply.json()["complete_to"] > 0


def test_a_planted_open_permit_leaves_the_log_sound_after_a_restart(tmp_path: Path) -> None:
    world = start_world(tmp_path / "planted")
    try:
        decision = _decided(world)
    finally:
        _stop(world)
    row = (decision, 1, "r1", "oldboot", 0)
    assert _alter(world, "INSERT INTO open_permit VALUES (?,?,?,?,?)", *row) == 1

    folders = [str(world.data), str(world.data.parent / "policies")]
    opened = subprocess.run(
        [sys.executable, "-c", REOPEN, *folders],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert opened.returncode == 0, opened.stderr
    checked = world.verify()
    assert checked.returncode == 0, checked.stderr
    assert _outcomes(world.data, decision) == 1


def _outcomes(data: Path, decision: str) -> int:
    with sqlite3.connect(data / "log.sqlite") as database:
        rows = database.execute("SELECT leaf FROM log").fetchall()
    database.close()
    return sum(b'"kind":"outcome"' in leaf and decision.encode() in leaf for (leaf,) in rows)
