"""What differs between two bundles: in text, file by file, and in what is governed. Pure."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Final

from transire.bundle.compile import compile_bundle
from transire.bundle.compiled import CompiledBundle
from transire.bundle.rules import read_rules
from transire.domain.bundle import Bundle
from transire.errors import BundleError

__all__ = ["summarize", "unified"]

_NAMED: Final = 6
"""Ids told of each kind of change; the text has the rest."""
_KINDS: Final = (
    "deployments",
    "applications",
    "tenants",
    "providers",
    "people",
    "queues",
    "budgets",
)


def unified(
    old: Mapping[str, bytes], new: Mapping[str, bytes], names: tuple[str, str]
) -> Iterator[str]:
    """Lines of a unified diff, files in order of their names; none where nothing differs.

    Args:
        names: What the two sides are called before each file's name.
    """
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        told = difflib.unified_diff(
            _lines(before),
            _lines(after),
            f"{names[0]}/{name}" if before is not None else "/dev/null",
            f"{names[1]}/{name}" if after is not None else "/dev/null",
            lineterm="",
        )
        yield from told


def summarize(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> str:
    """One line: what was added (+), removed (-) and changed (~), by kind of thing.

    Where a side does not compile, that is what the line says.
    """
    sides = []
    for name, files in (("the first", old), ("the second", new)):
        try:
            sides.append(compile_bundle(files, must_hold_limits=False))
        except BundleError as refused:
            return f"{name} does not compile: {refused.problems[0]}"
    before, after = (_things(side) for side in sides)
    told = [
        f"{kind}: {changes}" for kind in before if (changes := _changes(before[kind], after[kind]))
    ]
    return "; ".join(told) or "nothing that is governed differs"


def _things(compiled: CompiledBundle) -> dict[str, Mapping[str, object]]:
    """Kind → id → something that is equal exactly where nothing has changed."""
    bundle = compiled.bundle
    catalog = bundle.catalog
    things: dict[str, Mapping[str, object]] = {
        "policies": {rule.id: rule.text for rule in read_rules(bundle.files)}
    }
    for kind in _KINDS:
        things[kind] = {str(name): value for name, value in getattr(catalog, kind).items()}
    things["acceptances"] = {a.id: a for a in catalog.acceptances}
    things["prompts"] = dict(bundle.prompts)
    things["experiments"] = {experiment.id: experiment for experiment in bundle.experiments}
    things["shadows"] = {shadow.id: shadow for shadow in bundle.shadows}
    things["judges"] = dict(bundle.routing.judges)
    things["bindings"] = _bindings(bundle)
    things["classes"] = {str(n): v for n, v in bundle.taxonomy.data_classes.items()}
    things["settings"] = {
        "entities": dict(bundle.taxonomy.entities),
        "detector": bundle.detector,
        "recognizers": bundle.recognizers,
        "routing": bundle.routing,
    }
    things["tests"] = {n: d for n, d in bundle.files.items() if n.startswith("tests/")}
    return things


def _bindings(bundle: Bundle) -> dict[str, object]:
    """Application, and task where one is named, with its prompt: `support=support@3`."""
    told: dict[str, object] = {}
    for name, application in bundle.catalog.applications.items():
        binding = application.prompts
        if binding is not None:
            given = {"": binding.default, **binding.tasks}
            told |= {f"{name}{f'/{t}' if t else ''}={ref}": ref for t, ref in given.items() if ref}
    return told


def _changes(before: Mapping[str, object], after: Mapping[str, object]) -> str:
    signs = [
        *((f"+{name}") for name in sorted(after.keys() - before.keys())),
        *((f"-{name}") for name in sorted(before.keys() - after.keys())),
        *(
            f"~{name}"
            for name in sorted(before.keys() & after.keys())
            if before[name] != after[name]
        ),
    ]
    more = f" and {len(signs) - _NAMED} more" if len(signs) > _NAMED else ""
    return " ".join(signs[:_NAMED]) + more


def _lines(data: bytes | None) -> list[str]:
    return [] if data is None else data.decode("utf-8", errors="replace").splitlines()
