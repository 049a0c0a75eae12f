"""How good a detector is, on texts whose spans are known. Pure.

Entities are compared one by one, by overlap (any shared character of the same label) and strictly
(same range); messages, in groups of three rows, by whether they hold a label at all. Precision
without findings and recall without spans are 1: nothing was wrong, and nothing was missed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

__all__ = ["LABELS", "Found", "Row", "Score", "evaluate", "labelled", "meet"]

Span: TypeAlias = tuple[int, int, str]
Found: TypeAlias = tuple[int, int, str, int]
"""Start, end, entity, and score in percent."""

GROUP: Final = 3
"""Rows of one message."""

LABELS: Final[Mapping[str, str]] = {
    "PER": "PERSON",
    "NAME": "PERSON",
    "PERSON_NAME": "PERSON",
    "LOC": "LOCATION",
    "GPE": "LOCATION",
    "ORG": "ORGANIZATION",
    "EMAIL": "EMAIL_ADDRESS",
    "PHONE": "PHONE_NUMBER",
    "IBAN": "IBAN_CODE",
    "SSN": "US_SSN",
}
"""Foreign labels → entities of ours; a label that stands here or nowhere is compared as it is."""


@dataclass(frozen=True, slots=True)
class Row:
    """One text's spans: what is there, and what was found."""

    wanted: tuple[Span, ...]
    found: tuple[Found, ...]


@dataclass(slots=True)
class Score:
    """Counts of one label; rates on demand."""

    wanted: int = 0
    found: int = 0
    overlap_right: int = 0
    overlap_hit: int = 0
    strict: int = 0
    messages: list[tuple[bool, bool]] = field(default_factory=list)

    def entities(self) -> dict[str, dict[str, float]]:
        """Precision, recall, F1 and F2 by overlap and strictly."""
        return {
            "overlap": _rates(self.overlap_right, self.overlap_hit, self.found, self.wanted),
            "strict": _rates(self.strict, self.strict, self.found, self.wanted),
        }

    def message(self) -> dict[str, float]:
        """Share of messages with the label that were found, and without it that were not clean."""
        held = [seen for wants, seen in self.messages if wants]
        free = [seen for wants, seen in self.messages if not wants]
        return {"recall": _share(sum(held), len(held), 1.0), "fpr": _share(sum(free), len(free), 0)}


def labelled(label: str, names: Mapping[str, str] = LABELS) -> str:
    """The entity that a foreign label means."""
    upper = label.upper()
    return names.get(upper, upper)


def evaluate(rows: Sequence[Row]) -> dict[str, Score]:
    """Counts per label, for every label that is wanted somewhere."""
    labels = sorted({label for row in rows for _, _, label in row.wanted})
    scores = {label: Score() for label in labels}
    for row in rows:
        for label, score in scores.items():
            _count(score, _of(row.wanted, label), _of(row.found, label))
    for start in range(0, len(rows), GROUP):
        group = rows[start : start + GROUP]
        for label, score in scores.items():
            wants = any(_of(row.wanted, label) for row in group)
            score.messages.append((wants, any(_of(row.found, label) for row in group)))
    return scores


def _of(spans: Iterable[Span | Found], label: str) -> list[tuple[int, int]]:
    # Two recognizers that found one span are one finding, or agreement would pass for precision.
    return list(dict.fromkeys((span[0], span[1]) for span in spans if span[2] == label))


def _count(
    score: Score, wanted: Sequence[tuple[int, int]], found: Sequence[tuple[int, int]]
) -> None:
    score.wanted += len(wanted)
    score.found += len(found)
    score.overlap_right += sum(any(meet(f, w) for w in wanted) for f in found)
    score.overlap_hit += sum(any(meet(w, f) for f in found) for w in wanted)
    score.strict += len(set(wanted) & set(found))


def meet(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two ranges share a character."""
    return one[0] < other[1] and other[0] < one[1]


def _rates(right: int, hit: int, found: int, wanted: int) -> dict[str, float]:
    precision, recall = _share(right, found, 1.0), _share(hit, wanted, 1.0)
    return {
        "precision": precision,
        "recall": recall,
        "f1": _f(precision, recall, 1.0),
        "f2": _f(precision, recall, 2.0),
    }


def _f(precision: float, recall: float, beta: float) -> float:
    """Van Rijsbergen (1979): recall counts beta times as much as precision."""
    below = beta**2 * precision + recall
    return 0.0 if below == 0 else (1 + beta**2) * precision * recall / below


def _share(part: int, whole: int, empty: float) -> float:
    return part / whole if whole else empty
