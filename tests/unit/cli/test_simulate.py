"""`transire simulate` as an operator runs it."""

import json
from pathlib import Path

from typer.testing import CliRunner

from transire.bundle.limits import pack_folder
from transire.cli.main import app


def run(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["simulate", "--seconds", "30", "--per-s", "5", *arguments])
    return done.exit_code, done.stdout, done.stderr


def test_every_scenario_is_run_under_every_chooser() -> None:
    code, told, _ = run("--format", "json")

    rows = json.loads(told)["rows"]
    assert code == 0
    assert len(rows) == 6 * 4
    assert {row["scenario"] for row in rows} == {
        "steady",
        "brown_out",
        "hang",
        "fast_fail",
        "quota",
        "price",
    }
    assert all(row["requests"] > 0 for row in rows)


def test_the_fleet_may_be_the_operators_own() -> None:
    code, told, _ = run("--policies", str(pack_folder()), "--format", "json")

    assert code == 0
    assert "us-economy" in json.loads(told)["rows"][0]["shares"]


def test_a_folder_that_is_none_is_named() -> None:
    code, told, error = run("--policies", "no-such-folder")

    assert code != 0
    assert told == ""
    assert "no-such-folder" in error


def test_plots_are_written_beside_the_numbers(tmp_path: Path) -> None:
    code, _, _ = run("--svg", str(tmp_path / "runs.svg"))

    assert code == 0
    assert "brown_out: missed" in (tmp_path / "runs.svg").read_text()


def test_a_recorded_day_needs_to_be_told_whose_deployments_are_tried(tmp_path: Path) -> None:
    code, told, error = run("--log", str(tmp_path))

    assert code != 0
    assert told == ""
    assert "--policies" in error
