"""`transire detect`: what the detector finds; needs neither server nor credential.

`transire detect FILE` is short for `transire detect scan FILE`.
"""

import asyncio
import gzip
import json
import os
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from transire.bundle.compile import compile_bundle
from transire.bundle.limits import pack_folder
from transire.bundle.source import read_folder
from transire.cli.marked import marked_page
from transire.cli.recognizers import lint, register
from transire.cli.session import emit, shown
from transire.errors import RequestError

__all__ = ["app", "digest", "evaluate", "scan"]


class _ScanByDefault(TyperGroup):
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["scan", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    help="What the detector finds; `transire detect FILE` scans.",
    cls=_ScanByDefault,
    no_args_is_help=True,
)

app.command("lint")(lint)
app.command("register")(register)

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
) -> None:
    """Print findings as JSON: offsets, entities, classes; never the text, save with `--html`."""
    if html and jsonl:
        raise RequestError("`--html` shows one text; leave out `--jsonl`")
    with closing(_Detector(policies)) as detector:
        if html:
            text = _text_of(_bytes_of(file), f"`{file}`")
            print(marked_page(text, detector.read(text)), end="")
            return
        if not jsonl:
            emit(detector.read(_text_of(_bytes_of(file), f"`{file}`")))
            return
        for number, line in _lines(file):
            given = _object(line, number)
            if not isinstance(given.get("text"), str):
                raise RequestError(f"line {number}: `text` must be a string")
            told = detector.read(given["text"])
            kept = {name: told[name] for name in ("findings", "failed", "uncovered")}
            print(json.dumps({"id": given.get("id"), **kept}), flush=True)


@app.command()
@shown
def digest(
    path: Annotated[Path, typer.Argument(help="The folder of a name model.", exists=True)],
) -> None:
    """Print the SHA-256 that `detector.names` in `taxonomy.yaml` binds a model's files by."""
    from transire.classify.names.local import path_digest

    print(path_digest(path))


@app.command()
@shown
def evaluate(
    data: Annotated[Path, typer.Argument(help="JSON lines (or .gz), or presidio-research JSON.")],
    policies: Policies = None,
    form: Annotated[
        Literal["text", "json"], typer.Option("--format", help="text or json.")
    ] = "text",
) -> None:
    """Precision and recall on texts whose spans are known, by entity and by message."""
    from transire.workbench.measure import Row, labelled
    from transire.workbench.measure import evaluate as measure

    rows = []
    with closing(_Detector(policies)) as detector:
        for number, (text, spans) in enumerate(_labelled_rows(data), 1):
            findings = detector.read(text)["findings"]
            found = tuple((f["start"], f["end"], f["entity"]) for f in findings)
            rows.append(Row(tuple((s, e, labelled(label)) for s, e, label in spans), found))
            if number % 500 == 0:
                print(f"{number} texts read", file=sys.stderr)
    scores = measure(rows)
    if form == "json":
        emit(
            {
                "entities": {label: score.entities() for label, score in scores.items()},
                "message": {label: score.message() for label, score in scores.items()},
            }
        )
        return
    print(_TABLE.format("entity", "spans", "P", "R", "F2", "strict F1", "message R", "FPR"))
    for label, score in scores.items():
        kinds, message = score.entities(), score.message()
        rates = (kinds["overlap"]["precision"], kinds["overlap"]["recall"], kinds["overlap"]["f2"])
        shown_rates = (*rates, kinds["strict"]["f1"], message["recall"], message["fpr"])
        print(_TABLE.format(label, score.wanted, *(f"{rate:.2f}" for rate in shown_rates)))


_TABLE = "{:26} {:>6} {:>5} {:>5} {:>5} {:>10} {:>10} {:>5}"


class _Detector:
    """The detector of a bundle as the router runs it, here in one process."""

    def __init__(self, policies: Path | None) -> None:
        from transire.classify.detector import EngineDetector
        from transire.classify.names.finder import NameFinder
        from transire.clock import SystemClock
        from transire.identity.digests import InstallationKeys

        bundle = compile_bundle(read_folder(policies or pack_folder())).bundle
        clock = SystemClock()
        self._taxonomy = bundle.taxonomy
        self._runner = asyncio.Runner()
        self._detector = EngineDetector(
            bundle,
            keyed=InstallationKeys(os.urandom(32)),
            clock=clock,
            pool=None,
            names=NameFinder.load(bundle.detector.names, clock.monotonic),
        )

    def close(self) -> None:
        self._runner.close()

    def read(self, text: str) -> dict[str, Any]:
        seen = self._runner.run(self._detector.classify_text(text, "cli"))
        return {
            "findings": [
                {
                    "start": f.start,
                    "end": f.end,
                    "entity": f.entity,
                    "class": f.data_class,
                    "score": f.score_pct / 100,
                    "via": f.via,
                }
                for f in seen.findings
            ],
            "classes": sorted(self._taxonomy.class_closure(seen.found)),
            "failed": sorted(seen.failed),
            "uncovered": sorted(seen.uncovered),
        }


def _bytes_of(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError:
        raise RequestError(f"`{file}` cannot be read") from None


def _text_of(data: bytes, what: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise RequestError(f"{what} is not UTF-8") from None


def _lines(file: str) -> Iterator[tuple[int, str]]:
    """Numbered lines that are not blank; standard input as it comes.

    Cut at line feeds alone: a JSON string may hold any other separator of lines.
    """
    lines: Iterable[bytes] = sys.stdin.buffer if file == "-" else _bytes_of(file).split(b"\n")
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield number, _text_of(line, f"line {number}")


def _object(line: str, number: int) -> dict[str, Any]:
    try:
        given = json.loads(line)
    except ValueError:
        raise RequestError(f"line {number} is not JSON") from None
    if not isinstance(given, dict):
        raise RequestError(f"line {number} is not a JSON object")
    return given


def _labelled_rows(path: Path) -> Iterator[tuple[str, list[tuple[int, int, str]]]]:
    """Texts with spans, of either form."""
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if path.suffix == ".gz" else data
    except (OSError, EOFError, zlib.error):
        raise RequestError(f"`{path}` cannot be read") from None
    if data.lstrip().startswith(b"["):
        yield from _research_rows(data, path)
        return
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.strip():
            given = _object(_text_of(line, f"line {number}"), number)
            try:
                spans = [(int(s), int(e), str(k)) for s, e, k in given["spans"]]
                row = _string(given["text"]), spans
            except (KeyError, TypeError, ValueError):
                raise RequestError(
                    f"line {number}: expected `text` and `spans: [[start, end, label]]`"
                ) from None
            yield row


def _research_rows(data: bytes, path: Path) -> Iterator[tuple[str, list[tuple[int, int, str]]]]:
    try:
        rows = json.loads(data)
    except ValueError:  # its own message would quote the text
        raise RequestError(f"`{path}` is not JSON") from None
    for number, row in enumerate(rows, 1):
        try:
            spans = [
                (int(s["start_position"]), int(s["end_position"]), str(s["entity_type"]))
                for s in row["spans"]
            ]
            text = _string(row["full_text"])
        except (KeyError, TypeError, ValueError):
            raise RequestError(f"row {number}: expected `full_text` and `spans`") from None
        yield text, spans


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
