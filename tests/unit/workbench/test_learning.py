"""Steps down a gradient, and what a student learns from whom."""

import math
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch", reason="the extra `train` is not installed")
learning: Any = pytest.importorskip("transire.workbench.names.learning")

SCORES = [[[2.0, 0.0], [0.0, 1.0], [5.0, 5.0]]]
TAGS = [[0, 0, -100]]


def entropy(first: float, second: float, right: int) -> float:
    return math.log(math.exp(first) + math.exp(second)) - (first, second)[right]


def test_gold_counts_what_is_no_padding() -> None:
    loss = learning.gold_loss(torch.tensor(SCORES), torch.tensor(TAGS))

    assert float(loss) == pytest.approx((entropy(2, 0, 0) + entropy(0, 1, 0)) / 2, abs=1e-5)


def test_a_student_learns_three_parts_of_ten_from_gold_and_the_rest_from_its_teacher() -> None:
    likely = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]])
    loss = learning.tutored_loss(torch.tensor(SCORES), torch.tensor(TAGS), likely)

    gold = (entropy(2, 0, 0) + entropy(0, 1, 0)) / 2
    taught = (entropy(2, 0, 0) + entropy(0, 1, 1)) / 2
    assert float(loss) == pytest.approx(0.3 * gold + 0.7 * taught, abs=1e-5)


def test_every_batch_is_a_step_and_the_last_is_the_shortest() -> None:
    model = torch.nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(0.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    seen, at = list[list[int]](), list[float]()

    def loss(places: list[int]) -> Any:
        seen.append(places)
        return -model.weight.sum()  # a gradient of 1, however far it is

    def after(step: int) -> None:
        at.append(model.weight.item())

    plan = [[n] for n in range(10)]
    learning.descend(model, optimizer, plan, loss, warm_up=0.2, after=after)
    taken = [b - a for a, b in zip([0.0, *at], at, strict=False)]

    assert seen == plan
    assert taken == pytest.approx([0.5, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1])
    assert not model.training
