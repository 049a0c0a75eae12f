"""Fitted models for tests, small enough to be worked out by hand."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from transire.domain.learned import ModelFile
from transire.score.quality.features import TRAITS, features_of
from transire.score.quality.model import QualityModel

HARD = "prove it"
"""What `small` is bad at; the model knows these words and no others."""

EARNED: dict[str, Any] = {
    "rows": {"fit": 200, "test": 100, "repeats": 1},
    "weak": "small",
    "strong": "large",
    "over_length": {"value": 0.2, "low": 0.1, "high": 0.3},
    "over_best_single": {"value": 0.1, "low": 0.05, "high": 0.2},
    "cuts": [-0.4, -0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3, 0.4],
    "activates": True,
}
ANY_LENGTH: dict[str, Any] = {"least_known_permille": 500, "log_chars": [0.0, 12.0]}


def model(**changes: Any) -> QualityModel:
    """`large` gains 0.17 on `HARD` and `small` loses 0.52."""
    whole = QualityModel(
        models=("large", "small"),
        means=np.array([0.8, 0.5], np.float32),
        buckets=np.array(features_of(HARD).buckets, np.int32),
        words=np.array([[0.1] * 3, [-0.3] * 3], np.float32),
        trait_means=np.zeros(len(TRAITS), np.float32),
        trait_scales=np.ones(len(TRAITS), np.float32),
        traits=np.zeros((2, len(TRAITS)), np.float32),
        tags={"domain=law": np.array([0.2, 0.0], np.float32)},
        facts={"held_out": EARNED, "domain": ANY_LENGTH},
    )
    return replace(whole, **changes)


def task_model(**changes: Any) -> QualityModel:
    """Takes `HARD` for `billing`, and everything it knows nothing of for nothing."""
    held = {
        "rows": {"fit": 200, "test": 100},
        "least": 0.6,
        "precision": {"value": 0.9, "low": 0.8, "high": 0.95},
        "commonest": 0.5,
    }
    return replace(
        model(
            models=("billing", "default"),
            means=np.array([0.4, 0.3], np.float32),
            words=np.array([[0.3] * 3, [-0.3] * 3], np.float32),
            tags={},
            facts={"kind": "tasks", "held_out": held, "domain": ANY_LENGTH},
        ),
        **changes,
    )


def written(made: QualityModel, path: Path) -> ModelFile:
    """The model on the disk, as a bundle names it."""
    data = made.to_bytes()
    path.write_bytes(data)
    return ModelFile(path=str(path), sha256=hashlib.sha256(data).hexdigest())
