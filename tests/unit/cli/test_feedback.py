"""`transire detect feedback`, as an author of policies uses it."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from transire.cli.main import app

runner = CliRunner()
LETTER = "Dear Ms Schneider, mail bob@corp.internal or see the old mill, Leeds. Thanks"
NAME, MAIL, STREET = "8:17", "24:41", "49:61"


@pytest.fixture
def letter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "letter.txt"
    path.write_text(LETTER)
    return path


def run(*arguments: str, text: str = "") -> Any:
    return runner.invoke(app, ["detect", "feedback", *arguments], input=text)


def everything_below(folder: Path) -> str:
    return "".join(path.read_text() for path in folder.rglob("*") if path.is_file())


def test_a_false_finding_and_a_miss_are_listed_by_entity_without_content(letter: Path) -> None:
    added = run(
        *("add", str(letter), "--false", MAIL, "--missed", f"{STREET}:US_SSN"),
        *("--by", "ann", "--note", "our own mailbox"),
    )
    listed = run("list")

    assert added.exit_code == 0, added.output
    assert "EMAIL_ADDRESS: false once (one value), at score 1.00, by patterns" in listed.stdout
    assert "US_SSN: missed once (one value)" in listed.stdout
    assert "ann: our own mailbox" in listed.stdout
    kept = everything_below(letter.parent / "feedback")
    assert all(word not in kept for word in ("Schneider", "bob", "Rose", "Leeds"))


def test_the_same_remark_is_kept_once_and_the_same_value_counts_on(letter: Path) -> None:
    run("add", str(letter), "--false", MAIL)
    again = run("add", str(letter), "--false", f"{MAIL}:email")
    run("add", "-", "--false", "6:23", text="write bob@corp.internal")
    (group,) = json.loads(run("list", "--format", "json").stdout)

    assert "known already" in again.stdout
    assert (group["count"], group["values"]) == (2, 1)
    shown = json.loads(run("show", group["marks"][0]["id"]).stdout)
    assert (shown["same_value"], shown["length"], shown["data_class"]) == (2, 17, "CONTACT")
    assert len(shown["detector"]) == 64


def test_content_is_kept_where_asked_and_can_be_measured_on(letter: Path) -> None:
    out = letter.parent / "rows.jsonl"
    added = run(
        *("add", str(letter), "--false", MAIL, "--missed", f"{STREET}:US_SSN", "--keep-content")
    )
    done = run("export", "--out", str(out))
    row = json.loads(out.read_text())

    assert "content.jsonl" in added.stderr
    assert done.exit_code == 0, done.output
    assert row["text"] == LETTER
    assert [LETTER[start:end] for start, end, _ in row["spans"]][-1] == "the old mill"
    assert [label for _, _, label in row["spans"]] == ["PERSON", "US_SSN"]
    assert out.stat().st_mode & 0o777 == 0o600
    for command in (["evaluate", str(out)], ["tune", str(out), "--recall", "1"]):
        assert "US_SSN" in runner.invoke(app, ["detect", *command]).stdout
    (mark_id,) = (line.split(":")[0] for line in added.stdout.splitlines() if "missed" in line)
    assert json.loads(run("show", mark_id, "--content").stdout)["content"] == "the old mill"


def test_without_kept_content_there_is_nothing_to_export_or_show(letter: Path) -> None:
    run("add", str(letter), "--false", MAIL)
    (group,) = json.loads(run("list", "--format", "json").stdout)

    for arguments in (["export"], ["show", group["marks"][0]["id"], "--content"]):
        done = run(*arguments)
        assert done.exit_code == 64
        assert "kept" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "say what is wrong"),
        (["--false", "everything"], "`--false` expects START:END"),
        (["--missed", "1:2"], "`--missed` expects START:END:ENTITY"),
        (["--false", "70:900"], "no range of a text of 76 characters"),
        (["--false", "0:4"], "nothing was found at `0:4`; found was"),
        (["--missed", f"{NAME}:PERSON"], "that is no miss"),
        (["--false", MAIL, "--note", "bob@corp.internal is ours"], "repeats the value"),
        (["--false", MAIL, "--note", "a\nb"], "one line"),
        (["--false", MAIL, "--by", "ann\nbob"], "`--by`"),
        (["--false", MAIL, "--by", ""], "`--by`"),
    ],
)
def test_what_cannot_be_marked_is_said_and_leaves_nothing_behind(
    letter: Path, arguments: list[str], says: str
) -> None:
    done = run("add", str(letter), *arguments)

    assert done.exit_code == 64
    assert says in done.stderr
    assert "Schneider" not in done.output
    assert not (letter.parent / "feedback").exists()


def test_an_entity_that_nobody_looks_for_is_kept_and_said_to_be_so(letter: Path) -> None:
    done = run("add", str(letter), "--missed", f"{STREET}:LOCATION")

    assert done.exit_code == 0
    assert "the taxonomy has no `LOCATION`" in done.stderr
    assert "LOCATION: missed once" in run("list", "--kind", "missed").stdout
    assert "nothing is marked" in run("list", "--entity", "PERSON").stdout


@pytest.mark.parametrize(
    "arguments", [["show", "fb_nothing"], ["add", "absent.txt", "--false", "0:1"]]
)
def test_what_is_not_there_is_named(letter: Path, arguments: list[str]) -> None:
    done = run(*arguments)

    assert done.exit_code == 64
    assert done.stderr.startswith("transire: ")
