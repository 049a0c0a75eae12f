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


ODD_FLEET_TEST = b"""\
name: rules that the shipped fleet never meets
now: 2026-11-25T09:00:00Z
principals:
  triage: {application: support-triage}
  copilot: {application: copilot}
facts:
  harmless: {}
  address: {data_classes: [ONLINE_ID]}
  mail: {data_classes: [CONTACT]}
  confidential: {data_classes: [CONFIDENTIAL]}
tests:
  - name: a deployment that trains on input sees nothing that was classified
    principals: [triage]
    facts: [harmless, confidential]
    deployments: [eu-medical]
    expected:
      - {facts: [harmless], effect: permit}
      - {facts: [confidential], effect: deny, policies: [contract.no-training]}
  - name: a contract that names classes covers no others
    principals: [triage]
    facts: [mail, address]
    deployments: [eu-economy]
    expected:
      - {facts: [mail], effect: permit}
      - {facts: [address], effect: deny, policies: [contract.class-limits]}
  - name: a pinned application uses one model version only
    principals: [copilot]
    facts: [harmless]
    deployments: [onprem-general, us-economy]
    expected:
      - {deployments: [onprem-general], effect: permit}
      - {deployments: [us-economy], effect: deny, policies: [pin.vetted-model]}
"""


def test_rules_that_the_shipped_fleet_never_meets_work_where_one_does() -> None:
    files = pack_files()
    changes = [
        ("deployments.yaml", "groups: [eu-fleet, medical-vetted]", "trains_on_input: true"),
        ("tenants.yaml", "{id: nw-2026,", "data_classes: [PERSONAL, CONTACT],"),
        ("tenants.yaml", "copilot:        {", "pinned_model: workshop-70b.2,"),
    ]
    for name, at, added in changes:
        text = files[f"catalog/{name}"].decode()
        assert at in text
        glue = " " if at.endswith((",", "{")) else "\n    "
        files[f"catalog/{name}"] = text.replace(at, f"{at}{glue}{added}", 1).encode()
    files = {n: d for n, d in files.items() if not n.startswith("tests/")}
    files["tests/odd_test.yaml"] = ODD_FLEET_TEST
    compiled = compile_bundle(files)

    report = run_tests(compiled, CedarAuthorizer(compiled))

    assert [str(failure) for failure in report.failures] == []
