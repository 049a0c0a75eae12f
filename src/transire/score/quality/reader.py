"""Reads a prompt with the models of one bundle: its task, and each deployment's expected gain.

A gain is what a prompt's own words and traits add to a model's mean score, so that it may be added
to the quality the catalog gives. A task's tag counts only where the catalog gives a deployment no
quality of its own for that task: it would count twice.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from transire.domain.deployment import Deployment
from transire.domain.ids import DeploymentId
from transire.domain.learned import Reading
from transire.score.quality.drift import DriftWatch
from transire.score.quality.features import Features, features_of
from transire.score.quality.model import QualityModel
from transire.score.quality.standing import Standing, TaskStanding

__all__ = ["Predictor", "PromptReader", "TaskReader"]

_MOST: Final = 1_000
"""A gain beyond the whole scale is none."""


class Predictor:
    """Expected gains of deployments, by one fitted model.

    Args:
        serving: Name in the model's file → the deployments that serve it.
    """

    def __init__(
        self,
        model: QualityModel,
        standing: Standing,
        serving: Mapping[str, tuple[Deployment, ...]],
    ) -> None:
        self._model = model
        self._standing = standing
        self._means = model.means
        self._serving = [
            (place, deployment.id, frozenset(deployment.quality_permille))
            for place, name in enumerate(model.models)
            for deployment in serving[name]
        ]
        self._weak, self._strong = (model.models.index(n) for n in standing.ends)
        self.watch = DriftWatch(standing.cuts)

    def gains(
        self, text: Features, task: str | None, domain: str | None
    ) -> dict[DeploymentId, int] | None:
        """Deployment → gain in permille; None where the prompt is unlike those it was fitted on."""
        tags = (f"domain={domain}",) if domain else ()
        predicted, known = self._model.predict_known(text._replace(tags=tags))
        if not self._standing.knows(known, text):
            self.watch.passed()
            return None
        plain = predicted - self._means
        if not np.all(np.isfinite(plain)):
            return None
        tagged = plain + self._model.tag_part(f"task={task}") if task else plain
        self.watch.saw(float(tagged[self._strong] - tagged[self._weak]))
        return {
            name: _permille((plain if task in own else tagged)[place])
            for place, name, own in self._serving
        }


class TaskReader:
    """Names a task where it is sure enough."""

    def __init__(self, model: QualityModel, standing: TaskStanding) -> None:
        self._model = model
        self._standing = standing

    def task_of(self, text: Features) -> str | None:
        """The likeliest task; None where no task is likely enough, or the prompt is foreign."""
        scores, known = self._model.predict_known(text)
        if not self._standing.knows(known, text):
            return None
        best = int(np.argmax(scores))
        # A NaN is not above any threshold.
        return self._model.models[best] if scores[best] >= self._standing.least else None


class PromptReader:
    """Implements `domain.learned.Learned`; what it reads is computed once for both models."""

    def __init__(self, predictor: Predictor | None, tasks: TaskReader | None) -> None:
        self._predictor = predictor
        self._tasks = tasks

    @property
    def drift_permille(self) -> int | None:
        """See `domain.learned.Learned`."""
        return None if self._predictor is None else self._predictor.watch.permille

    @property
    def foreign_permille(self) -> int | None:
        """See `domain.learned.Learned`."""
        return None if self._predictor is None else self._predictor.watch.foreign_permille

    def read(self, text: str, task: str | None, domain: str | None) -> Reading:
        """See `domain.learned.Learned`."""
        wants_task = self._tasks is not None and task is None
        if not text or (self._predictor is None and not wants_task):
            return Reading()
        read = features_of(text)
        if wants_task and self._tasks is not None:
            task = self._tasks.task_of(read)
        gains = None
        if self._predictor is not None:
            gains = self._predictor.gains(read, task, domain)
        return Reading(task=task if wants_task else None, gains=gains)


def _permille(gain: float) -> int:
    return max(-_MOST, min(_MOST, round(1000 * float(gain))))
