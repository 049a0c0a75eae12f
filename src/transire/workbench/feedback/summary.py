"""What remarks amount to: counts by entity, and texts with the spans that are right. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from transire.workbench.feedback.mark import KeptText, Mark
from transire.workbench.measure import Span, meet

__all__ = ["Group", "grouped", "labelled_texts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """All remarks of one kind on one entity.

    Attributes:
        marks: In the order they were made; at least one.
        values: How many different values they are about.
        scores_pct: Score → how many remarks had it as their best, the commonest first; of misses,
            those of which something was found below the threshold.
        by: Recognizer → how many remarks it has part in, likewise.
    """

    entity: str
    kind: str
    marks: tuple[Mark, ...]
    values: int
    scores_pct: dict[int, int]
    by: dict[str, int]

    def told(self) -> str:
        """`PHONE_NUMBER: false 14 times (9 values), mostly at score 0.40, by patterns`."""
        times, what = len(self.marks), "false" if self.kind == "false" else "missed"
        said = f"{self.entity}: {what} {_times(times)} ({_values(self.values)})"
        if not self.scores_pct:
            return said
        score, count = next(iter(self.scores_pct.items()))
        if self.kind == "missed":
            below = sum(self.scores_pct.values())
            highest = max(self.scores_pct) / 100
            return f"{said}, {below} of them found below the threshold, at most at {highest:.2f}"
        most = "" if count == times else "mostly " if 2 * count > times else "most often "
        return f"{said}, {most}at score {score / 100:.2f}, by {', '.join(self.by)}"


def grouped(marks: Iterable[Mark]) -> list[Group]:
    """Remarks by entity and kind, the commonest first."""
    sorts = dict[tuple[str, str], list[Mark]]()
    for mark in marks:
        sorts.setdefault((mark.entity, mark.kind), []).append(mark)
    groups = [_group(entity, kind, some) for (entity, kind), some in sorts.items()]
    return sorted(groups, key=lambda g: (-len(g.marks), g.entity, g.kind))


def labelled_texts(
    texts: Iterable[KeptText], marks: Sequence[Mark]
) -> list[tuple[str, list[Span]]]:
    """Kept texts with the spans that are right: what was found, less the false, and the missed.

    Findings nobody marked count as right. Those of one entity that overlap are one span, and a
    false one takes every finding of its entity with it that it meets.
    """
    found: dict[str, tuple[str, list[Span]]] = {}
    for kept in texts:
        found.setdefault(kept.text_digest, (kept.text, []))[1].extend(kept.found)
    labelled = []
    for digest, (text, spans) in found.items():
        own = [mark for mark in marks if mark.text_digest == digest]
        false = [m for m in own if m.kind == "false"]
        right = [
            span
            for span in spans
            if not any(m.entity == span[2] and meet((m.start, m.end), span[:2]) for m in false)
        ]
        right += [(m.start, m.end, m.entity) for m in own if m.kind == "missed"]
        labelled.append((text, _merged(right)))
    return labelled


def _group(entity: str, kind: str, marks: Sequence[Mark]) -> Group:
    best = Counter(max(f.score_pct for f in m.found) for m in marks if m.found)
    by = Counter(name for m in marks for name in {f.by for f in m.found})
    return Group(
        entity=entity,
        kind=kind,
        marks=tuple(marks),
        values=len({m.span_digest for m in marks}),
        scores_pct=dict(best.most_common()),
        by=dict(by.most_common()),
    )


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Spans in order; of one entity none meets another."""
    merged: list[Span] = []
    for start, end, entity in sorted(spans, key=lambda span: (span[2], span[0], span[1])):
        if merged and merged[-1][2] == entity and start < merged[-1][1]:
            first, last, _ = merged.pop()
            merged.append((first, max(last, end), entity))
        else:
            merged.append((start, end, entity))
    return sorted(merged)


def _times(count: int) -> str:
    return "once" if count == 1 else "twice" if count == 2 else f"{count} times"


def _values(count: int) -> str:
    return "one value" if count == 1 else f"{count} values"
