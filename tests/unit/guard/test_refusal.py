"""What refuses, and what only speaks of refusing."""

import pytest

from transire.domain.answer import AnswerChoice, ToolCall
from transire.guard.refusal import is_refusal

REFUSALS = [
    "I'm sorry, but I can't assist with that.",
    "I’m sorry, I can’t help with that.",
    "I'm sorry. I can't help with that request.",
    "I cannot help with that request.",
    "I'm unable to assist with that.",
    "I'm not able to provide that information.",
    "I won't help you do that.",
    "I can't assist you with creating malware.",
    "Sorry, I can't do that.",
    "I must respectfully decline this request.",
    "I apologize, but I cannot fulfill this request.",
    "As an AI language model, I am unable to provide medical advice.",
    "Unfortunately, I cannot provide instructions for that.",
    "Es tut mir leid, aber dabei kann ich nicht helfen.",
    "Je suis désolé, mais je ne peux pas vous aider avec cela.",
    "Lo siento, pero no puedo ayudarte con eso.",
    "Desculpe, mas não posso ajudar com isso.",
    "Mi dispiace, ma non posso aiutarti.",
    "Het spijt me, maar daar kan ik niet bij helpen.",
    "Извините, но я не могу помочь с этим.",
    "抱歉，我无法提供这方面的帮助。",
    "申し訳ありませんが、お手伝いできません。",
]
ANSWERS = [
    "",
    "You cannot divide by zero.",
    "I'm sorry to hear that! Here is how to reset your password: click Settings.",
    "I am sorry you are having trouble. You can return it within 30 days.",
    "Sorry for the delay. Your order ships tomorrow.",
    "Unfortunately, the flight was cancelled; you may rebook online.",
    "I can't wait to hear how it goes! Your plan: start on Monday.",
    "I cannot stress enough how important backups are.",
    "Here is a polite refusal letter: Dear Sir, I cannot help with your request.",
    "If the child says 'I can't do that', encourage them.",
    "Customers who cannot provide a receipt get store credit.",
    "Leider ist der Artikel nicht auf Lager, wir liefern am Montag.",
]


def choice(text: str | None, **changes: object) -> AnswerChoice:
    fields = {"index": 0, "refusal": None, "tool_calls": (), "finish_reason": "stop"}
    return AnswerChoice(**{**fields, "content": text, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("text", REFUSALS)
def test_saying_no_is_a_refusal(text: str) -> None:
    assert is_refusal(choice(text))


@pytest.mark.parametrize("text", ANSWERS)
def test_an_answer_that_speaks_of_refusing_is_none(text: str) -> None:
    assert not is_refusal(choice(text))


def test_the_refusal_field_and_a_content_filter_are_refusals() -> None:
    assert is_refusal(choice(None, refusal="no"))
    assert is_refusal(choice("half an ans", finish_reason="content_filter"))


def test_an_answer_that_goes_on_for_long_or_calls_a_tool_is_none() -> None:
    call = ToolCall(id="1", name="look", arguments="{}")

    assert not is_refusal(choice("I'm sorry, I can't help with all of it. " + "But this: x. " * 99))
    assert not is_refusal(choice("I can't answer without looking.", tool_calls=(call,)))
