"""A checkpoint that somebody kept: both verifiers hold the log against it, and exit alike."""

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from transire.cli.main import app
from transire.clock import SystemClock
from transire.domain.log import Item
from transire.record.checkpoint import Checkpoint
from transire.record.export import export_tiles
from transire.record.opening import create_log, open_log
from transire.record.reading import ReadOnlyLog
from transire.record.signer import Signer

KIT = Path(__file__).resolve().parents[2] / "audit" / "verify.py"
ROOT = b"\x17" * 32


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A log of three commits, and the note after each."""
    place = tmp_path_factory.mktemp("kept") / "data"
    create_log(place, origin="log.example/held")

    async def fill() -> None:
        log = open_log(place, clock=SystemClock(), replica="r1")
        for n in range(3):
            await log.append(Item(kind="test", fields={"n": n}))
        await log.close()

    asyncio.run(fill())
    with ReadOnlyLog(place) as log:
        return place, [note for _, note in log.reader.checkpoints()]


def _both(place: Path, note: str, folder: Path) -> tuple[int, str, int, str]:
    """Exit code and what was said: of the kit, then of ours."""
    file = folder / "kept.note"
    file.write_text(note)
    options = [str(place), "--checkpoint", str(file)]
    kit = subprocess.run(
        [sys.executable, str(KIT), *options], capture_output=True, text=True, check=False
    )
    ours = CliRunner().invoke(app, ["audit", "verify", *options])
    return kit.returncode, kit.stdout + kit.stderr, ours.exit_code, ours.output


def test_a_note_of_the_log_itself_holds_at_every_size(
    kept: tuple[Path, list[str]], tmp_path: Path
) -> None:
    place, notes = kept
    for note in (notes[0], notes[-1]):
        kit, said, ours, told = _both(place, note, tmp_path)

        assert (kit, ours) == (0, 0), said + told
        assert "is this log's" in said
        assert "the checkpoint held at size" in told


def test_another_root_at_that_size_is_tampered(
    kept: tuple[Path, list[str]], tmp_path: Path
) -> None:
    place, _ = kept
    for size in (0, 2, 3):
        forged = Signer.load(place).sign(Checkpoint("log.example/held", size, ROOT))
        kit, said, ours, told = _both(place, forged, tmp_path)

        assert (kit, ours) == (1, 1)
        assert f"at size {size} this log has another root than the checkpoint held" in said
        assert f"at size {size} this log has another root than the checkpoint held" in told


def test_a_log_that_ends_before_it_is_incomplete(
    kept: tuple[Path, list[str]], tmp_path: Path
) -> None:
    place, _ = kept
    later = Signer.load(place).sign(Checkpoint("log.example/held", 4, ROOT))
    kit, said, ours, told = _both(place, later, tmp_path)

    assert (kit, ours) == (2, 2)
    assert "the checkpoint held is of size 4, this log ends at 3" in said
    assert "the checkpoint held is of size 4, this log ends at 3" in told


def test_a_note_of_another_key_another_log_or_no_note_is_untrusted(
    kept: tuple[Path, list[str]], tmp_path: Path
) -> None:
    place, notes = kept
    others = [
        Signer("log.example/held", b"s" * 32).sign(Checkpoint("log.example/held", 1, ROOT)),
        Signer.load(place).sign(Checkpoint("log.example/else", 1, ROOT)),
        Signer.load(place).sign_text("two lines\nof anything\n"),
        notes[0].replace("\n1\n", "\n2\n"),
        "no note",
        "",
    ]
    for note in others:
        kit, said, ours, told = _both(place, note, tmp_path)

        assert (kit, ours) == (3, 3), (note, said, told)


def test_a_kept_note_is_held_against_an_export_too(
    kept: tuple[Path, list[str]], tmp_path: Path
) -> None:
    place, notes = kept
    shutil.copytree(place, tmp_path / "copy")
    with ReadOnlyLog(tmp_path / "copy") as log:
        export_tiles(log, tmp_path / "tiles")
    (tmp_path / "kept.note").write_text(notes[1])
    command = [sys.executable, str(KIT), str(tmp_path / "tiles")]
    command += ["--key", (place / "log.pub").read_text(), "--checkpoint"]
    done = subprocess.run(
        [*command, str(tmp_path / "kept.note")], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


def test_the_newest_note_is_printed_as_it_is(kept: tuple[Path, list[str]]) -> None:
    place, notes = kept
    done = CliRunner().invoke(app, ["audit", "checkpoint", str(place)])

    assert (done.exit_code, done.stdout) == (0, notes[-1])
