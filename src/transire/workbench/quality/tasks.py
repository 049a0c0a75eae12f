"""A classifier of tasks from labelled prompts: one ridge regression per task on the same features.

It may stay silent: its word counts from a score on at which, on rows left out, it is right often
enough. The rows on which that score is chosen are not those on which it is then judged.
"""

from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from transire.errors import RequestError
from transire.score.quality.features import features_of
from transire.score.quality.model import MOST_MODELS, QualityModel
from transire.workbench.quality.fit import best_penalty, fit
from transire.workbench.quality.outcomes import Outcomes, read_rows
from transire.workbench.wilson import wilson

__all__ = ["TaskReport", "judge_tasks", "read_tasks", "train_tasks"]

Array: TypeAlias = NDArray[np.float64]

_PRECISE: Final = 0.9
"""How often it should be right where it speaks: a wrong task costs a floor and a target."""
_SHARES: Final = (0.5, 0.25)
"""Of the rows: fitted on, and used to choose the score; the rest judges."""


class TaskReport(NamedTuple):
    """One judgement, on rows that neither fitted nor chose anything.

    Attributes:
        least: Score from which its word counts.
        precision: How often it is right where it speaks, with its 95 % interval.
        coverage: How often it speaks.
        commonest: How often always naming the commonest task would be right.
    """

    rows: tuple[int, int]
    least: float
    precision: tuple[float, float, float]
    coverage: float
    commonest: float

    @property
    def refusals(self) -> list[str]:
        """Why it may not be used; empty where it may."""
        if self.precision[1] > self.commonest:
            return []
        return ["it names tasks no better than always naming the commonest"]

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        value, low, high = (round(number, 4) for number in self.precision)
        return {
            "rows": {"fit": self.rows[0], "test": self.rows[1]},
            "least": round(self.least, 4),
            "precision": {"value": value, "low": low, "high": high},
            "coverage": round(self.coverage, 4),
            "commonest": round(self.commonest, 4),
            "activates": not self.refusals,
            "refusals": self.refusals,
        }


def read_tasks(path: Path, *, least: int) -> Outcomes:
    """Lines of `{prompt, task}`: each task is a model that answers 1 where it is the row's.

    Raises:
        RequestError: names the line and what is wrong with it, never quotes it.
    """
    named, features, chars = list[str](), [], []
    for number, row in read_rows(path, {"prompt", "task", "id"}):
        if not row.get("task"):
            raise RequestError(f"line {number}: `task` must be named")
        named.append(row["task"])
        features.append(features_of(row["prompt"]))
        chars.append(float(len(row["prompt"])))
    tasks = tuple(sorted(set(named)))
    if not 2 <= len(tasks) <= MOST_MODELS:
        raise RequestError(
            f"2 to {MOST_MODELS} tasks can be told apart, and these are {len(tasks)}"
        )
    if len(named) < least:
        raise RequestError(f"`{path.name}` has {len(named)} rows, and {least} are needed")
    scores = np.array([[float(task == name) for task in tasks] for name in named])
    return Outcomes(tasks, tuple(features), np.array(chars), scores)


def train_tasks(rows: Outcomes, seed: int) -> tuple[QualityModel, TaskReport]:
    """Fit on all rows; the report is of the same way of fitting on some of them."""
    report = judge_tasks(rows, seed)
    model = fit(rows, best_penalty(rows, seed))
    return model, report


def judge_tasks(rows: Outcomes, seed: int) -> TaskReport:
    """Fit on half of the rows, choose the score on a quarter, judge on the rest."""
    order = np.random.default_rng(seed).permutation(len(rows.features))
    fitted, chosen = (round(share * len(order)) for share in _SHARES)
    taught = rows.rows(order[:fitted])
    model = fit(taught, best_penalty(taught, seed))
    least = _least(*_named(model, rows.rows(order[fitted : fitted + chosen])))
    rest = rows.rows(order[fitted + chosen :])
    scores, right = _named(model, rest)
    speaks = scores >= least
    said, good = int(speaks.sum()), int(right[speaks].sum())
    low, high = wilson(good, said)
    return TaskReport(
        rows=(fitted, len(rest.features)),
        least=least,
        precision=(good / said if said else 0.0, low, high),
        coverage=said / len(rest.features),
        commonest=float(rest.scores.mean(axis=0).max()),
    )


def _named(model: QualityModel, rows: Outcomes) -> tuple[Array, NDArray[np.bool_]]:
    """Per row, the score of the likeliest task, and whether it is the right one."""
    scores = np.stack([model.predict(read) for read in rows.features]).astype(float)
    best = scores.argmax(axis=1)
    truth = rows.scores.argmax(axis=1)
    return scores.max(axis=1), best == truth


def _least(scores: Array, right: NDArray[np.bool_]) -> float:
    """The lowest score from which on it is right as often as it should be, or the best it can."""
    order = np.argsort(-scores, kind="stable")
    precise = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero(precise >= _PRECISE)
    at = int(enough[-1]) if len(enough) else int(np.argmax(precise))
    return float(scores[order[at]])
