from datetime import UTC, datetime

from tests.unit.bundle.bundles import CATALOG, RULES, small_files

from transire.bundle.source import bundle_digest
from transire.workbench.check import check_files

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def test_a_sound_bundle_is_told_so_with_its_digest() -> None:
    files = small_files()
    report = check_files(files, now=NOW)

    assert report.is_sound
    assert report.digest == bundle_digest(files)
    assert report.lines()[-1].startswith(f"ok: {report.policies} policies, ")


def test_problems_come_last_and_are_located() -> None:
    rules = RULES + "permit (principal, action, resource);\n"

    report = check_files(small_files(rules=rules), now=NOW)

    assert not report.is_sound
    assert report.digest is None
    assert report.lines()[-1].startswith(f"error: rules/main.cedar:{RULES.count(chr(10)) + 1}: ")


def test_a_rule_that_errs_is_a_problem_of_a_bundle_that_compiles() -> None:
    rule = '@id("x") @reason("r") forbid (principal, action in Action::"dispatch", resource)\n'
    rule += "when { context.unscannedParts * 92233720368547 > 5 };\n"

    report = check_files(small_files(rules=RULES + rule), now=NOW)

    assert report.digest is not None
    assert "`x` fails to evaluate" in report.problems[0]


def test_what_decided_nothing_is_a_note() -> None:
    report = check_files(small_files(), now=NOW)

    assert "note: `limits.scan-failed` decided nothing in the sweep" in report.lines()


def test_a_warning_refuses_nothing() -> None:
    rule = '@id("wide") permit (principal in Tenant::"acme", action == Action::"route", resource)\n'
    rule += 'when { context.purpose == Purpose::"coding" };\n'

    report = check_files(small_files(rules=RULES + rule), now=NOW)

    assert report.is_sound
    assert "widens on context.purpose" in report.warnings[0]


def test_a_rule_of_every_action_is_named_for_it_has_no_answer_read() -> None:
    rule = '@id("bare") @reason("r") forbid (principal, action, resource)\n'
    rule += 'when { context has dataClasses && context.dataClasses.contains(DataClass::"PHI") };\n'
    named = rule.replace("bare", "named").replace("action,", 'action == Action::"receive",')

    report = check_files(small_files(rules=RULES + rule + named), now=NOW)

    assert report.is_sound
    assert [w.partition("`")[2].partition("`")[0] for w in report.warnings] == ["bare"]
    assert "has no answer read for it" in report.warnings[0]


def test_an_acceptance_that_is_over_is_told() -> None:
    catalog = f"""{CATALOG}acceptances:
  contacts:
    data_classes: [CONTACT]
    modalities: [text]
    reason: known
    accepted_by: [ana, ben]
    expires: 2026-11-24T00:00:00Z
"""
    report = check_files(small_files(catalog=catalog), now=NOW)

    assert report.is_sound
    assert "the acceptance `contacts` ended on 2026-11-24, so CONTACT" in report.warnings[0]
    assert not check_files(small_files(catalog=catalog), now=NOW.replace(day=23)).warnings
