"""Solo or team: how many people governed change takes in this installation.

Solo → team is one entry by one person who may activate bundles. Team → solo loosens four-eyes, so
it takes two: the first asks, another grants. The mode stands on `/readyz`.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Final

import orjson

from transire.bundle.acts import (
    MODE_KEY,
    Act,
    format_moment,
    is_solo,
    parse_moment,
    policy_bundle,
    still_active,
)
from transire.bundle.sweep import demand_sound
from transire.domain.ids import PersonId
from transire.domain.log import Change, Condition, DecisionLog, Item
from transire.errors import ConflictError, IntegrityError

__all__ = ["ask_solo", "grant_solo", "make_team", "solo_asker"]

_ASK_KEY: Final = "bundle/mode/ask"
_ASK_LIFETIME: Final = timedelta(days=7)


async def make_team(log: DecisionLog, act: Act) -> None:
    """From now on every change needs another person's approval.

    Raises:
        AccessError: the active bundle does not let this person activate bundles.
        BundleError: under it no two people could ever change it; add one first.
        ConflictError: the installation is a team already.
    """
    if not await is_solo(log):
        raise ConflictError("this installation is a team already")
    act.require("activate", policy_bundle(act.active.digest, act.person), solo=True)
    await asyncio.to_thread(demand_sound, act.active, now=act.now, solo=False)
    await _change(log, act, was="solo", becomes="team", fields={}, ask=None)


async def ask_solo(log: DecisionLog, act: Act) -> None:
    """Ask to let single persons change everything; another person must grant it.

    Raises:
        AccessError: the active bundle does not let this person activate bundles.
        ConflictError: the installation is solo already.
    """
    await _must_be_team(log)
    act.require("activate", policy_bundle(act.active.digest, act.person), solo=False)
    ask = orjson.dumps({"at": format_moment(act.now), "by": act.person}).decode()
    await log.append(
        Item(
            kind="policy.solo_asked",
            fields={"by": act.person, "bundle_digest": act.active.digest},
            since=act.now,
            conditions=still_active(act, solo=False),
            changes=(Change(key=_ASK_KEY, value=ask),),
        )
    )


async def grant_solo(log: DecisionLog, act: Act) -> None:
    """Grant what another person asked within the last seven days.

    Raises:
        AccessError: the active bundle does not let this person activate bundles.
        ConflictError: nobody else asked, or who asked may not any more.
    """
    await _must_be_team(log)
    resource = policy_bundle(act.active.digest, act.person)
    act.require("activate", resource, solo=False)
    stored = await log.get(_ASK_KEY)
    by = _asker(stored, act.now)
    if by is None or by == act.person:
        raise ConflictError("another person must have asked for it within the last 7 days")
    if not act.allows(by, "activate", resource, solo=False):
        raise ConflictError("who asked for it may not activate bundles any more")
    await _change(log, act, was="team", becomes="solo", fields={"asked_by": by}, ask=stored)


async def solo_asker(log: DecisionLog, now: datetime) -> PersonId | None:
    """Who asked for a solo installation, while that still counts; None where nobody did."""
    return _asker(await log.get(_ASK_KEY), now)


async def _must_be_team(log: DecisionLog) -> None:
    if await is_solo(log):
        raise ConflictError("this installation is solo already")


async def _change(
    log: DecisionLog, act: Act, *, was: str, becomes: str, fields: dict[str, str], ask: str | None
) -> None:
    _, asked_at = _read(ask)
    await log.append(
        Item(
            kind="policy.mode_changed",
            fields={
                "was": was,
                "mode": becomes,
                "by": act.person,
                "bundle_digest": act.active.digest,
                **fields,
            },
            until=None if asked_at is None else asked_at + _ASK_LIFETIME,
            conditions=(
                *still_active(act, solo=was == "solo"),
                Condition(key=_ASK_KEY, equals=ask),
            ),
            changes=(Change(key=MODE_KEY, value=becomes), Change(key=_ASK_KEY, value=None)),
        )
    )


def _asker(stored: str | None, now: datetime) -> PersonId | None:
    by, at = _read(stored)
    return by if at is not None and at <= now < at + _ASK_LIFETIME else None


def _read(stored: str | None) -> tuple[PersonId | None, datetime | None]:
    if stored is None:
        return None, None
    try:
        fields = orjson.loads(stored)
        return PersonId(fields["by"]), parse_moment(fields["at"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        raise IntegrityError("a stored request to change the mode cannot be read") from None
