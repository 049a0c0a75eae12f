"""The log, as auditors reach it, and what one decision was."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi import Path as PathParameter
from pydantic import Field

from transire.api.asker import person_of, person_or_application
from transire.api.decisions import Decisions
from transire.api.intake import StrictBody
from transire.domain.log import KINDS, Item
from transire.errors import NotFoundError, RequestError
from transire.installation import Installation
from transire.record.disclosing import with_disclosed
from transire.record.erasing import erase

__all__ = ["ErasureBody", "add_audit", "add_decisions", "add_erasures"]


class ErasureBody(StrictBody):
    """What loses its personal fields, and why; the reason is itself such a field.

    At least one decision, or entry of its own (a quarantine's).
    """

    decisions: list[Annotated[str, Field(pattern="^dec_[0-9A-Za-z]{26}$")]] = Field(
        [], max_length=100
    )
    entries: list[Annotated[str, Field(pattern="^ent_[0-9A-Za-z]{26}$")]] = Field(
        [], max_length=100
    )
    reason: str = Field(min_length=1, max_length=500, pattern=r"\S")


def add_audit(router: APIRouter, it: Installation) -> None:
    """Entries, checkpoint and keys."""

    @router.get("/v1/audit/entries", tags=["audit"])
    async def entries(
        request: Request,
        before: Annotated[int | None, Query(ge=0, lt=2**53)] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        kind: str | None = None,
    ) -> dict[str, Any]:
        """The tenant's entries, newest first, keyset-paged by index. Reading is recorded."""
        principal = person_of(it, request)
        if kind is not None and kind not in KINDS:
            raise RequestError(f"no such kind; there are {', '.join(sorted(KINDS))}", param="kind")
        by = it.acts.require(principal, "read_audit", {"type": "AuditLog", "id": principal.tenant})
        await it.log.append(
            Item(kind="export", fields={"by": by, "tenant": principal.tenant, "count": limit})
        )
        page = await it.projection.tail(
            before=before, limit=limit, tenant=principal.tenant, kind=kind
        )
        return {
            "entries": [{"index": index, **entry} for index, entry in page.entries],
            "complete_to": page.complete_to,
        }

    @router.get("/v1/audit/entries/{index}", tags=["audit"])
    async def entry(
        request: Request, index: Annotated[int, PathParameter(ge=0, lt=2**53)]
    ) -> dict[str, Any]:
        """One entry, with what people wrote beside it that was not erased. Reading is recorded."""
        principal = person_of(it, request)
        by = it.acts.require(principal, "read_audit", {"type": "AuditLog", "id": principal.tenant})
        found = await it.projection.shown(index, principal.tenant)
        if found is None:
            raise NotFoundError("no such entry")
        await it.log.append(
            Item(kind="export", fields={"by": by, "tenant": principal.tenant, "count": 1})
        )
        shown = await it.log.read(lambda reader: with_disclosed(reader, [(index, found)]))
        return shown[0]

    @router.get("/v1/audit/checkpoint", tags=["audit"])
    async def checkpoint() -> dict[str, Any]:
        """The newest signed checkpoint; public, so that anyone can hold us to it."""
        newest = await it.log.read(lambda reader: reader.checkpoint())
        return {"checkpoint": newest[1] if newest else "", "public_key": it.log.public_key}

    @router.get("/v1/audit/keys", tags=["audit"])
    async def keys() -> dict[str, Any]:
        """The log's verifier key (c2sp.org/signed-note)."""
        return {"keys": [it.log.public_key]}


def add_erasures(router: APIRouter, it: Installation) -> None:
    """What is personal about decisions goes; the decisions stay."""

    @router.post("/v1/audit/erasures", tags=["audit"])
    async def erasures(body: ErasureBody, request: Request) -> dict[str, Any]:
        """Delete what people wrote there; entries and their proofs stay."""
        principal = person_of(it, request)
        if not body.decisions and not body.entries:
            raise RequestError("name at least one decision or entry", param="decisions")
        by = it.acts.require(principal, "erase", {"type": "AuditLog", "id": principal.tenant})
        done = await erase(
            it.log,
            body.decisions,
            body.entries,
            tenant=principal.tenant,
            by=by,
            reason=body.reason,
        )
        return {
            "decisions": sorted(set(body.decisions)),
            "entries": sorted(set(body.entries)),
            "erased": done.fields,
            "index": done.index,
        }


def add_decisions(router: APIRouter, it: Installation) -> None:
    """Summary, explanation, proof and replay of one decision."""
    decisions = Decisions(it)

    @router.get("/v1/decisions/{decision_id}", tags=["decisions"])
    async def show(decision_id: str, request: Request) -> dict[str, Any]:
        """One decision of one's own, or of one's tenant for an auditor."""
        return await decisions.summary(person_or_application(it, request), decision_id)

    @router.get("/v1/decisions/{decision_id}/explain", tags=["decisions"])
    async def explain(decision_id: str, request: Request) -> dict[str, Any]:
        """Every candidate, its policies, and why the winner won."""
        return await decisions.explain(person_or_application(it, request), decision_id)

    @router.get("/v1/decisions/{decision_id}/proof", tags=["decisions"])
    async def proof(decision_id: str, request: Request) -> dict[str, Any]:
        """The entry's inclusion proof, and the entry itself where `explain` is allowed."""
        return await decisions.proof(person_or_application(it, request), decision_id)

    @router.get("/v1/decisions/{decision_id}/replay", tags=["decisions"])
    async def replay(decision_id: str, request: Request) -> dict[str, Any]:
        """Evaluate the recorded facts again; must agree."""
        return await decisions.replay(person_or_application(it, request), decision_id)
