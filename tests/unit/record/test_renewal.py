"""A lost log is continued from what survived of it, and only where that proves what stood."""

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from transire.errors import ConflictError, IntegrityError
from transire.record.checkpoint import Checkpoint
from transire.record.note import VerifierKey, open_note
from transire.record.opening import create_log, hold
from transire.record.renewal import PREDECESSOR_FILE, read_predecessor, renew_log
from transire.record.signer import Signer
from transire.record.standing import STANDING_FILE, Standing, Succession

STANDING = Standing("d" * 64, "team", '{"items":[],"version":1}')


@pytest.fixture
def lost(tmp_path: Path) -> Path:
    """What is left of a log whose database is gone."""
    place = tmp_path / "lost"
    create_log(place, origin="log.example/one")
    signer = Signer.load(place)
    note = signer.sign_text(STANDING.text(signer.key.name))
    (place / STANDING_FILE).write_bytes(STANDING.to_file(note))
    for file in place.glob("log.sqlite*"):
        file.unlink()
    return place


def test_the_lost_logs_key_names_the_new_one_and_what_may_be_founded(
    lost: Path, tmp_path: Path
) -> None:
    succession = renew_log(lost, tmp_path / "new")
    successor = Signer.load(tmp_path / "new").key
    found = read_predecessor(tmp_path / "new")
    assert found is not None
    key = VerifierKey.parse(found.key)

    assert key == Signer.load(lost).key
    assert Succession.parse(open_note(found.note, [key])) == succession
    assert (succession.successor, succession.lines) == (str(successor), STANDING.lines())
    assert succession.last == Checkpoint(key.name, 0, succession.last.root)
    assert (found.bundle_digest, found.mode, found.quarantine) == (
        STANDING.bundle_digest,
        STANDING.mode,
        STANDING.quarantine,
    )


def test_each_generation_of_a_log_has_a_name_of_its_own(lost: Path, tmp_path: Path) -> None:
    names, place = [], lost
    for generation in "abc":
        renew_log(place, tmp_path / generation)
        place = tmp_path / generation
        signer = Signer.load(place)
        names.append(signer.key.name)
        note = signer.sign_text(STANDING.text(signer.key.name))
        (place / STANDING_FILE).write_bytes(STANDING.to_file(note))
        for file in place.glob("log.sqlite*"):
            file.unlink()

    assert names == ["log.example/one/2", "log.example/one/3", "log.example/one/4"]


def test_a_first_log_continues_none(tmp_path: Path) -> None:
    create_log(tmp_path / "data", origin="log.example/one")

    assert read_predecessor(tmp_path / "data") is None


def test_the_lost_log_is_only_read(lost: Path, tmp_path: Path) -> None:
    before = {file.name: file.read_bytes() for file in lost.iterdir()}
    renew_log(lost, tmp_path / "new")
    after = {file.name: file.read_bytes() for file in lost.iterdir()}

    assert {name: data for name, data in after.items() if name != "lock"} == {
        name: data for name, data in before.items() if name != "lock"
    }


def _no_key(lost: Path) -> None:
    (lost / "log.key").unlink()


def _no_guard(lost: Path) -> None:
    (lost / "checkpoint").unlink()


def _no_standing(lost: Path) -> None:
    (lost / STANDING_FILE).unlink()


def _a_guard_of_another_key(lost: Path) -> None:
    other = Signer("log.example/one", b"x" * 32)
    (lost / "checkpoint").write_text(other.sign(Checkpoint("log.example/one", 9, b"r" * 32)))


def _a_standing_of_another_key(lost: Path) -> None:
    other = Signer("log.example/one", b"x" * 32)
    (lost / STANDING_FILE).write_bytes(
        STANDING.to_file(other.sign_text(STANDING.text("log.example/one")))
    )


def _another_quarantine(lost: Path) -> None:
    stored = orjson.loads((lost / STANDING_FILE).read_bytes())
    stored["quarantine"] = '{"items":[],"version":0}'
    (lost / STANDING_FILE).write_bytes(orjson.dumps(stored))


@pytest.mark.parametrize(
    "spoil",
    [
        _no_key,
        _no_guard,
        _no_standing,
        _a_guard_of_another_key,
        _a_standing_of_another_key,
        _another_quarantine,
    ],
)
def test_without_proof_of_what_stood_nothing_is_continued(
    lost: Path, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(lost)
    with pytest.raises(IntegrityError):
        renew_log(lost, tmp_path / "new")

    assert not (tmp_path / "new").exists()


def test_a_log_that_is_whole_is_not_continued(lost: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    create_log(whole, origin="log.example/one")
    signer = Signer.load(whole)
    note = signer.sign_text(STANDING.text(signer.key.name))
    (whole / STANDING_FILE).write_bytes(STANDING.to_file(note))

    with pytest.raises(ConflictError, match="whole"):
        renew_log(whole, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_log_that_a_router_holds_is_not_continued(lost: Path, tmp_path: Path) -> None:
    with hold(lost), pytest.raises(IntegrityError, match="another process"):
        renew_log(lost, tmp_path / "new")

    renew_log(lost, tmp_path / "new")


def test_a_folder_in_use_is_not_written_to(lost: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "something").touch()
    with pytest.raises(ConflictError, match="not empty"):
        renew_log(lost, tmp_path / "new")

    (tmp_path / "new" / "something").unlink()
    renew_log(lost, tmp_path / "new")


@pytest.mark.parametrize(
    "change",
    [
        {"quarantine": '{"items":[],"version":0}'},
        {"note": "x"},
        {"key": "x"},
        {"key": str(Signer("log.example/one", b"x" * 32).key)},
        {"note": Signer("log.example/one", b"x" * 32).sign_text("x\n")},
    ],
)
def test_a_predecessor_that_was_changed_is_none(
    lost: Path, tmp_path: Path, change: dict[str, str]
) -> None:
    renew_log(lost, tmp_path / "new")
    path = tmp_path / "new" / PREDECESSOR_FILE
    path.write_bytes(orjson.dumps({**orjson.loads(path.read_bytes()), **change}))

    with pytest.raises(IntegrityError):
        read_predecessor(tmp_path / "new")


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"5"])
def test_what_is_no_predecessor_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / PREDECESSOR_FILE).write_bytes(data)

    with pytest.raises(IntegrityError, match="cannot be read"):
        read_predecessor(tmp_path)
