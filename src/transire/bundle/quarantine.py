"""Quarantine: a conjunct beside the bundle that only narrows, at once, by one person on call.

It survives activations. Unratified it stays and alarms; a second person ratifies. Lifting needs two
people: the first asks, the second lifts (alone in a solo installation). `version` grows with each
change of what is blocked; every permit names it, so a permit that raced a quarantine is stale.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import orjson

from transire.bundle.acts import (
    Act,
    format_moment,
    installation,
    is_solo,
    parse_moment,
    still_active,
)
from transire.domain.bundle import Quarantine
from transire.domain.ids import DeploymentId, PersonId, ProviderId, TenantId
from transire.domain.log import Change, Condition, DecisionLog, Item
from transire.errors import AccessError, ConflictError, IntegrityError, NotFoundError, RequestError

__all__ = [
    "QUARANTINE_KEY",
    "VERSION_KEY",
    "Kind",
    "Quarantined",
    "blocked_in",
    "fresh_quarantine",
    "impose",
    "kept_quarantine",
    "lift",
    "list_quarantined",
    "quarantine_at",
    "ratify",
    "read_quarantine",
]

QUARANTINE_KEY: Final = "quarantine"
"""State key: what is blocked, by whom, as JSON."""
VERSION_KEY: Final = "quarantine/version"
"""State key: the version alone; permits are conditional on it."""
_ASK_LIFETIME: Final = timedelta(days=7)
"""How long a first person's wish to lift waits for a second (as an approval does)."""
_MAX_REASON_CHARS: Final = 500

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
        return self.lift_asked_by if now < self.lift_asked_at + _ASK_LIFETIME else None


@dataclass(frozen=True, slots=True)
class _State:
    """The stored value; `text` is its exact spelling, for the compare in the log."""

    version: int
    items: Mapping[str, Quarantined]
    text: str


def fresh_quarantine() -> tuple[Change, ...]:
    """What genesis writes: nothing blocked, version 0."""
    return _changes(0, {})


def kept_quarantine(text: str) -> tuple[Change, ...]:
    """What the genesis of a log that continues another writes: everything stays blocked.

    Raises:
        IntegrityError: the text is no quarantine.
    """
    state = _parse(text)
    return _changes(state.version, state.items)


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
    state = await _read(log)
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
    return [item for _, item in sorted((await _read(log)).items.items())]


async def impose(log: DecisionLog, act: Act, kind: Kind, identifier: str, reason: str) -> int:
    """Block something at once; one person suffices. Returns the new version.

    Raises:
        AccessError: the active bundle does not let this person.
        NotFoundError: the active catalog has no such thing (a typo would protect nothing).
        ConflictError: it is quarantined already, or something moved meanwhile.
    """
    if not reason.strip() or len(reason) > _MAX_REASON_CHARS:
        raise RequestError(f"a quarantine needs a reason of at most {_MAX_REASON_CHARS} characters")
    solo = await is_solo(log)
    act.require("quarantine", installation(), solo=solo)
    _must_exist(act, kind, identifier)
    state = await _read(log)
    item = Quarantined(kind=kind, id=identifier, by=act.person, at=act.now, reason=reason)
    if item.name in state.items:
        raise ConflictError(f"this {kind} is quarantined already")
    items = {**state.items, item.name: item}
    await _write(log, act, "quarantine.imposed", state, items, item, solo=solo, moves=True)
    return state.version + 1


async def ratify(log: DecisionLog, act: Act, kind: Kind, identifier: str) -> None:
    """Confirm what another person imposed; ends its alarm.

    Raises:
        AccessError: this person imposed it, or may not quarantine.
        NotFoundError, ConflictError: it is not quarantined; it is ratified already.
    """
    solo = await is_solo(log)
    act.require("quarantine", installation(), solo=solo)
    state = await _read(log)
    item = _item(state, kind, identifier)
    if item.ratified_by is not None:
        raise ConflictError("this quarantine is ratified already")
    if item.by == act.person and not solo:
        raise AccessError("a quarantine is ratified by another person than the one who imposed it")
    items = {**state.items, item.name: replace(item, ratified_by=act.person)}
    await _write(log, act, "quarantine.ratified", state, items, item, solo=solo, moves=False)


async def lift(log: DecisionLog, act: Act, kind: Kind, identifier: str) -> bool:
    """Ask to lift a quarantine, or lift what another person asked to lift.

    Returns:
        True where it is lifted now; False where it waits for a second person.

    Raises:
        AccessError: the active bundle does not let this person.
        NotFoundError: it is not quarantined.
        ConflictError: this person asked already; something moved meanwhile.
    """
    solo = await is_solo(log)
    act.require("lift_quarantine", installation(), solo=solo)
    state = await _read(log)
    item = _item(state, kind, identifier)
    asker = item.lift_asker(act.now)
    if solo or _is_second(act, asker):
        items = {name: kept for name, kept in state.items.items() if name != item.name}
        await _write(log, act, "quarantine.lifted", state, items, item, solo=solo, moves=True)
        return True
    if asker == act.person:
        raise ConflictError("you asked to lift it already; a second person must lift it")
    asked = replace(item, lift_asked_by=act.person, lift_asked_at=act.now)
    items = {**state.items, item.name: asked}
    await _write(log, act, "quarantine.lift_asked", state, items, item, solo=solo, moves=False)
    return False


def _is_second(act: Act, asker: PersonId | None) -> bool:
    """Another person asked, and may still do so now."""
    return (
        asker is not None
        and asker != act.person
        and act.allows(asker, "lift_quarantine", installation(), solo=False)
    )


def _must_exist(act: Act, kind: Kind, identifier: str) -> None:
    catalog = act.active.bundle.catalog
    known: Mapping[str, Mapping[Any, object]] = {
        "deployment": catalog.deployments,
        "provider": catalog.providers,
        "tenant": catalog.tenants,
    }
    if kind not in known:
        raise RequestError("only a deployment, a provider or a tenant can be quarantined")
    if identifier not in known[kind]:
        raise NotFoundError(f"the active catalog has no such {kind}")


def _item(state: _State, kind: Kind, identifier: str) -> Quarantined:
    item = state.items.get(f"{kind}/{identifier}")
    if item is None:
        raise NotFoundError(f"this {kind} is not quarantined")
    return item


async def _write(
    log: DecisionLog,
    act: Act,
    entry: str,
    state: _State,
    items: Mapping[str, Quarantined],
    item: Quarantined,
    *,
    solo: bool,
    moves: bool,
) -> None:
    version = state.version + moves
    fields: dict[str, Any] = {
        "subject": item.kind,
        "subject_id": item.id,
        "by": act.person,
        "version": version,
        "bundle_digest": act.active.digest,
    }
    if entry == "quarantine.imposed":
        fields["reason"] = item.reason
    if entry == "quarantine.lifted" and item.lift_asked_by is not None:
        fields["asked_by"] = item.lift_asked_by
    await log.append(
        Item(
            kind=entry,
            fields=fields,
            conditions=(
                *still_active(act, solo=solo),
                Condition(key=QUARANTINE_KEY, equals=state.text),
            ),
            changes=_changes(version, items),
        )
    )


def _changes(version: int, items: Mapping[str, Quarantined]) -> tuple[Change, ...]:
    return (
        Change(key=QUARANTINE_KEY, value=_text(version, items)),
        Change(key=VERSION_KEY, value=str(version)),
        # Kept for ever, so that a decision can be replayed under the quarantine of its time.
        Change(key=f"{QUARANTINE_KEY}/at/{version}", value=_text(version, items)),
    )


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


async def _read(log: DecisionLog) -> _State:
    text = await log.get(QUARANTINE_KEY)
    if text is None:
        raise ConflictError("no bundle was ever activated; `transire init` founds an installation")
    state = _parse(text)
    if await log.get(VERSION_KEY) != str(state.version):
        raise IntegrityError("the stored quarantine contradicts itself")
    return state


def _parse(text: str) -> _State:
    try:
        value = orjson.loads(text)
        items = [_read_row(row) for row in value["items"]]
        state = _State(value["version"], {item.name: item for item in items}, text)
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
