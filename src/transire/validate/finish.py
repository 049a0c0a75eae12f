"""What an answer's end says about it: cut off, empty, or longer than was asked. Pure."""

from collections.abc import Iterator
from typing import Final

from transire.domain.answer import AnswerChoice, Completion
from transire.domain.ports import Violation
from transire.domain.request import Body

__all__ = ["is_cut", "is_ended", "of_answer", "of_choice"]

SLACK_TOKENS: Final = 16
"""Upstreams count end markers and role tokens differently; a real overrun is far larger."""

SLACK_PERMILLE: Final = 20

_ENDED: Final = frozenset({"stop", "tool_calls", "function_call"})
"""Finish reasons with which a model ends by itself (OpenAI); no reason at all is none of them."""


def of_answer(body: Body, answer: Completion) -> Iterator[Violation]:
    """Violations of the whole answer: no choices, or more tokens than the caller's bound."""
    if not answer.choices:
        yield Violation(kind="empty", path="choices")
    bound = body.max_output_tokens
    if bound is None or answer.usage is None:
        return
    most = bound * max(1, body.n)
    if answer.usage.completion_tokens > most + most * SLACK_PERMILLE // 1000 + SLACK_TOKENS:
        yield Violation(kind="token_limit", path="usage.completion_tokens")


def of_choice(choice: AnswerChoice, *, is_promised: bool) -> Iterator[Violation]:
    """Violations of one choice: cut off while something was promised, or nothing in it.

    Where only text was asked for, tools offered or not, a cut answer is what the caller's own bound
    asked for (OpenAI: `finish_reason` `length`), and reasoning alone may have used that bound up.
    """
    if is_cut(choice):
        if is_promised:
            yield Violation(kind="truncated", path="finish_reason", choice=choice.index)
        return
    if not (choice.content or choice.refusal or choice.tool_calls):
        yield Violation(kind="empty", path="message.content", choice=choice.index)


def is_cut(choice: AnswerChoice) -> bool:
    """Whether the answer ended because its bound was reached; never repaired.

    What is missing at the end of a cut answer is not syntax but content.
    """
    return choice.finish_reason == "length"


def is_ended(body: Body, answer: Completion, choice: AnswerChoice) -> bool:
    """Whether the choice ended by itself, as far as anything says: the only kind to be repaired.

    An upstream that says `stop` at the caller's bound has cut the answer all the same; where it
    does not say how long the answer is, as in the middle of a stream, it may have.
    """
    bound, usage = body.max_output_tokens, answer.usage
    may_be_cut = bound is not None and (usage is None or usage.completion_tokens >= bound)
    return choice.finish_reason in _ENDED and not may_be_cut
