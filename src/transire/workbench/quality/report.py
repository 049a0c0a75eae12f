"""Whether a predictor earns its place: measured on rows it has not seen, beside what costs nothing.

INVARIANT: it may be activated only where both lower ends say so: it keeps more of the strong
model's advantage than the prompt's length does, and answers chosen by it are better than those of
the best single model. Most learned routers fail the second (research of routing: LLMRouterBench).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from transire.errors import RequestError
from transire.score.quality.model import QualityModel
from transire.workbench.quality.curve import (
    Array,
    Interval,
    Measures,
    interval,
    measure,
    resampled,
)
from transire.workbench.quality.fit import best_penalty, fit
from transire.workbench.quality.outcomes import Outcomes

__all__ = ["Ends", "Report", "evaluate", "judge"]

_RESAMPLES: Final = 400
_RANDOM: Final = Measures(0.5, 50.0, 80.0)
"""What a router that draws lots has in expectation."""


@dataclass(frozen=True, slots=True)
class Ends:
    """The two models between which calls are divided; None lets the rows say."""

    weak: str | None = None
    strong: str | None = None

    def of(self, models: tuple[str, ...], means: Array) -> tuple[int, int]:
        """Their places: by default the worst and the best on the rows that were fitted.

        Raises:
            RequestError: a name is none of the models, or both are one.
        """
        ranked = sorted(range(len(models)), key=lambda i: (means[i], models[i]))
        weak = _place(self.weak, models, ranked[0])
        strong = _place(self.strong, models, ranked[-1])
        if weak == strong:
            raise RequestError(f"`{models[weak]}` is both the weak and the strong model")
        return weak, strong


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One evaluation.

    Attributes:
        fitted, tested: Rows of each repeat.
        router, length: APGR, CPT50 and CPT80 with intervals, by name.
        margin: APGR of the router minus that of the length.
        best_single: The best model on the fitted rows.
        quality: Mean score of always asking the best single model, on the tested rows.
        gain: Mean score of asking whichever model is predicted best, minus `quality`.
        cuts: Predicted gains of the strong model, between tenths of the tested rows.
    """

    weak: str
    strong: str
    fitted: int
    tested: int
    repeats: int
    router: Mapping[str, Interval]
    length: Mapping[str, Interval]
    margin: Interval
    best_single: str
    quality: float
    gain: Interval
    cuts: tuple[float, ...]

    @property
    def refusals(self) -> list[str]:
        """Why it may not be activated; empty where it may."""
        told = []
        if not self.margin.low > 0:
            told.append("it does not route better than the length of the prompt")
        if not self.gain.low > 0:
            told.append(f"its choices do not answer better than `{self.best_single}` alone")
        return told

    def to_json(self) -> dict[str, Any]:
        """All of it; shares in percent, what could not be measured is null."""
        return {
            "weak": self.weak,
            "strong": self.strong,
            "rows": {"fit": self.fitted, "test": self.tested, "repeats": self.repeats},
            **_spelled(self.router),
            "baselines": {
                "random": {n: {"value": v} for n, v in zip(Measures._fields, _RANDOM, strict=True)},
                "length": _spelled(self.length),
                "best_single": {"model": self.best_single, "quality": _number(self.quality)},
            },
            "over_length": _spelled({"apgr": self.margin})["apgr"],
            "over_best_single": _spelled({"gain": self.gain})["gain"],
            "beats": {"length": self.margin.low > 0, "best_single": self.gain.low > 0},
            "cuts": [round(cut, 6) for cut in self.cuts],
            "activates": not self.refusals,
            "refusals": self.refusals,
        }


@dataclass(slots=True)
class _Trial:
    """What one split gave: point values, and the same for every resample."""

    router: list[Measures]
    length: list[Measures]
    quality: float
    gain: list[float]
    preference: Array


def evaluate(
    rows: Outcomes,
    ends: Ends,
    *,
    fitted: int,
    repeats: int,
    seed: int,
    done: Callable[[int], None] = lambda _: None,
) -> Report:
    """Fit on some rows drawn at random and test on all others, several times.

    A row in which some model has no score teaches, and tests nothing.

    Args:
        fitted: Of the rows with every score, so many are fitted on.
        done: Told how many repeats are through.
    """
    trials, names = list[_Trial](), list[str]()
    weak, strong = ends.of(rows.models, np.nanmean(rows.scores, axis=0))
    whole = rows.whole
    rest = np.setdiff1d(np.arange(len(rows.features)), whole)
    for repeat in range(repeats):
        order = np.random.default_rng((seed, repeat)).permutation(whole)
        taught = rows.rows(np.concatenate([order[:fitted], rest]))
        model = fit(taught, best_penalty(taught, seed))
        trials.append(_trial(model, rows.rows(order[fitted:]), weak, strong, seed + repeat))
        names.append(rows.models[int(np.argmax(model.means))])
        done(repeat + 1)
    best = max(sorted(set(names)), key=names.count)
    return _report(trials, rows.models, (weak, strong), best, fitted, len(whole) - fitted)


def judge(model: QualityModel, rows: Outcomes, ends: Ends, *, seed: int) -> Report:
    """Test a fitted model on rows it has not seen.

    Raises:
        RequestError: the rows are about other models.
    """
    if model.models != rows.models:
        raise RequestError(f"the model was fitted on {', '.join(model.models)[:200]}")
    weak, strong = ends.of(rows.models, model.means.astype(float))
    trial = _trial(model, rows, weak, strong, seed)
    best = rows.models[int(np.argmax(model.means))]
    fitted = int(model.facts.get("rows", 0))
    return _report([trial], rows.models, (weak, strong), best, fitted, len(rows.features))


def _trial(model: QualityModel, rows: Outcomes, weak: int, strong: int, seed: int) -> _Trial:
    predicted = np.stack([model.predict(read) for read in rows.features]).astype(float)
    preference = predicted[:, strong] - predicted[:, weak]
    gains = rows.scores[:, strong] - rows.scores[:, weak]
    best = int(np.argmax(model.means))
    chosen = np.take_along_axis(rows.scores, predicted.argmax(axis=1)[:, None], axis=1)[:, 0]
    over = chosen - rows.scores[:, best]
    trial = _Trial([], [], float(rows.scores[:, best].mean()), [], preference)
    count = len(rows.features)
    for weights in (np.ones(count), *resampled(count, _RESAMPLES, seed)):
        trial.router.append(measure(preference, gains, weights))
        trial.length.append(measure(rows.chars, gains, weights))
        trial.gain.append(float(weights @ over / weights.sum()))
    return trial


def _report(
    trials: list[_Trial],
    models: tuple[str, ...],
    ends: tuple[int, int],
    best: str,
    fitted: int,
    tested: int,
) -> Report:
    router = np.array([trial.router for trial in trials])
    length = np.array([trial.length for trial in trials])
    return Report(
        weak=models[ends[0]],
        strong=models[ends[1]],
        fitted=fitted,
        tested=tested,
        repeats=len(trials),
        router=_intervals(router),
        length=_intervals(length),
        margin=_pooled(router[:, :, 0] - length[:, :, 0]),
        best_single=best,
        quality=float(np.mean([trial.quality for trial in trials])),
        gain=_pooled(np.array([trial.gain for trial in trials])),
        cuts=_cuts(np.concatenate([trial.preference for trial in trials])),
    )


def _cuts(preference: Array) -> tuple[float, ...]:
    return tuple(map(float, np.percentile(preference, range(10, 100, 10))))


def _intervals(samples: Array) -> dict[str, Interval]:
    return {name: _pooled(samples[:, :, i]) for i, name in enumerate(Measures._fields)}


def _pooled(samples: Array) -> Interval:
    """The mean of the repeats, and the interval of all their resamples: (repeat, sample)."""
    return interval(float(samples[:, 0].mean()), samples[:, 1:].ravel())


def _place(name: str | None, models: tuple[str, ...], default: int) -> int:
    if name is None:
        return default
    if name not in models:
        raise RequestError(f"there are outcomes of {', '.join(models)[:200]}, and of no other")
    return models.index(name)


def _spelled(intervals: Mapping[str, Interval]) -> dict[str, Any]:
    return {
        name: {part: _number(number) for part, number in found._asdict().items()}
        for name, found in intervals.items()
    }


def _number(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None
