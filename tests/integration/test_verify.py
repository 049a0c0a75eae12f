"""Two verifiers that share no code: whatever is altered, both refuse and name it."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from transire.clock import SystemClock
from transire.domain.log import Change, Item
from transire.errors import TransireError
from transire.record.export import export_tiles
from transire.record.opening import create_log, open_log
from transire.record.reading import ReadOnlyLog

KIT = Path(__file__).resolve().parents[2] / "audit"
sys.path.insert(0, str(KIT))
import trees as kit_trees  # noqa: E402
import verify as kit  # noqa: E402


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small real log: entries, state, a blob, a disclosure, three checkpoints."""
    import asyncio
    import hashlib

    place = tmp_path_factory.mktemp("made") / "data"
    create_log(place, origin="log.example/verify")
    blob = b'[{"effect": "permit"}]'
    digest = hashlib.sha256(blob).hexdigest()

    async def fill() -> None:
        log = open_log(place, clock=SystemClock(), replica="r1")
        await log.append(Item(kind="test", fields={"n": 1}, changes=(Change(key="k", value="v"),)))
        await log.append(Item(kind="test", fields={"evaluation": digest}, blobs={digest: blob}))
        await log.append(Item(kind="test", fields={"n": 3}, disclosures={"comment": "fine"}))
        await log.close()

    asyncio.run(fill())
    with sqlite3.connect(place / "log.sqlite") as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("PRAGMA journal_mode=DELETE")
    return place


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    target = tmp_path / "data"
    shutil.copytree(made, target)
    return target


def _ours(path: Path) -> bool:
    try:
        with ReadOnlyLog(path) as log:
            log.verify(None)
    except (TransireError, UnicodeDecodeError):
        return False
    return True


def _theirs(path: Path) -> int:
    try:
        log = kit.open_source(path)
        key, _ = kit.read_key(None, log.folder)
        kit.verify(log, key)
    except kit_trees.Finding as finding:
        return int(finding.status)
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        return 1
    return 0


def _alter(path: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(path / "log.sqlite") as database:
        for table in ("log", "checkpoint", "blob"):
            for verb in ("update", "delete"):
                database.execute(f"DROP TRIGGER IF EXISTS {table}_no_{verb}")
        database.execute(statement, values)


def test_an_untouched_log_satisfies_both(made: Path) -> None:
    assert _ours(made)
    assert _theirs(made) == 0


def _cells(path: Path) -> Iterator[tuple[str, str, int, bytes | str]]:
    with sqlite3.connect(path / "log.sqlite") as database:
        for table, key, column in (
            ("log", "idx", "leaf"),
            ("log", "idx", "leaf_hash"),
            ("checkpoint", "size", "note"),
            ("blob", "rowid_", "data"),
            ("disclosure", "idx", "data"),
        ):
            if table == "blob":
                for digest, data in database.execute("SELECT digest, data FROM blob"):
                    yield table, column, digest, data
                continue
            for name, value in database.execute(f"SELECT {key}, {column} FROM {table}"):
                yield table, column, name, value


def test_flipping_any_byte_of_any_record_or_checkpoint_is_refused_by_both(
    made: Path, tmp_path: Path
) -> None:
    target, flips = tmp_path / "data", 0
    shutil.copytree(made, target)
    for table, column, name, value in list(_cells(made)):
        raw = value.encode() if isinstance(value, str) else value
        key = {"log": "idx", "checkpoint": "size", "blob": "digest", "disclosure": "idx"}[table]
        for at in range(len(raw)):
            changed = bytes([*raw[:at], raw[at] ^ 1, *raw[at + 1 :]])
            stored: object = changed
            if isinstance(value, str):
                stored = changed.decode(errors="surrogateescape")
                if not stored.isprintable() and "\n" not in stored:
                    stored = changed
            try:
                _alter(target, f"UPDATE {table} SET {column}=? WHERE {key}=?", stored, name)
            except (UnicodeEncodeError, sqlite3.DatabaseError):
                continue
            assert not _ours(target), (table, column, name, at)
            assert _theirs(target) in (1, 2, 3), (table, column, name, at)
            _alter(target, f"UPDATE {table} SET {column}=? WHERE {key}=?", value, name)
            flips += 1
    assert flips > 1_000
    assert _ours(target)


@pytest.mark.parametrize(
    ("statement", "status"),
    [
        ("DELETE FROM log WHERE idx=1", 2),
        ("DELETE FROM log WHERE idx=2", 2),
        ("DELETE FROM checkpoint WHERE size=3", 2),
        ("DELETE FROM blob", 2),
        ("DELETE FROM checkpoint", 2),
        ("UPDATE head SET size=2", 1),
        ("UPDATE log SET leaf=(SELECT leaf FROM log WHERE idx=0) WHERE idx=1", 1),
        ("UPDATE disclosure SET data='x'", 1),
    ],
)
def test_removing_or_moving_anything_is_named(copy: Path, statement: str, status: int) -> None:
    _alter(copy, statement)

    assert _theirs(copy) == status


def _disclosed(path: Path) -> frozenset[str]:
    with sqlite3.connect(path / "log.sqlite") as database:
        return frozenset(row[0] for row in database.execute("SELECT digest FROM disclosure"))


def _erase(path: Path, digests: frozenset[str]) -> None:
    import asyncio

    async def fill() -> None:
        log = open_log(path, clock=SystemClock(), replica="r1")
        await log.append(Item(kind="erasure", fields={"by": "priya"}, erases=digests))
        await log.close()

    asyncio.run(fill())


def test_a_disclosure_that_no_entry_erases_is_missed_by_both(copy: Path) -> None:
    _alter(copy, "DELETE FROM disclosure")

    assert _theirs(copy) == 2
    assert not _ours(copy)


def test_erasing_a_disclosure_by_an_entry_deletes_it_and_is_no_tampering(copy: Path) -> None:
    _erase(copy, _disclosed(copy))

    assert _disclosed(copy) == frozenset()
    assert b"fine" not in (copy / "log.sqlite").read_bytes()
    assert _theirs(copy) == 0
    assert _ours(copy)


def test_what_is_said_to_be_erased_and_is_still_there_is_refused_by_both(copy: Path) -> None:
    with sqlite3.connect(copy / "log.sqlite") as database:
        rows = database.execute("SELECT log_id, idx, digest, data FROM disclosure").fetchall()
    _erase(copy, _disclosed(copy))
    _alter(copy, "INSERT INTO disclosure VALUES (?,?,?,?)", *rows[0])

    assert _theirs(copy) == 1
    assert not _ours(copy)


def test_every_byte_of_an_exported_log_counts(made: Path, tmp_path: Path) -> None:
    tiles = tmp_path / "tiles"
    with ReadOnlyLog(made) as log:
        export_tiles(log, tiles)
    assert _theirs(tiles) == 0
    for path in sorted(p for p in tiles.rglob("*") if p.is_file() and p.name != "log.pub"):
        raw = path.read_bytes()
        for at in range(len(raw)):
            path.write_bytes(bytes([*raw[:at], raw[at] ^ 1, *raw[at + 1 :]]))
            assert _theirs(tiles) != 0, (path.name, at)
        path.write_bytes(raw)
    assert _theirs(tiles) == 0


def _run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-I", str(KIT / "verify.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_program_says_what_is_wrong_and_exits_accordingly(copy: Path, tmp_path: Path) -> None:
    key = (copy / "log.pub").read_text().strip()
    good = _run(str(copy), "--key", key, "--json")
    wrong = _run(str(copy), "--key", key[:-2] + ("A=" if not key.endswith("A=") else "B="))
    (copy / "log.pub").unlink()
    unkeyed = _run(str(copy))
    absent = _run(str(tmp_path / "nowhere"))
    _alter(copy, "UPDATE log SET leaf=replace(leaf, '\"n\":1', '\"n\":2') WHERE idx=0")
    tampered = _run(str(copy), "--key", key)

    assert json.loads(good.stdout)["pinned"] is True
    assert good.returncode == 0
    assert wrong.returncode == 3
    assert unkeyed.returncode == 3
    assert absent.returncode == 2
    assert tampered.returncode == 1
    assert "entry 0" in tampered.stderr


def test_both_verifiers_read_one_note_alike() -> None:
    good: Callable[[str], object] = kit_trees.Key
    with pytest.raises(kit_trees.Finding):
        good("not a key")


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_a_reader_who_goes_away_is_no_traceback_and_no_other_finding(
    made: Path, arguments: list[str]
) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        done = subprocess.run(
            [sys.executable, str(KIT / "verify.py"), str(made), *arguments],
            stdout=write_end,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(write_end)

    assert (done.returncode, done.stderr) == (0, "")


def test_without_the_package_for_signatures_the_kit_says_so_and_judges_nothing(
    made: Path,
) -> None:
    # Isolated and without site packages, as on a machine that has nothing but Python.
    command = [sys.executable, "-I", "-S", str(KIT / "verify.py"), str(made)]

    ended = subprocess.run(command, capture_output=True, text=True, check=False)

    assert ended.returncode == 4
    assert ended.stdout == ""
    assert ended.stderr.startswith("NOT JUDGED: ")
    assert ended.stderr.count("\n") == 1
