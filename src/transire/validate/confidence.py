"""How sure a model was of what it wrote, from the probabilities that its upstream gives. Pure.

The geometric mean of the tokens' probabilities, which is the inverse of the answer's perplexity:
exp of the mean of the logarithms (OpenAI: `logprobs.content[].logprob`). It says how often the
model hesitated, not whether it is right; what is low for one model is ordinary for another, so the
bound is the bundle's.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from transire.domain.answer import AnswerChoice, Completion

__all__ = ["confidence_permille"]

_NONE: Final = -9_999
"""What stands for no probability at all (OpenAI: `logprobs.content[].logprob`)."""


def confidence_permille(answer: Completion) -> int | None:
    """Of the choice the model was least sure of; None where a choice comes without numbers."""
    least: int | None = None
    for choice in answer.choices:
        numbers = list(_logarithms(choice))
        if not numbers:
            return None
        mean = math.fsum(numbers) / len(numbers)
        sure = round(1000 * math.exp(mean))
        least = sure if least is None else min(least, sure)
    return least


def _logarithms(choice: AnswerChoice) -> Iterator[float]:
    found = choice.logprobs.get("content") if isinstance(choice.logprobs, Mapping) else None
    if not isinstance(found, Sequence) or isinstance(found, str):
        return
    for token in found:
        number = token.get("logprob") if isinstance(token, Mapping) else None
        if isinstance(number, int | float) and not isinstance(number, bool):
            # Above 0 it is no probability's; an upstream may write any number, and sums overflow.
            bounded = max(min(number, 0), _NONE)
            if not math.isnan(bounded):
                yield float(bounded)
