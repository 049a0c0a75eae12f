"""What `detector.names` may say: embedded models by name, local ones by path and digest. Pure.

A model outside the package decides what counts as a name, so it is governed: the bundle holds the
SHA-256 of its files beside the path, and what is on the disk must agree before it is used.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

__all__ = ["EMBEDDED_NAMES", "LocalModel", "listed_names", "local_model", "name_problems"]

EMBEDDED_NAMES: Final = ("accurate", "fast")
_NONE: Final = "none"
_LOCAL: Final = re.compile(r"(spacy|onnx|gliner):([^#\s][^#]{0,1023})(?:#sha256=([0-9a-f]{64}))?")


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model on the disk.

    Attributes:
        kind: `spacy` or `onnx`.
        sha256: Of its files, in hex.
    """

    kind: str
    path: str
    sha256: str


def listed_names(names: str | Sequence[str]) -> list[str]:
    """The models of a value that is one of them or a list."""
    return [names] if isinstance(names, str) else list(names)


def local_model(name: str) -> LocalModel | None:
    """The local model that a name points to; None for an embedded one or for nonsense."""
    match = _LOCAL.fullmatch(name)
    if match is None or match[3] is None:
        return None
    return LocalModel(match[1], match[2], match[3])


def name_problems(names: Sequence[str]) -> Iterator[str]:
    """Why a list of models cannot be used, one sentence each; nothing for a list that can."""
    if not names:
        yield "`names` needs at least one model, or `none`"
    if _NONE in names and len(names) > 1:
        yield "`none` stands alone"
    if {*EMBEDDED_NAMES} <= {*names}:
        yield "`accurate` hands over to `fast` by itself: name one of them"
    if len(set(names)) < len(names):
        yield "a model is named twice"
    for name in names:
        if name not in (_NONE, *EMBEDDED_NAMES) and (problem := _problem(name)):
            yield problem


def _problem(name: str) -> str | None:
    match = _LOCAL.fullmatch(name)
    if match is None:
        return (
            f"`{name[:80]}` is none of accurate, fast, none, spacy:PATH#sha256=HEX, "
            "onnx:PATH#sha256=HEX"
        )
    if match[1] == "gliner":
        return (
            "`gliner:` is not supported: its tokenizer and prompts need a library that fetches "
            "models; export a token classifier and name it `onnx:`"
        )
    if not PurePosixPath(match[2]).is_absolute():
        return f"`{name[:80]}`: the path must be an absolute one on this machine"
    if match[3] is None:
        return (
            f"`{name[:80]}` must end in `#sha256=HEX`, so that the model is governed with the "
            "bundle; `transire detect digest PATH` prints it"
        )
    return None
