"""Erasing what reviewers wrote: gone from the files, said by an entry, and every proof holds."""

import base64
import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.api.conftest import DIRECT, REPOSITORY, World
from tests.api.terminal import terminal_of

CLAIM = "Write a leaflet claim: it lowers blood pressure in two weeks."
REMARK = "CANARY-e7a Mrs Abernathy asked for it"


def _released(world: World, comment: str = REMARK) -> tuple[str, str]:
    """A hold and what it released, approved with a comment; both decisions' ids."""
    held = world.chat(CLAIM, "sales").json()["error"]
    review_id = held["review_id"]
    path = f"/v1/reviews/{review_id}/approve"
    assert world.act("rita", "POST", path, {"comment": comment}).status_code == 200
    again = world.chat(CLAIM, "sales", headers={"x-transire-review-id": review_id})
    return str(held["decision_id"]), str(again.headers["x-transire-decision-id"])


def _erase(world: World, person: str, *decisions: str, reason: str = "asked for") -> Any:
    body = {"decisions": list(decisions), "reason": reason}
    return world.act(person, "POST", "/v1/audit/erasures", body)


def _disclosed(world: World) -> str:
    """Everything that is disclosed, as the database has it now."""
    with sqlite3.connect(f"file:{world.data / 'log.sqlite'}?mode=ro", uri=True) as database:
        rows = [row[0] for row in database.execute("SELECT data FROM disclosure")]
    padded = [base64.urlsafe_b64decode(row + "=" * (-len(row) % 4)).decode() for row in rows]
    return "\n".join(padded)


def _pages(world: World) -> bytes:
    """The whole database file, with what the write-ahead log held moved into it."""
    with sqlite3.connect(world.data / "log.sqlite") as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return (world.data / "log.sqlite").read_bytes()


def _verified(data: Path) -> list[str]:
    """What both verifiers say of a folder; ours first."""
    ours = [sys.executable, "-c", "from transire.cli.main import app; app()", "audit", "verify"]
    theirs = [sys.executable, "-I", str(REPOSITORY / "audit" / "verify.py")]
    said = [
        subprocess.run([*command, str(data)], capture_output=True, text=True, check=False)
        for command in (ours, theirs)
    ]
    return [one.stdout + one.stderr for one in said]


@pytest.mark.parametrize("named", [0, 1], ids=["the hold", "what it released"])
def test_a_privacy_officer_erases_what_a_reviewer_wrote_and_every_proof_holds(
    world: World, named: int
) -> None:
    remark = f"{REMARK} for the {named + 1}. time"
    decisions = _released(world, remark)
    before = world.act("aud", "GET", f"/v1/decisions/{decisions[1]}/replay").json()
    assert remark in _disclosed(world)

    done = _erase(world, "priya", decisions[named], reason="CANARY-e7b wished so").json()

    assert (done["decisions"], done["erased"]) == ([decisions[named]], 1)
    assert remark not in _disclosed(world)
    newest = world.act("aud", "GET", "/v1/audit/entries?kind=erasure&limit=1").json()["entries"][0]
    assert newest["index"] == done["index"]
    assert (newest["by"], newest["tenant"]) == ("priya", "acme")
    assert newest["decisions"] == [decisions[named]]
    assert len(newest["erased"]) == 1
    assert "CANARY" not in json.dumps(newest)
    after = world.act("aud", "GET", f"/v1/decisions/{decisions[1]}/replay").json()
    assert after == before
    assert after["agrees"] is True
    ours, theirs = _verified(world.data)
    assert ours.startswith("ok")
    assert theirs.startswith("ok")
    assert "not judged" not in ours  # both know every field that this router has written
    assert "not judge" not in theirs
    assert "fields erased" in ours
    assert "personal fields were erased" in theirs


def test_what_was_erased_is_in_no_page_of_the_database(world: World) -> None:
    needle = base64.urlsafe_b64encode(b"Q" * 48)
    decision, _ = _released(world, "Q" * 64)
    assert needle in _pages(world)

    _erase(world, "priya", decision)

    assert needle not in _pages(world)


def test_a_comment_that_is_gone_without_an_erasure_is_refused_by_both(
    world: World, tmp_path: Path
) -> None:
    _released(world)
    copy = tmp_path / "data"
    copy.mkdir()
    shutil.copy(world.data / "log.pub", copy)
    with (
        sqlite3.connect(world.data / "log.sqlite") as source,
        sqlite3.connect(copy / "log.sqlite") as target,
    ):
        source.backup(target)
        target.execute("DELETE FROM disclosure WHERE idx=(SELECT max(idx) FROM disclosure)")

    assert all("and no entry erases it" in said for said in _verified(copy))


@pytest.mark.parametrize("person", ["omar", "ana", "ben", "rita", "aud"])
def test_nobody_else_erases(world: World, person: str) -> None:
    decision, _ = _released(world)

    refused = _erase(world, person, decision)

    assert refused.status_code == 403
    assert "a privacy officer" in refused.text
    assert REMARK in _disclosed(world)


def test_what_is_not_there_is_not_erased_and_says_so(world: World) -> None:
    decision, _ = _released(world)
    unknown = "dec_" + "0" * 26
    assert _erase(world, "priya", decision, unknown).status_code == 404
    assert REMARK in _disclosed(world)
    assert _erase(world, "priya", decision).status_code == 200

    assert _erase(world, "priya", decision).status_code == 409
    assert _erase(world, "priya", "no id").status_code == 400
    assert _erase(world, "priya", decision, reason=" ").status_code == 400
    assert _erase(world, "priya").status_code == 400


def test_the_command_line_erases(world: World, tmp_path: Path) -> None:
    decision, other = _released(world)[0], _released(world)[1]
    privacy = terminal_of(world, "priya", tmp_path)

    done = privacy.result("audit", "erase", decision, other, "--reason", "asked for")
    code, said = privacy.refusal("audit", "erase", decision, "--reason", "asked for")

    assert (done["decisions"], done["erased"]) == (sorted((decision, other)), 2)
    assert code == 1
    assert "nothing personal is kept" in said


def test_why_something_was_blocked_is_erased_by_its_entry_and_who_blocked_it_stays(
    world: World,
) -> None:
    reason = "CANARY-e7q Mr Quimby complained"
    body = {"kind": "provider", "id": "atlantic", "reason": reason}
    assert world.act("omar", "POST", "/v1/policies/quarantine", body).status_code == 200
    query = "/v1/audit/entries?kind=quarantine.imposed&limit=1"
    imposed = world.act("aud", "GET", query).json()["entries"][0]
    assert reason not in json.dumps(imposed)
    assert reason in _disclosed(world)
    blocked = world.act("omar", "GET", "/v1/policies/quarantine").json()["quarantined"]
    assert reason in {item["reason"] for item in blocked}

    erased = {"entries": [imposed["id"]], "reason": "asked for"}
    assert world.act("omar", "POST", "/v1/audit/erasures", erased).status_code == 403
    done = world.act("priya", "POST", "/v1/audit/erasures", erased).json()
    again = world.act("priya", "POST", "/v1/audit/erasures", erased)

    assert (done["entries"], done["decisions"], done["erased"]) == ([imposed["id"]], [], 1)
    assert again.status_code == 409
    assert reason not in _disclosed(world)
    assert (imposed["by"], imposed["subject_id"]) == ("omar", "atlantic")
    assert all(said.startswith("ok") and "not judge" not in said for said in _verified(world.data))


def test_an_erasure_names_something_that_is_there(world: World) -> None:
    for body, status in (
        ({"reason": "x"}, 400),
        ({"entries": ["ent_" + "0" * 26], "reason": "x"}, 404),
        ({"entries": ["dec_" + "0" * 26], "reason": "x"}, 400),
    ):
        assert world.act("priya", "POST", "/v1/audit/erasures", body).status_code == status


def test_what_a_reviewer_wrote_is_read_by_the_tenants_auditor_and_by_nobody_else(
    world: World,
) -> None:
    remark = f"{REMARK}, to be read"
    held, released = _released(world, remark)
    shown = world.act("aud", "GET", f"/v1/decisions/{held}").json()["entries"]
    approval = next(e for e in shown if e["kind"] == "review.approved")
    path = f"/v1/audit/entries/{approval['index']}"
    alone = world.act("aud", "GET", path).json()
    explained = world.act("aud", "GET", f"/v1/decisions/{released}/explain").json()

    assert [e["index"] for e in shown] == sorted(e["index"] for e in shown)
    assert (approval["by"], approval["disclosed"]) == ("rita", {"comment": remark})
    assert alone["disclosed"] == {"comment": remark}
    assert remark in json.dumps(explained["review"])
    assert world.act("omar", "GET", path).status_code == 403
    bearer = {"authorization": f"Bearer {world.keys['sales']}"}
    for page in (f"/v1/decisions/{held}", f"/v1/decisions/{held}/explain", path):
        told = DIRECT.get(f"{world.root}{page}", headers=bearer)
        assert remark not in told.text
        assert "review.approved" not in told.text

    assert _erase(world, "priya", held).status_code == 200
    gone = world.act("aud", "GET", path).json()
    assert (gone["disclosed"], gone["erased"]) == ({}, 1)
    assert remark not in world.act("aud", "GET", f"/v1/decisions/{released}/explain").text
