from datetime import UTC, datetime, timedelta
from typing import Any

import cedarpy
import pytest
from tests.unit.bundle.bundles import CATALOG, RULES, small_files

from transire.bundle import sweep as sweeping
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


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many questions went to Cedar, batch by batch; nothing is remembered of other tests."""
    sizes: list[int] = []
    ask = cedarpy.is_authorized_batch

    def counted(requests: list[Any], *rest: Any) -> list[cedarpy.AuthzResult]:
        sizes.append(len(requests))
        return ask(requests, *rest)

    monkeypatch.setattr(sweeping, "_sound", sweeping._Sound(2))
    monkeypatch.setattr(cedarpy, "is_authorized_batch", counted)
    return sizes


def test_a_sound_bundle_is_not_asked_again_within_the_same_window(asked: list[int]) -> None:
    first = demand_sound(compiled(), now=NOW, solo=False)
    once = sum(asked)

    again = demand_sound(compiled(), now=NOW + timedelta(days=3), solo=False)

    assert once > first.questions > 300
    assert (again, sum(asked)) == (first, once)


@pytest.mark.parametrize(
    ("rules", "days", "solo"),
    [(RULES, 0, True), (RULES, 365 * 2, False), (RULES + "\n", 0, False)],
    ids=["in the other mode", "past the end of a contract", "with other sources"],
)
def test_what_could_answer_otherwise_is_asked(
    asked: list[int], rules: str, days: int, solo: bool
) -> None:
    demand_sound(compiled(), now=NOW, solo=False)
    once = sum(asked)

    demand_sound(compiled(rules), now=NOW + timedelta(days=days), solo=solo)

    assert sum(asked) > once


def test_a_bundle_that_computes_with_time_is_asked_each_minute(asked: list[int]) -> None:
    late = '@id("late") @reason("r") forbid (principal, action in Action::"dispatch", resource)\n'
    late += 'when { context.now.toTime() > duration("17h") };\n'
    bundle, counts = compiled(RULES + late), []
    for seconds in (0, 59, 60):
        demand_sound(bundle, now=NOW + timedelta(seconds=seconds), solo=False)
        counts.append(sum(asked))

    assert counts[0] == counts[1] < counts[2]


def test_what_was_refused_is_refused_again(asked: list[int]) -> None:
    for _ in range(2):
        with pytest.raises(BundleError, match=r"too\.many"):
            demand_sound(compiled(RULES + OVERFLOW), now=NOW, solo=False)


def test_the_sweep_wanted_longest_ago_is_forgotten(asked: list[int]) -> None:
    def cost(rules: str) -> int:
        before = sum(asked)
        demand_sound(compiled(rules), now=NOW, solo=False)
        return sum(asked) - before

    for lines in (1, 2, 1, 3):
        cost(RULES + "\n" * lines)

    assert cost(RULES + "\n") == 0
    assert cost(RULES + "\n\n") > 0


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
