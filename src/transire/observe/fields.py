"""What a log line may say: listed fields, and values that cannot carry content. Pure.

Two gates, because one is passed by mistake: a field must be on the list, and its value must be a
number, a truth value, or text of the shape that ids, codes, digests and paths of ours have. Prose,
JSON and anything with a blank in it is dropped whatever the field is called. What was dropped is
counted in `dropped`, so that a mistake shows.
"""

import re
from collections.abc import Mapping
from typing import Final

__all__ = ["EVENT_PATTERN", "FIELDS", "MAX_CHARS", "REASONS", "UNNAMED", "admit"]

FIELDS: Final = frozenset(
    {
        "application",
        "attempt",
        "bundle_digest",
        "code",
        "count",
        "credential",
        "decision_id",
        "deployment",
        "drift_permille",
        "error_type",
        "experiment",
        "event",
        "foreign_permille",
        "failure",
        "job",
        "key_id",
        "kind",
        "level",
        "line",
        "logger",
        "mode",
        "person",
        "port",
        "principal",
        "provider",
        "recognizer",
        "replica",
        "review_id",
        "seconds",
        "size_bytes",
        "stage",
        "status",
        "tenant",
        "timestamp",
        "tree_size",
        "version",
        "variant",
    }
)
"""Every field a line may have, `dropped` and those of `REASONS` aside."""

REASONS: Final = frozenset({"address", "directory", "problem"})
"""Fields for prose and places of ours: settings, files and bundle problems (`file:line: reason`),
which speak of what operators and compliance wrote, never of a request."""

MAX_CHARS: Final = 128
MAX_REASON_CHARS: Final = 500
EVENT_PATTERN: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
"""One event name per fact, dotted and past tense: `policy.bundle_activated`."""

UNNAMED: Final = "log.unnamed_event"
"""Stands for an event whose name is no name, such as a sentence with a value in it."""

_SHAPE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]*")


def admit(given: Mapping[str, object]) -> dict[str, object]:
    """What may be written of one event; the result has the order of `given`, `event` first."""
    name = given.get("event")
    is_named = isinstance(name, str) and EVENT_PATTERN.fullmatch(name) is not None
    kept: dict[str, object] = {"event": name if is_named else UNNAMED}
    dropped = 0 if is_named else 1
    for field, value in given.items():
        if field == "event":
            continue
        if _may_say(field, value):
            kept[field] = value
        else:
            dropped += 1
    if dropped:
        kept["dropped"] = dropped
    return kept


def _may_say(field: str, value: object) -> bool:
    if field in REASONS:
        return isinstance(value, str) and len(value) <= MAX_REASON_CHARS and value.isprintable()
    if field not in FIELDS:
        return False
    if value is None or isinstance(value, bool | int | float):
        return True
    return (
        isinstance(value, str) and len(value) <= MAX_CHARS and _SHAPE.fullmatch(value) is not None
    )
