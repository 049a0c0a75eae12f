"""`transire detect`: what the detector finds in a file; needs neither server nor credential."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from transire.bundle.compile import compile_bundle
from transire.bundle.limits import pack_folder
from transire.bundle.source import read_folder
from transire.cli.session import emit, shown

__all__ = ["detect"]


@shown
def detect(
    file: Annotated[str, typer.Argument(help="A text file, or - for standard input.")],
    policies: Annotated[Path | None, typer.Option(help="Default: the starter pack.")] = None,
) -> None:
    """Print findings as JSON: offsets, entities, classes; never the text."""
    from transire.classify.mapping import findings_of
    from transire.classify.scan import scan_texts

    text = sys.stdin.read() if file == "-" else Path(file).read_text()
    taxonomy = compile_bundle(read_folder(policies or pack_folder())).bundle.taxonomy
    (scan,) = scan_texts([text], 60.0, frozenset(taxonomy.entities))
    findings = findings_of(((0, hit) for hit in scan.hits), taxonomy.entities)
    found = taxonomy.class_closure(f.data_class for f in findings)
    emit(
        {
            "findings": [
                {
                    "start": f.start,
                    "end": f.end,
                    "entity": f.entity,
                    "class": f.data_class,
                    "score": f.score_pct / 100,
                    "via": f.via,
                }
                for f in findings
            ],
            "classes": sorted(found),
            "failed": list(scan.failed),
        }
    )
