"""Ridge regression over sparse features, by conjugate gradients; the penalty by cross-validation.

Rows are short (some 150 buckets) and buckets are many, so the matrix is never written out: two
products with it cost a pass over its entries each (Hestenes and Stiefel, 1952). Deterministic.
"""

import math
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from transire.score.quality.features import BUCKETS, TRAITS
from transire.score.quality.model import TAG_WEIGHT, TRAIT_WEIGHT, QualityModel
from transire.workbench.quality.outcomes import Outcomes

__all__ = ["PENALTIES", "best_penalty", "fit"]

Array: TypeAlias = NDArray[np.float64]

PENALTIES: Final = (1.0, 3.0, 10.0, 30.0, 100.0)
"""Tried in cross-validation; words have length one, so these are in units of rows."""
_FOLDS: Final = 5
_MOST_FOLDED: Final = 5_000
"""Rows used to choose the penalty; more would not choose better."""
_LEAST_ROWS: Final = 2
"""A bucket that stands in one row alone teaches nothing about another."""
_TAIL_PCT: Final = 1.0
"""Rows that may count as foreign, of those the model was fitted on."""
_ROOM: Final = math.log(2)
"""Beyond the lengths it has seen it may be trusted at half and at twice of them."""
_STEPS: Final = 200
_CLOSE: Final = 1e-5
"""Of the first residual: far inside what a resample moves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Design:
    """The matrix of one set of rows, as its entries in row order.

    Attributes:
        columns, values: Of every entry.
        starts: Where each row's entries begin; no row is empty, every one has its traits.
        owners: The row of every entry.
    """

    columns: NDArray[np.int64]
    values: Array
    starts: NDArray[np.int64]
    owners: NDArray[np.int64]
    width: int

    def times(self, vector: Array) -> Array:
        """Row by row, the sum of the row's values times the vector's."""
        return np.add.reduceat(self.values * vector[self.columns], self.starts)

    def transposed_times(self, vector: Array) -> Array:
        """Column by column, the sum of the column's values times the vector's."""
        weights = self.values * vector[self.owners]
        summed: Array = np.bincount(self.columns, weights, minlength=self.width).astype(float)
        return summed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Space:
    """Which features have a column: buckets first, then traits, then tags."""

    buckets: NDArray[np.int64]
    tags: tuple[str, ...]
    means: Array
    scales: Array

    @classmethod
    def of(cls, rows: Outcomes) -> "_Space":
        counts = np.bincount(
            np.concatenate([np.asarray(f.buckets, np.int64) for f in rows.features]),
            minlength=BUCKETS,
        )
        traits = np.array([f.traits for f in rows.features])
        return cls(
            buckets=np.flatnonzero(counts >= _LEAST_ROWS),
            tags=tuple(sorted({tag for f in rows.features for tag in f.tags})),
            means=traits.mean(axis=0),
            # A trait that never varies says nothing; dividing by one keeps it at nothing.
            scales=np.where(traits.std(axis=0) > 0, traits.std(axis=0), 1.0),
        )

    @property
    def width(self) -> int:
        return len(self.buckets) + len(TRAITS) + len(self.tags)

    def design(self, rows: Outcomes) -> _Design:
        """The rows in this space; what has no column is left out."""
        column = np.full(BUCKETS, -1, np.int64)
        column[self.buckets] = np.arange(len(self.buckets))
        first_tag = len(self.buckets) + len(TRAITS)
        tag_column = {tag: first_tag + i for i, tag in enumerate(self.tags)}
        trait_columns = len(self.buckets) + np.arange(len(TRAITS))
        columns, values, sizes = list[Any](), list[Any](), list[int]()
        for read in rows.features:
            known = column[np.asarray(read.buckets, np.int64)]
            known = known[known >= 0]
            tags = [tag_column[tag] for tag in read.tags if tag in tag_column]
            length = max(len(read.buckets), 1) ** 0.5
            columns += [known, trait_columns, np.array(tags, np.int64)]
            values += [
                np.full(len(known), 1 / length),
                TRAIT_WEIGHT * (np.asarray(read.traits) - self.means) / self.scales,
                np.full(len(tags), TAG_WEIGHT),
            ]
            sizes.append(len(known) + len(TRAITS) + len(tags))
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        return _Design(
            columns=np.concatenate(columns),
            values=np.concatenate(values),
            starts=starts,
            owners=np.repeat(np.arange(len(sizes)), sizes),
            width=self.width,
        )


def fit(rows: Outcomes, penalty: float) -> QualityModel:
    """One ridge regression per model over the same features, each on the rows it has a score in."""
    space = _Space.of(rows)
    weights = _solved(space, rows, penalty)
    words, rest = weights[:, : len(space.buckets)], weights[:, len(space.buckets) :]
    return QualityModel(
        models=rows.models,
        means=np.nanmean(rows.scores, axis=0).astype(np.float32),
        buckets=space.buckets.astype(np.int32),
        words=words.astype(np.float32),
        trait_means=space.means.astype(np.float32),
        trait_scales=space.scales.astype(np.float32),
        traits=rest[:, : len(TRAITS)].astype(np.float32),
        tags={tag: rest[:, len(TRAITS) + i].astype(np.float32) for i, tag in enumerate(space.tags)},
        facts={"rows": len(rows.features), "penalty": penalty, "domain": _domain(rows)},
    )


def _domain(rows: Outcomes) -> dict[str, Any]:
    """What a prompt like these is like, each row judged as if it had not been fitted on.

    A bucket that stands in `_LEAST_ROWS` other rows would be known without this one.
    """
    counts = np.bincount(
        np.concatenate([np.asarray(f.buckets, np.int64) for f in rows.features]), minlength=BUCKETS
    )
    known = [
        1000 * float((counts[np.asarray(f.buckets, np.int64)] > _LEAST_ROWS).mean())
        for f in rows.features
        if f.buckets
    ]
    chars = [f.traits[0] for f in rows.features]
    return {
        "least_known_permille": int(np.percentile(known, _TAIL_PCT)) if known else 1000,
        "log_chars": [
            float(np.percentile(chars, _TAIL_PCT / 2)) - _ROOM,
            float(np.percentile(chars, 100 - _TAIL_PCT / 2)) + _ROOM,
        ],
    }


def best_penalty(rows: Outcomes, seed: int) -> float:
    """The penalty whose predictions of *gains* err least on rows left out.

    What is compared is each model's score against the mean of all models on the same prompt, so a
    penalty is not chosen for how well it tells hard prompts from easy ones.
    """
    order = np.random.default_rng(seed).permutation(rows.whole)[:_MOST_FOLDED]
    folds = np.array_split(order, _FOLDS)
    errors = np.zeros(len(PENALTIES))
    for fold in folds:
        kept = rows.rows(np.setdiff1d(order, fold))
        space = _Space.of(kept)
        held = space.design(rows.rows(fold))
        truth = _gains(rows.scores[fold])
        for at, penalty in enumerate(PENALTIES):
            weights = _solved(space, kept, penalty)
            predicted = kept.scores.mean(axis=0) + np.stack([held.times(w) for w in weights], 1)
            errors[at] += float(((_gains(predicted) - truth) ** 2).sum())
    return PENALTIES[int(np.argmin(errors))]


def _gains(scores: Array) -> Array:
    return np.asarray(scores - scores.mean(axis=1, keepdims=True))


def _solved(space: _Space, rows: Outcomes, penalty: float) -> Array:
    """Weights (model, column) that minimize squared error plus `penalty` times squared length."""
    design, solved = space.design(rows), []
    for column in rows.scores.T:
        known = np.flatnonzero(np.isfinite(column))
        own = design if len(known) == len(column) else space.design(rows.rows(known))
        solved.append(_ridge(own, column[known] - column[known].mean(), penalty))
    return np.stack(solved)


def _ridge(design: _Design, target: Array, penalty: float) -> Array:
    solution = np.zeros(design.width)
    residual = design.transposed_times(target)
    direction, size = residual.copy(), float(residual @ residual)
    enough = size * _CLOSE**2
    for _ in range(_STEPS):
        if size <= enough:
            break
        moved = design.transposed_times(design.times(direction)) + penalty * direction
        step = size / float(direction @ moved)
        solution += step * direction
        residual -= step * moved
        size, before = float(residual @ residual), size
        direction = residual + (size / before) * direction
    return solution
