"""`judges` in `routing.yaml`: what is refused, where, and what is only remarked."""

import re

import pytest
from tests.unit.bundle.bundles import pack_files

from transire.bundle.compile import compile_bundle
from transire.bundle.compiled import CompiledBundle
from transire.domain.ids import DeploymentId
from transire.domain.judge import JudgeRules
from transire.errors import BundleError

GOOD = """\
judges:
  strict:
    deployment: eu-premium
    criteria: It answers what was asked.
    daily_micro_usd: 1000
    share_ppm: 50000
"""
RULE = """
@id("judge.all")
permit (principal in Tenant::"acme", action == Action::"judge",
        resource == Deployment::"eu-premium");
"""
CASCADE = "{on: [evaluator], min_score_permille: 500, judge: strict}"


def read(text: str, *, cascade: str = "", **rules: str) -> CompiledBundle:
    files = pack_files()
    routing = files["routing.yaml"].decode()
    if cascade:
        routing, count = re.subn(
            r"(?m)^(  default: +\{.*)\}$", rf"\1, cascade: {cascade}}}", routing
        )
        assert count == 1
    more = {f"rules/{name}.cedar": rule.encode() for name, rule in rules.items()}
    return compile_bundle({**files, "routing.yaml": (routing + "\n" + text).encode(), **more})


def rules_of(text: str) -> JudgeRules:
    [judge] = read(text).bundle.routing.judges.values()
    return judge


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (("eu-premium", "mars"), "the deployment `mars`, which does not exist"),
        (("    daily", "    stakes: [odd]\n    daily"), "the stakes level `odd`"),
        (("    daily", "    tasks: [dance]\n    daily"), "the task `dance`, which does not"),
        (("    daily", "    applications: [x]\n    daily"), "the application `x`, which does not"),
        (("    daily_micro_usd: 1000\n", ""), "field required"),
        (("    criteria: It answers what was asked.\n", ""), "field required"),
        (("    share_ppm: 50000\n", ""), "judges nothing"),
        (("50000", "1000001"), "less than or equal to 1000000"),
        (("strict:", "strict:\n    share: 5"), "extra inputs are not permitted"),
    ],
)
def test_what_makes_no_judge_is_refused_in_its_file(changed: tuple[str, str], told: str) -> None:
    with pytest.raises(BundleError) as refused:
        read(GOOD.replace(*changed))

    assert any(told in p and p.startswith("routing.yaml:") for p in refused.value.problems)


@pytest.mark.parametrize(
    ("cascade", "told"),
    [
        (CASCADE.replace("strict", "lenient"), "names the judge `lenient`, which does not exist"),
        (
            CASCADE.replace("evaluator], min_score_permille: 500", "refusal]"),
            "`judge` does nothing without the verdict `evaluator`",
        ),
    ],
)
def test_a_cascade_names_a_judge_there_is_and_for_its_own_verdict(cascade: str, told: str) -> None:
    with pytest.raises(BundleError) as refused:
        read(GOOD, cascade=cascade)

    assert any(told in problem for problem in refused.value.problems)


def test_a_cascade_knows_its_judge() -> None:
    routing = read(GOOD.replace("    share_ppm: 50000\n", ""), cascade=CASCADE).bundle.routing

    assert routing.cascades["default"].judge is routing.judges["strict"]


def test_a_judge_needs_a_price_or_nothing_could_be_reserved() -> None:
    files = pack_files()
    lines = files["catalog/deployments.yaml"].decode().splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("  eu-premium:"))
    price = next(n for n in range(at, len(lines)) if lines[n].startswith("    price:"))
    del lines[price]
    catalog = {"catalog/deployments.yaml": "\n".join(lines).encode()}

    with pytest.raises(BundleError) as refused:
        compile_bundle(files | catalog | {"routing.yaml": files["routing.yaml"] + GOOD.encode()})

    assert "no known price" in refused.value.problems[0]


def test_nothing_of_the_highest_stakes_is_judged_unless_it_is_named() -> None:
    named = GOOD.replace("    daily", "    stakes: [high]\n    daily")

    assert "high" not in rules_of(GOOD).stakes
    assert rules_of(named).stakes == {"high"}


def test_other_criteria_make_another_judge() -> None:
    other = GOOD.replace("what was asked", "in two words")

    assert rules_of(GOOD).digest != rules_of(other).digest
    assert rules_of(GOOD).digest == rules_of(GOOD + "# the same\n").digest
    assert rules_of(GOOD).deployment == DeploymentId("eu-premium")


def test_a_judge_that_no_rule_permits_is_remarked_and_not_refused() -> None:
    remark = "routing.yaml: no rule permits `judge`, so `strict` judges nothing"

    assert remark in read(GOOD).warnings
    assert remark not in read(GOOD, judge=RULE).warnings
