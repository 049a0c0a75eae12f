"""Guards in a bundle: a closed vocabulary, which run, and where a rule may not lean on them."""

import pytest
from tests.unit.bundle.bundles import pack_files

from transire.bundle.compile import compile_bundle
from transire.domain.guarding import ALL_GUARDS
from transire.errors import BundleError

_OF_ANSWERS = ("citation_missing", "wrong_language")
"""What the pack's rules on answers read."""


def changed(**files: str) -> dict[str, bytes]:
    pack = pack_files()
    for name, text in files.items():
        path = {"taxonomy": "taxonomy.yaml", "guards": "rules/guards.cedar"}[name]
        pack[path] = text.encode()
    return pack


def taxonomy(guards: str) -> str:
    before, _, rest = pack_files()["taxonomy.yaml"].decode().partition("\nguards:\n")
    assert rest
    return f"{before}\n{guards}\ndetector:\n  {rest.partition('detector:')[2].strip()}\n"


def test_the_pack_runs_what_its_rules_read_and_what_the_audit_wants() -> None:
    bundle = compile_bundle(pack_files()).bundle

    assert bundle.guards == {
        *("prompt_injection", "indirect_injection", "jailbreak", "self_harm", "violence"),
        *_OF_ANSWERS,
    }


def test_a_taxonomy_that_names_none_lets_rules_ask_for_all() -> None:
    files = changed(taxonomy=taxonomy(""), guards=_rule("wrong_length"))

    bundle = compile_bundle(files).bundle

    assert bundle.taxonomy.guards == ALL_GUARDS
    assert bundle.guards == {"wrong_length", *_OF_ANSWERS}


@pytest.mark.parametrize("guards", ["guards: {}", "guards:\n  sarcasm: {}"])
def test_a_guard_that_nothing_can_raise_is_refused_with_its_place(guards: str) -> None:
    with pytest.raises(BundleError) as caught:
        compile_bundle(changed(taxonomy=taxonomy(guards)))

    assert any(p.startswith("taxonomy.yaml:") for p in caught.value.problems)


def test_a_rule_may_ask_only_for_guards_of_the_taxonomy() -> None:
    files = changed(taxonomy=taxonomy("guards:\n  refusal: {}"), guards=_rule("indirect_injection"))

    with pytest.raises(BundleError, match="indirect_injection"):
        compile_bundle(files)


def test_a_permit_that_a_guard_opens_is_named() -> None:
    rule = (
        '@id("odd") permit (principal, action == Action::"route", resource) '
        'when { context.raisedGuards.contains(Guard::"refusal") };'
    )

    warnings = compile_bundle(changed(guards=rule)).warnings

    assert any("`odd` widens on context.raisedGuards" in warning for warning in warnings)


def _rule(guard: str) -> str:
    return (
        '@id("g.one") @reason("x") forbid (principal, action == Action::"route", resource) '
        f'when {{ context.raisedGuards.contains(Guard::"{guard}") }};'
    )
