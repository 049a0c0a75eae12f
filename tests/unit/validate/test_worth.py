"""What the signs of an answer that is no answer take off, and what has no score."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transire.domain.answer import AnswerChoice, ToolCall
from transire.validate import worth
from transire.validate.worth import score_of

ASKED = "When does the museum in Bergen open on Sunday?"


def scored(text: str, question: str = ASKED) -> int | None:
    return score_of(
        question,
        AnswerChoice(index=0, content=text, refusal=None, tool_calls=(), finish_reason="stop"),
    )


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("The museum opens at ten on Sunday.", 1_000),
        ("It is ten.", 1_000),
        ("When does the museum in Bergen open?", 500),
        ("We sell all kinds of lamps, sofas and tables here.", 650),
        ("For the museum, please contact support.", 700),
        ("I don\N{RIGHT SINGLE QUOTATION MARK}t know when the museum opens.", 750),
        ("I am not sure about the museum, contact us.", 450),
        ("The museum is nice and big. " * 9, 400),
    ],
    ids=["good", "short", "echoes", "elsewhere", "deflects", "hedges", "two", "loops"],
)
def test_each_sign_takes_off_what_the_table_says(text: str, score: int) -> None:
    assert scored(text) == score


def test_a_question_that_is_padded_and_repeated_does_not_loop() -> None:
    padded = "very " * 200 + "late trains to Bergen"

    assert scored("You ask: " + padded[:400] + " and yes, trains run late.", padded) == 1_000


@pytest.mark.parametrize("question", ["", "?!", "a b c"])
def test_a_question_without_words_gives_no_score(question: str) -> None:
    assert scored("The museum opens at ten.", question) is None


def test_a_call_and_a_refusal_in_its_own_field_have_no_score() -> None:
    call = ToolCall(id="1", name="open", arguments="{}")
    called = AnswerChoice(
        index=0, content="x", refusal=None, tool_calls=(call,), finish_reason="stop"
    )
    refused = AnswerChoice(index=0, content=None, refusal="no", tool_calls=(), finish_reason="stop")

    assert score_of(ASKED, called) is score_of(ASKED, refused) is None


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_score_is_a_share(question: str, text: str) -> None:
    score = scored(text, question)

    assert score is None or 0 <= score <= 1_000


def test_a_question_of_megabytes_is_read_as_far_as_its_bound() -> None:
    long = "Tell me about " + "x" * worth._MAX_CHARS + " lighthouses"

    assert scored("We sell all kinds of lamps, sofas and tables here.", long) == scored(
        "We sell all kinds of lamps, sofas and tables here.", long[: worth._MAX_CHARS]
    )
