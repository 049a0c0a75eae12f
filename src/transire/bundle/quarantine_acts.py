"""People's acts on the quarantine: imposed at once by one person on call, lifted by two.

Unratified it stays and alarms; a second person ratifies. Lifting needs two people: the first asks,
the second lifts (alone in a solo installation).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from transire.bundle.acts import Act, installation, is_solo, still_active
from transire.bundle.quarantine import (
    ASK_LIFETIME,
    QUARANTINE_KEY,
    Kind,
    Quarantined,
    QuarantineState,
    changes_to,
    read_state,
)
from transire.domain.ids import PersonId
from transire.domain.log import Condition, DecisionLog, Item
from transire.errors import AccessError, ConflictError, NotFoundError, RequestError

__all__ = ["impose", "lift", "ratify"]

_MAX_REASON_CHARS: Final = 500


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
    state = await read_state(log)
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
    state = await read_state(log)
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
    state = await read_state(log)
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
        "deployment": catalog.receivers,
        "provider": catalog.providers,
        "tenant": catalog.tenants,
    }
    if kind not in known:
        raise RequestError("only a deployment, a provider or a tenant can be quarantined")
    if identifier not in known[kind]:
        raise NotFoundError(f"the active catalog has no such {kind}")


def _item(state: QuarantineState, kind: Kind, identifier: str) -> Quarantined:
    item = state.items.get(f"{kind}/{identifier}")
    if item is None:
        raise NotFoundError(f"this {kind} is not quarantined")
    return item


async def _write(
    log: DecisionLog,
    act: Act,
    entry: str,
    state: QuarantineState,
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
    if entry == "quarantine.lifted" and item.lift_asked_by is not None:
        fields["asked_by"] = item.lift_asked_by
    asked_at = item.lift_asked_at if entry == "quarantine.lifted" and not solo else None
    await log.append(
        Item(
            kind=entry,
            fields=fields,
            since=act.now if entry == "quarantine.lift_asked" else None,
            until=None if asked_at is None else asked_at + ASK_LIFETIME,
            conditions=(
                *still_active(act, solo=solo),
                Condition(key=QUARANTINE_KEY, equals=state.text),
            ),
            changes=changes_to(version, items),
            # Free text may name anybody, and no rule needs it: it can be erased.
            disclosures={"reason": item.reason} if entry == "quarantine.imposed" else {},
        )
    )
