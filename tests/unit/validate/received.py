"""Answers judged by rules of a test's own: the real detector, the real engine, no fakes between."""

from dataclasses import replace
from functools import cache
from typing import Any

from tests.conftest import FakeClock
from tests.unit.authorize.worlds import EU, GRANT, NOW, asking, judged, ruled
from tests.unit.classify.detectors import Keys

from transire.authorize.cedar import CedarAuthorizer
from transire.classify.detector import EngineDetector
from transire.clock import SystemClock
from transire.domain.answer import AnswerChoice, Completion, ToolCall
from transire.domain.authorization import Form, Pair
from transire.domain.bundle import Quarantine
from transire.domain.decision import Case
from transire.domain.governed import Governed
from transire.domain.ranking import Ranking
from transire.domain.receiving import Receive, Received
from transire.domain.request import Assertions
from transire.guard.answers import AnswerGuards
from transire.validate.leakage import AnswerInspector

__all__ = [
    "CLEAN",
    "KEY",
    "MAIL",
    "answer_of",
    "call",
    "governed_by",
    "receive_of",
    "received_of",
    "said",
]

KEY, MAIL = "AKIA2E4Q7RT3XYZWUVKL", "dora.lindqvist@made-up.example"
CLEAN = AnswerChoice(
    index=0, content="All is well.", refusal=None, tool_calls=(), finish_reason="stop"
)


def answer_of(*choices: AnswerChoice) -> Completion:
    return Completion(choices=choices, usage=None, model="m", created=1)


def call(arguments: str, kind: str = "function") -> ToolCall:
    return ToolCall(id="call_1", name="send", arguments=arguments, kind=kind)


@cache
def governed_by(rules: str) -> Governed:
    compiled = ruled(GRANT + rules)
    scorer: Any = None
    return Governed(
        bundle=compiled.bundle,
        quarantine=Quarantine(),
        detector=EngineDetector(compiled.bundle, keyed=Keys(), clock=SystemClock(), pool=None),
        authorizer=CedarAuthorizer(compiled),
        scorer=scorer,
        output_guard=AnswerGuards(compiled.bundle.guards),
    )


def receive_of(
    rules: str, assertions: Assertions | None = None, governed: Governed | None = None
) -> Receive | None:
    governed = governed or governed_by(rules)
    request = asking(assertions)
    authorization = governed.authorizer.authorize(
        request, judged(), None, quarantine=Quarantine(), now=NOW
    )
    ranking = Ranking(
        candidates=(),
        filtered=(),
        reason="x",
        scorer_digest="s",
        seed=1,
        target_ms=1,
        near_tie_permille=0,
    )
    case = Case(
        request=request,
        classification=judged(),
        redaction=None,
        authorization=authorization,
        ranking=ranking,
    )
    pair = Pair(deployment=EU, form=Form.RAW)
    return AnswerInspector(FakeClock()).receive_of(case, pair, governed)


async def received_of(rules: str, *choices: AnswerChoice, **more: Any) -> Received:
    receive = receive_of(rules, **more)
    assert receive is not None
    return await receive(answer_of(*choices))


def said(text: str, **changes: Any) -> AnswerChoice:
    return replace(CLEAN, content=text, **changes)
