"""What must be true of a log's files before a single entry is written to them."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from transire.clock import SystemClock
from transire.domain.log import Change, Item
from transire.errors import IntegrityError
from transire.record.checkpoint import Checkpoint
from transire.record.guard import Guard
from transire.record.log import LogWriter
from transire.record.merkle import EMPTY_ROOT
from transire.record.note import VerifierKey
from transire.record.opening import create_log, has_log, is_whole, open_log
from transire.record.signer import Signer

ORIGIN = "log.example/opening"
PARTS = ("log.sqlite", "log.key", "checkpoint")


def opened(directory: Path) -> LogWriter:
    return open_log(directory, clock=SystemClock(), replica="r1")


@pytest.fixture
async def data(tmp_path: Path) -> Path:
    """A log of three entries and some state, closed; its guard is of size 3."""
    place = tmp_path / "data"
    create_log(place, origin=ORIGIN)
    log = opened(place)
    for n in range(3):
        changes = (Change(key="n", value=str(n)),)
        await log.append(Item(kind="test", fields={"n": n}, changes=changes))
    await log.close()
    return place


def altered(*statements: str) -> Callable[[Path], None]:
    """These statements, by somebody who has the file and drops the triggers first."""

    def alter(place: Path) -> None:
        with sqlite3.connect(place / "log.sqlite") as database:
            for table in ("log", "checkpoint", "blob"):
                for verb in ("update", "delete"):
                    database.execute(f"DROP TRIGGER {table}_no_{verb}")
            for statement in statements:
                database.execute(statement)

    return alter


def _emptied(place: Path) -> None:
    for file in place.glob("log.sqlite*"):
        file.unlink()
    other = place.parent / "other"
    create_log(other, origin=ORIGIN)
    shutil.copy(other / "log.sqlite", place / "log.sqlite")


def _another_key(place: Path) -> None:
    (place / "log.key").unlink()
    Signer.create(place, ORIGIN, b"x" * 32)


def _another_guard(place: Path) -> None:
    signer = Signer.load(place)
    guard = Guard(place)
    guard.note(signer.sign(Checkpoint(ORIGIN, 3, b"x" * 32)))
    guard.sync()


def _a_guard_ahead(place: Path) -> None:
    signer = Signer.load(place)
    guard = Guard(place)
    guard.note(signer.sign(Checkpoint(ORIGIN, 4, b"x" * 32)))
    guard.sync()


def _no_database(place: Path) -> None:
    (place / "log.sqlite").write_bytes(b"no database at all, but of some length\n" * 100)
    for name in ("log.sqlite-wal", "log.sqlite-shm"):
        (place / name).unlink(missing_ok=True)


def _another_schema(place: Path) -> None:
    with sqlite3.connect(place / "log.sqlite") as database:
        database.execute("PRAGMA user_version=9")


SPOILED: dict[str, Callable[[Path], object]] = {
    "the last entry is gone": altered("DELETE FROM log WHERE idx=2"),
    "an entry in the middle is gone": altered("DELETE FROM log WHERE idx=1"),
    "an entry nobody counted": altered("INSERT INTO log VALUES (0, 3, x'7b7d', x'00')"),
    "the head is another one": altered("UPDATE head SET size=2"),
    "the head is gone": altered("DELETE FROM head"),
    "the checkpoints are gone": altered("DELETE FROM checkpoint"),
    "the last checkpoint is gone": altered("DELETE FROM checkpoint WHERE size=3"),
    "a checkpoint nobody signed": altered("UPDATE checkpoint SET note='x' WHERE size=3"),
    "the last entries and all of the rest with them": altered(
        "DELETE FROM log", "DELETE FROM head", "DELETE FROM checkpoint", "DELETE FROM state"
    ),
    "the state says otherwise": altered("UPDATE state SET value='9'"),
    "an empty database": _emptied,
    "another key": _another_key,
    "a guard of another history": _another_guard,
    "a guard that is ahead": _a_guard_ahead,
    "no database": _no_database,
    "another schema": _another_schema,
    "a guard that cannot be read": lambda place: (place / "checkpoint").write_bytes(b"\xff"),
    "a guard nobody signed": lambda place: (place / "checkpoint").write_text("x\n\nx\n"),
    "a key that others can read": lambda place: (place / "log.key").chmod(0o644),
}


@pytest.mark.parametrize("name", SPOILED)
async def test_a_log_that_was_touched_is_not_opened_and_the_folder_is_given_free(
    data: Path, name: str
) -> None:
    kept = data.parent / "kept"
    shutil.copytree(data, kept)
    SPOILED[name](data)
    with pytest.raises(IntegrityError) as caught:
        opened(data)
    assert str(caught.value)
    for file in data.iterdir():
        file.unlink()
    for file in kept.iterdir():
        shutil.copy2(file, data / file.name)

    await opened(data).close()


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_missing_is_named_and_no_new_log_takes_its_place(
    data: Path, part: str
) -> None:
    for file in data.glob(f"{part}*"):
        file.unlink()
    with pytest.raises(IntegrityError, match=part):
        opened(data)
    with pytest.raises(IntegrityError, match="part of a log"):
        create_log(data, origin=ORIGIN)

    assert not is_whole(data)
    assert has_log(data)


@pytest.mark.parametrize("part", PARTS)
def test_one_part_alone_is_a_damaged_log_and_not_none(data: Path, part: str) -> None:
    for other in set(PARTS) - {part}:
        for file in data.glob(f"{other}*"):
            file.unlink()

    assert has_log(data)
    with pytest.raises(IntegrityError):
        create_log(data, origin=ORIGIN)


def test_an_empty_folder_holds_no_log(tmp_path: Path) -> None:
    assert not has_log(tmp_path)


async def test_a_new_log_is_whole_and_empty_and_its_guard_says_so(tmp_path: Path) -> None:
    place = tmp_path / "data"
    create_log(place, origin=ORIGIN)

    assert is_whole(place)
    assert place.stat().st_mode & 0o077 == 0
    assert Guard(place).read().startswith(Checkpoint(ORIGIN, 0, EMPTY_ROOT).text())
    log = opened(place)
    assert (await log.append(Item(kind="test", fields={}))).index == 0
    await log.close()


async def test_a_log_with_state_but_no_entry_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "data"
    create_log(place, origin=ORIGIN)
    altered("INSERT INTO state (log_id, key, value) VALUES (0, 'bundle/active', 'x')")(place)

    with pytest.raises(IntegrityError, match="state"):
        opened(place)


async def test_a_closed_log_goes_on_where_it_was_under_a_new_boot(data: Path) -> None:
    log = opened(data)
    receipt = await log.append(Item(kind="test", fields={}))
    rows = await log.read(lambda reader: reader.leaves(2, 4))
    await log.close()
    boots = [orjson.loads(leaf)["boot"] for _, leaf in rows]

    assert receipt.index == 3
    assert log.peek("n") == "2"
    assert len(set(boots)) == 2


async def test_a_log_that_lags_behind_its_database_is_opened(data: Path) -> None:
    """A crash may lose the guard's last second, never the database's."""
    signer, guard = Signer.load(data), Guard(data)
    with sqlite3.connect(data / "log.sqlite") as database:
        note = database.execute("SELECT note FROM checkpoint WHERE size=1").fetchone()[0]
    guard.note(note)
    guard.sync()
    assert note.startswith(f"{ORIGIN}\n1\n")
    assert signer.key == VerifierKey.parse((data / "log.pub").read_text())

    await opened(data).close()


def test_what_a_new_log_continues_is_written_before_it_can_be_opened(tmp_path: Path) -> None:
    place = tmp_path / "data"
    seen: list[VerifierKey] = []

    def announce(key: VerifierKey) -> tuple[str, bytes]:
        assert not (place / "log.sqlite").exists()
        seen.append(key)
        return "predecessor", b"said"

    create_log(place, origin=ORIGIN, predecessor=announce)

    assert (place / "predecessor").read_bytes() == b"said"
    assert seen == [Signer.load(place).key]
