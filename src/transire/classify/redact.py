"""Replacing what was found with typed placeholders (`placeholders`). Pure."""

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

from transire.classify.recognizers import MESSAGE_LEVEL
from transire.classify.seams import is_across
from transire.domain.classification import Finding
from transire.domain.request import Part, PartKind, Pointer

__all__ = ["is_json", "redactable", "replacements"]

_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
"""A string of a valid JSON document (RFC 8259 §7)."""


def redactable(
    parts: Sequence[Part],
    findings: Iterable[Finding],
    message_level: frozenset[str] = MESSAGE_LEVEL,
) -> tuple[Finding, ...]:
    """Findings whose text can be replaced in place, and whose matter goes with the text."""
    return tuple(
        f
        for f in findings
        if parts[f.part].is_redactable and f.entity not in message_level and not is_across(f, parts)
    )


def replacements(
    parts: Sequence[Part],
    findings: Iterable[Finding],
    name: Callable[[str, str], str],
    message_level: frozenset[str] = MESSAGE_LEVEL,
) -> tuple[dict[Pointer, str], int]:
    """New texts by pointer, and how many spans were replaced; parts that cannot be are left."""
    spans: dict[int, list[Finding]] = {}
    for finding in redactable(parts, findings, message_level):
        spans.setdefault(finding.part, []).append(finding)
    texts: dict[Pointer, str] = {}
    count = 0
    for index, found in spans.items():
        merged = _merge(found)
        text = _rewritten(parts[index], merged, name)
        if text is not None:
            texts[parts[index].pointer] = text
            count += len(merged)
    return texts, count


def _merge(findings: list[Finding]) -> list[tuple[int, int, str]]:
    """Overlapping spans become one; the strongest finding names it."""
    merged: list[tuple[int, int, str, int]] = []
    for f in sorted(findings, key=lambda f: (f.start, -f.end)):
        if merged and f.start < merged[-1][1]:
            start, end, entity, score = merged[-1]
            stronger = (f.entity, f.score_pct) if f.score_pct > score else (entity, score)
            merged[-1] = (start, max(end, f.end), *stronger)
        else:
            merged.append((f.start, f.end, f.entity, f.score_pct))
    return [(start, end, entity) for start, end, entity, _ in merged]


def _rewritten(
    part: Part, spans: list[tuple[int, int, str]], name: Callable[[str, str], str]
) -> str | None:
    """The new text, or None where JSON would no longer be JSON: the finding then stays found."""
    if part.kind is PartKind.NAME:  # names upstream are `[A-Za-z0-9_-]+`
        return _replaced(part.text, spans, lambda e, v: name(e, v).strip("<>"))
    if part.kind is not PartKind.JSON or not is_json(part.text):
        return _replaced(part.text, spans, name)
    # A bare number becomes a string, so that the document stays readable.
    strings = [match.span() for match in _STRING.finditer(part.text)]
    text = _replaced(
        part.text, spans, lambda e, v: name(e, _unescaped(v)), quoted=_outside(spans, strings)
    )
    return text if is_json(text) else None


def _unescaped(text: str) -> str:
    """What stands in a JSON string, as it is meant: the same value has one placeholder anywhere."""
    try:
        value: str = json.loads(f'"{text}"')
    except ValueError:  # half an escape, or across a string's border
        return text
    return value


def _outside(spans: list[tuple[int, int, str]], strings: list[tuple[int, int]]) -> set[int]:
    """Starts of the spans that begin in none of the strings; both in order, neither overlapping."""
    starts = [start for start, _ in strings]
    outside = set()
    for start, _, _ in spans:
        at = bisect_right(starts, start) - 1
        if at < 0 or start >= strings[at][1]:
            outside.add(start)
    return outside


def _replaced(
    text: str,
    spans: list[tuple[int, int, str]],
    name: Callable[[str, str], str],
    quoted: Collection[int] = (),
) -> str:
    pieces, at = [], 0
    for start, end, entity in spans:
        placeholder = name(entity, text[start:end])
        pieces += [text[at:start], f'"{placeholder}"' if start in quoted else placeholder]
        at = end
    return "".join([*pieces, text[at:]])


def is_json(text: str) -> bool:
    """Whether a text is one JSON document."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
