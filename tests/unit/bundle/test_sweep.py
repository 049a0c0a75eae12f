from datetime import UTC, datetime

import pytest
from tests.unit.bundle.bundles import CATALOG, RULES, small_files

from transire.bundle.compile import compile_bundle
from transire.bundle.compiled import CompiledBundle
from transire.bundle.sweep import demand_sound, sweep
from transire.errors import BundleError

NOW = datetime(2026, 11, 25, tzinfo=UTC)

OVERFLOW = """
@id("too.many")
@reason("too many parts nobody read")
forbid (principal, action in Action::"dispatch", resource)
when { context.unscannedParts * 92233720368547 > 5 };
"""


def compiled(rules: str = RULES, catalog: str = CATALOG) -> CompiledBundle:
    return compile_bundle(small_files(rules=rules, catalog=catalog))


def test_a_sound_bundle_is_swept_without_an_error() -> None:
    found = demand_sound(compiled(), now=NOW, solo=False)

    assert (found.errors, found.undecided) == ({}, ())
    assert found.questions > 300


def test_a_rule_that_can_err_is_refused_at_its_line() -> None:
    line = RULES.count("\n") + 2

    with pytest.raises(BundleError) as refused:
        demand_sound(compiled(RULES + OVERFLOW), now=NOW, solo=False)
    assert refused.value.problems == [
        (
            f"rules/main.cedar:{line}: `too.many` fails to evaluate for "
            "`helpdesk` → `eu-one` (unscannedParts #2)"
        )
    ]


def test_the_same_bundle_is_asked_the_same_questions() -> None:
    bundle = compiled(RULES + OVERFLOW)

    assert sweep(bundle, now=NOW) == sweep(bundle, now=NOW)


def test_a_rule_that_decides_nothing_is_named() -> None:
    dead = '@id("dead") @reason("r") forbid (principal, action in Action::"dispatch", resource)\n'
    dead += "when { resource.trainsOnInput };\n"

    assert "dead" in sweep(compiled(RULES + dead), now=NOW).never_determining


def test_the_number_of_questions_about_routing_is_bounded() -> None:
    few, more = (sweep(compiled(), now=NOW, limit=n).questions for n in (10, 20))

    assert more - few == 10


def test_a_bundle_that_nobody_could_replace_is_refused() -> None:
    rules = RULES.replace('action == Action::"approve"', 'action == Action::"propose"')

    with pytest.raises(BundleError, match="nobody could ever replace this bundle"):
        demand_sound(compiled(rules), now=NOW, solo=False)


def test_one_person_can_replace_a_bundle_only_in_a_solo_installation() -> None:
    catalog = CATALOG.replace("  ana: {tenant: acme, roles: [author]}\n", "")
    catalog = catalog.replace("  ben: {tenant: acme, roles: [approver]}\n", "")
    bundle = compiled(catalog=catalog)

    demand_sound(bundle, now=NOW, solo=True)
    with pytest.raises(BundleError, match="another person approve"):
        demand_sound(bundle, now=NOW, solo=False)


def test_shadows_are_asked_about_where_a_rule_names_them() -> None:
    shadow = """
@id("shadow.all")
permit (principal == Application::"helpdesk", action == Action::"shadow", resource)
when { context.unscannedParts * 92233720368547 <= 5 };
"""

    found = sweep(compiled(RULES + shadow), now=NOW)

    assert set(found.errors) == {"shadow.all"}
    assert found.questions > sweep(compiled(), now=NOW).questions
