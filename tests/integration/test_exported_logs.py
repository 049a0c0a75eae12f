"""An export is judged whole: what permits rest on goes with it, and what was erased does not."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.integration.test_rules_across_entries import (
    LIES,
    Story,
    honest,
    ours,
    theirs,
    write,
)

from transire.record.export import export_tiles
from transire.record.reading import ReadOnlyLog

KIT = Path(__file__).resolve().parents[2] / "audit" / "verify.py"


def exported(folder: Path, story: Story) -> Path:
    write(folder / "data", story)
    with ReadOnlyLog(folder / "data") as log:
        export_tiles(log, folder / "tiles")
    return folder / "tiles"


def run(place: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(KIT), str(place), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "lie",
    [
        "a permit for what its evaluation forbids",
        "a later attempt at what was forbidden meanwhile",
        "a permit without the review that its evaluation asks for",
    ],
)
def test_an_exported_log_is_held_against_its_evaluations(tmp_path: Path, lie: str) -> None:
    story = honest()
    LIES[lie][1](story)
    tiles = exported(tmp_path, story)

    assert theirs(tiles) == ours(tmp_path / "data") != ""


def test_an_honest_export_says_ok_and_one_without_side_data_what_was_not_judged(
    tmp_path: Path,
) -> None:
    tiles = exported(tmp_path, honest())
    whole = run(tiles)
    shutil.rmtree(tiles / "side")
    bare, told = run(tiles), run(tiles, "--json")

    assert whole.returncode == bare.returncode == 0
    assert whole.stdout.startswith("ok: ")
    assert "NOT JUDGED" not in whole.stdout
    assert bare.stdout.startswith("ok, but for side data: ")
    assert "NOT JUDGED: no side data is there, so no evaluation was read" in bare.stdout
    assert json.loads(told.stdout)["side_data"] is False


def test_an_evaluation_that_is_gone_from_an_export_is_missed(tmp_path: Path) -> None:
    tiles = exported(tmp_path, honest())
    shutil.rmtree(tiles / "side" / "blob")

    assert run(tiles).returncode == 2


def test_a_disclosure_that_is_gone_from_an_export_is_missed_and_no_other_taken(
    tmp_path: Path,
) -> None:
    tiles = exported(tmp_path, honest())
    file = tiles / "side" / "disclosures"
    (row,) = file.read_bytes().splitlines()

    for changed, finding in (
        (b"", "is gone, and no entry erases it"),
        (row, "side/disclosures is cut off"),
        (row.replace(b",", b", ") + b"\n", "side/disclosures cannot be read"),
        (b"[" * 5_000 + b"\n", "side/disclosures cannot be read"),
        (b'[1,"x","y"]\n', "was altered"),
    ):
        file.write_bytes(changed)

        assert finding in theirs(tiles)
