"""A golden set's results as what a predictor is fitted on: every deployment on every case."""

import json
from collections.abc import Iterable, Iterator, Sequence

from transire.workbench.evaluate.result import Result
from transire.workbench.evaluate.suite import SuiteDocument

__all__ = ["outcome_lines"]


def outcome_lines(
    suite: SuiteDocument, deployments: Sequence[str], results: Iterable[Result]
) -> Iterator[str]:
    """A line of `{id, prompt, task?, outcomes}` for each case with a score of every deployment.

    Where one deployment was denied or gave no answer, who gains by the case is not known.
    """
    scores = {(r.digest, r.deployment): r.score for r in results}
    for case in suite.cases:
        own = {name: scores.get((case.digest, name)) for name in deployments}
        if case.text and all(score is not None for score in own.values()):
            task = {} if case.task is None else {"task": case.task}
            yield json.dumps({"id": case.id, "prompt": case.text, **task, "outcomes": own})
