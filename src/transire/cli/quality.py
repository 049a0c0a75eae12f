"""`transire quality`: fit and judge a predictor of answers' quality; offline, no credential."""

import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from transire.cli.session import emit, shown
from transire.errors import RequestError

if TYPE_CHECKING:
    from transire.workbench.quality.outcomes import Outcomes
    from transire.workbench.quality.report import Report

__all__ = ["app", "evaluate", "train", "train_tasks"]

app = typer.Typer(
    help="Predict which model answers a prompt well, from your own outcomes.", no_args_is_help=True
)

_LEAST_FIT: Final = 50
_LEAST_TEST: Final = 50
_SHARE: Final = 0.7
"""Of the rows, fitted on while the others judge."""
_SEED: Final = 20_260_101

Data = Annotated[
    Path, typer.Argument(help="Lines `{prompt, domain?, task?, outcomes: {model: score}}`.")
]
Weak = Annotated[str | None, typer.Option(help="The cheaper model; default: the worst one.")]
Strong = Annotated[str | None, typer.Option(help="The dearer model; default: the best one.")]
Form = Annotated[Literal["text", "json"], typer.Option("--format", help="text or json.")]


@app.command()
@shown
def train(
    data: Data,
    out: Annotated[Path, typer.Option(help="Where the model goes.")],
    log: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="A data folder, whose log holds feedback: then DATA is lines `{decision_id, "
            "prompt, domain?}`.",
        ),
    ] = None,
    judges: Annotated[
        bool,
        typer.Option(
            "--judges",
            help="With --from: what judges said counts for answers that nobody else scored.",
        ),
    ] = False,
    weak: Weak = None,
    strong: Strong = None,
    form: Form = "text",
) -> None:
    """Fit on all rows; judge the same way of fitting on rows left out, and write both down."""
    from transire.workbench.quality.fit import best_penalty, fit
    from transire.workbench.quality.outcomes import read_outcomes
    from transire.workbench.quality.report import Ends, evaluate

    least = _LEAST_FIT + _LEAST_TEST
    rows = read_outcomes(data, least=least) if log is None else _joined(data, log, least, judges)
    count = len(rows.whole)
    fitted = min(int(count * _SHARE), count - _LEAST_TEST)
    report = evaluate(rows, Ends(weak, strong), fitted=fitted, repeats=1, seed=_SEED)
    model = fit(rows, best_penalty(rows, _SEED))
    model = replace(model, facts={**model.facts, "held_out": report.to_json()})
    out.write_bytes(model.to_bytes())
    _show(report, form, {"file": str(out), "digest": model.digest})


@app.command("train-tasks")
@shown
def train_tasks(
    data: Annotated[Path, typer.Argument(help="Lines `{prompt, task}`.")],
    out: Annotated[Path, typer.Option(help="Where the model goes.")],
    form: Form = "text",
) -> None:
    """Fit a classifier of tasks; judge the same way of fitting on rows left out, and write both."""
    from transire.workbench.quality import tasks

    rows = tasks.read_tasks(data, least=4 * _LEAST_TEST)
    model, report = tasks.train_tasks(rows, _SEED)
    facts = {**model.facts, "kind": "tasks", "held_out": report.to_json()}
    model = replace(model, facts=facts)
    out.write_bytes(model.to_bytes())
    told = {**report.to_json(), "file": str(out), "digest": model.digest}
    if form == "json":
        emit(told)
        return
    value, low, high = report.precision
    print(
        f"{len(model.models)} tasks; fitted on {report.rows[0]} rows, judged on {report.rows[1]}\n"
    )
    print(f"names a task for {100 * report.coverage:.1f} % of prompts")
    print(f"is right there in {value:.3f} ({low:.3f} … {high:.3f})")
    print(f"always the commonest would be right in {report.commonest:.3f}\n")
    print("; ".join(["not to be used", *report.refusals]) if report.refusals else "may be used")
    print(f"file: {out}\ndigest: {model.digest}")


@app.command()
@shown
def evaluate(
    data: Data,
    model: Annotated[
        Path | None, typer.Option(help="Judge this model; DATA must be rows it has not seen.")
    ] = None,
    fit_rows: Annotated[
        int | None, typer.Option("--fit", min=_LEAST_FIT, help="Rows to fit on; default 70 %.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, max=100, help="Splits drawn at random.")] = 5,
    weak: Weak = None,
    strong: Strong = None,
    form: Form = "text",
) -> None:
    """APGR, CPT50 and CPT80 on rows left out, beside chance, length and the best single model."""
    from transire.score.quality.model import QualityModel
    from transire.workbench.quality import report
    from transire.workbench.quality.outcomes import read_outcomes

    ends = report.Ends(weak, strong)
    if model is not None:
        rows = read_outcomes(data, least=_LEAST_TEST)
        fitted_model = QualityModel.from_bytes(model.read_bytes())
        _show(report.judge(fitted_model, rows, ends, seed=_SEED), form, {})
        return
    rows = read_outcomes(data, least=_LEAST_FIT + _LEAST_TEST)
    count = len(rows.features)
    fitted = int(count * _SHARE) if fit_rows is None else fit_rows
    if fitted > count - _LEAST_TEST:
        raise RequestError(f"of {count} rows at most {count - _LEAST_TEST} can be fitted on")
    made = report.evaluate(rows, ends, fitted=fitted, repeats=repeats, seed=_SEED, done=_progress)
    _show(made, form, {})


def _joined(prompts: Path, data: Path, least: int, judges: bool) -> "Outcomes":
    import orjson

    from transire.record.reading import ReadOnlyLog
    from transire.workbench.quality.joined import joined_outcomes

    with ReadOnlyLog(data) as log, log.reader.snapshot():
        entries = (orjson.loads(leaf) for _, leaf in log.leaves())
        return joined_outcomes(prompts, entries, least=least, with_judges=judges)


def _progress(through: int) -> None:
    if sys.stderr.isatty():
        print(f"{through} splits done", file=sys.stderr)


def _show(report: "Report", form: str, more: dict[str, Any]) -> None:
    if form == "json":
        emit({**report.to_json(), **more})
        return
    print(f"{report.weak} (weak) against {report.strong} (strong)")
    print(f"fitted on {report.fitted} rows, tested on {report.tested}, {report.repeats} times\n")
    print(f"{'':12}{'APGR':>22}{'CPT50 %':>22}{'CPT80 %':>22}")
    rows = {"predictor": report.router, "length": report.length}
    for name, found in rows.items():
        cells = [_cell(value, digits) for value, digits in zip(found.values(), (3, 1, 1))]  # noqa: B905
        print(f"{name:12}{''.join(f'{cell:>22}' for cell in cells)}")
    print(f"{'random':12}{'0.500':>22}{'50.0':>22}{'80.0':>22}\n")
    print(f"over length, APGR      {_cell(report.margin, 3)}")
    print(f"over {report.best_single} alone, quality {_cell(report.gain, 3)}\n")
    if report.refusals:
        print("not to be activated: " + "; ".join(report.refusals))
    else:
        print("may be activated")
    for name, value in more.items():
        print(f"{name}: {value}")


def _cell(found: Any, digits: int) -> str:
    numbers = [f"{number:.{digits}f}" if math.isfinite(number) else "?" for number in found]
    return f"{numbers[0]} ({numbers[1]} … {numbers[2]})"
