"""Entries with what people wrote beside them, for those who may read it: see `erasing`.

INVARIANT: only what an auditor of the entry's owner asked for, or who holds the files, comes here;
an application never does (ADR 27).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from transire.errors import IntegrityError
from transire.record.disclosure import disclosed, disclosure_digest
from transire.record.sql import Reader

__all__ = ["with_disclosed"]


def with_disclosed(
    reader: Reader, entries: Iterable[tuple[int, Mapping[str, Any]]]
) -> list[dict[str, Any]]:
    """Entries with `index` and, where they disclosed something, `disclosed`.

    Its keys are the names of what was not erased; `erased` counts the rest.

    Raises:
        IntegrityError: what is stored is not what the entry disclosed.
    """
    held = list(entries)
    wanted = {digest for _, entry in held for digest in entry.get("sd") or ()}
    data = reader.disclosed_data(wanted) if wanted else {}
    return [{"index": index, **entry, **_beside(entry, data)} for index, entry in held]


def _beside(entry: Mapping[str, Any], data: Mapping[str, str]) -> dict[str, Any]:
    named = entry.get("sd") or ()
    if not named:
        return {}
    kept = [(digest, data[digest]) for digest in named if digest in data]
    if any(disclosure_digest(encoded) != digest for digest, encoded in kept):
        raise IntegrityError("a stored disclosure was altered; run audit/verify.py")
    told: dict[str, Any] = {"disclosed": dict(disclosed(encoded) for _, encoded in kept)}
    return told | ({"erased": len(named) - len(kept)} if len(kept) < len(named) else {})
