"""Refusals as verdicts: found by the guard of refusals, and none where nothing could be read."""

import pytest
from structlog.testing import capture_logs
from tests.unit.paths import request

from transire.domain.answer import AnswerChoice, Completion
from transire.domain.escalation import Appraisal, CascadeRules
from transire.errors import IntegrityError
from transire.guard.refusal import refuses
from transire.validate.verdicts import AnswerAppraiser
from transire.validate.worth import SignEvaluator

RULES = CascadeRules(on=frozenset({"refusal"}))


def said(text: str) -> Completion:
    choice = AnswerChoice(index=0, content=text, refusal=None, tool_calls=(), finish_reason="stop")
    return Completion(choices=(choice,), usage=None, model="m", created=0)


class Broken:
    """An evaluator with a bug."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def score(self, request: object, answer: object) -> int | None:
        raise self.error


def too_slow(answer: Completion) -> bool:
    raise TimeoutError


async def test_a_refusal_in_words_alone_is_a_verdict() -> None:
    appraiser = AnswerAppraiser(evaluator=SignEvaluator(), refuses=refuses)
    refusal = said("I'm sorry, but I can't help with that.")

    found = await appraiser.appraised(RULES, request(), refusal, within_s=1.0)

    assert found == Appraisal(verdicts=("refusal",))


async def test_an_answer_that_could_not_be_read_in_time_has_no_verdict_and_says_so() -> None:
    appraiser = AnswerAppraiser(evaluator=SignEvaluator(), refuses=too_slow)

    found = await appraiser.appraised(RULES, request(), said("Yes."), within_s=1.0)

    assert found == Appraisal(has_failed=True)


async def test_a_broken_evaluator_leaves_the_other_verdicts_and_quotes_nothing() -> None:
    rules = CascadeRules(on=frozenset({"low_confidence", "evaluator"}), min_score_permille=500)
    appraiser = AnswerAppraiser(evaluator=Broken(KeyError("a secret answer")), refuses=refuses)

    with capture_logs() as logs:
        found = await appraiser.appraised(rules, request(), said("Yes."), within_s=1.0)

    assert found == Appraisal(has_failed=True)
    assert [(e["event"], e["error_type"]) for e in logs] == [("appraisal.failed", "KeyError")]
    assert "secret" not in repr(logs)


async def test_a_broken_search_for_refusals_leaves_the_score() -> None:
    def broken(answer: Completion) -> bool:
        raise RecursionError

    rules = CascadeRules(on=frozenset({"refusal", "evaluator"}), min_score_permille=2_000)
    appraiser = AnswerAppraiser(evaluator=SignEvaluator(), refuses=broken)

    with capture_logs():
        found = await appraiser.appraised(rules, request(), said("Yes."), within_s=1.0)

    assert found.verdicts == (("evaluator",) if found.score_permille is not None else ())
    assert found.has_failed


async def test_a_broken_integrity_is_no_verdict_that_could_not_be_told() -> None:
    rules = CascadeRules(on=frozenset({"evaluator"}), min_score_permille=500)
    appraiser = AnswerAppraiser(evaluator=Broken(IntegrityError("stop")), refuses=refuses)

    with pytest.raises(IntegrityError):
        await appraiser.appraised(rules, request(), said("Yes."), within_s=1.0)
