"""Policy tests about the cache, put to the authorizer that serves."""

import pytest
from tests.unit.bundle.bundles import pack_files

from transire.authorize.cedar import CedarAuthorizer
from transire.bundle.compile import compile_bundle
from transire.workbench.test import TestReport, run_tests

RULE = """
@id("cache.support")
permit (principal == Application::"support-triage", action == Action::"cache", resource)
when { context.dataClasses.isEmpty() };
"""


def told(facts: str, cached: str, policies: str = "[]", principal: str = "desk") -> TestReport:
    suite = f"""\
name: cache
now: 2026-11-26T12:00:00Z
principals:
  desk: {{application: support-triage}}
  seller: {{application: sales}}
facts:
  plain: {{}}
  health: {{data_classes: [HEALTH]}}
cache:
  - name: opening hours
    principals: [{principal}]
    facts: [{facts}]
    deployments: [eu-economy]
    cached: {cached}
    policies: {policies}
"""
    files = {name: data for name, data in pack_files().items() if not name.startswith("tests/")}
    compiled = compile_bundle(
        {**files, "rules/cache.cedar": RULE.encode(), "tests/cache_test.yaml": suite.encode()}
    )
    return run_tests(compiled, CedarAuthorizer(compiled))


@pytest.mark.parametrize(
    ("facts", "cached", "principal"),
    [("plain", "true", "desk"), ("health", "false", "desk"), ("plain", "false", "seller")],
    ids=["permitted", "classes", "application"],
)
def test_what_the_rules_say_passes_and_the_opposite_fails(
    facts: str, cached: str, principal: str
) -> None:
    opposite = "false" if cached == "true" else "true"

    assert told(facts, cached, principal=principal).failures == ()
    assert len(told(facts, opposite, principal=principal).failures) == 1


def test_a_case_shows_the_rule_at_work_and_names_it() -> None:
    named = told("plain", "true", "[cache.support]")
    hidden = told("health", "false")

    assert named.failures == ()
    assert "cache.support" not in named.uncovered
    assert "cache.support" in hidden.uncovered
