"""Governed change: bundles, mode, quarantine. Each act asks Cedar, and its entry counts."""

import base64
import binascii
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request
from pydantic import Field

from transire.api.asker import person_of
from transire.api.intake import StrictBody
from transire.authorize.cedar import CedarAuthorizer
from transire.bundle import lifecycle, mode, quarantine, quarantine_acts
from transire.bundle.acts import Act, format_moment, is_solo
from transire.bundle.compiled import CompiledBundle
from transire.bundle.proposal import Proposal
from transire.bundle.quarantine import Kind
from transire.bundle.shortdigest import find_digest
from transire.domain.ids import BundleDigest, PersonId
from transire.errors import RequestError
from transire.installation import Installation
from transire.record.entries import LogEntries
from transire.workbench.test import demand_passing

__all__ = ["BundleBody", "QuarantineBody", "add_bundles", "add_mode", "add_quarantine"]


class BundleBody(StrictBody):
    """Files of a bundle, base64 by path."""

    files: dict[str, str] = Field(max_length=2_000)


class QuarantineBody(StrictBody):
    """What to quarantine."""

    kind: Kind
    id: str = Field(max_length=64)
    reason: str = Field(min_length=1, max_length=500)


def _prove(compiled: CompiledBundle) -> None:
    demand_passing(compiled, CedarAuthorizer(compiled))


def add_bundles(router: APIRouter, it: Installation) -> None:
    """Propose, look at, approve and activate bundles."""

    @router.post("/v1/policies/bundles", tags=["policies"], status_code=201)
    async def propose(body: BundleBody, request: Request) -> dict[str, Any]:
        """Propose a bundle; it must compile, be sound, and pass its own tests."""
        act, files = _act(it, request), _files(body.files)
        return _shown(it, await lifecycle.propose(it.log, act, files, prove=_prove))

    @router.get("/v1/policies/bundles", tags=["policies"])
    async def list_bundles(request: Request) -> dict[str, Any]:
        """The active digest and all proposals, newest first."""
        person_of(it, request)
        proposals = await lifecycle.list_proposals(it.log)
        return {
            "active": it.governed.bundle.digest,
            "mode": "solo" if await is_solo(it.log) else "team",
            "proposals": [_shown(it, p) for p in proposals],
        }

    @router.get("/v1/policies/bundles/{digest}", tags=["policies"])
    async def show(digest: str, request: Request) -> dict[str, Any]:
        """A bundle's files by digest, whole or its first 8 digits or more, or `active`."""
        person_of(it, request)
        wanted = await _meant(it, digest)
        compiled = await lifecycle.load_bundle(it.log, wanted, must_hold_limits=False)
        files = compiled.bundle.files
        return {
            "digest": wanted,
            "files": {n: base64.b64encode(d).decode() for n, d in files.items()},
            "warnings": list(compiled.warnings),
        }

    @router.post("/v1/policies/bundles/{digest}/approve", tags=["policies"])
    async def approve(digest: str, request: Request) -> dict[str, Any]:
        """Approve somebody else's proposal."""
        act = _act(it, request)
        return _shown(it, await lifecycle.approve(it.log, act, await _meant(it, digest)))

    @router.post("/v1/policies/bundles/{digest}/activate", tags=["policies"])
    async def activate(digest: str, request: Request) -> dict[str, Any]:
        """Make an approved proposal active."""
        act = _act(it, request)
        compiled = await lifecycle.activate(
            it.log,
            act,
            await _meant(it, digest),
            entries=LogEntries(it.log),
            prepare=it.steering.prepare,
        )
        await it.steering.follow(compiled)
        return {"active": compiled.digest}


def add_mode(router: APIRouter, it: Installation) -> None:
    """How many people a change takes, and how that changes."""

    async def shown() -> dict[str, Any]:
        asker = await mode.solo_asker(it.log, it.clock.now())
        return {"mode": "solo" if await is_solo(it.log) else "team", "solo_asked_by": asker}

    @router.get("/v1/policies/mode", tags=["policies"])
    async def show(request: Request) -> dict[str, Any]:
        """Solo or team, and who asked for solo."""
        person_of(it, request)
        return await shown()

    @router.post("/v1/policies/mode/team", tags=["policies"])
    async def team(request: Request) -> dict[str, Any]:
        """From now on every change takes two people; one person suffices."""
        await mode.make_team(it.log, _act(it, request))
        return await shown()

    @router.post("/v1/policies/mode/solo/ask", tags=["policies"])
    async def ask_solo(request: Request) -> dict[str, Any]:
        """Ask that one person may change everything; another must grant it."""
        await mode.ask_solo(it.log, _act(it, request))
        return await shown()

    @router.post("/v1/policies/mode/solo/grant", tags=["policies"])
    async def grant_solo(request: Request) -> dict[str, Any]:
        """Grant what another person asked within seven days."""
        await mode.grant_solo(it.log, _act(it, request))
        return await shown()


def add_quarantine(router: APIRouter, it: Installation) -> None:
    """Impose, ratify, lift and list quarantines."""

    async def shown() -> dict[str, Any]:
        items = await quarantine.list_quarantined(it.log)
        return {
            "version": it.governed.quarantine.version,
            "quarantined": list(map(_quarantined, items)),
        }

    @router.get("/v1/policies/quarantine", tags=["policies"])
    async def show(request: Request) -> dict[str, Any]:
        """What is quarantined; what nobody ratified stays and alarms."""
        person_of(it, request)
        return await shown()

    @router.post("/v1/policies/quarantine", tags=["policies"])
    async def impose(body: QuarantineBody, request: Request) -> dict[str, Any]:
        """Quarantine at once: one person, narrows only."""
        await quarantine_acts.impose(it.log, _act(it, request), body.kind, body.id, body.reason)
        await it.steering.follow()
        return await shown()

    @router.post("/v1/policies/quarantine/{kind}/{name}/ratify", tags=["policies"])
    async def ratify(kind: Kind, name: str, request: Request) -> dict[str, Any]:
        """Confirm somebody else's quarantine."""
        await quarantine_acts.ratify(it.log, _act(it, request), kind, name)
        return await shown()

    @router.delete("/v1/policies/quarantine/{kind}/{name}", tags=["policies"])
    async def lift(kind: Kind, name: str, request: Request) -> dict[str, Any]:
        """Ask to lift, or, as the second person, lift."""
        is_lifted = await quarantine_acts.lift(it.log, _act(it, request), kind, name)
        await it.steering.follow()
        return {**await shown(), "lifted": is_lifted}


async def _meant(it: Installation, digest: str) -> BundleDigest:
    return await find_digest(it.log, digest, LogEntries(it.log))


def _act(it: Installation, request: Request) -> Act:
    return it.act(PersonId(str(person_of(it, request).person)))


def _shown(it: Installation, proposal: Proposal) -> dict[str, Any]:
    return {
        **asdict(proposal),
        "proposed_at": format_moment(proposal.proposed_at),
        "approvals": [{"by": a.by, "at": format_moment(a.at)} for a in proposal.approvals],
        "state": proposal.state(it.governed.bundle.digest),
    }


def _quarantined(item: quarantine.Quarantined) -> dict[str, Any]:
    asked_at = item.lift_asked_at
    return {
        **asdict(item),
        "at": format_moment(item.at),
        "lift_asked_at": None if asked_at is None else format_moment(asked_at),
    }


def _files(encoded: dict[str, str]) -> dict[str, bytes]:
    try:
        return {n: base64.b64decode(t, validate=True) for n, t in sorted(encoded.items())}
    except (ValueError, binascii.Error):
        raise RequestError("`files` holds base64 by path", param="files") from None
