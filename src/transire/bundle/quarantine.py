"""Quarantine: a conjunct beside the bundle that only narrows, and survives activations.

Here is what the log's state says of it; who may change it, and how: `quarantine_acts`. `version`
grows with each change of what is blocked; every permit names it, so a permit that raced a
quarantine is stale.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import orjson

from transire.bundle.acts import (
    format_moment,
    parse_moment,
)
from transire.domain.bundle import Quarantine
from transire.domain.ids import DeploymentId, PersonId, ProviderId, TenantId
from transire.domain.log import Change, DecisionLog
from transire.errors import ConflictError, IntegrityError, NotFoundError

__all__ = [
    "ASK_LIFETIME",
    "QUARANTINE_KEY",
    "VERSION_KEY",
    "Kind",
    "QuarantineState",
    "Quarantined",
    "blocked_in",
    "changes_to",
    "fresh_quarantine",
    "kept_quarantine",
    "list_quarantined",
    "quarantine_at",
    "read_quarantine",
    "read_state",
]

QUARANTINE_KEY: Final = "quarantine"
"""State key: what is blocked, by whom, as JSON."""
VERSION_KEY: Final = "quarantine/version"
"""State key: the version alone; permits are conditional on it."""
ASK_LIFETIME: Final = timedelta(days=7)
"""How long a first person's wish to lift waits for a second (as an approval does)."""

Kind = Literal["deployment", "provider", "tenant"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """One blocked thing.

    Attributes:
        ratified_by: The second person who confirmed it, or None: it stays, and alarms.
        lift_asked_by: The first of the two people who want it lifted, or None.
    """

    kind: str
    id: str
    by: PersonId
    at: datetime
    reason: str
    ratified_by: PersonId | None = None
    lift_asked_by: PersonId | None = None
    lift_asked_at: datetime | None = None

    @property
    def name(self) -> str:
        """`kind/id`."""
        return f"{self.kind}/{self.id}"

    def lift_asker(self, now: datetime) -> PersonId | None:
        """Who asked to lift it, while that still counts."""
        if self.lift_asked_at is None or not self.lift_asked_at <= now:
            return None
        return self.lift_asked_by if now < self.lift_asked_at + ASK_LIFETIME else None


@dataclass(frozen=True, slots=True)
class QuarantineState:
    """The stored value; `text` is its exact spelling, for the compare in the log."""

    version: int
    items: Mapping[str, Quarantined]
    text: str


def fresh_quarantine() -> tuple[Change, ...]:
    """What genesis writes: nothing blocked, version 0."""
    return changes_to(0, {})


def kept_quarantine(text: str) -> tuple[Change, ...]:
    """What the genesis of a log that continues another writes: everything stays blocked.

    Raises:
        IntegrityError: the text is no quarantine.
    """
    state = _parse(text)
    return changes_to(state.version, state.items)


def blocked_in(text: str) -> dict[str, Any]:
    """What an entry says of a quarantine as it is stored: names and version, nobody's words.

    Raises:
        IntegrityError: the text is no quarantine.
    """
    state = _parse(text)
    return {"version": state.version, "blocked": sorted(state.items)}


async def read_quarantine(log: DecisionLog) -> Quarantine:
    """What is blocked now, as stages need it.

    Raises:
        IntegrityError: the state cannot be read; nothing may be permitted.
    """
    state = await read_state(log)
    return _blocked(state.version, state.items)


async def quarantine_at(log: DecisionLog, version: int) -> Quarantine:
    """What was blocked at an earlier version, for replay.

    Raises:
        NotFoundError: the log never had this version.
        IntegrityError: what is stored cannot be read.
    """
    text = await log.get(f"{QUARANTINE_KEY}/at/{version}")
    if text is None:
        raise NotFoundError("the log holds no such quarantine version")
    state = _parse(text)
    if state.version != version:
        raise IntegrityError("the stored quarantine contradicts itself")
    return _blocked(version, state.items)


def _blocked(version: int, items: Mapping[str, Quarantined]) -> Quarantine:
    blocked = list(items.values())
    return Quarantine(
        version=version,
        deployments=frozenset(DeploymentId(q.id) for q in blocked if q.kind == "deployment"),
        providers=frozenset(ProviderId(q.id) for q in blocked if q.kind == "provider"),
        tenants=frozenset(TenantId(q.id) for q in blocked if q.kind == "tenant"),
    )


async def list_quarantined(log: DecisionLog) -> list[Quarantined]:
    """Everything blocked, sorted by name; what has no `ratified_by` alarms."""
    return [item for _, item in sorted((await read_state(log)).items.items())]


def changes_to(version: int, items: Mapping[str, Quarantined]) -> tuple[Change, ...]:
    """What writes this version, by `kind/id`, to the state."""
    return (
        Change(key=QUARANTINE_KEY, value=_text(version, items)),
        Change(key=VERSION_KEY, value=str(version)),
        # Kept for ever, so that a decision can be replayed under the quarantine of its time; what
        # people wrote is no part of that, and must not outlive its erasure here.
        Change(key=f"{QUARANTINE_KEY}/at/{version}", value=_text(version, _wordless(items))),
    )


def _wordless(items: Mapping[str, Quarantined]) -> dict[str, Quarantined]:
    return {name: replace(item, reason="") for name, item in items.items()}


def _text(version: int, items: Mapping[str, Quarantined]) -> str:
    rows = [_row(items[name]) for name in sorted(items)]
    value = {"version": version, "items": rows}
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _row(item: Quarantined) -> dict[str, str | None]:
    asked_at = item.lift_asked_at
    return {
        "kind": item.kind,
        "id": item.id,
        "by": item.by,
        "at": format_moment(item.at),
        "reason": item.reason,
        "ratified_by": item.ratified_by,
        "lift_asked_by": item.lift_asked_by,
        "lift_asked_at": None if asked_at is None else format_moment(asked_at),
    }


async def read_state(log: DecisionLog) -> QuarantineState:
    """What is blocked now, by whom and why.

    Raises:
        ConflictError: there has been no genesis yet.
        IntegrityError: the state cannot be read.
    """
    text = await log.get(QUARANTINE_KEY)
    if text is None:
        raise ConflictError("no bundle was ever activated; `transire init` founds an installation")
    state = _parse(text)
    if await log.get(VERSION_KEY) != str(state.version):
        raise IntegrityError("the stored quarantine contradicts itself")
    return state


def _parse(text: str) -> QuarantineState:
    try:
        value = orjson.loads(text)
        items = [_read_row(row) for row in value["items"]]
        state = QuarantineState(value["version"], {item.name: item for item in items}, text)
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        raise IntegrityError("the stored quarantine cannot be read") from None
    if _text(state.version, state.items) != text:
        raise IntegrityError("the stored quarantine is not in its one spelling")
    return state


def _read_row(row: Mapping[str, Any]) -> Quarantined:
    asked_at = row["lift_asked_at"]
    return Quarantined(
        kind=row["kind"],
        id=row["id"],
        by=PersonId(row["by"]),
        at=parse_moment(row["at"]),
        reason=row["reason"],
        ratified_by=row["ratified_by"],
        lift_asked_by=row["lift_asked_by"],
        lift_asked_at=None if asked_at is None else parse_moment(asked_at),
    )
