import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.classify.detectors import bundle_of, request_of, text_part

from transire.classify.cues import CueReader
from transire.domain.bundle import Cue
from transire.domain.classification import Signals
from transire.domain.ids import Stakes
from transire.domain.learned import Reading
from transire.domain.question import last_user_text
from transire.domain.request import Assertions, RoutingRequest
from transire.errors import RequestError


def read(*cues: Cue, request: RoutingRequest, language: str | None = None) -> Signals:
    bundle = bundle_of(cues=cues)
    reader = CueReader(bundle.routing, bundle.taxonomy)
    return reader.read(request, last_user_text(request.body), lambda _: language)


REFUND = Cue(name="refund", words=("refund", "charged twice"), task="billing")


@pytest.mark.parametrize("text", ["a refund?", "REFUND", "I was Charged Twice.", "(refund)"])
def test_a_word_fires_whatever_its_case_and_punctuation(text: str) -> None:
    assert read(REFUND, request=request_of(text)).cues == ("refund",)


@pytest.mark.parametrize("text", ["refundable", "prerefund", "refund_id", "charged  twice", ""])
def test_a_word_inside_another_does_not_fire(text: str) -> None:
    assert read(REFUND, request=request_of(text)).cues == ()


def test_a_later_occurrence_on_word_borders_fires() -> None:
    assert read(REFUND, request=request_of("refundable or refund")).cues == ("refund",)


def test_only_the_last_user_message_is_read() -> None:
    request = request_of("a refund", text_part("refund", 1, role="assistant"), text_part("hi", 2))

    assert read(REFUND, request=request).cues == ()


def test_all_text_parts_of_the_last_user_message_are_read() -> None:
    parts = [
        text_part(text, pointer=("messages", 3, "content", i, "text"))
        for i, text in enumerate(["one", "a refund"])
    ]

    assert read(REFUND, request=request_of(*parts)).cues == ("refund",)


def test_the_first_cue_that_names_a_task_sets_it_and_the_highest_floor_wins() -> None:
    floor = Cue(name="floor", words=("refund",), quality_floor_permille=900)
    other = Cue(name="other", words=("refund",), task="default", quality_floor_permille=100)

    signals = read(floor, REFUND, other, request=request_of("refund"))

    assert (signals.task, signals.quality_floor_permille) == ("billing", 900)
    assert signals.cues == ("floor", "refund", "other")


def test_the_floor_of_the_task_counts_too() -> None:
    assert read(REFUND, request=request_of("refund")).quality_floor_permille == 850


def test_the_tag_of_the_caller_counts_only_where_no_cue_named_a_task() -> None:
    tagged = Assertions(task="billing")
    plain = Cue(name="plain", words=("hello",), task="default")

    assert read(plain, request=request_of("hello", assertions=tagged)).task == "default"
    assert read(plain, request=request_of("bye", assertions=tagged)).task == "billing"


def test_an_unknown_tag_is_refused_naming_the_known_tasks() -> None:
    with pytest.raises(RequestError, match="one of `default`, `billing`") as caught:
        read(request=request_of("x", assertions=Assertions(task="canary-7f3a")))

    assert caught.value.param == "transire.task"
    assert "canary-7f3a" not in caught.value.message


def test_every_condition_of_a_cue_must_hold() -> None:
    cue = Cue(name="all", words=("x",), min_tokens=10, has_tools=True, languages=frozenset({"de"}))
    tools = frozenset({"tools"})

    assert read(cue, request=request_of("x", tokens=10, needs=tools), language="de").cues == (
        "all",
    )
    assert read(cue, request=request_of("y", tokens=10, needs=tools), language="de").cues == ()
    assert read(cue, request=request_of("x", tokens=9, needs=tools), language="de").cues == ()
    assert read(cue, request=request_of("x", tokens=10), language="de").cues == ()
    assert read(cue, request=request_of("x", tokens=10, needs=tools)).cues == ()


def test_stakes_rise_to_the_highest_and_needs_are_united() -> None:
    low = Cue(name="a", words=("x",), stakes=Stakes("limited"), needs=frozenset({"grounded"}))
    high = Cue(name="b", words=("x",), stakes=Stakes("high"), needs=frozenset({"vision"}))

    signals = read(high, low, request=request_of("x"))

    assert signals.stakes == "high"
    assert signals.needs == {"grounded", "vision"}


def test_the_language_is_judged_only_where_a_cue_would_fire_but_for_it() -> None:
    judged: list[str] = []

    def judge(text: str) -> str:
        judged.append(text)
        return "de"

    german = frozenset({"de"})
    cues = [
        Cue(name=name, words=(word,), languages=german)
        for name, word in (("a", "absent"), ("b", "here"), ("c", "here"))
    ]
    bundle = bundle_of(cues=cues)
    reader = CueReader(bundle.routing, bundle.taxonomy)

    without = reader.read(request_of("x"), "nothing", judge)
    asked_before = len(judged)
    signals = reader.read(request_of("x"), "here", judge)

    assert (without.language, asked_before) == (None, 0)
    assert (signals.language, signals.cues, judged) == ("de", ("b", "c"), ["here"])


def test_without_a_cue_nothing_is_raised() -> None:
    assert read(request=request_of("x")) == Signals()


class Guesser:
    """Takes every text for one task."""

    drift_permille = None
    foreign_permille = None

    def __init__(self, task: str) -> None:
        self._task = task

    def read(self, text: str, task: str | None, domain: str | None) -> Reading:
        return Reading(task=self._task if task is None else None)


def guessed(*cues: Cue, request: RoutingRequest, **rules: Any) -> Signals:
    bundle = bundle_of(cues=cues)
    reader = CueReader(replace(bundle.routing, **rules), bundle.taxonomy, Guesser("billing"))
    return reader.read(request, last_user_text(request.body), lambda _: None)


@pytest.mark.parametrize(
    ("text", "tag", "by"),
    [
        ("a refund", "default", "cue"),
        ("hello", "default", "tag"),
        ("hello", None, "learned"),
    ],
)
def test_who_named_the_task_is_told(text: str, tag: str | None, by: str) -> None:
    signals = guessed(REFUND, request=request_of(text, assertions=Assertions(task=tag)))

    assert signals.task_by == by
    assert signals.task == ("default" if by == "tag" else "billing")


def test_a_task_nobody_named_is_the_default() -> None:
    assert read(request=request_of("hello")).task_by == "default"


def test_a_guess_never_gets_below_the_floor_of_an_unknown_task() -> None:
    floors = {"billing": 100, "default": 500}

    guess = guessed(request=request_of("hello"), task_quality_floor_permille=floors)
    tag = guessed(
        request=request_of("hello", assertions=Assertions(task="billing")),
        task_quality_floor_permille=floors,
    )

    assert (guess.quality_floor_permille, tag.quality_floor_permille) == (500, 100)


def test_a_task_asks_for_capabilities_whoever_named_it() -> None:
    needs = {"billing": frozenset({"retrieval"})}

    assert guessed(request=request_of("hello"), task_needs=needs).needs == {"retrieval"}
    assert guessed(REFUND, request=request_of("refund"), task_needs=needs).needs == {"retrieval"}


WORDS = (
    "refund",
    "sign-off",
    "don't",
    "gdpr2",
    "übersetze",
    "é",
    "翻译",
    "42",
    "a b",
    "Straße",
    "x",
)


@given(
    st.lists(
        st.sampled_from((*WORDS, "refunds", "REFUND", "_x", "x1", "e", "-", " ", "\n", "\ud800"))
    )
)
def test_no_word_is_overlooked_whatever_stands_around_it(pieces: list[str]) -> None:
    text = "".join(pieces)
    cues = [Cue(name=word, words=(word,), task="billing") for word in WORDS]
    wanted = [w for w in WORDS if re.search(rf"(?<!\w){re.escape(w.lower())}(?!\w)", text.lower())]

    assert list(read(*cues, request=request_of(text)).cues) == wanted
