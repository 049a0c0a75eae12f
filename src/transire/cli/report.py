"""`transire report`: what a log says of the traffic; needs neither server nor credential.

`transire report DATA` is short for `transire report traffic DATA`; a folder named like one of the
commands is written `./pins`.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
import typer

from transire.cli.audit import opened
from transire.cli.group import group_with
from transire.cli.session import emit, shown
from transire.errors import IntegrityError, RequestError
from transire.record.reading import ReadOnlyLog
from transire.workbench.report.pins import LEAST, find_pins
from transire.workbench.report.summary import summarize
from transire.workbench.report.svg import report_svg
from transire.workbench.report.text import pins_text, report_text
from transire.workbench.report.trace import Window

__all__ = ["app", "entries_of", "pins", "traffic"]


app = typer.Typer(
    cls=group_with("traffic"),
    help="What the log says of the traffic. `transire report DATA` is `report traffic DATA`.",
    no_args_is_help=True,
)
Data = Annotated[Path, typer.Argument(help="The data folder, or its log.sqlite.")]
Since = Annotated[str, typer.Option(help="First moment, as ISO 8601; UTC where no zone is said.")]
Until = Annotated[str, typer.Option(help="The moment after the last, likewise.")]
Tenant = Annotated[str | None, typer.Option(help="Only this tenant's decisions.")]
App = Annotated[str | None, typer.Option("--app", help="Only this application's decisions.")]
Form = Annotated[Literal["text", "json"], typer.Option("--format", help="text or json.")]


@app.command()
@shown
def traffic(
    data: Data,
    since: Since = "",
    until: Until = "",
    tenant: Tenant = None,
    application: App = None,
    form: Form = "text",
    svg: Annotated[Path | None, typer.Option(help="Write plots to this file, too.")] = None,
    success: Annotated[
        Literal["contract", "feedback"],
        typer.Option(help="What a successful task is: its contract was kept, or it helped."),
    ] = "contract",
) -> None:
    """Decisions, answers, times and cost per task and per deployment, from the log itself."""
    window = _window(since, until, tenant, application)
    with opened(data) as log, log.reader.snapshot():
        report = summarize(entries_of(log), window, lambda digest: _blob(log, digest, list))
    if svg is not None:
        svg.write_text(report_svg(report), encoding="utf-8")
    if form == "json":
        emit(report.to_json())
    else:
        print(report_text(report, by_feedback=success == "feedback"))


@app.command()
@shown
def pins(
    data: Data,
    since: Since = "",
    until: Until = "",
    tenant: Tenant = None,
    application: App = None,
    least: Annotated[
        int, typer.Option(min=10, max=1_000_000, help="Answers below which nothing is said.")
    ] = LEAST,
    high_stakes: Annotated[
        bool,
        typer.Option("--high-stakes", help="List tasks of high stakes also where they are stable."),
    ] = False,
    form: Form = "text",
) -> None:
    """Tasks better pinned to one deployment, and pins that cost more than `auto` does."""
    window = _window(since, until, tenant, application)
    with opened(data) as log, log.reader.snapshot():
        found = find_pins(
            entries_of(log),
            window,
            lambda digest: _blob(log, digest, dict),
            least=least,
            high_stakes=high_stakes,
        )
    if form == "json":
        emit(found.to_json())
    else:
        print(pins_text(found))


def entries_of(log: ReadOnlyLog) -> Iterator[Mapping[str, Any]]:
    """Every entry, in the log's order.

    Raises:
        IntegrityError: one is no entry.
    """
    for index, leaf in log.leaves():
        entry = orjson.loads(leaf)
        if not isinstance(entry, dict):
            raise IntegrityError(f"entry {index} is no entry")
        yield entry


def _blob(log: ReadOnlyLog, digest: str, kind: type[Any]) -> Any:
    """Side data of a kind, or None; a list holds objects alone."""
    data = log.reader.blob(digest)
    value = None if data is None else orjson.loads(data)
    if not isinstance(value, kind):
        return None
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else value


def _window(since: str, until: str, tenant: str | None, application: str | None) -> Window:
    first, last = _moment(since, "--since"), _moment(until, "--until")
    if first is not None and last is not None and first >= last:
        raise RequestError("`--since` is not before `--until`")
    return Window(since=first, until=last, tenant=tenant, app=application)


def _moment(text: str, option: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise RequestError(
            f"`{option}` takes a moment such as 2026-03-01 or 2026-03-01T08:00:00+01:00"
        ) from None
