"""Which classes rules can tell from absent ones."""

import cedarpy
import pytest
from tests.unit.bundle.bundles import pack_files

from transire.bundle.compile import compile_bundle
from transire.bundle.observed import observed_classes, observed_guards

TAXONOMY = compile_bundle(pack_files()).bundle.taxonomy


def observed(condition: str) -> set[str] | None:
    rule = f"permit (principal, action, resource) when {{ {condition} }};"
    found = observed_classes(cedarpy.policies_to_pst(rule), TAXONOMY)
    return None if found is None else set(found)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("true", set()),
        ('context.dataClasses.contains(DataClass::"CREDENTIAL")', {"CREDENTIAL"}),
        ('context.dataClasses.containsAny([DataClass::"PCI"])', {"PCI"}),
        ('context["dataClasses"].containsAll([DataClass::"PCI"])', {"PCI"}),
        ('context.dataClasses.contains(DataClass::"FINANCIAL")', {"FINANCIAL", "PCI"}),
        ('context.uncoveredClasses.contains(DataClass::"PERSONAL")', set()),
        ("!context.failedClasses.isEmpty()", set()),
        ('context.purpose == Purpose::"hr"', set()),
    ],
)
def test_a_class_is_observed_by_name(condition: str, expected: set[str]) -> None:
    assert observed(condition) == expected


def test_what_helps_to_derive_an_observed_class_is_observed() -> None:
    assert observed('context.dataClasses.contains(DataClass::"PHI")') == {
        *("PHI", "HEALTH", "IDENTITY", "CONTACT", "NATIONAL_ID")
    }


@pytest.mark.parametrize(
    "condition",
    [
        "context.dataClasses.isEmpty()",
        "principal.tenant.classes.containsAll(context.dataClasses)",
        "context.dataClasses.contains(principal.worst)",
        "context has dataClasses",
        "context == resource.last",
        'resource.dataClasses.contains(DataClass::"PHI")',
        "context.reducedClasses.isEmpty()",
    ],
)
def test_any_other_use_observes_every_class(condition: str) -> None:
    assert observed(condition) is None


def test_the_starter_pack_asks_for_names() -> None:
    bundle = compile_bundle(pack_files()).bundle

    assert bundle.observed is None or "IDENTITY" in bundle.observed


def guards(condition: str) -> set[str]:
    rule = f"permit (principal, action, resource) when {{ {condition} }};"
    return set(observed_guards(cedarpy.policies_to_pst(rule), TAXONOMY))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("true", set()),
        ("context.dataClasses.isEmpty()", set()),
        ('context.raisedGuards.contains(Guard::"refusal")', {"refusal"}),
        ('context.failedGuards.containsAny([Guard::"violence"])', {"violence"}),
        ("!context.raisedGuards.isEmpty()", set(TAXONOMY.guards)),
        ("context == resource.last", set(TAXONOMY.guards)),
    ],
)
def test_a_guard_that_some_rule_can_observe_runs(condition: str, expected: set[str]) -> None:
    assert guards(condition) == expected


def test_reading_a_guard_asks_for_no_class_and_reading_a_class_for_no_guard() -> None:
    assert observed('context.raisedGuards.contains(Guard::"refusal")') == set()
    assert guards('context.dataClasses.contains(DataClass::"PCI")') == set()
