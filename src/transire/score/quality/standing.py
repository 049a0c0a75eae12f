"""What a model's own file says of how it was judged, read strictly and judged again.

The flag `activates` that a file carries is not believed: the intervals beside it are compared anew.
What they are worth is a question of who trained: the bundle names the file by its digest, and two
people approve the bundle (ADR 23).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from transire.errors import IntegrityError
from transire.score.quality.features import Features
from transire.score.quality.model import QualityModel

__all__ = ["LEAST_TESTED", "Domain", "Standing", "TaskStanding", "standing_of", "task_standing_of"]

LEAST_TESTED: Final = 50
"""Held-out rows below which an interval says nothing."""
_CUTS: Final = 9
_OLD: Final = "this model's file does not say how it was judged; train it again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """What prompts like the fitted ones are like.

    Attributes:
        least_known_permille: Of the words and pairs of words in such a prompt, so many are known.
        least_log_chars, most_log_chars: How long it is, as the first trait says it.
    """

    least_known_permille: int
    least_log_chars: float
    most_log_chars: float

    def knows(self, known_permille: int, text: Features) -> bool:
        """Whether a prompt is like them; one without a word is not."""
        return (
            bool(text.buckets)
            and known_permille >= self.least_known_permille
            and self.least_log_chars <= text.traits[0] <= self.most_log_chars
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing(Domain):
    """Of a predictor of quality.

    Attributes:
        ends: The weak and the strong model.
        cuts: Nine gains of the strong one, between tenths of the held-out rows.
        refusals: Why it may not be used; empty where it may.
    """

    ends: tuple[str, str]
    cuts: tuple[float, ...]
    refusals: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStanding(Domain):
    """Of a classifier of tasks.

    Attributes:
        least: Score from which its word counts.
        refusals: As `Standing.refusals`.
    """

    least: float
    refusals: tuple[str, ...]


def standing_of(model: QualityModel) -> Standing:
    """What the file of a predictor says.

    Raises:
        IntegrityError: it does not say it, or not as `transire quality train` writes it.
    """
    held = _held_out(model, "quality")
    try:
        refusals = []
        if held["rows"]["test"] < LEAST_TESTED:
            refusals.append(f"it was judged on fewer than {LEAST_TESTED} rows")
        if not _low(held["over_length"]) > 0:
            refusals.append("it does not route better than the length of the prompt")
        if not _low(held["over_best_single"]) > 0:
            refusals.append("its choices do not answer better than the best single model")
        cuts = tuple(map(_number, held["cuts"]))
        ends = (str(held["weak"]), str(held["strong"]))
        if len(cuts) != _CUTS or list(cuts) != sorted(cuts) or not {*ends} <= {*model.models}:
            raise ValueError("cuts")
        return Standing(ends=ends, cuts=cuts, refusals=tuple(refusals), **_domain(model))
    except (KeyError, TypeError, ValueError):
        raise IntegrityError(_OLD) from None


def task_standing_of(model: QualityModel) -> TaskStanding:
    """What the file of a classifier of tasks says.

    Raises:
        IntegrityError: as `standing_of`.
    """
    held = _held_out(model, "tasks")
    try:
        refusals = []
        if held["rows"]["test"] < LEAST_TESTED:
            refusals.append(f"it was judged on fewer than {LEAST_TESTED} rows")
        if not _low(held["precision"]) > _number(held["commonest"]):
            refusals.append("it names tasks no better than always naming the commonest")
        least = _number(held["least"])
        return TaskStanding(least=least, refusals=tuple(refusals), **_domain(model))
    except (KeyError, TypeError, ValueError):
        raise IntegrityError(_OLD) from None


def _held_out(model: QualityModel, kind: str) -> Mapping[str, Any]:
    held = model.facts.get("held_out")
    if not isinstance(held, Mapping) or "domain" not in model.facts:
        raise IntegrityError(_OLD)
    if model.facts.get("kind", "quality") != kind:
        raise IntegrityError(f"this is no model of {kind}")
    return held


def _domain(model: QualityModel) -> dict[str, Any]:
    told = model.facts["domain"]
    low, high = map(_number, told["log_chars"])
    return {
        "least_known_permille": int(told["least_known_permille"]),
        "least_log_chars": low,
        "most_log_chars": high,
    }


def _low(interval: Mapping[str, Any]) -> float:
    """The lower end; what could not be measured is no evidence."""
    low = interval["low"]
    return -math.inf if low is None else _number(low)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("not a number")
    return float(value)
