"""`transire guard`: what guards find in a text; needs neither server nor credential."""

from pathlib import Path
from typing import Annotated

import typer

from transire.cli.labelled import bytes_of, text_of
from transire.cli.session import emit, shown
from transire.domain.guarding import TEXT_GUARDS

__all__ = ["app", "check"]

app = typer.Typer(help="What guards find.", no_args_is_help=True)
_SECONDS = 30.0


@app.callback()
def _group() -> None:
    """What guards find."""


@app.command()
@shown
def check(
    file: Annotated[str, typer.Argument(help="A text file, or - for standard input.")],
    role: Annotated[str, typer.Option("--role", help="Of the message it stands in.")] = "user",
    policies: Annotated[
        Path | None, typer.Option("--policies", help="Default: the starter pack.")
    ] = None,
) -> None:
    """Print what guards of texts say, with places, and which of them a bundle runs; no text."""
    from transire.bundle.compile import compile_bundle
    from transire.bundle.limits import pack_folder
    from transire.bundle.source import read_folder
    from transire.classify.guarded import GuardReader, guard_spans
    from transire.classify.guards import guard_entities
    from transire.classify.scan import scan_texts
    from transire.domain.request import Part, PartKind

    bundle = compile_bundle(read_folder(policies or pack_folder())).bundle
    text = text_of(bytes_of(file), f"`{file}`")
    all_guards = frozenset(TEXT_GUARDS)
    scan = scan_texts([text], _SECONDS, guard_entities(all_guards))[0]
    part = Part(pointer=(), kind=PartKind.TEXT, text=text, role=role)
    said = GuardReader(all_guards, frozenset()).read([part], [(0, text)], [scan])
    emit(
        {
            "raised": sorted(said.raised),
            "failed": sorted(said.failed),
            "spans": [
                {"start": hit.start, "end": hit.end, "guard": hit.by, "via": hit.via}
                for hit in guard_spans(scan)
            ],
            "runs": sorted(bundle.guards.intersection(TEXT_GUARDS)),
        }
    )
