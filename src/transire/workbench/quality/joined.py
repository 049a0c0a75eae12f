"""An application's own prompts, joined with what the log holds of their decisions.

The log never holds a prompt, so the application keeps lines of `{decision_id, prompt, domain?}`
(the answer's `x-transire-decision-id`), and sends what it thinks of answers to
`POST /v1/decisions/{id}/feedback`. Here both meet: a score belongs to the deployment that answered.
A prompt that several deployments answered, in several decisions, says who gains by it; one that a
single deployment answered only says how that one does.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from transire.domain.judge import attempt_judged
from transire.errors import RequestError
from transire.score.quality.features import features_of
from transire.workbench.quality.outcomes import Outcomes, read_rows

__all__ = ["joined_outcomes"]

_MEMBERS: Final = {"decision_id", "prompt", "domain"}
_LEAST_SCORES: Final = 10
"""A deployment with fewer is left out: nothing could be fitted to it."""

Asked = tuple[str, str, str]
"""Prompt, domain and task: what makes two decisions one row."""


def joined_outcomes(
    prompts: Path, entries: Iterable[Mapping[str, Any]], *, least: int, with_judges: bool = False
) -> Outcomes:
    """One row per prompt, domain and task; NaN where a deployment never answered it.

    Args:
        entries: Of the log, in its order.
        with_judges: What judges of the bundle said counts for answers that nobody else scored.
        least: Rows with a score of every deployment, below which no gain could be judged.

    Raises:
        RequestError: names the line and what is wrong with it, or says what is missing.
    """
    asked = _asked(prompts)
    scored = _scored(asked, entries, _Grades() if with_judges else None)
    counts: dict[str, int] = defaultdict(int)
    for by in scored.values():
        for deployment in by:
            counts[deployment] += 1
    models = tuple(sorted(name for name, count in counts.items() if count >= _LEAST_SCORES))
    rows = [(key, by) for key, by in scored.items() if any(name in by for name in models)]
    scores = np.array(
        [[_mean(by.get(name, ())) for name in models] for _, by in rows], dtype=float
    ).reshape(len(rows), len(models))
    whole = int(np.isfinite(scores).all(axis=1).sum()) if len(models) > 1 else 0
    if whole < least:
        raise RequestError(
            f"{whole} prompts have feedback on answers of every deployment, and {least} are needed "
            "to judge a gain: ask a golden set of each (`transire evaluate --outcomes`)"
        )
    features = tuple(
        features_of(prompt, (*((f"domain={domain}",) if domain else ()), f"task={task}"))
        for (prompt, domain, task), _ in rows
    )
    chars = np.array([float(len(prompt)) for (prompt, _, _), _ in rows])
    return Outcomes(models, features, chars, scores)


def _asked(prompts: Path) -> dict[str, tuple[str, str]]:
    asked = {}
    for number, row in read_rows(prompts, _MEMBERS):
        name = row.get("decision_id")
        if not isinstance(name, str) or not name.startswith("dec_"):
            raise RequestError(f"line {number}: `decision_id` must be a decision's, `dec_…`")
        asked[name] = (row["prompt"], row.get("domain") or "")
    return asked


class _Grades:
    """What judges said, of which answer: also of one that a better answer took the place of."""

    def __init__(self) -> None:
        self._answered: dict[tuple[str, int], str] = {}
        self._given: dict[tuple[str, int], int] = {}

    def hear(self, name: str, entry: Mapping[str, Any]) -> None:
        """Hear an entry of a decision that was asked about."""
        number, score = entry.get("attempt"), entry.get("score")
        if type(number) is not int:
            return
        if entry.get("kind") == "outcome":
            self._answered[name, number] = str(entry.get("deployment"))
        elif entry.get("kind") == "judge.ended" and type(score) is int and 0 <= score <= 1_000:
            self._given[name, attempt_judged(number)] = score

    def told(self) -> Iterable[tuple[str, str, float]]:
        """(decision, deployment, score of 0 to 1) of each."""
        for answer, score in self._given.items():
            if answer in self._answered:
                yield answer[0], self._answered[answer], score / 1_000


def _scored(
    asked: Mapping[str, tuple[str, str]],
    entries: Iterable[Mapping[str, Any]],
    grades: _Grades | None,
) -> dict[Asked, dict[str, list[float]]]:
    tasks, answered, given = dict[str, str](), dict[str, str](), dict[str, list[float]]()
    for entry in entries:
        kind = entry.get("kind")
        name = str(entry.get("id" if kind == "decision" else "decision_id"))
        if name not in asked:
            continue
        if grades is not None:
            grades.hear(name, entry)
        if kind == "decision":
            signals = entry.get("signals")
            tasks[name] = str(signals.get("task")) if isinstance(signals, Mapping) else "default"
        elif kind == "outcome" and entry.get("status") == "ok":
            answered[name] = str(entry.get("deployment"))
        elif kind == "feedback":
            score = entry.get("score_permille")
            if score is None and isinstance(entry.get("success"), bool):
                score = 1_000 * int(entry["success"])
            if type(score) is int and 0 <= score <= 1_000:
                given.setdefault(name, []).append(score / 1_000)
    scored: dict[Asked, dict[str, list[float]]] = {}
    for name, values in given.items():
        if name in answered and name in tasks:
            row = scored.setdefault((*asked[name], tasks[name]), {})
            row.setdefault(answered[name], []).append(sum(values) / len(values))
    for name, deployment, value in () if grades is None else grades.told():
        is_given = name in given and answered.get(name) == deployment
        if name in tasks and not is_given:
            row = scored.setdefault((*asked[name], tasks[name]), {})
            row.setdefault(deployment, []).append(value)
    return scored


def _mean(values: Iterable[float]) -> float:
    known = list(values)
    return sum(known) / len(known) if known else float("nan")
