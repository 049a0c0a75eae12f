"""Two detectors over the same texts, span by span. Pure.

The pairs say more than two rates: only the spans that one detector meets and the other does not
tell them apart. Their split is judged by McNemar's exact test (McNemar 1947), which takes spans
for independent; several of one text are not, so a small p is a hint and no proof.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import comb
from typing import Any

from transire.workbench.measure import Row, Score, meet

__all__ = ["Pair", "pairs"]


@dataclass(slots=True)
class Pair:
    """What two detectors make of one label's spans, by overlap.

    Attributes:
        hits: Spans by (met by the first, met by the second).
        false: Wrong findings of the first and of the second; these have no partners.
    """

    hits: dict[tuple[bool, bool], int] = field(default_factory=dict)
    false: tuple[int, int] = (0, 0)

    @property
    def only_first(self) -> int:
        """Spans that only the first meets."""
        return self.hits.get((True, False), 0)

    @property
    def only_second(self) -> int:
        """Spans that only the second meets."""
        return self.hits.get((False, True), 0)

    @property
    def recall_difference(self) -> float:
        """Recall of the second less that of the first."""
        return (self.only_second - self.only_first) / sum(self.hits.values())

    @property
    def p_value(self) -> float:
        """How likely a split at least so uneven is, if both were equally good."""
        n, k = self.only_first + self.only_second, min(self.only_first, self.only_second)
        # Integers until the end: 2 ** 2000 is no float.
        tails: int = 2 * sum(comb(n, i) for i in range(k + 1))
        whole: int = 1 << n
        return min(1.0, tails / whole)

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "both": self.hits.get((True, True), 0),
            "only_first": self.only_first,
            "only_second": self.only_second,
            "neither": self.hits.get((False, False), 0),
            "recall_difference": self.recall_difference,
            "p_value": self.p_value,
            "false_first": self.false[0],
            "false_second": self.false[1],
        }


def pairs(
    first: Sequence[Row], second: Sequence[Row], scores: Sequence[dict[str, Score]]
) -> dict[str, Pair]:
    """For every label that is wanted somewhere.

    Args:
        first: The same texts as `second`, in the same order.
        scores: What `measure.evaluate` says of either.
    """
    paired = {
        label: Pair(false=(_false(scores[0][label]), _false(scores[1][label])))
        for label in scores[0]
    }
    for one, other in zip(first, second, strict=True):
        for start, end, label in one.wanted:
            met = (_is_met(one, start, end, label), _is_met(other, start, end, label))
            hits = paired[label].hits
            hits[met] = hits.get(met, 0) + 1
    return paired


def _is_met(row: Row, start: int, end: int, label: str) -> bool:
    return any(f[2] == label and meet((start, end), (f[0], f[1])) for f in row.found)


def _false(score: Score) -> int:
    return score.found - score.overlap_right
