"""What a person says of a text's findings, held against the findings. Pure; quotes no text."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from transire.errors import RequestError
from transire.workbench.feedback.mark import Found
from transire.workbench.measure import labelled, meet

__all__ = ["Claim", "Said", "claim_of", "false_ones", "misses"]

_PLACE: Final = re.compile(r"(\d{1,9}):(\d{1,9})(?::([A-Za-z][A-Za-z0-9_]{0,63}))?")
_MOST_NAMED: Final = 20
_Finding: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Claim:
    """A place, and the entity that is meant; None where the place has only one."""

    start: int
    end: int
    entity: str | None

    def place(self) -> str:
        """As it is written."""
        return f"{self.start}:{self.end}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A claim that holds: `found` is who found it, or what of it stayed below the threshold."""

    kind: Literal["false", "missed"]
    start: int
    end: int
    entity: str
    found: tuple[Found, ...]


def claim_of(option: str, given: str, chars: int, *, needs_entity: bool = False) -> Claim:
    """Read `START:END` or `START:END:ENTITY`.

    Args:
        chars: Characters of the text.

    Raises:
        RequestError: it is none, or no range of such a text.
    """
    match = _PLACE.fullmatch(given)
    if match is None or (needs_entity and match[3] is None):
        form = "START:END:ENTITY" if needs_entity else "START:END or START:END:ENTITY"
        raise RequestError(f"`{option}` expects {form}, counted in characters as the scan does")
    claim = Claim(int(match[1]), int(match[2]), labelled(match[3]) if match[3] else None)
    if not claim.start < claim.end <= chars:
        raise RequestError(f"`{claim.place()}` is no range of a text of {chars} characters")
    return claim


def false_ones(claims: Sequence[Claim], findings: Sequence[_Finding]) -> list[Said]:
    """Findings called false.

    Raises:
        RequestError: nothing was found there, or several things; says what was.
    """
    said = []
    for claim in claims:
        there = [f for f in findings if (f["start"], f["end"]) == (claim.start, claim.end)]
        names = sorted({f["entity"] for f in there})
        entity = claim.entity or (names[0] if len(names) == 1 else None)
        if entity is None and names:
            raise RequestError(
                f"several things were found at `{claim.place()}`: add one of {', '.join(names)}"
            )
        if entity is None or entity not in names:
            what = f"no `{claim.entity}`" if claim.entity else "nothing"
            raise RequestError(
                f"{what} was found at `{claim.place()}`; found was {_places(findings)}"
            )
        found = _found(f for f in there if f["entity"] == entity)
        said.append(
            Said(kind="false", start=claim.start, end=claim.end, entity=entity, found=found)
        )
    return said


def misses(
    claims: Sequence[Claim],
    findings: Sequence[_Finding],
    every: Sequence[_Finding],
    failed: Collection[str],
) -> list[Said]:
    """Spans called missed.

    Args:
        findings: What the bundle accepts.
        every: What was found at any score.
        failed: Entities that were not read to the end.

    Raises:
        RequestError: it was found, or its entity has failed, which is another trouble.
    """
    said = []
    for claim in claims:
        entity = str(claim.entity)
        if entity in failed:
            raise RequestError(f"`{entity}` has failed on this text; that is no miss")
        if met := _met(claim, entity, findings):
            raise RequestError(
                f"`{entity}` was found at `{met[0]['start']}:{met[0]['end']}`; that is no miss"
            )
        below = _found(_met(claim, entity, every))
        said.append(
            Said(kind="missed", start=claim.start, end=claim.end, entity=entity, found=below)
        )
    return said


def _met(claim: Claim, entity: str, findings: Sequence[_Finding]) -> list[_Finding]:
    span = claim.start, claim.end
    return [f for f in findings if f["entity"] == entity and meet(span, (f["start"], f["end"]))]


def _found(findings: Iterable[_Finding]) -> tuple[Found, ...]:
    made = (Found(by=f["by"], score_pct=round(f["score"] * 100), via=f["via"]) for f in findings)
    return tuple(sorted(made, key=lambda f: (-f.score_pct, f.by, f.via or "")))


def _places(findings: Sequence[_Finding]) -> str:
    places = dict.fromkeys(f"{f['start']}:{f['end']}:{f['entity']}" for f in findings)
    return ", ".join([*places][:_MOST_NAMED]) or "nothing at all"
