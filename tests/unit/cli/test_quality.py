"""`transire quality` as an operator runs it."""

import json
import os
import random
from pathlib import Path

import pytest
from typer.testing import CliRunner

from transire.cli.main import app

MMLU = Path(os.environ.get("TRANSIRE_DEV_DATA", "../shared/data")) / "routing"


def run(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["quality", *arguments])
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The small model fails at sums; both know the weather."""
    draw, file = random.Random(4), tmp_path / "outcomes.jsonl"
    rows = []
    for _ in range(600):
        is_sum = draw.random() < 0.5
        prompt = f"w{draw.randrange(10, 70)} {'prove the sum' if is_sum else 'will it rain?'}"
        small = draw.random() < (0.1 if is_sum else 0.8)
        large = draw.random() < (0.8 if is_sum else 0.5)
        rows.append({"prompt": prompt, "outcomes": {"small": int(small), "large": int(large)}})
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


def test_a_model_is_trained_judged_on_rows_left_out_and_judged_again(
    data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "quality.json"
    code, told, _ = run("train", str(data), "--out", str(out), "--format", "json")
    trained = json.loads(told)
    assert code == 0
    assert trained["rows"] == {"fit": 420, "test": 180, "repeats": 1}
    assert trained["activates"] is True
    assert json.loads(out.read_bytes())["facts"]["held_out"]["apgr"] == trained["apgr"]

    code, told, _ = run("evaluate", str(data), "--model", str(out), "--format", "json")
    assert code == 0
    assert json.loads(told)["apgr"]["value"] > 0.7


def test_the_report_names_what_it_is_held_against(data: Path) -> None:
    code, told, _ = run("evaluate", str(data), "--repeats", "1")

    assert code == 0
    assert "small (weak) against large (strong)" in told
    assert "fitted on 420 rows, tested on 180" in told
    assert "random" in told
    assert "may be activated" in told


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("evaluate", "DATA", "--fit", "580"), "at most 550 can be fitted on"),
        (("evaluate", "DATA", "--weak", "tiny"), "there are outcomes of large, small"),
        (("evaluate", "DATA", "--model", "DATA"), "not a quality model"),
        (("evaluate", "no-such-file"), "no-such-file"),
        (("train", "DATA", "--out", "no/such/folder/x.json"), "no/such/folder"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    data: Path, arguments: tuple[str, ...], says: str
) -> None:
    code, told, error = run(*(str(data) if a == "DATA" else a for a in arguments))

    assert code != 0
    assert told == ""
    assert says in error
    assert error.count("\n") == 1


@pytest.mark.slow
@pytest.mark.skipif(not MMLU.is_dir(), reason="no routing data here")
def test_real_outcomes_are_routed_better_than_by_length_and_honestly_refused() -> None:
    (file,) = MMLU.glob("mmlu*.jsonl")
    arguments = ("--fit", "1500", "--repeats", "5", "--format", "json")

    code, told, _ = run("evaluate", str(file), *arguments)

    found = json.loads(told)
    assert code == 0
    assert found["apgr"]["value"] >= 0.63
    assert found["beats"]["length"] is True
    assert found["activates"] is False
    assert "alone" in found["refusals"][0]
