"""What `transire bundle check` says of prompts: what is found in one counts for every request."""

from collections.abc import Iterator, Mapping
from contextlib import closing

from transire.cli.reader import BundleReader
from transire.domain.bundle import Bundle

__all__ = ["prompt_notes"]


def prompt_notes(files: Mapping[str, bytes], bundle: Bundle) -> Iterator[str]:
    """A line for each prompt in use in which the bundle's detector finds a class."""
    given = _given(bundle)
    if not given:
        return
    with closing(BundleReader(None, files=files)) as detector:
        for ref, applications in sorted(given.items()):
            text = bundle.prompts[ref].text
            found = detector.read(text)["findings"]
            if not found:
                continue
            words = ", ".join(f"{f['class']} in `{text[f['start'] : f['end']]}`" for f in found)
            yield (
                f"prompts/{ref}.yaml: read as {words}; every request of "
                f"{', '.join(sorted(applications))} counts as holding it"
            )


def _given(bundle: Bundle) -> dict[str, set[str]]:
    """Prompt → applications that may be given it, for any task or by any variant."""
    given: dict[str, set[str]] = {}
    for name, application in bundle.catalog.applications.items():
        refs = set() if application.prompts is None else set(application.prompts.refs)
        for experiment in bundle.experiments:
            if experiment.applies_to(name):
                refs |= {one.prompt for one in experiment.variants if one.prompt is not None}
        for ref in refs:
            given.setdefault(ref, set()).add(str(name))
    return given
