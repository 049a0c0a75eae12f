"""`shadows` in `experiments.yaml`: what is refused, where, and what is only remarked."""

import pytest
from tests.unit.bundle.bundles import pack_files

from transire.bundle.compile import compile_bundle
from transire.bundle.compiled import CompiledBundle
from transire.domain.ids import DeploymentId
from transire.domain.shadow import ShadowRules
from transire.domain.trial import CONTROL, MILLION
from transire.errors import BundleError

GOOD = """\
shadows:
  try:
    targets: {eu-premium: 100000, us-premium: 50000}
    daily_micro_usd: 1000
"""
RULE = """
@id("shadow.all")
permit (principal in Tenant::"acme", action == Action::"shadow",
        resource == Deployment::"eu-premium");
"""


def read(text: str, **files: str) -> CompiledBundle:
    more = {f"rules/{name}.cedar": rule.encode() for name, rule in files.items()}
    return compile_bundle({**pack_files(), "experiments.yaml": text.encode(), **more})


def rules_of(text: str) -> ShadowRules:
    [shadow] = read(text).bundle.shadows
    return shadow


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (("us-premium: 50000", "us-premium: 950000"), "must not add up to more than 1000000"),
        (("us-premium: 50000", "mars: 50000"), "the deployment `mars`, which does not exist"),
        (("us-premium: 50000", "control: 50000"), "is what is not copied, and no target"),
        (("    daily", "    stakes: [high]\n    daily"), "nothing of the highest stakes is copied"),
        (("    daily", "    stakes: [odd]\n    daily"), "the stakes level `odd`"),
        (("    daily", "    tasks: [dance]\n    daily"), "the task `dance`, which does not"),
        (("    daily", "    applications: [x]\n    daily"), "the application `x`, which does not"),
        (("    daily_micro_usd: 1000", ""), "field required"),
        (("1000\n", "0\n"), "greater than or equal to 1"),
        (("us-premium: 50000", "us-premium: 0"), "greater than or equal to 1"),
        (("try:", "try:\n    share: 5"), "extra inputs are not permitted"),
    ],
)
def test_what_makes_no_shadow_is_refused_in_its_file(changed: tuple[str, str], told: str) -> None:
    with pytest.raises(BundleError) as refused:
        read(GOOD.replace(*changed))

    assert any(told in p and p.startswith("experiments.yaml:") for p in refused.value.problems)


def test_an_id_is_of_an_experiment_or_of_a_shadow() -> None:
    both = GOOD + (
        "experiments:\n  try:\n    kind: ab\n    variants:\n"
        "      control: {share_permille: 500}\n      other: {share_permille: 500}\n"
    )

    with pytest.raises(BundleError) as refused:
        read(both)

    assert refused.value.problems == ["experiments.yaml:2: `try` is an experiment already"]


def test_a_target_needs_a_price_or_nothing_could_be_reserved() -> None:
    files = pack_files()
    lines = files["catalog/deployments.yaml"].decode().splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("  us-premium:"))
    price = next(n for n in range(at, len(lines)) if lines[n].startswith("    price:"))
    del lines[price]

    with pytest.raises(BundleError) as refused:
        compile_bundle(
            {
                **files,
                "catalog/deployments.yaml": "\n".join(lines).encode(),
                "experiments.yaml": GOOD.encode(),
            }
        )

    assert "no known price" in refused.value.problems[0]


def test_shares_are_in_the_files_order_and_leave_the_rest_alone() -> None:
    shadow = rules_of(GOOD)

    assert shadow.shares == ((CONTROL, 850_000), ("eu-premium", 100_000), ("us-premium", 50_000))
    assert sum(share for _, share in shadow.shares) == MILLION
    assert "high" not in shadow.stakes
    assert DeploymentId("eu-premium") in dict(shadow.targets)


def test_another_order_of_targets_is_another_shadow() -> None:
    turned = GOOD.replace(
        "{eu-premium: 100000, us-premium: 50000}", "{us-premium: 50000, eu-premium: 100000}"
    )

    assert rules_of(GOOD).digest != rules_of(turned).digest
    assert rules_of(GOOD).digest == rules_of(GOOD + "# the same\n").digest


def test_a_shadow_that_no_rule_permits_is_remarked_and_not_refused() -> None:
    remark = "experiments.yaml: no rule permits `shadow`, so `try` copies nothing"

    assert remark in read(GOOD).warnings
    assert remark not in read(GOOD, shadow=RULE).warnings
