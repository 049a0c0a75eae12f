"""How sure a model was of its answer: of numbers that upstreams give, and of what is none."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transire.domain.answer import AnswerChoice, Completion
from transire.validate.confidence import confidence_permille


def answer(*logprobs: Any) -> Completion:
    return Completion(
        choices=tuple(
            AnswerChoice(
                index=index,
                content="x",
                refusal=None,
                tool_calls=(),
                finish_reason="stop",
                logprobs=given,
            )
            for index, given in enumerate(logprobs)
        ),
        usage=None,
        model="m",
        created=0,
    )


def tokens(*numbers: Any) -> dict[str, Any]:
    return {"content": [{"token": "x", "logprob": number} for number in numbers]}


def test_it_is_the_geometric_mean_of_the_tokens_probabilities() -> None:
    made = tokens(math.log(0.9), math.log(0.4))

    assert confidence_permille(answer(made)) == round(1_000 * math.sqrt(0.9 * 0.4)) == 600


def test_of_several_choices_the_least_sure_one_counts() -> None:
    assert confidence_permille(answer(tokens(0.0), tokens(math.log(0.5)))) == 500


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        {},
        {"content": None},
        {"content": []},
        {"content": "high"},
        {"content": [{"logprob": True}]},
        {"content": [{"logprob": "-0.1"}]},
        {"content": ["-0.1", None, 3]},
        {"refusal": [{"logprob": -0.1}]},
        [{"logprob": -0.1}],
    ],
)
def test_what_holds_no_numbers_says_nothing(logprobs: Any) -> None:
    assert confidence_permille(answer(logprobs)) is None
    assert confidence_permille(answer(tokens(0.0), logprobs)) is None


def test_a_number_that_is_no_logarithm_of_a_probability_makes_nothing_surer() -> None:
    assert confidence_permille(answer(tokens(50.0, math.log(0.25)))) == 500
    assert confidence_permille(answer(tokens(-9_999.0, 0.0))) == 0


@given(st.lists(st.floats(allow_nan=False) | st.integers(), min_size=1, max_size=20))
def test_any_numbers_give_a_share(numbers: list[float]) -> None:
    found = confidence_permille(answer(tokens(*numbers)))

    assert found is not None
    assert 0 <= found <= 1_000


def test_a_number_that_is_none_is_left_out() -> None:
    assert confidence_permille(answer(tokens(math.nan, math.log(0.5)))) == 500
    assert confidence_permille(answer(tokens(math.nan))) is None
