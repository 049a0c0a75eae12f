"""`transire detect evaluate` and `tune`: how good detection is on texts whose spans are known."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from transire.cli.labelled import labelled_rows
from transire.cli.reader import BundleReader
from transire.cli.session import emit, shown
from transire.domain.taxonomy import EntityRule
from transire.errors import RequestError
from transire.workbench.chart import chart
from transire.workbench.measure import Row, Score, labelled
from transire.workbench.measure import evaluate as measure
from transire.workbench.paired import Pair, pairs
from transire.workbench.thresholds import (
    LEAST,
    Curve,
    Point,
    at_thresholds,
    curves,
    highest_reaching,
)
from transire.workbench.wilson import wilson

__all__ = ["evaluate", "tune"]

Data = Annotated[Path, typer.Argument(help="JSON lines (or .gz), or presidio-research JSON.")]
Policies = Annotated[Path | None, typer.Option("--policies", help="Default: the starter pack.")]
Format = Annotated[Literal["text", "json"], typer.Option("--format", help="text or json.")]

_TABLE: Final = "{:26} {:>6} {:>5} {:>5} {:>5} {:>10} {:>10} {:>5}"
_PAIRED: Final = "{:26} {:>6} {:>10} {:>11} {:>7} {:>7} {:>11} {:>12}"


@shown
def evaluate(
    data: Data,
    policies: Policies = None,
    form: Format = "text",
    svg: Annotated[
        Path | None,
        typer.Option("--svg", help="Write precision and recall by threshold, one panel a label."),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option("--against", help="A second bundle's folder, read over the same data."),
    ] = None,
) -> None:
    """Precision and recall on texts whose spans are known, by entity and by message."""
    first, all_found, rules = _rows(data, policies, keep_all=svg is not None)
    second = None if against is None else _rows(data, against, keep_all=False)[0]
    if svg is not None:
        now = {name: rule.min_score_pct for name, rule in rules.items()}
        svg.write_text(chart(curves(all_found), now), encoding="utf-8")
    scores = measure(first)
    if second is None:
        emit(_rates(scores)) if form == "json" else _print_table(scores)
        return
    others = measure(second)
    paired = pairs(first, second, (scores, others))
    if form == "json":
        told = {label: pair.told() for label, pair in paired.items()}
        emit({"first": _rates(scores), "second": _rates(others), "paired": told})
        return
    _print_table(scores, "first")
    _print_table(others, "second")
    _print_pairs(paired)


@shown
def tune(
    data: Data,
    recall: Annotated[
        float, typer.Option("--recall", help="Share of the spans to be found.", min=0.0, max=1.0)
    ],
    label: Annotated[
        list[str] | None, typer.Option("--label", help="Only this entity; may be repeated.")
    ] = None,
    policies: Policies = None,
    form: Format = "text",
) -> None:
    """Suggest the highest thresholds that reach a recall; changes nothing."""
    with closing(BundleReader(policies, keep_all=True)) as reader:
        drawn = _asked(curves(_read(reader, data)), label)
        reached = {c.label: highest_reaching(c, recall) for c in drawn if c.label in reader.rules}
        changed = {name: p.min_score_pct for name, p in reached.items() if p is not None}
        missed = reader.missed_at(changed)
        told = [_suggestion(c, reached.get(c.label), reader.rules, missed) for c in drawn]
    if form == "json":
        emit({"recall": recall, "labels": {t.pop("label"): t for t in told}})
        return
    for suggestion in told:
        print(f"{suggestion['label']}: {suggestion['says']}")
    lines = [t["yaml"] for t in told if t["yaml"]]
    if lines:
        print("\n# to propose, under entities in taxonomy.yaml:")
        print("\n".join(f"  {line}" for line in lines))


def _rows(
    data: Path, policies: Path | None, *, keep_all: bool
) -> tuple[list[Row], list[Row], Mapping[str, EntityRule]]:
    """Rows as the bundle's thresholds leave them, rows with all that was kept, and its rules."""
    with closing(BundleReader(policies, keep_all=keep_all)) as reader:
        read = _read(reader, data)
        kept = [Row(row.wanted, at_thresholds(row.found, reader.rules)) for row in read]
        return kept, read, reader.rules


def _read(reader: BundleReader, data: Path) -> list[Row]:
    rows, failed = list[Row](), 0
    for number, (text, spans) in enumerate(labelled_rows(data), 1):
        told = reader.read(text)
        found = tuple(
            (f["start"], f["end"], f["entity"], round(f["score"] * 100)) for f in told["findings"]
        )
        rows.append(Row(tuple((s, e, labelled(name)) for s, e, name in spans), found))
        failed += bool(told["failed"])
        if number % 500 == 0:
            print(f"{number} texts read", file=sys.stderr)
    if failed:
        print(f"{failed} texts have failed classes; their findings are partial", file=sys.stderr)
    return rows


def _asked(drawn: Sequence[Curve], labels: Sequence[str] | None) -> list[Curve]:
    known = {curve.label for curve in drawn}
    wanted = known if labels is None or not labels else {labelled(name) for name in labels}
    if unknown := wanted - known:
        there = ", ".join(sorted(known)) or "none"
        raise RequestError(f"the data has no `{min(unknown)}`; its labels: {there}")
    return [curve for curve in drawn if curve.label in wanted]


def _suggestion(
    curve: Curve, point: Point | None, rules: Mapping[str, EntityRule], missed: frozenset[str]
) -> dict[str, Any]:
    """What to say of one label; `yaml` is None where there is nothing to propose."""
    rule, most = rules.get(curve.label), curve.points[0]
    told: dict[str, Any] = {
        "label": curve.label,
        "spans": most.wanted,
        "now": None if rule is None else rule.min_score_pct,
        "min_score_pct": None if point is None else point.min_score_pct,
        "recall": None if point is None else point.recall,
        "precision": None if point is None else point.precision,
        "most_recall": most.recall,
        "yaml": None,
    }
    if rule is None:
        return told | {"says": "not looked for: the taxonomy has no such entity"}
    if point is None:
        best = f"all findings of any score reach {most.recall:.2f} of {most.spans}"
        return told | {"says": f"no threshold reaches it: {best}, {_precision(most)}"}
    low, high = wilson(point.hit, point.wanted)
    told["recall_interval"] = [low, high]
    recall = f"recall {point.recall:.2f} of {point.spans}"
    interval = f"{low:.2f} to {high:.2f} at 95 %"
    says = (
        f"{point.min_score_pct} (now {rule.min_score_pct}): {recall} ({interval}), "
        f"{_precision(point)}"
    )
    if why := _objection(curve, point, rule, missed):
        return told | {"says": f"{says}; not proposed: {why}"}
    count = "" if rule.min_count == 1 else f", min_count: {rule.min_count}"
    score = f"min_score_pct: {point.min_score_pct}"
    line = f"{curve.label}: {{class: {rule.data_class}, {score}{count}}}"
    told["yaml"] = f"{line}  # {recall}, {interval}"
    return told | {"says": says}


def _objection(curve: Curve, point: Point, rule: EntityRule, missed: frozenset[str]) -> str | None:
    """Why a threshold is not proposed; None where it is."""
    now = curve.points[rule.min_score_pct]
    if point.min_score_pct == now.min_score_pct:
        return "it is the one there is"
    if point.wanted < LEAST:
        few = f"{point.spans} {'is' if point.wanted == 1 else 'are'} too few"
        return f"{few}, it takes {LEAST}"
    if curve.label in missed:
        return "its canary would be missed, and the class uncovered"
    # A higher threshold that drops no wrong finding buys nothing, and may cost on other texts.
    if (
        point.min_score_pct > now.min_score_pct
        and point.found - point.right >= now.found - now.right
    ):
        return "it drops no wrong finding"
    return None


def _precision(point: Point) -> str:
    if point.precision is None:
        return "no findings"
    found = "1 finding" if point.found == 1 else f"{point.found} findings"
    return f"precision {point.precision:.2f} of {found}"


def _rates(scores: Mapping[str, Score]) -> dict[str, Any]:
    return {
        "entities": {label: score.entities() for label, score in scores.items()},
        "message": {label: score.message() for label, score in scores.items()},
    }


def _print_table(scores: Mapping[str, Score], name: str = "entity") -> None:
    print(_TABLE.format(name, "spans", "P", "R", "F2", "strict F1", "message R", "FPR"))
    for label, score in scores.items():
        kinds, message = score.entities(), score.message()
        rates = (kinds["overlap"]["precision"], kinds["overlap"]["recall"], kinds["overlap"]["f2"])
        shown_rates = (*rates, kinds["strict"]["f1"], message["recall"], message["fpr"])
        print(_TABLE.format(label, score.wanted, *(f"{rate:.2f}" for rate in shown_rates)))


def _print_pairs(paired: Mapping[str, Pair]) -> None:
    heads = ("only first", "only second", "R diff", "p", "false first", "false second")
    print(_PAIRED.format("second - first", "spans", *heads))
    for label, pair in paired.items():
        counts = (pair.only_first, pair.only_second, f"{pair.recall_difference:+.2f}")
        spans = sum(pair.hits.values())
        print(_PAIRED.format(label, spans, *counts, f"{pair.p_value:.3f}", *pair.false))
