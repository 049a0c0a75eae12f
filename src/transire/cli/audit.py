"""`transire audit …`: reads the files themselves, with neither server nor credential; erases."""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer
from sqlalchemy.exc import SQLAlchemyError

from transire.cli.session import RemoteRouter, acting, emit, shown
from transire.errors import IntegrityError, NotFoundError
from transire.outbound.caller import call
from transire.record.checkpoint import Checkpoint
from transire.record.disclosing import with_disclosed
from transire.record.export import export_tiles
from transire.record.reading import ReadOnlyLog

__all__ = [
    "app",
    "erase",
    "export",
    "newest",
    "opened",
    "show",
    "tail",
    "verify",
]

app = typer.Typer(help="Read and verify the decision log.", no_args_is_help=True)
Data = Annotated[Path, typer.Argument(help="The data folder, or its log.sqlite.")]
_SHORTER: Final = 2
_UNTRUSTED: Final = 3
"""Exit codes as those of audit/verify.py."""
_WHICH: Final = re.compile(r"[0-9]{1,18}|[a-z]+_[0-9A-Za-z]+")
"""An index that SQLite can count to, or an id of an entry."""


@app.command()
@shown
def verify(
    data: Data,
    key: Annotated[str, typer.Option(help="The verifier key, got from elsewhere.")] = "",
    checkpoint: Annotated[
        Path | None, typer.Option(help="A signed note that you kept of this log.")
    ] = None,
) -> None:
    """Check every entry, root, signature and blob. For an independent check: audit/verify.py."""
    with opened(data) as log:
        held = None if checkpoint is None else _held(log, checkpoint, key or None)
        if held is not None and held.size > log.reader.size():
            _end(
                _SHORTER,
                f"the checkpoint held is of size {held.size}, this log ends at {log.reader.size()}",
            )
        report = log.verify(key or None, held)
    print(report)


@app.command("checkpoint")
@acting
def newest(
    router: RemoteRouter,
    data: Annotated[
        Path | None, typer.Argument(help="The data folder; without, the router is asked.")
    ] = None,
) -> None:
    """Print the newest signed note, to keep and to hold the log against later."""
    if data is not None:
        with opened(data) as log:
            print(log.checkpoint(), end="")
        return
    # Public: whoever keeps checkpoints needs no account here.
    told = call("GET", f"{router.root}/v1/audit/checkpoint", credential="")
    if not told["checkpoint"]:
        raise NotFoundError("this log has no checkpoint yet")
    print(told["checkpoint"], end="")


def _held(log: ReadOnlyLog, file: Path, key: str | None) -> Checkpoint:
    try:
        return log.held(file.read_text(encoding="utf-8"), key)
    except UnicodeDecodeError:
        return _end(_UNTRUSTED, f"`{file}` is no signed note")
    except IntegrityError as error:
        return _end(_UNTRUSTED, f"the checkpoint held is not trusted: {error.message}")


def _end(code: int, message: str) -> NoReturn:
    print(f"transire: {message}", file=sys.stderr)
    raise typer.Exit(code)


@app.command()
@shown
def tail(
    data: Data, count: Annotated[int, typer.Option("-n", min=1, help="How many.")] = 10
) -> None:
    """The newest entries, one JSON line each."""
    with opened(data) as log:
        for index, entry in log.tail(count):
            print(json.dumps({"index": index, **entry}, ensure_ascii=False))


@app.command()
@shown
def show(
    data: Data,
    which: Annotated[str, typer.Argument(help="An index, or a decision id.")],
) -> None:
    """One entry, or every entry of a decision, with what people wrote that was not erased."""
    if _WHICH.fullmatch(which) is None:
        raise NotFoundError("no such entry; it takes an index, or a decision id `dec_…`")
    with opened(data) as log:
        emit(with_disclosed(log.reader, log.find(which)))


@app.command("erase")
@acting
def erase(
    router: RemoteRouter,
    names: Annotated[
        list[str],
        typer.Argument(help="Ids of decisions, `dec_…`, or of quarantines' entries, `ent_…`."),
    ],
    reason: Annotated[str, typer.Option(help="Why; kept like what it erases.")],
) -> None:
    """Delete what people wrote in the log; takes a privacy officer, and a server."""
    asked = {
        "decisions": [name for name in names if not name.startswith("ent_")],
        "entries": [name for name in names if name.startswith("ent_")],
        "reason": reason,
    }
    emit(router.call("POST", "/v1/audit/erasures", asked))


@app.command()
@shown
def export(
    data: Data,
    directory: Annotated[Path, typer.Argument(help="Where to write the tiles; new or empty.")],
) -> None:
    """Write the log as a tlog-tiles directory (c2sp.org/tlog-tiles)."""
    with opened(data) as log:
        size = export_tiles(log, directory)
    print(f"wrote {size} entries to {directory}")


@contextmanager
def opened(data: Path) -> Iterator[ReadOnlyLog]:
    """The log, whose damage is told and not shown: a database's error quotes what it read."""
    try:
        with ReadOnlyLog(data) as log:
            yield log
    except (SQLAlchemyError, json.JSONDecodeError):
        raise IntegrityError(
            f"`{data}` is no readable log; restore it, or look with audit/verify.py"
        ) from None
