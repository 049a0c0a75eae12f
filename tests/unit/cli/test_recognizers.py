"""`transire detect lint` and `register`, as a person runs them."""

import json
from pathlib import Path
from typing import Any

import yaml
from tests.unit.bundle.bundles import RULES
from tests.unit.bundle.recognizers.packs import with_recognizers
from typer.testing import CliRunner

from transire.bundle.compile import compile_bundle
from transire.cli.main import app
from transire.workbench.lint import lint_recognizers

runner = CliRunner()
MEMO = (
    "The board has agreed in principle to sell the northern mills to the Halvorsen family before "
    "the end of the financial year, subject to the approval of the works council."
)
READS = RULES + (
    '\n@id("projects")\n@reason("stay")\nforbid (principal, action in Action::"dispatch", resource)'
    '\nwhen { context.dataClasses.contains(DataClass::"SECRET_PROJECT") };\n'
)
NAMES = "terms:\n  names: {entity: PROJECT_CODENAME, terms: [Wolpertinger]}\n"


def run(*arguments: str) -> Any:
    return runner.invoke(app, ["detect", *arguments])


def written(folder: Path, text: str, **changed: str) -> str:
    for name, data in with_recognizers(text, **changed).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return str(folder)


def remarks(folder: Path, text: str, rules: str = READS) -> dict[str, list[str]]:
    """All but `slow`, which a busy machine may say of anything."""
    done = run("lint", "--policies", written(folder, text, rules=rules), "--format", "json")
    return {
        row["name"]: [r for r in row["remarks"] if not r.startswith("slow")]
        for row in json.loads(done.stdout)
    }


def test_a_recognizer_that_is_fine_has_no_remark() -> None:
    compiled = compile_bundle(with_recognizers(NAMES, rules=READS))
    (told,) = lint_recognizers(compiled, cpu=lambda: 0.0)

    assert (told.name, told.entity, told.data_class, told.remarks) == (
        "names",
        "PROJECT_CODENAME",
        "SECRET_PROJECT",
        (),
    )


def test_a_line_for_people_names_recognizer_entity_and_class(tmp_path: Path) -> None:
    done = run("lint", "--policies", written(tmp_path, NAMES, rules=READS))

    assert done.exit_code == 0
    assert done.stdout.startswith("names: PROJECT_CODENAME -> SECRET_PROJECT: ")


def test_a_class_that_no_policy_reads_is_named(tmp_path: Path) -> None:
    assert remarks(tmp_path, NAMES, RULES) == {
        "names": ["no policy reads `SECRET_PROJECT`, so a finding changes nothing"]
    }


def test_a_recognizer_whose_examples_another_finds_is_shadowed(tmp_path: Path) -> None:
    told = remarks(
        tmp_path,
        "patterns:\n  wolf:\n    entity: PROJECT_CODENAME\n    regex: 'Wolper[a-z]{1,9}'\n"
        "    examples: [the Wolpertinger]\n" + NAMES.replace("]", ", Nightjar]"),
    )

    assert told == {
        "wolf": ["shadowed: others find all its examples as `PROJECT_CODENAME` already"],
        "names": ["shadowed: others find all its examples as `PROJECT_CODENAME` already"],
    }


def test_a_pattern_that_is_slow_on_hostile_text_is_named() -> None:
    slow = (
        "patterns:\n  slow:\n    entity: PROJECT_CODENAME\n    regex: '(?:a|aa){1,12}b'\n"
        "    examples: [aaab]\n"
    )
    (told,) = lint_recognizers(compile_bundle(with_recognizers(slow, rules=READS)))

    assert [remark.split(":")[0] for remark in told.remarks] == ["slow"]


def test_a_refused_pack_is_told_with_its_places(tmp_path: Path) -> None:
    folder = written(tmp_path, NAMES + "pattern: {}\n")
    done = run("lint", "--policies", folder)

    assert done.exit_code == 3
    assert "recognizers.yaml:3" in done.stderr


def test_a_bundle_without_recognizers_has_nothing_to_lint() -> None:
    assert "no recognizers of its own" in run("lint").stdout


def test_a_registered_document_is_found_and_nothing_printed_holds_its_words(
    tmp_path: Path,
) -> None:
    paper, letter = tmp_path / "paper.txt", tmp_path / "letter.txt"
    paper.write_text(MEMO)
    letter.write_text("Dear all, " + MEMO[10:140])
    policies = tmp_path / "policies"
    options = ["--name", "paper", "--entity", "BOARD_PAPER"]
    first = run("register", str(paper), *options).stdout
    written(policies, first)
    again = run("register", str(paper), *options, "--policies", str(policies)).stdout

    told = json.loads(run(str(letter), "--policies", str(policies)).stdout)
    digests = yaml.safe_load(first)["documents"]["registered"]["paper"]["digests"]
    assert [f["entity"] for f in told["findings"]] == ["BOARD_PAPER"]
    assert "Halvorsen" not in first
    assert digests.split() == yaml.safe_load(again)["paper"]["digests"].split()


def test_a_document_too_short_to_be_known_again_is_refused(tmp_path: Path) -> None:
    paper = tmp_path / "paper.txt"
    paper.write_text("too short")
    done = run("register", str(paper), "--name", "p", "--entity", "BOARD_PAPER")

    assert done.exit_code == 64
    assert "gives 0 digests" in done.stderr


def test_a_document_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    done = run("register", str(tmp_path / "no"), "--name", "p", "--entity", "BOARD_PAPER")

    assert done.exit_code == 64
    assert "cannot be read" in done.stderr
