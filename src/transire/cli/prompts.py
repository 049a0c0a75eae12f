"""`transire prompts list|show`: the prompts of a bundle, and who is given them."""

from contextlib import closing
from typing import Annotated, Any

import typer

from transire.bundle.compile import compile_bundle
from transire.cli.bundle import side_files
from transire.cli.reader import BundleReader
from transire.cli.session import RemoteRouter, acting, emit
from transire.domain.bundle import Bundle
from transire.errors import NotFoundError

__all__ = ["app", "list_prompts", "show"]

app = typer.Typer(help="The prompts of a bundle.", no_args_is_help=True)

Side = Annotated[str, typer.Argument(help="`active`, a digest, or a policies folder.")]


@app.command("list")
@acting
def list_prompts(router: RemoteRouter, side: Side = "policies") -> None:
    """Every prompt by name and version, and which applications and tasks are given it."""
    bundle = compile_bundle(side_files(router, side), must_hold_limits=False).bundle
    emit([_told(bundle, ref) for ref in sorted(bundle.prompts, key=_order)])


@app.command()
@acting
def show(
    router: RemoteRouter,
    ref: Annotated[str, typer.Argument(help="Name and version, such as `support@3`.")],
    side: Side = "policies",
) -> None:
    """One prompt: its text, and what the bundle's detector finds in it."""
    files = side_files(router, side)
    bundle = compile_bundle(files, must_hold_limits=False).bundle
    prompt = bundle.prompts.get(ref)
    if prompt is None:
        held = ", ".join(sorted(bundle.prompts, key=_order)) or "none"
        raise NotFoundError(f"this bundle does not hold that prompt; it holds {held}")
    with closing(BundleReader(None, files=files)) as detector:
        seen = detector.read(prompt.text)
    found = {name: seen[name] for name in ("classes", "failed", "uncovered")}
    emit({**_told(bundle, ref), **found, "text": prompt.text})


def _told(bundle: Bundle, ref: str) -> dict[str, Any]:
    prompt = bundle.prompts[ref]
    return {
        "prompt": ref,
        "role": prompt.role,
        "exclusive": prompt.exclusive,
        "bytes": len(prompt.text.encode()),
        "given_to": _given_to(bundle, ref),
    }


def _given_to(bundle: Bundle, ref: str) -> list[str]:
    """`application`, or `application/task` where one task is given it."""
    told = []
    for name, application in sorted(bundle.catalog.applications.items()):
        binding = application.prompts
        if binding is None:
            continue
        told += [str(name)] if binding.default == ref else []
        told += [f"{name}/{task}" for task, given in sorted(binding.tasks.items()) if given == ref]
    return told


def _order(ref: str) -> tuple[str, int]:
    name, _, version = ref.rpartition("@")
    return name, int(version)
