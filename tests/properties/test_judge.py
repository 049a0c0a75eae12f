"""Who may judge an answer, for any bundle, and what a judge can have said (I2, I5)."""

import json
from typing import TypeAlias

from hypothesis import given
from hypothesis import strategies as st
from tests.properties.test_shadow import (
    DEPLOYMENTS,
    all_facts,
    authorizer,
    forbids,
    pairs_of_facts,
    permits,
)
from tests.unit.authorize.worlds import APPLICATION, NOW, pack

from transire.authorize.cedar import CedarAuthorizer
from transire.authorize.judging import united_facts
from transire.domain.authorization import Effect, Facts, Form
from transire.domain.ids import DeploymentId
from transire.domain.judge import BEST, attempt_judged, number_of, score_in

Rule: TypeAlias = tuple[str, str, str]

PERMIT = """
@id("judge.any")
permit (principal == Application::"docs-qa", action == Action::"judge", resource);
"""
SHADOWS = PERMIT.replace("judge", "shadow")


def asked(of: CedarAuthorizer, both: tuple[Facts, Facts]) -> set[DeploymentId]:
    return {name for name in DEPLOYMENTS if of.judge(APPLICATION, both, name, now=NOW)}


@given(permits=permits, forbids=forbids, both=pairs_of_facts)
def test_no_rule_of_routes_or_shadows_lets_an_answer_be_judged(
    permits: list[Rule], forbids: list[Rule], both: tuple[Facts, Facts]
) -> None:
    assert asked(authorizer(*permits, *forbids, own=SHADOWS), both) == set()


@given(permits=permits, forbids=forbids, added=forbids, both=pairs_of_facts)
def test_a_further_forbid_only_takes_judges_away(
    permits: list[Rule], forbids: list[Rule], added: list[Rule], both: tuple[Facts, Facts]
) -> None:
    fewer = asked(authorizer(*permits, *forbids, *added, own=PERMIT), both)

    assert fewer <= asked(authorizer(*permits, *forbids, own=PERMIT), both)


@given(permits=permits, forbids=forbids, both=pairs_of_facts)
def test_an_answer_goes_only_where_neither_evaluation_forbids_or_holds_the_route(
    permits: list[Rule], forbids: list[Rule], both: tuple[Facts, Facts]
) -> None:
    judge = authorizer(*permits, *forbids, own=PERMIT)

    for name in asked(judge, both):
        for each in both:
            verdict = judge.verdicts(APPLICATION, each, NOW)[name]
            is_unsaid = verdict.effect is Effect.FORBID and not (verdict.policies or verdict.errors)
            is_free = verdict.effect is Effect.PERMIT and not verdict.queues
            assert is_unsaid or is_free


@given(judged=pairs_of_facts, before=pairs_of_facts)
def test_what_was_known_of_the_request_is_known_of_what_is_judged(
    judged: tuple[Facts, Facts], before: tuple[Facts, Facts]
) -> None:
    taxonomy = pack().bundle.taxonomy

    united = united_facts({Form.RAW: judged}, {Form.RAW: before}, taxonomy)[Form.RAW]

    for one, *both in zip(united, judged, before, strict=True):
        for each in both:
            assert each.data_classes <= one.data_classes
            assert each.unscanned_parts <= one.unscanned_parts
            assert taxonomy.max_stakes(each.stakes, one.stakes) == one.stakes
    assert [one.redacted for one in united] == [one.redacted for one in judged]


@given(judged=pairs_of_facts)
def test_a_redacted_conversation_counts_what_was_asked_raw_where_that_had_no_other_form(
    judged: tuple[Facts, Facts],
) -> None:
    asked_raw = judged[0]

    forms = united_facts(
        {Form.RAW: judged, Form.REDACTED: judged},
        {Form.RAW: (asked_raw, asked_raw)},
        pack().bundle.taxonomy,
    )

    assert all(asked_raw.data_classes <= one.data_classes for one in forms[Form.REDACTED])


@given(facts=all_facts)
def test_uniting_what_is_alike_changes_nothing(facts: Facts) -> None:
    both = (facts, facts)

    assert united_facts({Form.RAW: both}, {Form.RAW: both}, pack().bundle.taxonomy) == {
        Form.RAW: both
    }


@given(score=st.integers(0, BEST), space=st.sampled_from(["", " ", "\n", "\t\n"]))
def test_the_object_that_was_asked_for_is_the_score(score: int, space: str) -> None:
    assert score_in(f'{space}{{"score": {score}}}{space}', BEST) == score * 100


@given(score=st.integers().filter(lambda n: not 0 <= n <= BEST))
def test_a_number_out_of_range_is_no_score(score: int) -> None:
    assert score_in(json.dumps({"score": score}), BEST) is None


@given(text=st.text())
def test_prose_is_no_score(text: str) -> None:
    assert score_in(f"The score is {text}", BEST) is None
    assert score_in(f'{{"score": 10}} {text}x', BEST) is None


@given(
    told=st.recursive(
        st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_no_other_document_is_a_score(told: object) -> None:
    is_score = isinstance(told, dict) and told.keys() == {"score"} and type(told["score"]) is int

    assert is_score or score_in(json.dumps(told), BEST) is None


def test_of_two_scores_none_is_the_one_that_was_given() -> None:
    assert score_in('{"score": 1, "score": 10}', BEST) is None
    assert score_in('{"score": true}', BEST) is None
    assert score_in('{"score": 1.0}', BEST) is None
    assert score_in('{"score": 10}{"score": 10}', BEST) is None
    assert score_in("[" * 100_000, BEST) is None


@given(attempt=st.integers(1, 10))
def test_a_judgment_is_numbered_apart_from_everything_else(attempt: int) -> None:
    assert attempt_judged(number_of(attempt)) == attempt
    assert number_of(attempt) < -1_000
