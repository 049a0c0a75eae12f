"""The simulated models answer by what they are and what they are sent, never by who asks."""

import json
from typing import Any

import pytest

from transire.demo.situations import TICKET
from transire.demo.voices import Model, as_json, instance, mode_of, say

SMALL = Model(first_ms=1, word_ms=1, is_small=True)
LARGE = Model(first_ms=1, word_ms=1)
GROUNDED = Model(first_ms=1, word_ms=1, is_grounded=True)
NOTE = {"role": "developer", "content": "An earlier answer to this was not accepted:\n- x"}


def ticket(model: Model, prompt: str, *more: dict[str, Any]) -> str:
    body = {"messages": [{"role": "user", "content": prompt}, *more], **TICKET}
    schema = TICKET["response_format"]["json_schema"]["schema"]
    return as_json(instance(schema, prompt), mode_of(model, body))


def test_a_small_model_sends_complaints_about_money_to_somebody_else() -> None:
    question = "I was charged twice."

    assert "contact our" in say("s", SMALL, question)
    assert "opened a dispute" in say("l", LARGE, question)


def test_brackets_in_the_text_cost_a_small_model_its_last_one() -> None:
    prompt = "Make a ticket of this: [4711] is late."

    assert json.loads(ticket(SMALL, prompt) + "}") == {"title": "[4711] is late", "priority": 1}
    assert json.loads(ticket(LARGE, prompt))["priority"] == 1


@pytest.mark.parametrize(
    "more",
    [
        [],
        [{"role": "system", "content": "Sound like a person: numbers in words."}],
    ],
)
def test_numbers_in_words_find_their_way_into_a_small_models_json(more: Any) -> None:
    prompt = "Make a ticket of this: a parcel is late." if more else "Two? No: one is late."

    assert json.loads(ticket(SMALL, prompt, *more))["priority"] == "one"
    assert json.loads(ticket(LARGE, prompt, *more))["priority"] == 1
    assert json.loads(ticket(SMALL, prompt, *more, NOTE))["priority"] == 1


@pytest.mark.parametrize(
    ("language", "begins"), [("German", "Vielen"), ("French", "Merci"), ("Polish", "Dziękujemy")]
)
def test_translations_are_in_the_language_asked_for(language: str, begins: str) -> None:
    told = say("l", LARGE, f"Translate into {language}: thank you for your order.")

    assert told.startswith(begins)


def test_a_small_model_knows_no_polish() -> None:
    assert say("s", SMALL, "Translate into Polish: hello").startswith("Here is your text in Engl")


def test_only_a_grounded_model_names_sources() -> None:
    question = "How long is it? Please cite your sources."

    assert "[1]" in say("g", GROUNDED, question)
    assert "[1]" not in say("l", LARGE, question)
