"""What a `min_score_pct` costs and gives, by overlap, on texts whose spans are known. Pure.

A threshold keeps the findings of its score and above. Recall can only fall as it rises; precision
may go either way, and is None where nothing is left to be right or wrong.
"""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from transire.domain.taxonomy import EntityRule
from transire.workbench.measure import Found, Row, meet

__all__ = ["LEAST", "Curve", "Point", "at_thresholds", "curves", "highest_reaching"]

LEAST: Final = 30
"""Spans of a label below which no threshold is proposed: were all of so many found, the recall on
other texts could still be .89 (`wilson`), and one odd text moves the suggestion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One threshold: of `wanted` spans `hit` are met, of `found` findings `right` meet one."""

    min_score_pct: int
    wanted: int
    hit: int
    found: int
    right: int

    @property
    def spans(self) -> str:
        """How many are wanted, in words."""
        return "1 span" if self.wanted == 1 else f"{self.wanted} spans"

    @property
    def recall(self) -> float:
        """Share of the wanted spans that are met."""
        return self.hit / self.wanted

    @property
    def precision(self) -> float | None:
        """Share of the findings that are right; None where there are none."""
        return self.right / self.found if self.found else None


@dataclass(frozen=True, slots=True)
class Curve:
    """One label's points, for every threshold from 0 to 100."""

    label: str
    points: tuple[Point, ...]


def curves(rows: Sequence[Row]) -> tuple[Curve, ...]:
    """A curve for every label that is wanted somewhere, by name.

    Args:
        rows: With findings of every score, or the low end of a curve is not what it seems.
    """
    labels = sorted({label for row in rows for _, _, label in row.wanted})
    return tuple(_curve(rows, label) for label in labels)


def at_thresholds(found: Sequence[Found], rules: Mapping[str, EntityRule]) -> tuple[Found, ...]:
    """Of one text's findings of every score, those that the taxonomy's rules keep."""
    kept = [f for f in found if f[3] >= rules[f[2]].min_score_pct]
    entities = [f[2] for f in kept]
    return tuple(f for f in kept if entities.count(f[2]) >= rules[f[2]].min_count)


def highest_reaching(curve: Curve, recall: float) -> Point | None:
    """The highest threshold that still reaches the recall; None where none does."""
    least = math.ceil(recall * curve.points[0].wanted - 1e-9)
    reaching = [point for point in curve.points if point.hit >= least]
    return reaching[-1] if reaching else None


def _best_of(found: Sequence[Found], label: str) -> list[tuple[tuple[int, int], int]]:
    """Each range once, with the best score that anybody gave it."""
    best: dict[tuple[int, int], int] = {}
    for start, end, name, score in found:
        if name == label:
            best[start, end] = max(score, best.get((start, end), 0))
    return list(best.items())


def _curve(rows: Sequence[Row], label: str) -> Curve:
    """Each span counts up to the best score that meets it, each finding up to its own."""
    reached, scores, right, wanted = list[int](), list[int](), list[int](), 0
    for row in rows:
        spans = [(s, e) for s, e, name in row.wanted if name == label]
        found = _best_of(row.found, label)
        wanted += len(spans)
        best = [max((s for at, s in found if meet(at, span)), default=-1) for span in spans]
        reached += [score for score in best if score >= 0]
        scores += [score for _, score in found]
        right += [score for at, score in found if any(meet(at, span) for span in spans)]
    reached.sort()
    scores.sort()
    right.sort()
    return Curve(
        label,
        tuple(
            Point(
                min_score_pct=pct,
                wanted=wanted,
                hit=len(reached) - bisect_left(reached, pct),
                found=len(scores) - bisect_left(scores, pct),
                right=len(right) - bisect_left(right, pct),
            )
            for pct in range(101)
        ),
    )
