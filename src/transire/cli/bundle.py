"""`transire bundle …` and `transire quarantine …`."""

import base64
import string
import sys
from pathlib import Path
from typing import Annotated

import typer

from transire.authorize.cedar import CedarAuthorizer
from transire.bundle.compile import compile_bundle
from transire.bundle.shortdigest import ACTIVE
from transire.bundle.source import read_folder
from transire.bundle.strays import strays
from transire.cli.promptnotes import prompt_notes
from transire.cli.session import RemoteRouter, acting, emit, named, shown
from transire.clock import SystemClock
from transire.errors import NotFoundError
from transire.workbench.check import check_files
from transire.workbench.diff import summarize, unified
from transire.workbench.test import run_tests

__all__ = [
    "activate",
    "app",
    "approve",
    "check",
    "diff",
    "lift",
    "list_bundles",
    "list_quarantined",
    "propose",
    "quarantine",
    "ratify",
    "show",
    "side_files",
]

app = typer.Typer(help="Propose, approve and activate what governs.", no_args_is_help=True)
quarantine = typer.Typer(
    help="Stop a deployment, provider or tenant at once.", no_args_is_help=True
)

Folder = Annotated[Path, typer.Argument(help="A policies folder.")]
Digest = Annotated[str, typer.Argument(help="A bundle digest, or its first 8 digits or more.")]
Side = Annotated[str, typer.Argument(help="`active`, a digest, or a policies folder.")]


@app.command()
@shown
def check(
    folder: Folder = Path("policies"),
    solo: Annotated[bool, typer.Option("--solo", help="Judge as a solo installation.")] = False,
) -> None:
    """Compile a folder, sweep it for errors, run its tests; needs neither server nor credential."""
    files = read_folder(folder)
    report = check_files(files, now=SystemClock().now(), solo=solo)
    for remark in strays(folder, files):
        print(f"warning: {remark}")
    for line in report.remarks() if report.is_sound else report.lines():
        print(line)
    if not report.is_sound:
        raise typer.Exit(3)
    compiled = compile_bundle(files)
    for note in prompt_notes(files, compiled.bundle):
        print(f"note: {note}")
    tests = run_tests(compiled, CedarAuthorizer(compiled))
    for line in tests.lines():
        print(line)
    if tests.failures:
        raise typer.Exit(3)
    for line in report.conclusion():
        print(line)


@app.command()
@acting
def propose(router: RemoteRouter, folder: Folder = Path("policies")) -> None:
    """Propose a folder; what `bundle check` warns of goes to stderr."""
    files = read_folder(folder)
    for remark in (*strays(folder, files), *compile_bundle(files).warnings):
        print(f"warning: {remark}", file=sys.stderr)
    encoded = {name: base64.b64encode(data).decode() for name, data in files.items()}
    emit(router.call("POST", "/v1/policies/bundles", {"files": encoded}))


@app.command()
@acting
def approve(router: RemoteRouter, digest: Digest) -> None:
    """Approve somebody else's proposal."""
    emit(router.call("POST", f"/v1/policies/bundles/{named(digest)}/approve"))


@app.command()
@acting
def activate(router: RemoteRouter, digest: Digest) -> None:
    """Make an approved proposal active."""
    emit(router.call("POST", f"/v1/policies/bundles/{named(digest)}/activate"))


@app.command("list")
@acting
def list_bundles(router: RemoteRouter) -> None:
    """The active digest and all proposals."""
    emit(router.call("GET", "/v1/policies/bundles"))


@app.command()
@acting
def show(
    router: RemoteRouter,
    digest: Annotated[str, typer.Argument(help="`active`, or a digest.")] = ACTIVE,
    file: Annotated[str, typer.Option(help="Print one file of it.")] = "",
) -> None:
    """A bundle's files."""
    bundle = router.call("GET", f"/v1/policies/bundles/{named(digest)}")
    if file:
        if file not in bundle["files"]:
            raise NotFoundError(f"no such file; it holds {', '.join(sorted(bundle['files']))}")
        print(base64.b64decode(bundle["files"][file]).decode(), end="")
        return
    emit({"digest": bundle["digest"], "files": sorted(bundle["files"])})


@app.command()
@acting
def diff(
    router: RemoteRouter,
    first: Side = ACTIVE,
    second: Side = "policies",
    summary: Annotated[bool, typer.Option("--summary", help="Only the line that sums up.")] = False,
) -> None:
    """What the second bundle changes in the first: text by file, and a line that sums it up."""
    old, new = side_files(router, first), side_files(router, second)
    if old == new:
        print("no difference")
        return
    if not summary:
        for line in unified(old, new, (_label(first), _label(second))):
            print(line)
    print(f"# {summarize(old, new)}")


def side_files(router: RemoteRouter, side: str) -> dict[str, bytes]:
    """A folder's files, or those of a bundle that the router holds."""
    is_digest = side == ACTIVE or all(c in string.hexdigits for c in side)
    if not is_digest or (side != ACTIVE and Path(side).is_dir()):
        return read_folder(Path(side))
    bundle = router.call("GET", f"/v1/policies/bundles/{named(side)}")
    return {name: base64.b64decode(data) for name, data in bundle["files"].items()}


def _label(side: str) -> str:
    return side.strip("/") or side


@quarantine.command("list")
@acting
def list_quarantined(router: RemoteRouter) -> None:
    """What is quarantined."""
    emit(router.call("GET", "/v1/policies/quarantine"))


def _impose(kind: str) -> None:
    @quarantine.command(kind, help=f"Quarantine a {kind} at once; one person, narrows only.")
    @acting
    def impose(
        router: RemoteRouter,
        name: Annotated[str, typer.Argument(help=f"The {kind}'s id.")],
        reason: Annotated[str, typer.Option(help="Why; it stands in the log.")],
    ) -> None:
        emit(
            router.call(
                "POST", "/v1/policies/quarantine", {"kind": kind, "id": name, "reason": reason}
            )
        )


for _kind in ("deployment", "provider", "tenant"):
    _impose(_kind)


@quarantine.command()
@acting
def ratify(
    router: RemoteRouter,
    kind: Annotated[str, typer.Argument(help="deployment, provider or tenant.")],
    name: Annotated[str, typer.Argument(help="Its id.")],
) -> None:
    """Confirm, as a second person, what another imposed; ends its alarm."""
    emit(router.call("POST", f"/v1/policies/quarantine/{named(kind)}/{named(name)}/ratify"))


@quarantine.command()
@acting
def lift(
    router: RemoteRouter,
    kind: Annotated[str, typer.Argument(help="deployment, provider or tenant.")],
    name: Annotated[str, typer.Argument(help="Its id.")],
) -> None:
    """Ask to lift, or, as a second person, lift."""
    emit(router.call("DELETE", f"/v1/policies/quarantine/{named(kind)}/{named(name)}"))
