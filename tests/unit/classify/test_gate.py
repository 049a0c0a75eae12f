"""A panel leaves out only what its gate would have shut out anyway."""

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transire.bundle.canaries import CANARIES
from transire.classify.gate import Gate, Panel
from transire.classify.recognizer import Hit, Recognizer
from transire.classify.recognizers import all_recognizers
from transire.classify.traits import Traits, traits_of

EVERY = all_recognizers()
PANEL = Panel(EVERY)
ADD = st.sampled_from(
    [*CANARIES.values(), "né le 3 mai 1980", "diabète", "\uff14\uff11", "é", "a@b", "1" * 9]
)


def gated(gate: Callable[[Traits], bool]) -> Recognizer:
    return Recognizer("X", gate, lambda *_: iter(list[Hit]()))


@given(st.lists(st.text(max_size=30) | ADD, max_size=6).map(" ".join))
@example("")
@example("patiente: diabète. Il est né le 3 mai 1980")
def test_every_open_gate_is_among_those_due(text: str) -> None:
    traits = traits_of(text)

    due = PANEL.due(traits)

    opened = [recognizer for recognizer in EVERY if recognizer.gate(traits)]
    assert [recognizer for recognizer in due if recognizer.gate(traits)] == opened


@pytest.mark.parametrize("text", ["How do I cook rice for ten people, please?", "", "Guten Tag!"])
def test_plain_prose_asks_no_gate(text: str) -> None:
    assert list(PANEL.due(traits_of(text))) == []


def test_a_condition_that_is_no_gate_is_asked_of_each_text() -> None:
    recognizer = gated(lambda _: False)

    assert list(Panel([recognizer]).due(traits_of("hello"))) == [recognizer]


@pytest.mark.parametrize(
    ("gate", "text"),
    [
        (Gate(digits=2), "1 and 2"),
        (Gate(longest=14), "an-eleven-token-run"),
        (Gate(words=frozenset({"né"})), "il est né"),
        (Gate(signs="@"), "a@b"),
        (Gate(shouts=True), "an ABC"),
        (Gate(check=lambda traits: "x" in traits.text), "x"),
    ],
)
def test_each_condition_opens_and_shuts(gate: Gate, text: str) -> None:
    panel = Panel([gated(gate)])

    assert [gate(traits_of(each)) for each in (text, "nothing here")] == [True, False]
    assert len(panel.due(traits_of(text))) == 1
