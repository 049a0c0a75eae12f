"""`transire bundle …` and `transire quarantine …`."""

import base64
from pathlib import Path
from typing import Annotated

import typer

from transire.authorize.cedar import CedarAuthorizer
from transire.bundle.compile import compile_bundle
from transire.bundle.source import read_folder
from transire.cli.session import Url, api, emit, named, shown
from transire.clock import SystemClock
from transire.errors import NotFoundError
from transire.workbench.check import check_files
from transire.workbench.test import run_tests

__all__ = [
    "activate",
    "app",
    "approve",
    "check",
    "lift",
    "list_bundles",
    "list_quarantined",
    "propose",
    "quarantine",
    "ratify",
    "show",
]

app = typer.Typer(help="Propose, approve and activate what governs.", no_args_is_help=True)
quarantine = typer.Typer(
    help="Stop a deployment, provider or tenant at once.", no_args_is_help=True
)

_LOCAL = "http://127.0.0.1:8080"
Folder = Annotated[Path, typer.Argument(help="A policies folder.")]
Digest = Annotated[str, typer.Argument(help="A bundle digest.")]


@app.command()
@shown
def check(
    folder: Folder = Path("policies"),
    solo: Annotated[bool, typer.Option("--solo", help="Judge as a solo installation.")] = False,
) -> None:
    """Compile a folder, sweep it for errors, run its tests; needs neither server nor credential."""
    files = read_folder(folder)
    report = check_files(files, now=SystemClock().now(), solo=solo)
    for line in report.lines():
        print(line)
    if not report.is_sound:
        raise typer.Exit(3)
    compiled = compile_bundle(files)
    tests = run_tests(compiled, CedarAuthorizer(compiled))
    for line in tests.lines():
        print(line)
    if tests.failures:
        raise typer.Exit(3)


@app.command()
@shown
def propose(
    folder: Folder = Path("policies"),
    url: Url = _LOCAL,
) -> None:
    """Propose a folder."""
    files = read_folder(folder)
    compile_bundle(files)
    encoded = {name: base64.b64encode(data).decode() for name, data in files.items()}
    emit(api(url, "POST", "/v1/policies/bundles", {"files": encoded}))


@app.command()
@shown
def approve(digest: Digest, url: Url = _LOCAL) -> None:
    """Approve somebody else's proposal."""
    emit(api(url, "POST", f"/v1/policies/bundles/{named(digest)}/approve"))


@app.command()
@shown
def activate(digest: Digest, url: Url = _LOCAL) -> None:
    """Make an approved proposal active."""
    emit(api(url, "POST", f"/v1/policies/bundles/{named(digest)}/activate"))


@app.command("list")
@shown
def list_bundles(url: Url = _LOCAL) -> None:
    """The active digest and all proposals."""
    emit(api(url, "GET", "/v1/policies/bundles"))


@app.command()
@shown
def show(
    digest: Annotated[str, typer.Argument(help="A digest, or `active`.")] = "active",
    file: Annotated[str, typer.Option(help="Print one file of it.")] = "",
    url: Url = _LOCAL,
) -> None:
    """A bundle's files."""
    bundle = api(url, "GET", f"/v1/policies/bundles/{named(digest)}")
    if file:
        if file not in bundle["files"]:
            raise NotFoundError(f"no such file; it holds {', '.join(sorted(bundle['files']))}")
        print(base64.b64decode(bundle["files"][file]).decode(), end="")
        return
    emit({"digest": bundle["digest"], "files": sorted(bundle["files"])})


@quarantine.command("list")
@shown
def list_quarantined(url: Url = _LOCAL) -> None:
    """What is quarantined."""
    emit(api(url, "GET", "/v1/policies/quarantine"))


def _impose(kind: str) -> None:
    @quarantine.command(kind, help=f"Quarantine a {kind} at once; one person, narrows only.")
    @shown
    def impose(
        name: Annotated[str, typer.Argument(help=f"The {kind}'s id.")],
        reason: Annotated[str, typer.Option(help="Why; it stands in the log.")],
        url: Url = _LOCAL,
    ) -> None:
        emit(
            api(
                url, "POST", "/v1/policies/quarantine", {"kind": kind, "id": name, "reason": reason}
            )
        )


for _kind in ("deployment", "provider", "tenant"):
    _impose(_kind)


@quarantine.command()
@shown
def ratify(
    kind: Annotated[str, typer.Argument(help="deployment, provider or tenant.")],
    name: Annotated[str, typer.Argument(help="Its id.")],
    url: Url = _LOCAL,
) -> None:
    """Confirm, as a second person, what another imposed; ends its alarm."""
    emit(api(url, "POST", f"/v1/policies/quarantine/{named(kind)}/{named(name)}/ratify"))


@quarantine.command()
@shown
def lift(
    kind: Annotated[str, typer.Argument(help="deployment, provider or tenant.")],
    name: Annotated[str, typer.Argument(help="Its id.")],
    url: Url = _LOCAL,
) -> None:
    """Ask to lift, or, as a second person, lift."""
    emit(api(url, "DELETE", f"/v1/policies/quarantine/{named(kind)}/{named(name)}"))
