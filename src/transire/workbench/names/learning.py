"""How both programmes learn: the steps down a gradient, and what a student's loss is.

Which examples, for how long and at which rates is each programme's own.
"""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn

from transire.workbench.names.examples import IGNORED

__all__ = ["descend", "gold_loss", "tell", "tutored_loss"]

_GOLD_WEIGHT: Final = 0.3
"""Share of the gold tags in a student's loss; what the teacher holds likely is the rest."""
_LONGEST: Final = 1.0
"""Norm above which a gradient is shortened."""
_TOLD_EVERY: Final = 50


def descend(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    plan: Sequence[list[int]],
    loss: Callable[[list[int]], Tensor],
    *,
    warm_up: float,
    after: Callable[[int], None] | None = None,
) -> None:
    """Take one step for each batch of the plan; the model is ready to be used afterwards.

    Args:
        plan: Batches as places of examples, in the order in which they are seen.
        loss: Of one batch.
        warm_up: Share of the steps in which the rates rise to their full height; then they fall.
        after: Told each step's number, from 0, once it is taken.
    """
    steps, began = len(plan), time.monotonic()
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: min((s + 1) / (steps * warm_up), (steps - s) / steps)
    )
    model.train()
    for step, batch in enumerate(plan):
        lost = loss(batch)
        lost.backward()
        nn.utils.clip_grad_norm_(model.parameters(), _LONGEST)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        if step % _TOLD_EVERY == 0:
            tell(f"step {step}/{steps} loss {lost.item():.4f}", began, step + 1, steps)
        if after is not None:
            after(step)
    model.eval()


def gold_loss(scores: Tensor, tags: Tensor) -> Tensor:
    """Cross entropy of `[batch, length, tags]` against the true tags, padding left out."""
    loss: Tensor = nn.functional.cross_entropy(
        scores.flatten(0, 1), tags.flatten(), ignore_index=IGNORED
    )
    return loss


def tutored_loss(scores: Tensor, tags: Tensor, likely: Tensor) -> Tensor:
    """A student's loss: of the gold tags in part, else of the teacher's likelihoods.

    G. Hinton, O. Vinyals, J. Dean, "Distilling the knowledge in a neural network" (2015), at a
    temperature of 1.
    """
    seen = (tags != IGNORED).unsqueeze(-1)
    taught: Any = -(likely * scores.log_softmax(-1) * seen).sum() / seen.sum()
    loss: Tensor = _GOLD_WEIGHT * gold_loss(scores, tags) + (1 - _GOLD_WEIGHT) * taught
    return loss


def tell(what: str, began: float, done: int, whole: int) -> None:
    """Say on standard error how far it is, and how long it will take at this pace."""
    left = (time.monotonic() - began) / done * (whole - done)
    sys.stderr.write(f"{what}, {left:.0f} s left\n")
