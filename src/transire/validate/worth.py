"""A score for an answer from signs in its text: the evaluator that needs no model. Pure.

It reads the question and the answer, takes points off for signs that an answer is no answer, and
knows nothing of the matter itself: a wrong answer that is well put scores full marks. Each sign is
weak, so no single one but the first takes an answer under half; two together do.

What it cannot judge (calls, JSON, a question without words) it gives no score. The time it takes
grows with the text and is bounded: at most 8,000 characters of each are read.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from transire.domain.answer import AnswerChoice, Completion
from transire.domain.question import last_user_text
from transire.domain.request import RoutingRequest

__all__ = ["SIGNS", "SignEvaluator", "score_of"]

_MAX_CHARS: Final = 8_000
_WORD: Final = re.compile(r"[^\W_]{2,}")
_STEM: Final = 5
"""Words are compared by so many first letters: `charged` and `charge` are one."""
_TOPIC_LETTERS: Final = 5
"""Shorter words are seldom what a question is about."""
_LEAST_WORDS: Final = 6
"""In fewer words a good answer may well name nothing of the question: `It is Paris.`"""
_RUN: Final = 4
"""Words of a run that is looked for again."""
_FULL: Final = 1_000

SIGNS: Final[Mapping[str, int]] = {
    "loops": 600,
    "echoes": 500,
    "elsewhere": 350,
    "deflects": 300,
    "hedges": 250,
}
"""Sign → points that it takes off.

`loops`: more than half of its runs of four words stand in it before, runs of the question's own
aside: whoever pads a question and has it repeated must not get a poor answer by that. `echoes`: it
says the question again, and no more. `elsewhere`: six words or more, and none of what the question
is about. `deflects`: it sends the reader to somebody else. `hedges`: it says that it does not know.
"""

_DEFLECTING: Final = (
    "contact support",
    "contact our",
    "contact us",
    "customer service",
    "reach out to",
    "please call",
    "visit our website",
    "kundendienst",
    "wenden sie sich",
    "service client",
)
_HEDGING: Final = (
    "i don't know",
    "i do not know",
    "i'm not sure",
    "i am not sure",
    "hard to say",
    "it depends",
    "ich weiß nicht",
    "je ne sais pas",
)


class SignEvaluator:
    """Implements `domain.escalation.Evaluator`."""

    async def score(self, request: RoutingRequest, answer: Completion) -> int | None:
        """The score of the worst choice; None where one cannot be judged."""
        if request.body.is_held or request.body.has_contract:
            return None
        question = last_user_text(request.body)
        scores = [score_of(question, choice) for choice in answer.choices]
        known = [score for score in scores if score is not None]
        return min(known) if known and len(known) == len(scores) else None


def score_of(question: str, choice: AnswerChoice) -> int | None:
    """0 to 1000 for one choice; None of a call, a refusal alone, or a question without words."""
    if choice.tool_calls or not choice.content:
        return None
    asked = _stems(question[:_MAX_CHARS])
    if not asked:
        return None
    text = choice.content[:_MAX_CHARS].lower()
    return max(0, _FULL - sum(SIGNS[sign] for sign in _signs(question, asked, text)))


def _signs(question: str, asked: set[str], text: str) -> Iterator[str]:
    words = _WORD.findall(text)
    if _loops(words, set(_runs(_WORD.findall(question[:_MAX_CHARS].lower())))):
        yield "loops"
    said = {word[:_STEM] for word in words}
    if said <= asked and len(said) > 1:
        yield "echoes"
    topics = {
        w[:_STEM] for w in _WORD.findall(question[:_MAX_CHARS].lower()) if len(w) >= _TOPIC_LETTERS
    }
    if len(words) >= _LEAST_WORDS and topics and not topics & said:
        yield "elsewhere"
    straight = text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    if any(phrase in straight for phrase in _DEFLECTING):
        yield "deflects"
    if any(phrase in straight for phrase in _HEDGING):
        yield "hedges"


def _loops(words: list[str], asked: set[tuple[str, ...]]) -> bool:
    runs = [run for run in _runs(words) if run not in asked]
    return len(runs) > _RUN and len(set(runs)) * 2 < len(runs)


def _runs(words: list[str]) -> Iterator[tuple[str, ...]]:
    return zip(*(words[at:] for at in range(_RUN)), strict=False)


def _stems(text: str) -> set[str]:
    return {word[:_STEM] for word in _WORD.findall(text.lower())}
