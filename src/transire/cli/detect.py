"""`transire detect`: what the detector finds; needs neither server nor credential.

`transire detect FILE` is short for `transire detect scan FILE`.
"""

import json
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated, Final

import typer

from transire.cli import feedback
from transire.cli.group import group_with
from transire.cli.labelled import bytes_of, numbered_lines, object_of, text_of
from transire.cli.marked import marked_lines, marked_page
from transire.cli.measuring import evaluate, tune
from transire.cli.reader import BundleReader
from transire.cli.recognizers import lint, register
from transire.cli.session import emit, shown
from transire.errors import RequestError

__all__ = ["app", "digest", "scan"]


app = typer.Typer(
    help="What the detector finds; `transire detect FILE` scans.",
    cls=group_with("scan"),
    no_args_is_help=True,
)

app.add_typer(feedback.app, name="feedback")
app.command("lint")(lint)
app.command("register")(register)
app.command("evaluate")(evaluate)
app.command("tune")(tune)

_LINE: Final = ("start", "end", "entity", "class", "score", "via")
"""What a line of `--jsonl` says of a finding."""
Policies = Annotated[Path | None, typer.Option("--policies", help="Default: the starter pack.")]


@app.command()
@shown
def scan(
    file: Annotated[str, typer.Argument(help="A text file, or - for standard input.")],
    policies: Policies = None,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Lines `{id, text}` in, lines of findings out.")
    ] = False,
    html: Annotated[
        bool, typer.Option("--html", help="One HTML page that shows the text, marked.")
    ] = False,
    mark: Annotated[
        bool, typer.Option("--mark", help="The text, marked; what a terminal gets by itself.")
    ] = False,
    plain: Annotated[
        bool, typer.Option("--json", help="JSON in a terminal too; what all else gets by itself.")
    ] = False,
) -> None:
    """Print what is found: marked in the text in a terminal, else as JSON, without the text."""
    if sum((html, jsonl, mark, plain)) > 1:
        raise RequestError("`--html`, `--mark`, `--json` and `--jsonl` are forms; choose one")
    mark = mark or (sys.stdout.isatty() and not (html or jsonl or plain))
    with closing(BundleReader(policies)) as detector:
        if html or mark:
            text = text_of(bytes_of(file), f"`{file}`")
            told = detector.read(text)
            print(marked_page(text, told) if html else marked_lines(text, told))
            return
        if not jsonl:
            emit(detector.read(text_of(bytes_of(file), f"`{file}`")))
            return
        for number, line in numbered_lines(file):
            given = object_of(line, number)
            if not isinstance(given.get("text"), str):
                raise RequestError(f"line {number}: `text` must be a string")
            told = detector.read(given["text"])
            found = [{name: f[name] for name in _LINE} for f in told["findings"]]
            gaps = {name: told[name] for name in ("failed", "uncovered")}
            print(json.dumps({"id": given.get("id"), "findings": found, **gaps}), flush=True)


@app.command()
@shown
def digest(
    path: Annotated[Path, typer.Argument(help="The folder of a name model.", exists=True)],
) -> None:
    """Print the SHA-256 that `detector.names` in `taxonomy.yaml` binds a model's files by."""
    from transire.classify.names.local import path_digest

    print(path_digest(path))
