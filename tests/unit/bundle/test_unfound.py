"""A class that a rule reads and nothing looks for is refused, before it lets anything out."""

from datetime import UTC, datetime

import pytest
from tests.unit.bundle.bundles import CATALOG, RULES, TAXONOMY, pack_files, small_files

from transire.bundle.canaries import CANARIES
from transire.bundle.compile import compile_bundle
from transire.bundle.sweep import demand_sound
from transire.bundle.unfound import readers_of, unfound_classes
from transire.classify.names.spans import PERSON
from transire.classify.recognizers import all_recognizers
from transire.domain.ids import DataClass
from transire.errors import BundleError

NOW = datetime(2026, 11, 25, tzinfo=UTC)
RULE = """
@id("hr.on-premise")
@reason("Staff files never leave")
forbid (principal, action in Action::"dispatch", resource)
when { context.dataClasses.contains(DataClass::"HR_DATA") }
unless { resource.onPremise };
"""
RECOGNIZERS = b"""
patterns:
  staff: {entity: STAFF_FILE, regex: 'HR-[0-9]{4}', score_pct: 80, examples: [file HR-1234]}
"""


def _files(*entities: str, catalog: str = CATALOG, imply: str = "") -> dict[str, bytes]:
    lines = "".join(f"  {entity}: {{class: HR_DATA}}\n" for entity in entities)
    taxonomy = TAXONOMY.replace("data_classes:\n", f"data_classes:\n  HR_DATA: {{{imply}}}\n")
    taxonomy = taxonomy.replace("\nentities:\n", f"\nentities:\n{lines}")
    return small_files(taxonomy=taxonomy, rules=RULES + RULE, catalog=catalog)


def _problems(files: dict[str, bytes]) -> list[str]:
    try:
        demand_sound(compile_bundle(files), now=NOW, solo=False)
    except BundleError as refused:
        return list(refused.problems)
    return []


def test_every_installed_recognizer_has_its_canary_and_every_canary_its_recognizer() -> None:
    assert {r.entity for r in all_recognizers()} | {PERSON} == CANARIES.keys()


def test_a_class_that_nothing_looks_for_is_refused_with_the_rule_that_reads_it() -> None:
    problems = _problems(_files("STAFF_FILE"))

    assert len(problems) == 1
    assert problems[0].startswith(
        "taxonomy.yaml:22: `hr.on-premise` reads HR_DATA, and no recognizer finds `STAFF_FILE`"
    )


def test_its_own_recognizer_makes_it_sound() -> None:
    files = _files("STAFF_FILE") | {"recognizers.yaml": RECOGNIZERS}

    assert _problems(files) == []
    assert compile_bundle(files).warnings == ()


def test_a_class_without_an_entity_is_the_callers_to_say() -> None:
    assert _problems(_files()) == []


def test_one_entity_of_several_that_nothing_finds_is_a_warning() -> None:
    files = _files("STAFF_FILE", "PAY_SLIP") | {"recognizers.yaml": RECOGNIZERS}

    assert _problems(files) == []
    assert "no recognizer finds `PAY_SLIP`" in compile_bundle(files).warnings[0]


def test_a_class_that_others_lead_to_is_not_blind() -> None:
    files = _files("STAFF_FILE")
    taxonomy = files["taxonomy.yaml"].decode()
    files["taxonomy.yaml"] = taxonomy.replace(
        "CONTACT: {implies: [PERSONAL]", "CONTACT: {implies: [PERSONAL, HR_DATA]"
    ).encode()

    assert _problems(files) == []
    assert "no recognizer finds `STAFF_FILE`" in compile_bundle(files).warnings[0]


def test_a_gap_that_two_people_accepted_by_name_is_a_warning() -> None:
    accepted = """\
acceptances:
  staff-files:
    data_classes: [HR_DATA]
    modalities: [text]
    reason: looked for upstream
    accepted_by: [ana, ben]
    expires: 2027-12-31T00:00:00Z
"""
    files = _files("STAFF_FILE", catalog=CATALOG + accepted)

    assert _problems(files) == []
    assert "no recognizer finds `STAFF_FILE`" in compile_bundle(files).warnings[0]


def test_rules_about_what_a_class_implies_read_it_too() -> None:
    compiled = compile_bundle(_files("STAFF_FILE", imply="implies: [PERSONAL]"))

    assert "limits.uncovered-contract" in readers_of(
        DataClass("HR_DATA"), compiled.bundle, compiled.tree
    )


@pytest.mark.parametrize("files", [pack_files(), small_files()], ids=["pack", "small"])
def test_shipped_bundles_look_for_all_they_name(files: dict[str, bytes]) -> None:
    compiled = compile_bundle(files)

    assert list(unfound_classes(compiled.bundle, compiled.tree)) == []


def test_an_active_bundle_of_before_still_loads() -> None:
    assert compile_bundle(_files("STAFF_FILE")).bundle.taxonomy.entities["STAFF_FILE"]
