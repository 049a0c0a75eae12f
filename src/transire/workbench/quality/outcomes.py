"""Reading outcomes: lines of `{prompt, domain?, task?, outcomes: {model: score}}`."""

import gzip
import json
import math
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from transire.errors import RequestError
from transire.score.quality.features import Features, features_of
from transire.score.quality.model import MOST_MODELS

__all__ = ["Outcomes", "read_outcomes", "read_rows"]

Scores: TypeAlias = NDArray[np.float64]

_KNOWN: Final = {"prompt", "domain", "task", "outcomes", "id"}
_MOST_ROWS: Final = 1_000_000


class Outcomes(NamedTuple):
    """What is known of how models answered.

    Attributes:
        models: Names, sorted.
        features: One per row.
        chars: Length of each prompt.
        scores: (row, model), 0 to 1; NaN where a model never answered (`joined` alone).
    """

    models: tuple[str, ...]
    features: tuple[Features, ...]
    chars: Scores
    scores: Scores

    @property
    def whole(self) -> NDArray[np.intp]:
        """Rows in which every model has a score: only they say who gains."""
        return np.flatnonzero(np.isfinite(self.scores).all(axis=1))

    def rows(self, index: NDArray[np.intp]) -> "Outcomes":
        """Some of the rows, in the order given."""
        chosen = tuple(self.features[i] for i in index)
        return Outcomes(self.models, chosen, self.chars[index], self.scores[index])


def read_outcomes(path: Path, *, least: int) -> Outcomes:
    """Read JSON lines, or such lines in gzip; prompts are read and forgotten.

    Args:
        least: Rows below which nothing could be said.

    Raises:
        RequestError: names the line and what is wrong with it, never quotes it.
    """
    features, chars, scores, models = [], [], [], tuple[str, ...]()
    for number, row in read_rows(path, _KNOWN):
        _check_outcomes(row, number)
        names = tuple(sorted(row["outcomes"]))
        models = models or names
        if names != models:
            raise RequestError(
                f"line {number}: every line needs the outcomes of the same models "
                f"({', '.join(models)[:200]})"
            )
        tags = tuple(f"{kind}={row[kind]}" for kind in ("domain", "task") if row.get(kind))
        features.append(features_of(row["prompt"], tags))
        chars.append(float(len(row["prompt"])))
        scores.append([float(row["outcomes"][name]) for name in models])
    if len(features) < least:
        raise RequestError(f"`{path.name}` has {len(features)} rows, and {least} are needed")
    return Outcomes(models, tuple(features), np.array(chars), np.array(scores))


def read_rows(path: Path, known: Collection[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each line that is not blank, by number: an object with a `prompt` and no unknown member.

    Raises:
        RequestError: names the line and what is wrong with it, never quotes it.
    """
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        if number > _MOST_ROWS:
            raise RequestError(f"at most {_MOST_ROWS} lines are read")
        yield number, _row(line, number, known)


def _lines(path: Path) -> Iterable[str]:
    try:
        if path.suffix == ".gz":
            with gzip.open(path, "rt", encoding="utf-8") as file:
                yield from file
        else:
            with path.open(encoding="utf-8") as file:
                yield from file
    except (UnicodeDecodeError, EOFError, gzip.BadGzipFile, zlib.error):
        raise RequestError(f"`{path.name}` is no text in UTF-8, or not whole") from None


def _row(line: str, number: int, known: Collection[str]) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise RequestError(f"line {number} is not JSON") from None
    if not isinstance(row, dict) or not isinstance(row.get("prompt"), str):
        raise RequestError(f"line {number}: `prompt` must be a string")
    if unknown := sorted(row.keys() - {*known}):
        raise RequestError(f"line {number}: `{unknown[0][:40]}` is not a member this reads")
    if any(not isinstance(row.get(kind) or "", str) for kind in ("domain", "task")):
        raise RequestError(f"line {number}: `domain` and `task` must be strings")
    return row


def _check_outcomes(row: Mapping[str, Any], number: int) -> None:
    outcomes = row.get("outcomes")
    if not isinstance(outcomes, dict) or not 2 <= len(outcomes) <= MOST_MODELS:
        raise RequestError(f"line {number}: `outcomes` must name 2 to {MOST_MODELS} models")
    if not all(map(_is_score, outcomes.values())):
        raise RequestError(f"line {number}: every outcome must be a number from 0 to 1")


def _is_score(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return isinstance(value, bool)
    return math.isfinite(value) and 0 <= value <= 1
