"""`transire detect lint` and `register`: the tools for `recognizers.yaml`."""

import secrets
from pathlib import Path
from typing import Annotated, Literal

import typer

from transire.bundle.compile import compile_bundle
from transire.bundle.limits import pack_folder
from transire.bundle.source import read_folder
from transire.cli.session import emit, shown
from transire.errors import RequestError

__all__ = ["lint", "register"]

Policies = Annotated[Path | None, typer.Option("--policies", help="Default: the starter pack.")]


@shown
def lint(
    policies: Policies = None,
    form: Annotated[
        Literal["text", "json"], typer.Option("--format", help="text or json.")
    ] = "text",
) -> None:
    """Say of each recognizer of the bundle whether it is fine, slow, shadowed or read by nobody."""
    from transire.workbench.lint import lint_recognizers

    told = lint_recognizers(compile_bundle(read_folder(policies or pack_folder())))
    if form == "json":
        emit(
            [
                {
                    "name": r.name,
                    "entity": r.entity,
                    "class": r.data_class,
                    "worst_ms": r.worst_ms,
                    "remarks": list(r.remarks),
                }
                for r in told
            ]
        )
        return
    for r in told:
        verdict = "; ".join(r.remarks) or f"fine, {r.worst_ms} ms at worst"
        print(f"{r.name}: {r.entity} -> {r.data_class}: {verdict}")
    if not told:
        print("this bundle has no recognizers of its own; see recognizers.yaml in the manual")


@shown
def register(
    file: Annotated[Path, typer.Argument(help="A text file; its text is not kept.")],
    name: Annotated[str, typer.Option("--name", help="Its id in the bundle.")],
    entity: Annotated[str, typer.Option("--entity", help="What a passage of it is found as.")],
    policies: Annotated[
        Path | None, typer.Option("--policies", help="Take salt and words from this bundle.")
    ] = None,
    min_matches: Annotated[
        int, typer.Option("--min-matches", help="Digests that must recur to find it.", min=1)
    ] = 4,
) -> None:
    """Print digests of a document's word runs, to be put into recognizers.yaml."""
    from transire.bundle.recognizers.shingles import fingerprint

    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError):
        raise RequestError(f"`{file}` cannot be read as UTF-8 text") from None
    salt, words, is_known = _section(policies)
    digests = sorted(d.hex() for d in fingerprint(text, salt=salt, words=words))
    if len(digests) < min_matches:
        raise RequestError(
            f"`{file}` gives {len(digests)} digests, fewer than --min-matches {min_matches}"
        )
    if is_known:
        print("# add this under documents.registered in recognizers.yaml")
    else:
        print(f"documents:\n  salt: {salt.hex()!r}\n  words: {words}\n  registered:")
    print(f"    {name}:\n      entity: {entity}\n      min_matches: {min_matches}")
    print("      digests: |")
    for at in range(0, len(digests), 5):
        print("        " + " ".join(digests[at : at + 5]))


def _section(policies: Path | None) -> tuple[bytes, int, bool]:
    """Salt and words of the bundle's documents, or fresh ones; and whether they were there."""
    pack = None
    if policies is not None:
        pack = compile_bundle(read_folder(policies)).bundle.recognizers
    if pack is not None and pack.words:
        return pack.salt, pack.words, True
    return secrets.token_bytes(16), _WORDS, False


_WORDS = 8
"""Words in a shingle: shorter ones are stock phrases, longer ones miss small edits."""
