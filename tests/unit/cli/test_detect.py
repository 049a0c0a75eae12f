"""`transire detect`, as a person or a script runs it."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.conftest import REPOSITORY
from typer.testing import CliRunner

from transire.cli.main import app

runner = CliRunner()


def run(*arguments: str, text: str = "") -> Any:
    return runner.invoke(app, ["detect", *arguments], input=text)


def test_findings_of_a_file_are_places_and_classes_and_never_the_text(tmp_path: Path) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("Maria Schneider, bob@corp.internal")

    done = run(str(file))
    told = json.loads(done.stdout)

    assert {(f["entity"], f["start"], f["end"]) for f in told["findings"]} == {
        ("PERSON", 0, 15),
        ("EMAIL_ADDRESS", 17, 34),
    }
    assert {"CONTACT", "IDENTITY", "PERSONAL"} <= set(told["classes"])
    assert "Maria" not in done.stdout


def test_findings_are_marked_in_the_text_and_the_text_commands_no_terminal() -> None:
    done = run("--mark", "-", text="ask Maria Schneider\x1b[2J, bob@corp.internal")

    assert done.stdout.splitlines()[0] == (
        "ask \x1b[7mMaria Schneider\x1b[0m\x1b[2m[PERSON]\x1b[0m\N{REPLACEMENT CHARACTER}[2J, "
        "\x1b[7mbob@corp.internal\x1b[0m\x1b[2m[EMAIL_ADDRESS]\x1b[0m"
    )
    assert "classes: CONTACT, IDENTITY, PERSONAL" in done.stdout


def test_a_terminal_gets_the_text_marked_by_itself(tmp_path: Path) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("bob@corp.internal")
    ours, theirs = os.openpty()
    command = "import sys; from transire.cli.main import app; app(sys.argv[1:])"

    subprocess.run(
        [sys.executable, "-c", command, "detect", str(file)], stdout=theirs, check=True, timeout=120
    )
    os.close(theirs)
    said = os.read(ours, 4_096).decode()
    os.close(ours)

    assert said.startswith("\x1b[7mbob@corp.internal\x1b[0m")


def test_two_forms_at_once_are_refused() -> None:
    assert run("--mark", "--jsonl", "-", text="{}").exit_code == 64


def test_lines_come_back_one_by_one_with_their_ids() -> None:
    lines = [{"id": 7, "text": "call john smith"}, {"id": "b", "text": "nothing here"}]
    done = run("--jsonl", "-", text="\n".join(map(json.dumps, lines)))
    told = [json.loads(line) for line in done.stdout.splitlines()]

    assert [t["id"] for t in told] == [7, "b"]
    assert [set(t) for t in told] == [{"id", "findings", "failed", "uncovered"}] * 2
    assert [f["entity"] for f in told[0]["findings"]] == ["PERSON"]
    assert set(told[0]["findings"][0]) == {"start", "end", "entity", "class", "score", "via"}
    assert told[1]["findings"] == []


@pytest.mark.parametrize(
    ("line", "says"),
    [("{", "line 1 is not JSON"), ("[]", "line 1 is not"), ('{"id": 1}', "line 1: `text`")],
)
def test_a_bad_line_is_named(line: str, says: str) -> None:
    done = run("--jsonl", "-", text=line)

    assert done.exit_code == 64
    assert says in done.stderr


@pytest.mark.parametrize("file", ["absent.txt", "."])
def test_a_file_that_cannot_be_read_is_named(file: str) -> None:
    done = run(file)

    assert done.exit_code == 64
    assert "cannot be read" in done.stderr


ROWS: list[dict[str, Any]] = [
    {"text": "mail bob@corp.internal", "spans": [[5, 22, "EMAIL"]]},
    {"text": "nothing here", "spans": []},
    {"text": "write to the queen", "spans": [[13, 18, "EMAIL"]]},
]
EXPECTED: dict[str, Any] = {
    "entities": {
        "EMAIL_ADDRESS": {
            "overlap": {"precision": 1.0, "recall": 0.5, "f1": 2 / 3, "f2": 5 / 9},
            "strict": {"precision": 1.0, "recall": 0.5, "f1": 2 / 3, "f2": 5 / 9},
        }
    },
    "message": {"EMAIL_ADDRESS": {"recall": 1.0, "fpr": 0.0}},
}


def test_measures_are_those_worked_out_by_hand(tmp_path: Path) -> None:
    plain, packed = tmp_path / "rows.jsonl", tmp_path / "rows.jsonl.gz"
    lines = "\n".join(map(json.dumps, ROWS))
    plain.write_text(lines)
    packed.write_bytes(gzip.compress(lines.encode()))
    research = tmp_path / "rows.json"
    research.write_text(
        json.dumps(
            [
                {
                    "full_text": row["text"],
                    "spans": [
                        {"start_position": s, "end_position": e, "entity_type": label}
                        for s, e, label in row["spans"]
                    ],
                }
                for row in ROWS
            ]
        )
    )

    for path in (plain, packed, research):
        told = json.loads(run("evaluate", str(path), "--format", "json").stdout)
        assert told["message"] == EXPECTED["message"]
        for kind, rates in EXPECTED["entities"]["EMAIL_ADDRESS"].items():
            assert told["entities"]["EMAIL_ADDRESS"][kind] == pytest.approx(rates)


def test_a_table_for_people_names_every_entity(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS)))

    done = run("evaluate", str(path))

    assert done.stdout.splitlines()[1].split()[:4] == ["EMAIL_ADDRESS", "2", "1.00", "0.50"]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b'[{"full_text": "CANARY"', "is not JSON"),
        (b'[{"full_text": 5, "spans": []}]', "row 1: expected"),
        (b'[{"full_text": "CANARY"}]', "row 1: expected"),
        (b'{"text": "CANARY"}', "line 1: expected"),
        (b'\n{"text": "CANARY", "spans": [[1]]}', "line 2: expected"),
        (b"\xff\xfe", "line 1 is not UTF-8"),
    ],
)
def test_bad_data_is_named_by_its_place_and_never_quoted(
    tmp_path: Path, data: bytes, says: str
) -> None:
    path = tmp_path / "data.json"
    path.write_bytes(data)

    done = run("evaluate", str(path))

    assert done.exit_code == 64
    assert says in done.stderr
    assert "CANARY" not in done.output


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_text('{"id": 1, "text": "a\u2028b\u0085c"}\n{"id": 2, "text": ""}\n')

    told = [json.loads(line)["id"] for line in run("--jsonl", str(path)).stdout.splitlines()]

    assert told == [1, 2]


def test_standard_input_that_is_no_text_is_named() -> None:
    for arguments in (["-"], ["--jsonl", "-"]):
        done = runner.invoke(app, ["detect", *arguments], input=b"\xff\xfe")

        assert done.exit_code == 64
        assert "not UTF-8" in done.stderr


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS)))
    return path


def test_a_picture_is_written_and_the_measures_stay_the_same(labelled: Path) -> None:
    picture = labelled.with_suffix(".svg")
    plain = run("evaluate", str(labelled))
    drawn = run("evaluate", str(labelled), "--svg", str(picture))

    assert plain.stdout == drawn.stdout
    assert "EMAIL_ADDRESS" in picture.read_text()
    assert "bob" not in picture.read_text()


def test_a_bundle_against_itself_differs_nowhere(labelled: Path) -> None:
    arguments = ("evaluate", str(labelled), "--against", str(REPOSITORY / "policies"))
    told = json.loads(run(*arguments, "--format", "json").stdout)
    paired = told["paired"]["EMAIL_ADDRESS"]

    assert told["first"] == told["second"]
    assert (paired["both"], paired["neither"], paired["recall_difference"]) == (1, 1, 0)
    assert "second - first" in run(*arguments).stdout


def test_a_recall_that_no_threshold_reaches_is_said_to_be_so(labelled: Path) -> None:
    done = run("tune", str(labelled), "--recall", "0.95")

    assert "no threshold reaches it" in done.stdout
    assert "min_score_pct" not in done.stdout


def test_a_higher_threshold_that_drops_nothing_wrong_is_not_proposed(labelled: Path) -> None:
    done = run("tune", str(labelled), "--recall", "0.5", "--label", "email", "--format", "json")
    told = json.loads(done.stdout)["labels"]["EMAIL_ADDRESS"]

    assert (told["recall"], told["precision"], told["yaml"]) == (0.5, 1.0, None)
    assert "not proposed" in told["says"]


def test_a_label_that_the_data_lacks_is_refused(labelled: Path) -> None:
    done = run("tune", str(labelled), "--recall", "0.5", "--label", "IBAN")

    assert done.exit_code == 64
    assert "the data has no `IBAN_CODE`" in done.stderr


def tuned(
    folder: Path, rows: list[tuple[str, str, str]], recall: str
) -> tuple[dict[str, Any], str]:
    """What is said of the one label of rows (before, span, label or none), and the page."""
    path = folder / "tuned.jsonl"
    lines = [
        {"text": before + span, "spans": [[len(before), len(before + span), label]] * bool(label)}
        for before, span, label in rows
    ]
    path.write_text("\n".join(map(json.dumps, lines)))
    arguments = ("tune", str(path), "--recall", recall)
    [said] = json.loads(run(*arguments, "--format", "json").stdout)["labels"].values()
    return said, run(*arguments).stdout


def beside(count: int) -> list[tuple[str, str, str]]:
    """Numbers beside the word that makes them sure, and one that only looks like them."""
    sure = [("my ssn is ", f"536-90-4{n}", "US_SSN") for n in range(300, 300 + count)]
    return [*sure, ("order no. ", "536-90-4999", "")]


def test_a_proposed_line_carries_its_interval(tmp_path: Path) -> None:
    said, page = tuned(tmp_path, beside(30), "1.0")
    low, high = said["recall_interval"]

    assert (said["now"], said["min_score_pct"]) == (50, 85)
    assert (round(low, 2), high) == (0.89, 1.0)
    assert page.endswith(
        "  US_SSN: {class: NATIONAL_ID, min_score_pct: 85}"
        "  # recall 1.00 of 30 spans, 0.89 to 1.00 at 95 %\n"
    )


def test_a_proposed_line_is_yaml(tmp_path: Path) -> None:
    said, _ = tuned(tmp_path, beside(30), "1.0")

    assert yaml.safe_load(said["yaml"]) == {"US_SSN": {"class": "NATIONAL_ID", "min_score_pct": 85}}


@pytest.mark.parametrize(("count", "few"), [(29, "29 spans are"), (1, "1 span is")])
def test_few_spans_propose_nothing_and_it_is_said(tmp_path: Path, count: int, few: str) -> None:
    said, page = tuned(tmp_path, beside(count), "1.0")

    assert said["yaml"] is None
    assert f"not proposed: {few} too few, it takes 30" in page
    assert "to propose" not in page


def test_a_threshold_that_would_miss_the_canary_is_withheld(tmp_path: Path) -> None:
    rows = [("the ip address is ", f"203.0.113.{n}", "IP_ADDRESS") for n in range(30)]
    said, page = tuned(tmp_path, rows, "1.0")

    assert said["min_score_pct"] > said["now"]
    assert said["yaml"] is None
    assert "not proposed: its canary would be missed" in page
    assert "to propose" not in page
