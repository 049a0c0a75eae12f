"""Replacing what was found with typed placeholders. Pure.

A placeholder is `<ENTITY_nonce>`; the nonce is keyed to tenant, session and value, so that one
value has one placeholder in a conversation, and nobody can forge one or guess the value from it.
Values are never stored: this is the irreversible mode.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from transire.domain.decision import Finding
from transire.domain.request import Part, Pointer

__all__ = ["placeholder_namer", "replacements"]

_NONCE_BYTES: Final = 5


def placeholder_namer(
    digest: Callable[[str, bytes], bytes], tenant: str, session: str
) -> Callable[[str, str], str]:
    """A function (entity, value) → placeholder for one tenant and session."""
    scope = f"{tenant}\x00{session}\x00".encode()

    def name(entity: str, value: str) -> str:
        nonce = digest("placeholder", scope + f"{entity}\x00{value}".encode())
        return f"<{entity}_{nonce[:_NONCE_BYTES].hex()}>"

    return name


def replacements(
    parts: Sequence[Part], findings: Iterable[Finding], name: Callable[[str, str], str]
) -> tuple[dict[Pointer, str], int]:
    """New texts by pointer, and how many values were replaced; parts that cannot be are left."""
    spans: dict[int, list[Finding]] = {}
    for finding in findings:
        if parts[finding.part].is_redactable:
            spans.setdefault(finding.part, []).append(finding)
    texts: dict[Pointer, str] = {}
    count = 0
    for index, found in spans.items():
        merged = _merge(found)
        texts[parts[index].pointer] = _replaced(parts[index].text, merged, name)
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


def _replaced(text: str, spans: list[tuple[int, int, str]], name: Callable[[str, str], str]) -> str:
    pieces, at = [], 0
    for start, end, entity in spans:
        pieces += [text[at:start], name(entity, text[start:end])]
        at = end
    return "".join([*pieces, text[at:]])
