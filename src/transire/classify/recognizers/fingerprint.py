"""What names a detector in a record: rules, thresholds, code and versions (I8)."""

import hashlib
from dataclasses import fields, is_dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from unicodedata import unidata_version

import orjson

from transire import __version__, guard
from transire.bundle import recognizers
from transire.domain.bundle import Bundle
from transire.domain.ids import DataClass

__all__ = ["detector_fingerprint"]

_LIBRARIES: Final = ("onnxruntime", "phonenumbers", "presidio-analyzer", "py3langid", "regex")


def detector_fingerprint(bundle: Bundle, missing: frozenset[DataClass], models: str) -> str:
    """SHA-256 (hex) over everything that can change a classification.

    Args:
        models: Names the models that read names; empty where none runs.
    """
    described = {
        "transire": __version__,
        "code": _code(),
        "libraries": {name: version(name) for name in _LIBRARIES},
        "unicode": unidata_version,
        "recognizers": bundle.recognizers.digest,
        "missing": sorted(missing),
        "models": models,
        "entities": _plain(bundle.taxonomy.entities),
        "data_classes": _plain(bundle.taxonomy.data_classes),
        "personal": sorted(bundle.taxonomy.personal),
        "case_matters": sorted(bundle.taxonomy.case_matters),
        "stakes": list(bundle.taxonomy.stakes),
        "guards": sorted(bundle.guards),
        "detector": _plain(bundle.detector),
        "routing": _plain(bundle.routing),
    }
    return hashlib.sha256(orjson.dumps(described, option=orjson.OPT_SORT_KEYS)).hexdigest()


@cache
def _code() -> str:
    """Over the source of this stage, of operators' matchers and of guards.

    A changed pattern is another detector, release or not.
    """
    digest = hashlib.sha256()
    folders = (Path(str(module.__file__)).parent for module in (recognizers, guard))
    for folder in (Path(__file__).parent.parent, *folders):
        for path in sorted(folder.rglob("*.py")):
            name = path.relative_to(folder).as_posix()
            digest.update(f"{name}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    """Dataclasses, mappings and sets as ordered JSON."""
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "items"):
        return {str(name): _plain(item) for name, item in value.items()}
    return value
