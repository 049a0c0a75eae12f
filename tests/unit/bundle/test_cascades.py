"""A cascade that says nothing, or what cannot be, is refused with file, line and reason."""

import jsonschema_rs
import orjson
import pytest
from tests.unit.bundle.bundles import CATALOG, small_files
from tests.unit.bundle.test_compile import problems_of

from transire.bundle.compile import compile_bundle
from transire.bundle.publish import json_schemas
from transire.domain.escalation import CascadeRules

SURE = CATALOG.replace("context_tokens: 8000", "context_tokens: 8000\n    capabilities: [logprobs]")


def routing(cascade: str, more: str = "") -> str:
    """Its cascade stands on line 6."""
    return (
        "tasks:\n"
        "  default:\n"
        "    quality_floor_permille: 500\n"
        "  billing:\n"
        "    needs: []\n"
        f"    cascade: {cascade}\n{more}"
    )


@pytest.mark.parametrize(
    ("cascade", "reason"),
    [
        ("{on: []}", "list should have at least 1 item"),
        ("{}", "field required"),
        ("{on: [bad_mood]}", "input should be 'refusal', 'low_confidence', 'contract'"),
        ("{on: refusal}", "valid list"),
        ("{on: [refusal], to: premium}", "input should be 'better'"),
        ("{on: [refusal], to: eu-one}", "input should be 'better'"),
        ("{on: [refusal], quota: 5}", "extra inputs"),
        ("{on: [refusal], when: [refusal]}", "extra inputs"),
        ("{when: [bad_mood]}", "input should be 'refusal', 'low_confidence', 'contract'"),
        ("{on: [refusal, refusal]}", "`on` names a verdict twice"),
        ("{on: [evaluator]}", "the verdict `evaluator` needs `min_score_permille`"),
        ("{on: [low_confidence]}", "the verdict `low_confidence` needs `min_confidence_permille`"),
        (
            "{on: [refusal], min_score_permille: 500}",
            "`min_score_permille` does nothing without the verdict `evaluator`",
        ),
        (
            "{on: [refusal], min_confidence_permille: 500}",
            "`min_confidence_permille` does nothing without the verdict `low_confidence`",
        ),
        ("{on: [evaluator], min_score_permille: 0}", "greater than or equal to 1"),
        ("{on: [evaluator], min_score_permille: 1001}", "less than or equal to 1000"),
        ("{on: [evaluator], min_score_permille: 0.5}", "valid integer"),
        (
            "{on: [low_confidence], min_confidence_permille: 500}",
            "no deployment lists the capability `logprobs`",
        ),
    ],
)
def test_a_bad_cascade_is_refused_where_it_stands(cascade: str, reason: str) -> None:
    problems = problems_of(small_files(routing=routing(cascade)))

    assert [p for p in problems if p.startswith("routing.yaml:6: ") and reason in p], problems


def test_a_cascade_without_an_attempt_left_is_refused() -> None:
    problems = problems_of(small_files(routing=routing("{on: [refusal]}", "max_attempts: 1\n")))

    assert problems == [
        "routing.yaml:6: `billing`: `max_attempts` of 1 leaves no attempt to escalate to"
    ]


def test_everything_wrong_with_a_cascade_is_told_at_once() -> None:
    cascade = "{on: [evaluator, low_confidence, evaluator]}"
    problems = problems_of(small_files(routing=routing(cascade, "max_attempts: 1\n")))

    assert len(problems) == 5
    assert all(p.startswith("routing.yaml:6: `billing`: ") for p in problems)


def test_a_good_cascade_is_of_its_task_alone() -> None:
    cascade = (
        "{on: [refusal, low_confidence, evaluator], to: better, "
        "min_confidence_permille: 300, min_score_permille: 400}"
    )
    made = compile_bundle(small_files(routing=routing(cascade), catalog=SURE))

    rules = CascadeRules(
        on=frozenset({"refusal", "low_confidence", "evaluator"}),
        min_confidence_permille=300,
        min_score_permille=400,
    )
    assert made.bundle.routing.cascades == {"billing": rules}


def test_when_is_another_name_of_on() -> None:
    def rules(cascade: str) -> CascadeRules:
        compiled = compile_bundle(small_files(routing=routing(cascade)))
        return compiled.bundle.routing.cascades["billing"]

    assert rules("{when: [refusal, contract]}") == rules("{on: [refusal, contract]}")


def test_the_schema_wants_one_of_the_two_names() -> None:
    schema = json_schemas()["routing.schema.json"]
    cascade = jsonschema_rs.validator_for(
        {"$ref": "#/$defs/CascadeDocument", "$defs": orjson.loads(schema)["$defs"]}
    )

    assert cascade.is_valid({"when": ["refusal"]})
    assert cascade.is_valid({"on": ["refusal"]})
    assert not cascade.is_valid({"when": ["refusal"], "on": ["refusal"]})
    assert not cascade.is_valid({})
    assert not cascade.is_valid({"when": ["mood"]})
