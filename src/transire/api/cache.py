"""Kept answers, for people: how many one's tenant has, and forgetting them."""

from typing import Any

from fastapi import APIRouter, Request
from pydantic import Field

from transire.api.asker import person_of
from transire.api.intake import StrictBody
from transire.bundle.acts import installation
from transire.domain.cache import Held, Purge
from transire.domain.ids import ApplicationId
from transire.domain.log import Item
from transire.errors import NotFoundError
from transire.installation import Installation

__all__ = ["PurgeBody", "add_cache"]


class PurgeBody(StrictBody):
    """What to forget; without an application, everything of one's tenant."""

    application: str | None = Field(None, max_length=64)


def add_cache(router: APIRouter, it: Installation) -> None:
    """Looking at the cache, and emptying it; whether and how long is the bundle's."""

    @router.get("/v1/cache", tags=["cache"])
    async def show(request: Request) -> dict[str, Any]:
        """One's tenant's kept answers: how many, and their size."""
        principal = person_of(it, request)
        store = it.answers
        held = (
            Held(answers=0, size_bytes=0) if store is None else await store.held(principal.tenant)
        )
        return {
            "where": it.settings.cache.where,
            "answers": held.answers,
            "size_bytes": held.size_bytes,
            "max_bytes": it.settings.cache.max_bytes,
        }

    @router.post("/v1/cache/purge", tags=["cache"])
    async def purge(body: PurgeBody, request: Request) -> dict[str, int]:
        """Forget kept answers of one's tenant at once; who may quarantine may do it."""
        principal = person_of(it, request)
        by = it.acts.require(principal, "quarantine", installation())
        application = None if body.application is None else ApplicationId(body.application)
        known = it.governed.bundle.catalog.applications
        if application is not None and (
            application not in known or known[application].tenant != principal.tenant
        ):
            raise NotFoundError("your tenant has no such application")
        purged = 0
        if it.answers is not None:
            # Before the entry: what it says is gone is gone, whatever becomes of the entry.
            purged = await it.answers.forget(
                Purge(tenant=principal.tenant, application=application)
            )
        await it.log.append(
            Item(
                kind="cache.purged",
                fields={
                    "by": by,
                    "tenant": principal.tenant,
                    "app": application or "",
                    "count": purged,
                },
            )
        )
        return {"purged": purged}
