"""Guards of whole answers, beside what was asked."""

from dataclasses import replace

import pytest
from tests.unit.classify.detectors import request_of, text_part
from tests.unit.guard.test_refusal import choice

from transire.classify.language import LanguageJudge
from transire.domain.answer import Completion, ToolCall
from transire.domain.guarding import ANSWER_GUARDS, Guarded
from transire.guard.answers import AnswerGuards
from transire.guard.asked import LANGUAGES, Length, language_asked, length_asked
from transire.guard.citation import has_citation

JUDGE = LanguageJudge(tuple(sorted(LANGUAGES))).judge
GUARDS = AnswerGuards(ANSWER_GUARDS, lambda text: JUDGE(text, len(text)))
GERMAN = "Die Rechnung ist bis Ende des Monats zu bezahlen, danach wird eine Gebühr erhoben."
ENGLISH = "The invoice is to be paid by the end of the month; after that a fee is charged."


def answer(*texts: str) -> Completion:
    return Completion(
        choices=tuple(replace(choice(t), index=i) for i, t in enumerate(texts)),
        usage=None,
        model="m",
        created=1,
    )


def raised(asked: str, *texts: str, needs: frozenset[str] = frozenset()) -> set[str]:
    said = GUARDS.judge(request_of(asked), needs, answer(*texts))
    assert said.failed == frozenset()
    return set(said.raised)


def test_a_plain_answer_to_a_plain_question_raises_nothing() -> None:
    assert raised("When must I pay?", ENGLISH) == set()


def test_one_choice_that_refuses_is_enough() -> None:
    assert raised("Say it", ENGLISH, "I'm sorry, but I can't help with that.") == {"refusal"}


def test_an_answer_without_a_source_lacks_what_a_grounded_request_asks_for() -> None:
    grounded = frozenset({"grounded"})

    assert raised("Which law?", ENGLISH, needs=grounded) == {"citation_missing"}
    assert raised("Which law?", f"{ENGLISH} [1]", needs=grounded) == set()
    assert raised("Which law?", ENGLISH) == set()


@pytest.mark.parametrize(
    ("asked", "given", "expected"),
    [
        ("When do I pay? Answer in German.", ENGLISH, {"wrong_language"}),
        ("When do I pay? Answer in German.", GERMAN, set()),
        ("Wann muss ich zahlen? Antworte auf Englisch.", GERMAN, {"wrong_language"}),
        ("Translate this into French: I pay.", ENGLISH, {"wrong_language"}),
        ("Answer in German.", "42", set()),
        ("Answer in German.", "```python\nfor the_invoice in all_of_them: pay(it)\n```", set()),
        ("Answer in German or write in French.", ENGLISH, set()),
    ],
)
def test_an_answer_in_another_language_than_asked(
    asked: str, given: str, expected: set[str]
) -> None:
    assert raised(asked, given) == expected


@pytest.mark.parametrize(
    ("asked", "words", "expected"),
    [
        ("Explain in at most 50 words.", 54, set()),
        ("Explain in at most 50 words.", 60, {"wrong_length"}),
        ("Explain in 100 words.", 75, set()),
        ("Explain in 100 words.", 60, {"wrong_length"}),
        ("Explain in 100 words.", 140, {"wrong_length"}),
        ("Explain.", 5_000, set()),
        ("In at most 5 words or in at most 50 words?", 400, set()),
    ],
)
def test_an_answer_of_another_length_than_asked(asked: str, words: int, expected: set[str]) -> None:
    assert raised(asked, "word " * words) == expected


def test_sentences_and_characters_are_counted_too() -> None:
    three = "One is here. Two is here! Three is here?"

    assert raised("Reply in one sentence or less.", three) == {"wrong_length"}
    assert raised("Reply in three sentences.", three) == set()
    assert raised("Use no more than 20 characters.", three) == {"wrong_length"}


def test_only_the_last_question_is_what_was_asked() -> None:
    earlier, last = text_part("Answer in German."), text_part("And in short?", 2)

    said = GUARDS.judge(request_of(earlier, last), frozenset(), answer(ENGLISH))

    assert said == Guarded()


def test_a_call_of_a_tool_has_no_form_to_judge() -> None:
    calling = replace(choice("Let me look"), tool_calls=(ToolCall(id="1", name="f", arguments=""),))
    completion = replace(answer(), choices=(calling,))

    said = GUARDS.judge(request_of("Answer in German"), frozenset({"grounded"}), completion)

    assert said == Guarded()


def test_an_answer_too_long_to_read_fails_the_guards_that_read_it() -> None:
    said = GUARDS.judge(
        request_of("Answer in 5 words."), frozenset({"grounded"}), answer("x " * 150_000)
    )

    assert said.raised == frozenset()
    assert said.failed == {"citation_missing", "wrong_length"}


def test_a_guard_that_raises_an_error_has_failed() -> None:
    def broken(text: str) -> str:
        raise ValueError

    guards = AnswerGuards(ANSWER_GUARDS, broken)
    said = guards.judge(request_of("Answer in German"), frozenset(), answer(ENGLISH))

    assert said == Guarded(failed=frozenset({"wrong_language"}))  # type: ignore[arg-type]


def test_what_no_bundle_runs_says_nothing() -> None:
    said = AnswerGuards(()).judge(request_of("x"), frozenset(), answer("I can't help with that."))

    assert said == Guarded()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Answer in German please", "de"),
        ("Antworte auf Deutsch", "de"),
        ("Réponds en anglais", "en"),
        ("Reply in plain English.", "en"),
        ("Translate this letter into French: dear all", "fr"),
        ("How do I write English?", None),
        ("What does the German law say?", None),
    ],
)
def test_the_language_asked_for(text: str, expected: str | None) -> None:
    assert language_asked(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Summarise in two sentences.", Length(2, "sentences", is_bound=False)),
        ("in 3 sentences or less", Length(3, "sentences", is_bound=True)),
        ("antworte in höchstens 20 Wörtern", Length(20, "words", is_bound=True)),
        ("Keep it under 100 words", Length(100, "words", is_bound=True)),
        ("He came in two weeks", None),
    ],
)
def test_the_length_asked_for(text: str, expected: Length | None) -> None:
    assert length_asked(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("as shown [1]", True),
        ("as shown (Smith, 2020)", True),
        ("see https://example.org/a", True),
        ("Fine.\nSources: the handbook", True),
        ("The list is [a, b].", False),
        ("In 2020, sales rose (a lot).", False),
    ],
)
def test_what_counts_as_a_citation(text: str, expected: bool) -> None:
    assert has_citation(text) is expected
