"""Search columns are signed by nobody: whatever becomes of their file, the log decides."""

import asyncio
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.integration.logs import entries

from transire.clock import SystemClock
from transire.domain.ids import make_ulid
from transire.domain.log import Item
from transire.domain.request import JsonValue
from transire.errors import IntegrityError
from transire.opening import close_open_permits
from transire.record import entries as log_entries
from transire.record.front import LogFront
from transire.record.index import INDEX_FILE
from transire.record.opening import create_log, open_log
from transire.record.ownership import EVERYBODY
from transire.record.query import Projection, newest_sql
from transire.record.seal import StateSeal

SEAL = StateSeal(b"k" * 32)


@asynccontextmanager
async def opened(data: Path, **options: int) -> AsyncIterator[tuple[LogFront, Projection]]:
    log = open_log(data, clock=SystemClock(), replica="r1")
    projection = Projection(data, log, SEAL, **options)
    try:
        yield log, projection
    finally:
        await log.close()
        projection.close()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    create_log(tmp_path / "data", origin="log.example/search")
    return tmp_path / "data"


def named() -> str:
    now_ms = int(SystemClock().now().timestamp() * 1_000)
    return make_ulid("dec", now_ms=now_ms, entropy=os.urandom(10))


async def decide(log: LogFront, *, tenant: str = "acme", closed: bool = True) -> str:
    """A decision with a permit, and its outcome."""
    decision = named()
    permit: dict[str, JsonValue] = {"attempt": 1, "deployment": "eu-economy"}
    fields: dict[str, JsonValue] = {"id": decision, "tenant": tenant, "app": "desk"}
    fields["permit"] = permit
    await log.append(Item(kind="decision", fields=fields))
    if closed:
        told: dict[str, JsonValue] = {"decision_id": decision, "status": "ok", **permit}
        await log.append(Item(kind="outcome", fields=told))
    return decision


async def kinds(projection: Projection, decision: str) -> list[str]:
    return [entry["kind"] for _, entry in (await projection.of_decision(decision)).entries]


async def listed(projection: Projection, tenant: str = "acme") -> list[str]:
    page = await projection.tail(before=None, limit=100, tenant=tenant, kind="decision")
    return [entry["id"] for _, entry in page.entries]


def alter(data: Path, *statements: str) -> None:
    """What somebody with the file does to it."""
    with sqlite3.connect(data / INDEX_FILE) as database:
        for statement in statements:
            database.execute(statement)
    database.close()


HIDING = {
    "its rows are deleted": ["DELETE FROM entry_ix WHERE decision_id='{id}'"],
    "its tenant is changed": ["UPDATE entry_ix SET owner='other' WHERE decision_id='{id}'"],
    "its id is changed": ["UPDATE entry_ix SET decision_id='dec_x' WHERE decision_id='{id}'"],
    "much is said to be read": ["UPDATE progress SET size=size+1000000"],
    "less is said to be read": ["DELETE FROM entry_ix WHERE idx>0", "UPDATE progress SET size=1"],
    "nothing is said to be read": ["DELETE FROM progress"],
    "everything is deleted": ["DELETE FROM entry_ix"],
    "a value is of another kind": ["UPDATE entry_ix SET owner=x'00' WHERE decision_id='{id}'"],
    "a table is gone": ["DROP TABLE entry_ix"],
    "an index leaves it out": [
        "DROP INDEX entry_decision",
        "CREATE INDEX entry_decision ON entry_ix (decision_id) WHERE decision_id<>'{id}'",
        "PRAGMA writable_schema=ON",
        "UPDATE sqlite_schema SET sql='CREATE INDEX entry_decision ON entry_ix (decision_id)' "
        "WHERE name='entry_decision'",
        "DELETE FROM entry_ix WHERE decision_id='{id}'",
    ],
}


@pytest.mark.parametrize("statements", HIDING.values(), ids=HIDING)
@pytest.mark.parametrize("is_running", [True, False], ids=["running", "restarted"])
async def test_no_change_of_the_file_hides_a_decision(
    data: Path, statements: list[str], is_running: bool
) -> None:
    async with opened(data) as (log, projection):
        first, hidden = await decide(log), await decide(log)
        assert await listed(projection) == [hidden, first]
        if is_running:
            alter(data, *(s.format(id=hidden) for s in statements))

            assert await listed(projection) == [hidden, first]
            assert await kinds(projection, hidden) == ["decision", "outcome"]
    if not is_running:
        alter(data, *(s.format(id=hidden) for s in statements))
    async with opened(data) as (log, projection):
        assert await kinds(projection, hidden) == ["decision", "outcome"]
        later = await decide(log)
        page = await projection.tail(before=None, limit=9, tenant="acme", kind=None)
        assert page.complete_to == 6
        assert await listed(projection) == [later, hidden, first]


async def test_a_trigger_in_the_file_hides_nothing(data: Path) -> None:
    async with opened(data) as (log, projection):
        await decide(log)
        assert len(await listed(projection)) == 1
        alter(
            data,
            "CREATE TRIGGER t AFTER INSERT ON entry_ix WHEN new.tenant='acme' "
            "BEGIN DELETE FROM entry_ix WHERE idx=new.idx; END",
        )
        later = await decide(log)

        assert later in await listed(projection)


async def test_another_tenants_entries_are_not_listed_on_the_files_word(data: Path) -> None:
    async with opened(data) as (log, projection):
        await decide(log, tenant="other")
        assert await listed(projection) == []
        alter(data, "UPDATE entry_ix SET owner='acme'")

        assert await listed(projection) == []


@pytest.mark.parametrize("content", [b"", b"no database at all" * 400])
async def test_a_damaged_file_is_replaced(data: Path, content: bytes) -> None:
    async with opened(data) as (log, _):
        decision = await decide(log)
    (data / INDEX_FILE).write_bytes(content)

    async with opened(data) as (log, projection):
        await close_open_permits(log, projection)
        assert await listed(projection) == [decision]


async def test_a_file_overwritten_in_its_middle_is_replaced_while_the_router_runs(
    data: Path,
) -> None:
    async with opened(data) as (log, projection):
        for _ in range(40):
            await decide(log)
        assert len(await listed(projection)) == 40
        alter(data, "PRAGMA wal_checkpoint(TRUNCATE)")
        size = (data / INDEX_FILE).stat().st_size
        (data / INDEX_FILE).write_bytes(b"\xff" * size)
        await decide(log)

        assert len(await listed(projection)) == 41


PLANTED = "INSERT INTO open_permit VALUES ('{id}', 1, 'r1', 'earlier', {index})"


@pytest.mark.parametrize("is_sealed", [True, False], ids=["seal", "no seal"])
async def test_a_planted_open_permit_gets_no_second_outcome(
    data: Path, is_sealed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever forges the seal as well gets no further: the entries decide."""
    async with opened(data) as (log, projection):
        finished = await decide(log)
        assert await listed(projection)
    if not is_sealed:
        monkeypatch.setattr("transire.record.index.IndexFile.is_sound", lambda _: True)
    alter(
        data,
        PLANTED.format(id=finished, index=0),
        PLANTED.format(id="dec_never", index=1),
        PLANTED.format(id="dec_nowhere", index=999),
    )

    async with opened(data) as (log, projection):
        await close_open_permits(log, projection)
        assert [e["kind"] for e in await entries(log)] == ["decision", "outcome"]


async def test_what_an_earlier_boot_left_open_is_closed_once(data: Path) -> None:
    async with opened(data) as (log, _):
        left = await decide(log, closed=False)
        await decide(log)
    for _ in range(2):
        async with opened(data) as (log, projection):
            await decide(log)
            await close_open_permits(log, projection)
            told = [e for e in await entries(log) if e.get("failure") == "restart"]
            assert [e["decision_id"] for e in told] == [left]


async def test_an_older_log_beside_a_newer_file_is_swept_by_its_own_entries(
    data: Path, tmp_path: Path
) -> None:
    async with opened(data) as (log, projection):
        decision = await decide(log)
        await listed(projection)
    shutil.copytree(data, tmp_path / "backup")
    async with opened(data) as (log, projection):
        lost = await decide(log, closed=False)
        assert await listed(projection) == [lost, decision]
    for name in ("log.sqlite", "checkpoint"):
        shutil.copy(tmp_path / "backup" / name, data / name)
    for side in ("-wal", "-shm"):
        (data / f"log.sqlite{side}").unlink(missing_ok=True)

    async with opened(data) as (log, projection):
        for grown in (0, 2):  # shorter than the file has read, then longer with other entries
            for _ in range(grown):
                await decide(log)
            await close_open_permits(log, projection)
            assert {e["kind"] for e in await entries(log)} == {"decision", "outcome"}
            assert len(await entries(log)) == 2 + 2 * grown
            assert await kinds(projection, lost) == []
            assert await kinds(projection, decision) == ["decision", "outcome"]


async def test_a_decision_is_found_in_the_log_before_the_file_knows_it(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transire.record.query._STEP", 10)
    async with opened(data) as (log, _):
        decisions = [await decide(log) for _ in range(12)]
    async with opened(data, patience=1) as (_, projection):
        page = await projection.of_decision(decisions[-1])
        assert [e["kind"] for _, e in page.entries] == ["decision", "outcome"]
        assert page.complete_to == 10
        assert projection.behind == 10
        await projection.keep_sound()
        assert projection.behind is None


async def test_in_a_long_log_a_stretch_from_the_ids_time_on_is_searched(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_entries, "_NEAR", 3)
    async with opened(data) as (log, projection):
        old, first = make_ulid("dec", now_ms=1, entropy=os.urandom(10)), await decide(log)
        await decide(log)
        assert [e["kind"] for _, e in (await near(log, first))] == ["decision", "outcome"]
        for unknown in (old, "dec_none", make_ulid("dec", now_ms=2**47, entropy=bytes(10))):
            assert await near(log, unknown) == []
            assert await kinds(projection, unknown) == []


async def near(log: LogFront, decision: str) -> list[tuple[int, dict[str, object]]]:
    found = await log.read(lambda reader: log_entries.entries_near(reader, decision))
    return [(index, dict(entry)) for index, entry in found]


async def test_many_looks_at_once_read_everything_once(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transire.record.query._STEP", 7)
    async with opened(data) as (log, projection):
        decisions = [await decide(log) for _ in range(55)]
        alter(data, "DELETE FROM progress", "DELETE FROM entry_ix WHERE idx>5")
        found = await asyncio.gather(*(kinds(projection, d) for d in decisions[::5]))
        assert found == [["decision", "outcome"]] * 11
        assert await listed(projection) == decisions[::-1]


async def test_an_entry_missing_from_the_log_is_not_passed_over(data: Path) -> None:
    async with opened(data) as (log, projection):
        await decide(log)
        with sqlite3.connect(data / "log.sqlite") as database:
            for (trigger,) in database.execute(
                "SELECT name FROM sqlite_schema WHERE type='trigger' AND tbl_name='log'"
            ).fetchall():
                database.execute(f"DROP TRIGGER {trigger}")
            database.execute("DELETE FROM log WHERE idx=0")
        database.close()
        with pytest.raises(IntegrityError, match="missing"):
            await listed(projection)


async def test_what_is_thrown_away_is_said(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with opened(data) as (log, projection):
        await decide(log)
        await listed(projection)
        alter(data, "DELETE FROM entry_ix")
        await projection.keep_sound()
        assert projection.behind is None
    told = capsys.readouterr()
    assert "index.discarded" in told.out + told.err


async def seen_by(projection: Projection, tenant: str) -> list[str]:
    """Kinds of what an auditor of this tenant is shown, oldest first."""
    page = await projection.tail(before=None, limit=100, tenant=tenant, kind=None)
    return [entry["kind"] for _, entry in reversed(page.entries)]


async def test_an_auditor_is_shown_the_tenants_own_and_what_governs_everybody(data: Path) -> None:
    rest: list[tuple[str, dict[str, JsonValue]]] = [
        ("policy.activated", {}),
        ("experiment.rolled_back", {}),
        ("quarantine.imposed", {"subject": "provider", "subject_id": "atlantic"}),
        ("quarantine.lifted", {"subject": "tenant", "subject_id": "globex"}),
        ("access.invited", {"person": "rita", "tenant": "acme"}),
        ("access.invited", {"person": "otto"}),
        ("throttled", {"key_id": "k", "tenant": "globex"}),
        ("throttled", {"key_id": "nobody"}),
    ]
    async with opened(data) as (log, projection):
        await decide(log)
        await decide(log, tenant="globex")
        for kind, fields in rest:
            await log.append(Item(kind=kind, fields=fields))
        of_acme, of_globex = await seen_by(projection, "acme"), await seen_by(projection, "globex")
        everybody = await projection.tail(before=None, limit=100, tenant=None, kind=None)

    common = ["policy.activated", "experiment.rolled_back", "quarantine.imposed"]
    assert of_acme == ["decision", "outcome", *common, "access.invited"]
    assert of_globex == ["decision", "outcome", *common, "quarantine.lifted", "throttled"]
    assert len(everybody.entries) == 12


@pytest.mark.parametrize("owners", [("acme", EVERYBODY), (None,)], ids=["tenant", "everybody"])
@pytest.mark.parametrize("kind", [None, "feedback"])
@pytest.mark.parametrize("before", [None, 40])
async def test_the_newest_entries_are_read_in_order_and_never_sorted(
    data: Path, owners: tuple[str | None, ...], kind: str | None, before: int | None
) -> None:
    """A tenant's auditor waits for a page, not for all that the tenant ever did."""
    async with opened(data) as (log, projection):
        await decide(log)
        await listed(projection)
    sql, values = newest_sql(owners, kind, before)
    with sqlite3.connect(data / INDEX_FILE) as db:
        rows = db.execute(f"EXPLAIN QUERY PLAN {sql}", (*values, 10)).fetchall()
    steps = [row[3] for row in rows if "entry_ix" in row[3] or "TEMP" in row[3]]

    assert not any("TEMP B-TREE" in step for step in steps)
    if kind is not None or owners != (None,):
        assert all("SEARCH entry_ix USING COVERING INDEX" in step for step in steps), steps


async def test_an_outcome_is_not_shown_to_another_tenant_whatever_the_file_says(
    data: Path,
) -> None:
    async with opened(data) as (log, projection):
        await decide(log, tenant="globex")
        assert await seen_by(projection, "acme") == []
        alter(data, "UPDATE entry_ix SET owner='acme' WHERE kind='outcome'")
        projection._file.is_sound = lambda: True  # type: ignore[method-assign] # as if sealed anew

        assert await seen_by(projection, "acme") == []
        assert await seen_by(projection, "globex") == ["decision", "outcome"]
