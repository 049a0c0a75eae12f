"""`prompts/NAME@VERSION.yaml`: the prompts of a bundle, one version a file. Pure.

A version is never rewritten: a new text is a new file, and the one before stays, so that going back
to it is a proposal that changes one binding.
"""

from collections.abc import Mapping
from typing import Final

from transire.bundle.documents.prompts import PromptDocument
from transire.bundle.yamlread import parse_model, read_yaml
from transire.domain.prompt import Prompt

__all__ = ["FOLDER", "read_prompts", "rewritten"]

FOLDER: Final = "prompts/"


def read_prompts(files: Mapping[str, bytes], problems: list[str]) -> dict[str, Prompt]:
    """Every prompt by `name@version`; what is wrong with one is added to `problems`."""
    prompts: dict[str, Prompt] = {}
    for path, data in sorted(files.items()):
        if not path.startswith(FOLDER):
            continue
        document = parse_model(PromptDocument, read_yaml(path, data), problems)
        if document is None:
            continue
        # The path has been checked: `source.check_names`.
        name, _, version = path.removeprefix(FOLDER).removesuffix(".yaml").rpartition("@")
        prompt = Prompt(
            name=name,
            version=int(version),
            role=document.role,
            text=document.text,
            exclusive=document.exclusive,
        )
        prompts[prompt.ref] = prompt
    return prompts


def rewritten(old: Mapping[str, Prompt], new: Mapping[str, Prompt]) -> list[str]:
    """Refs that both hold with another text, sorted: what was measured under one name is two."""
    return sorted(ref for ref in old.keys() & new.keys() if old[ref] != new[ref])
