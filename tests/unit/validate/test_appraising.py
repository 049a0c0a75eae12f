"""Refusals as verdicts: found by the guard of refusals, and none where nothing could be read."""

from tests.unit.paths import request

from transire.domain.answer import AnswerChoice, Completion
from transire.domain.escalation import Appraisal, CascadeRules
from transire.guard.refusal import refuses
from transire.validate.verdicts import AnswerAppraiser
from transire.validate.worth import SignEvaluator

RULES = CascadeRules(on=frozenset({"refusal"}))


def said(text: str) -> Completion:
    choice = AnswerChoice(index=0, content=text, refusal=None, tool_calls=(), finish_reason="stop")
    return Completion(choices=(choice,), usage=None, model="m", created=0)


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
