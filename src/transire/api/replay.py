"""Deciding again from recorded facts: the decision, and every later attempt (I8).

A later attempt is permitted in the request's own set narrowed by the evaluation of each attempt up
to it (I3). Each of these evaluations is assembled again from the facts, the bundle and the
quarantine that its entry names, and the ranking is ordered again from its terms. What an entry does
not hold is "not replayable", never a guess.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import orjson

from transire.authorize.cedar import CedarAuthorizer
from transire.bootstrap import Installation
from transire.bundle.compiled import CompiledBundle
from transire.bundle.lifecycle import load_bundle
from transire.bundle.quarantine import quarantine_at
from transire.domain.authorization import Authorization, Facts, Form, Pair
from transire.domain.bundle import Quarantine
from transire.domain.ids import (
    ApplicationId,
    BundleDigest,
    DeploymentId,
    Jurisdiction,
    PolicyId,
    TenantId,
)
from transire.domain.request import Assertions
from transire.errors import NotFoundError
from transire.record.erasing import is_kept
from transire.score.replay import agrees, is_whole, ranking_from_record
from transire.trials.replay import draw_agrees

__all__ = ["Archive", "LogArchive", "replay"]


class Archive(Protocol):
    """What entries name by digest or version."""

    async def authorizer(self, digest: str) -> CedarAuthorizer:
        """Of a bundle.

        Raises:
            NotFoundError, IntegrityError, BundleError: it is not there, or does not compile.
        """

    async def facts(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """The facts an entry names; empty for a request nobody got to read.

        Raises:
            NotFoundError: they are named and not there.
        """

    async def keeps(self, entry: Mapping[str, Any]) -> bool:
        """Whether nothing that an entry disclosed was erased."""

    async def quarantine(self, version: int) -> Quarantine:
        """What was blocked at a version.

        Raises:
            NotFoundError: there was no such version.
        """


class LogArchive:
    """The archive that a running installation's log is; bundles are compiled once per replay."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._authorizers: dict[str, CedarAuthorizer] = {}

    async def authorizer(self, digest: str) -> CedarAuthorizer:
        """See `Archive`."""
        if digest not in self._authorizers:
            self._authorizers[digest] = CedarAuthorizer(await self.compiled(digest))
        return self._authorizers[digest]

    async def compiled(self, digest: str) -> CompiledBundle:
        """A bundle by digest, as `authorizer`."""
        steering = self._installation.steering
        if steering.compiled is not None and steering.compiled.digest == digest:
            return steering.compiled
        return await load_bundle(
            self._installation.log, BundleDigest(digest), must_hold_limits=False
        )

    async def facts(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """See `Archive`."""
        if not entry.get("facts"):
            return {}
        blob = await self._installation.log.blob(entry["facts"])
        if blob is None:
            raise NotFoundError("the log does not hold this decision's facts")
        found: dict[str, Any] = orjson.loads(blob)
        return found

    async def keeps(self, entry: Mapping[str, Any]) -> bool:
        """See `Archive`."""
        return await is_kept(self._installation.log, entry)

    async def quarantine(self, version: int) -> Quarantine:
        """See `Archive`."""
        current = self._installation.governed.quarantine
        if version == current.version:
            return current
        return await quarantine_at(self._installation.log, version)


async def replay(entries: Sequence[Mapping[str, Any]], archive: Archive) -> dict[str, Any]:
    """Decide again, attempt by attempt; each must agree with the record (I8).

    Args:
        entries: All of one decision, in the log's order: the decision itself is the first.

    Raises:
        NotFoundError, IntegrityError, BundleError: the log does not hold what its entries name.
    """
    head, told = entries[0], list[dict[str, Any]]()
    attempts = [entry for entry in entries if entry["kind"] == "attempt"]
    stood: Authorization | None = None
    for entry in (head, *attempts):
        is_there = _is_replayable(head, entry) and await archive.keeps(entry)
        if not is_there or (told and stood is None):
            stood = None
            told.append({**_named(entry), "replayable": False})
            continue
        now = await _authorization(head, entry, archive)
        stood = now if stood is None else stood.narrowed_by(now)
        policies = await _cached(head, entry, now, archive)
        compared = _compared(entry, now, stood, policies)
        told.append({**_named(entry), "replayable": True, **compared})
    whole = {"replayable": all(one["replayable"] for one in told)}
    if told[0]["replayable"]:
        whole["agrees"] = all(one["agrees"] for one in told if one["replayable"])
    return {**told[0], **whole, "decision_id": head["id"], "attempts": told[1:]}


def _is_replayable(head: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    """Whether an entry holds all that was seen; one of an earlier version may not."""
    if not entry.get("facts") or "ranking" not in entry:
        return False
    return "cut" not in head["limits"] and is_whole(entry["ranking"])


def _named(entry: Mapping[str, Any]) -> dict[str, Any]:
    if entry["kind"] != "attempt":
        return {}
    permit = entry["permit"]
    return {
        **{name: permit[name] for name in ("attempt", "cause", "deployment")},
        **{name: permit[name] for name in ("bundle", "quarantine")},
        "request_bundle": entry.get("request_bundle"),
    }


async def _authorization(
    head: Mapping[str, Any], entry: Mapping[str, Any], archive: Archive
) -> Authorization:
    """What policy said when this entry was written; the caller's limits are the decision's."""
    facts = {}
    for form, both in (await archive.facts(entry)).items():
        base = Facts.from_json(both["base"])
        asserted = base if both["asserted"] is None else Facts.from_json(both["asserted"])
        facts[Form(form)] = (base, asserted)
    limits = head["limits"]
    models = limits["models"]
    return (await archive.authorizer(entry["bundle"])).assemble(
        ApplicationId(head["app"]),
        TenantId(head["tenant"]),
        facts,
        Assertions(
            models=None if models is None else frozenset(map(DeploymentId, models)),
            jurisdictions=frozenset(map(Jurisdiction, limits["jurisdictions"])),
            redaction=limits["redaction"],
        ),
        quarantine=await archive.quarantine(entry["quarantine"]),
        now=datetime.fromisoformat(entry["evaluated_at"]),
    )


def _compared(
    entry: Mapping[str, Any],
    now: Authorization,
    stood: Authorization,
    policies: Sequence[PolicyId] | None,
) -> dict[str, Any]:
    """Record and replay side by side.

    Args:
        now: What this entry's own facts lead to.
        stood: The request's set, narrowed up to here.
        policies: Of a cache hit, the rules that permit it now; None of anything else.
    """
    ranking = entry["ranking"]
    permitted = {verdict.pair for verdict in stood.permitted}
    ranked = {candidate.pair for candidate in ranking_from_record(ranking).candidates}
    compared = {
        "policy_agrees": now.evaluation_digest == entry["evaluation"],
        "ranking_agrees": agrees(ranking) and ranked <= permitted,
    }
    if "experiment" in entry:
        compared["experiment_agrees"] = draw_agrees(entry["experiment"])
    if "permit" in entry:
        compared["permit_agrees"] = _pair(entry["permit"]) in ranked & permitted
    if policies is not None:
        compared["cache_agrees"] = list(policies) == entry["permit"]["cached"]["policies"] != []
    return {"agrees": all(compared.values()), **compared, "evaluation": now.evaluation_digest}


async def _cached(
    head: Mapping[str, Any], entry: Mapping[str, Any], now: Authorization, archive: Archive
) -> Sequence[PolicyId] | None:
    """What the rules of `cache` say to a hit, of the facts its entry names."""
    permit = entry.get("permit") or {}
    if permit.get("cached") is None:
        return None
    return (await archive.authorizer(entry["bundle"])).cache(
        ApplicationId(head["app"]),
        now.facts[Form.RAW],
        DeploymentId(permit["deployment"]),
        now=datetime.fromisoformat(entry["evaluated_at"]),
    )


def _pair(permit: Mapping[str, Any]) -> Pair:
    form = Form(permit.get("form", Form.RAW.value))
    return Pair(deployment=DeploymentId(permit["deployment"]), form=form)
