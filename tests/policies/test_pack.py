"""The starter pack, through its own tests and the authorizer that serves."""

from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import pytest
from tests.unit.bundle.bundles import pack_files

from transire.authorize.cedar import CedarAuthorizer
from transire.bundle.compile import compile_bundle
from transire.bundle.compiled import CompiledBundle
from transire.bundle.limits import pack_folder
from transire.bundle.rules import read_rules
from transire.workbench.check import check_files
from transire.workbench.test import run_tests

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def pack() -> CompiledBundle:
    return compile_bundle(pack_files())


def test_every_cell_of_the_packs_tests_comes_out_as_expected(pack: CompiledBundle) -> None:
    report = run_tests(pack, CedarAuthorizer(pack))

    assert [str(failure) for failure in report.failures] == []
    assert report.cells > 100


def test_every_rule_that_a_verdict_can_name_is_shown_at_work(pack: CompiledBundle) -> None:
    report = run_tests(pack, CedarAuthorizer(pack))

    # No deployment of the pack trains on input, no contract limits classes, nothing is pinned.
    assert report.uncovered == (
        "contract.class-limits",
        "contract.no-training",
        "pin.vetted-model",
    )


def test_the_pack_is_sound_and_warns_of_nothing() -> None:
    report = check_files(pack_files(), now=NOW)

    assert (report.problems, report.warnings) == ((), ())


def test_every_policy_file_has_a_test_file_of_its_name() -> None:
    folder = pack_folder()
    rules = {path.stem for path in folder.glob("rules/*.cedar")} | {"limits"}

    assert {f"{name}_test.yaml" for name in rules} <= {p.name for p in folder.glob("tests/*")}


def test_every_forbid_says_why_and_most_cite_a_rule() -> None:
    rules = read_rules(pack_files())
    forbids = [rule for rule in rules if rule.node.effect == "forbid"]

    assert all(len(rule.node.annotations["reason"]) > 10 for rule in forbids)


def test_a_files_rules_share_its_subject() -> None:
    rules = read_rules(pack_files())

    subjects = {
        file: {rule.id.split(".")[0] for rule in group}
        for file, group in groupby(rules, key=lambda rule: Path(rule.file).stem)
    }
    assert subjects["detector"] == {"limits"}
    assert subjects["people"] == {"people"}
