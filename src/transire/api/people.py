"""People and the keys of applications: who may ask, and who said so. Each act asks Cedar."""

from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field

from transire.api.asker import person_of
from transire.api.intake import StrictBody
from transire.domain.ids import ApplicationId, PersonId
from transire.errors import NotFoundError, RequestError
from transire.identity.keys import SCOPES
from transire.installation import Installation

__all__ = ["KeyBody", "RedeemBody", "add_keys", "add_people"]


class RedeemBody(StrictBody):
    """A one-use token, to be traded for a personal credential."""

    token: str = Field(max_length=256)


class KeyBody(StrictBody):
    """A key to create."""

    application: str = Field(max_length=64)
    purpose: str | None = Field(None, max_length=64)
    days: int = Field(90, ge=1, le=730)
    priority: int = Field(5, ge=0, le=9)
    holder: str | None = Field(None, max_length=64)
    scopes: list[Literal["chat", "decisions"]] = Field(list(SCOPES), min_length=1, max_length=2)


def add_people(router: APIRouter, it: Installation) -> None:
    """Credentials of people: one-use tokens, trading them in, voiding them."""

    @router.post("/v1/people/redeem", tags=["people"])
    async def redeem(body: RedeemBody) -> dict[str, str]:
        """Trade a one-use token for a personal credential."""
        catalog = it.governed.bundle.catalog
        person, credential = await it.people.redeem(body.token, catalog)
        return {"person": person, "credential": credential}

    @router.post("/v1/people/{person}/invite", tags=["people"])
    async def invite(person: str, request: Request) -> dict[str, str]:
        """A one-use token for somebody who is in the active catalog."""
        principal, catalog = person_of(it, request), it.governed.bundle.catalog
        if PersonId(person) not in catalog.people:
            raise NotFoundError("no such person; `transire people add` proposes one")
        by = it.acts.require(principal, "invite", {"type": "User", "id": person})
        return {"person": person, "token": await it.people.invite(catalog, person, by=by)}

    @router.delete("/v1/people/{person}/credential", tags=["people"])
    async def revoke(person: str, request: Request) -> dict[str, str]:
        """Void somebody's credential at once."""
        principal = person_of(it, request)
        if principal.person != person:
            it.acts.require(principal, "revoke_credential", {"type": "User", "id": person})
        await it.people.revoke(it.governed.bundle.catalog, person, by=str(principal.person))
        return {"person": person, "state": "revoked"}

    @router.get("/v1/people", tags=["people"])
    async def list_people(request: Request) -> dict[str, Any]:
        """The people of one's tenant: roles, and whether they have set a credential."""
        principal = person_of(it, request)
        people = sorted(it.governed.bundle.catalog.people.items())
        return {
            "people": [
                {
                    "person": person.id,
                    "name": person.name,
                    "tenant": person.tenant,
                    "roles": sorted(person.roles),
                    "credential": await it.people.credential_state(person.id),
                }
                for _, person in people
                if person.tenant == principal.tenant
            ]
        }

    @router.get("/v1/people/me", tags=["people"])
    async def me(request: Request) -> dict[str, Any]:
        """Who this credential belongs to, and their roles."""
        principal = person_of(it, request)
        person = it.governed.bundle.catalog.people[PersonId(str(principal.person))]
        return {"person": person.id, "tenant": person.tenant, "roles": sorted(person.roles)}


def add_keys(router: APIRouter, it: Installation) -> None:
    """Application keys: create, list, revoke."""

    @router.post("/v1/keys", tags=["keys"], status_code=201)
    async def create(body: KeyBody, request: Request) -> dict[str, Any]:
        """Create an application key; its text is shown once."""
        principal, catalog = person_of(it, request), it.governed.bundle.catalog
        if ApplicationId(body.application) not in catalog.applications:
            raise NotFoundError(
                f"no such application; the catalog has {', '.join(sorted(catalog.applications))}"
            )
        by = it.acts.require(principal, "mint_key", {"type": "Application", "id": body.application})
        holder = body.holder or by
        if PersonId(holder) not in catalog.people:
            raise RequestError("`holder` must be a person of the catalog", param="holder")
        record, text = await it.keys.create(
            catalog,
            application=body.application,
            purpose=body.purpose,
            days=body.days,
            priority=body.priority,
            holder=holder,
            minted_by=by,
            scopes=body.scopes,
        )
        return {**record.public(), "key": text}

    @router.get("/v1/keys", tags=["keys"])
    async def list_keys(request: Request) -> dict[str, Any]:
        """The tenant's keys, without secrets."""
        principal = person_of(it, request)
        return {"keys": [r.public() for r in await it.keys.list(principal.tenant)]}

    @router.delete("/v1/keys/{key_id}", tags=["keys"])
    async def revoke(key_id: str, request: Request) -> dict[str, Any]:
        """Revoke a key at once."""
        principal, record = person_of(it, request), it.keys.get(key_id)
        if record is None or record.tenant != principal.tenant:
            raise NotFoundError("no such key")
        resource = {"type": "Application", "id": record.application}
        by = it.acts.require(principal, "revoke_key", resource)
        return (await it.keys.revoke(key_id, by=by)).public()
