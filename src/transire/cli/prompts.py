"""`transire prompts list|show`: the prompts of a bundle, and who is given them."""

from collections.abc import Iterator, Mapping
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
    """One prompt: its text, and what the bundle's detector finds in it, and where."""
    files = side_files(router, side)
    bundle = compile_bundle(files, must_hold_limits=False).bundle
    prompt = bundle.prompts.get(ref)
    if prompt is None:
        held = ", ".join(sorted(bundle.prompts, key=_order)) or "none"
        raise NotFoundError(f"this bundle does not hold that prompt; it holds {held}")
    emit({**_told(bundle, ref), **_read(files, prompt.text), "text": prompt.text})


def _read(files: Mapping[str, bytes], text: str) -> dict[str, Any]:
    """What is found; a prompt is the bundle's own text, so the words themselves are told."""
    with closing(BundleReader(None, files=files)) as detector:
        seen = detector.read(text)
    found = [
        {
            **{name: one[name] for name in ("entity", "class")},
            "text": text[one["start"] : one["end"]],
        }
        for one in seen["findings"]
    ]
    return {**{name: seen[name] for name in ("classes", "failed", "uncovered")}, "findings": found}


def _told(bundle: Bundle, ref: str) -> dict[str, Any]:
    prompt = bundle.prompts[ref]
    return {
        "prompt": ref,
        "role": prompt.role,
        "exclusive": prompt.exclusive,
        "bytes": len(prompt.text.encode()),
        "given_to": [*_bound_to(bundle, ref), *_tried_on(bundle, ref)],
    }


def _bound_to(bundle: Bundle, ref: str) -> Iterator[str]:
    """`application`, or `application/task` where one task is given it."""
    for name, application in sorted(bundle.catalog.applications.items()):
        binding = application.prompts
        if binding is None:
            continue
        if binding.default == ref:
            yield str(name)
        yield from (f"{name}/{task}" for task, at in sorted(binding.tasks.items()) if at == ref)


def _tried_on(bundle: Bundle, ref: str) -> Iterator[str]:
    """`application (experiment: variant)` where a variant of an experiment is given it."""
    for experiment in bundle.experiments:
        names = [one.name for one in experiment.variants if one.prompt == ref]
        for name in sorted(filter(experiment.applies_to, bundle.catalog.applications)):
            yield from (f"{name} ({experiment.id}: {variant})" for variant in names)


def _order(ref: str) -> tuple[str, int]:
    name, _, version = ref.rpartition("@")
    return name, int(version)
