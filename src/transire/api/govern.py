"""People's routes: credentials, keys, bundles, quarantine, reviews, audit. Each act asks Cedar."""

import base64
import binascii
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from transire.api.decisions import Decisions, person_or_application
from transire.api.intake import guarded
from transire.bootstrap import Installation
from transire.bundle import lifecycle, quarantine
from transire.bundle.acts import Act, format_moment, is_solo
from transire.bundle.proposal import Proposal
from transire.bundle.quarantine import Kind
from transire.domain.ids import ApplicationId, BundleDigest, PersonId
from transire.domain.log import Item
from transire.domain.request import Principal
from transire.errors import AccessError, NotFoundError, RequestError
from transire.record.query import LogEntries
from transire.review.states import Review

__all__ = [
    "BundleBody",
    "DecideBody",
    "KeyBody",
    "QuarantineBody",
    "RedeemBody",
    "build_router",
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class RedeemBody(_Body):
    """A one-use token, to be traded for a personal credential."""

    token: str = Field(max_length=256)


class KeyBody(_Body):
    """A key to create."""

    application: str = Field(max_length=64)
    purpose: str | None = Field(None, max_length=64)
    days: int = Field(90, ge=1, le=730)
    priority: int = Field(5, ge=0, le=9)
    holder: str | None = Field(None, max_length=64)


class BundleBody(_Body):
    """Files of a bundle, base64 by path."""

    files: dict[str, str] = Field(max_length=2_000)


class QuarantineBody(_Body):
    """What to quarantine."""

    kind: Kind
    id: str = Field(max_length=64)
    reason: str = Field(min_length=1, max_length=500)


class DecideBody(_Body):
    """A reviewer's decision; `queue` may be left out where one waits."""

    comment: str = Field("", max_length=2_000)
    queue: str | None = Field(None, max_length=64)


def build_router(installation: Installation) -> APIRouter:
    """All routes of people, and of applications about their own decisions and reviews."""
    router = APIRouter()
    for part in (_people, _keys, _bundles, _quarantine, _reviews, _audit, _decisions):
        part(router, installation)
    return router


def _person(installation: Installation, request: Request) -> Principal:
    return guarded(installation, request, installation.people.authenticate)


def _people(router: APIRouter, it: Installation) -> None:
    @router.post("/v1/people/redeem", tags=["people"])
    async def redeem(body: RedeemBody) -> dict[str, str]:
        """Trade a one-use token for a personal credential."""
        catalog = it.governed.bundle.catalog
        person, credential = await it.people.redeem(body.token, catalog)
        return {"person": person, "credential": credential}

    @router.post("/v1/people/{person}/invite", tags=["people"])
    async def invite(person: str, request: Request) -> dict[str, str]:
        """A one-use token for somebody who is in the active catalog."""
        principal, catalog = _person(it, request), it.governed.bundle.catalog
        if PersonId(person) not in catalog.people:
            raise NotFoundError("no such person; `transire people add` proposes one")
        by = it.acts.require(principal, "invite", {"type": "User", "id": person})
        return {"person": person, "token": await it.people.invite(catalog, person, by=by)}

    @router.delete("/v1/people/{person}/credential", tags=["people"])
    async def revoke(person: str, request: Request) -> dict[str, str]:
        """Void somebody's credential at once."""
        principal = _person(it, request)
        if principal.person != person:
            it.acts.require(principal, "revoke_credential", {"type": "User", "id": person})
        await it.people.revoke(person, by=str(principal.person))
        return {"person": person, "state": "revoked"}

    @router.get("/v1/people/me", tags=["people"])
    async def me(request: Request) -> dict[str, Any]:
        """Who this credential belongs to, and their roles."""
        principal = _person(it, request)
        person = it.governed.bundle.catalog.people[PersonId(str(principal.person))]
        return {"person": person.id, "tenant": person.tenant, "roles": sorted(person.roles)}


def _keys(router: APIRouter, it: Installation) -> None:
    @router.post("/v1/keys", tags=["keys"], status_code=201)
    async def create(body: KeyBody, request: Request) -> dict[str, Any]:
        """Create an application key; its text is shown once."""
        principal, catalog = _person(it, request), it.governed.bundle.catalog
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
        )
        return {**record.public(), "key": text}

    @router.get("/v1/keys", tags=["keys"])
    async def list_keys(request: Request) -> dict[str, Any]:
        """The tenant's keys, without secrets."""
        principal = _person(it, request)
        return {"keys": [r.public() for r in await it.keys.list(principal.tenant)]}

    @router.delete("/v1/keys/{key_id}", tags=["keys"])
    async def revoke(key_id: str, request: Request) -> dict[str, Any]:
        """Revoke a key at once."""
        principal, record = _person(it, request), it.keys.get(key_id)
        if record is None or record.tenant != principal.tenant:
            raise NotFoundError("no such key")
        resource = {"type": "Application", "id": record.application}
        by = it.acts.require(principal, "revoke_key", resource)
        return (await it.keys.revoke(key_id, by=by)).public()


def _bundles(router: APIRouter, it: Installation) -> None:
    @router.post("/v1/policies/bundles", tags=["policies"], status_code=201)
    async def propose(body: BundleBody, request: Request) -> dict[str, Any]:
        """Propose a bundle; it must compile and be sound."""
        act = _act(it, request)
        return _shown(it, await lifecycle.propose(it.log, act, _files(body.files)))

    @router.get("/v1/policies/bundles", tags=["policies"])
    async def list_bundles(request: Request) -> dict[str, Any]:
        """The active digest and all proposals, newest first."""
        _person(it, request)
        proposals = await lifecycle.list_proposals(it.log)
        return {
            "active": it.governed.bundle.digest,
            "mode": "solo" if await is_solo(it.log) else "team",
            "proposals": [_shown(it, p) for p in proposals],
        }

    @router.get("/v1/policies/bundles/{digest}", tags=["policies"])
    async def show(digest: str, request: Request) -> dict[str, Any]:
        """A bundle's files by digest; `active` is a name for the active one."""
        _person(it, request)
        wanted = it.governed.bundle.digest if digest == "active" else BundleDigest(digest)
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
        return _shown(it, await lifecycle.approve(it.log, act, BundleDigest(digest)))

    @router.post("/v1/policies/bundles/{digest}/activate", tags=["policies"])
    async def activate(digest: str, request: Request) -> dict[str, Any]:
        """Make an approved proposal active."""
        compiled = await lifecycle.activate(
            it.log, _act(it, request), BundleDigest(digest), entries=LogEntries(it.log)
        )
        await it.steering.follow(compiled)
        return {"active": compiled.digest}


def _act(it: Installation, request: Request) -> Act:
    return it.act(PersonId(str(_person(it, request).person)))


def _shown(it: Installation, proposal: Proposal) -> dict[str, Any]:
    return {
        **asdict(proposal),
        "proposed_at": format_moment(proposal.proposed_at),
        "approvals": [{"by": a.by, "at": format_moment(a.at)} for a in proposal.approvals],
        "state": proposal.state(it.governed.bundle.digest),
    }


def _quarantine(router: APIRouter, it: Installation) -> None:
    async def shown() -> dict[str, Any]:
        items = await quarantine.list_quarantined(it.log)
        return {
            "version": it.governed.quarantine.version,
            "quarantined": [{**asdict(item), "at": format_moment(item.at)} for item in items],
        }

    @router.get("/v1/policies/quarantine", tags=["policies"])
    async def show(request: Request) -> dict[str, Any]:
        """What is quarantined; what nobody ratified stays and alarms."""
        _person(it, request)
        return await shown()

    @router.post("/v1/policies/quarantine", tags=["policies"])
    async def impose(body: QuarantineBody, request: Request) -> dict[str, Any]:
        """Quarantine at once: one person, narrows only."""
        await quarantine.impose(it.log, _act(it, request), body.kind, body.id, body.reason)
        await it.steering.follow()
        return await shown()

    @router.post("/v1/policies/quarantine/{kind}/{name}/ratify", tags=["policies"])
    async def ratify(kind: Kind, name: str, request: Request) -> dict[str, Any]:
        """Confirm somebody else's quarantine."""
        await quarantine.ratify(it.log, _act(it, request), kind, name)
        return await shown()

    @router.delete("/v1/policies/quarantine/{kind}/{name}", tags=["policies"])
    async def lift(kind: Kind, name: str, request: Request) -> dict[str, Any]:
        """Ask to lift, or, as the second person, lift."""
        is_lifted = await quarantine.lift(it.log, _act(it, request), kind, name)
        await it.steering.follow()
        return {**await shown(), "lifted": is_lifted}


def _reviews(router: APIRouter, it: Installation) -> None:
    def shown(review: Review) -> dict[str, Any]:
        fields = asdict(review)
        for name in ("mac", "assertions"):
            del fields[name]
        return {**fields, "state": review.state(it.clock.now())}

    async def judged(review_id: str, request: Request, action: str) -> tuple[Principal, Review]:
        principal = _person(it, request)
        review = await it.reviews.get(review_id, principal)
        it.acts.require(principal, action, it.reviews.resource(review))
        return principal, review

    @router.get("/v1/reviews", tags=["reviews"])
    async def list_reviews(
        request: Request, state: str | None = None, queue: str | None = None
    ) -> dict[str, Any]:
        """The tenant's reviews, oldest first."""
        principal = _person(it, request)
        reviews = await it.reviews.list(principal.tenant, state=state, queue=queue)
        return {"reviews": [shown(r) for r in reviews]}

    @router.get("/v1/reviews/{review_id}", tags=["reviews"])
    async def get(
        review_id: str, request: Request, wait: Annotated[float, Query(ge=0, le=60)] = 0
    ) -> dict[str, Any]:
        """One review; with `wait`, as soon as it changes."""
        principal = person_or_application(it, request)
        if wait:
            review = await it.reviews.wait(review_id, principal, wait)
        else:
            review = await it.reviews.get(review_id, principal)
        if principal.person is None:
            return {
                "id": review.id,
                "state": review.state(it.clock.now()),
                "expires_at": review.expires_at,
                "decision_id": review.decision_id,
                "spent_by": review.spent_by,
            }
        return shown(review)

    @router.get("/v1/reviews/{review_id}/content", tags=["reviews"])
    async def content(review_id: str, request: Request) -> dict[str, Any]:
        """The held request, where its queue shows content; the look is recorded."""
        principal, _ = await judged(review_id, request, "view_content")
        return {"request": await it.reviews.content(review_id, str(principal.person))}

    @router.post("/v1/reviews/{review_id}/claim", tags=["reviews"])
    async def claim(review_id: str, request: Request) -> dict[str, Any]:
        """Take it for a quarter of an hour."""
        principal, _ = await judged(review_id, request, "release")
        return shown(await it.reviews.claim(review_id, str(principal.person)))

    @router.post("/v1/reviews/{review_id}/approve", tags=["reviews"])
    async def approve(review_id: str, body: DecideBody, request: Request) -> dict[str, Any]:
        """Release one queue's part of it."""
        principal, _ = await judged(review_id, request, "release")
        _refuse_minters(it, principal, review_application=(await _app(it, review_id, principal)))
        return shown(
            await it.reviews.approve(
                review_id, str(principal.person), queue=body.queue, comment=body.comment
            )
        )

    @router.post("/v1/reviews/{review_id}/deny", tags=["reviews"])
    async def deny(review_id: str, body: DecideBody, request: Request) -> dict[str, Any]:
        """Deny for good."""
        principal, _ = await judged(review_id, request, "release")
        return shown(await it.reviews.deny(review_id, str(principal.person), comment=body.comment))

    @router.post("/v1/reviews/{review_id}/cancel", tags=["reviews"])
    async def cancel(review_id: str, request: Request) -> dict[str, Any]:
        """The requester takes it back."""
        principal = guarded(it, request, it.keys.authenticate)
        return {
            "id": review_id,
            "state": (await it.reviews.cancel(review_id, principal)).state(it.clock.now()),
        }


async def _app(it: Installation, review_id: str, principal: Principal) -> str:
    return (await it.reviews.get(review_id, principal)).application


def _refuse_minters(it: Installation, principal: Principal, *, review_application: str) -> None:
    """Whoever can mint the requester's key could be the requester (issue 9, item 10)."""
    resource = {"type": "Application", "id": review_application}
    is_solo = it.log.peek("bundle/mode") == "solo"
    if not is_solo and it.acts.may(str(principal.person), "mint_key", resource):
        raise AccessError("whoever can mint the requester's key does not release its requests")


def _audit(router: APIRouter, it: Installation) -> None:
    @router.get("/v1/audit/entries", tags=["audit"])
    async def entries(
        request: Request,
        before: Annotated[int | None, Query(ge=0)] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        kind: str | None = None,
    ) -> dict[str, Any]:
        """The tenant's entries, newest first, keyset-paged by index. Reading is recorded."""
        principal = _person(it, request)
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

    @router.get("/v1/audit/checkpoint", tags=["audit"])
    async def checkpoint() -> dict[str, Any]:
        """The newest signed checkpoint; public, so that anyone can hold us to it."""
        newest = await it.log.read(lambda reader: reader.checkpoint())
        return {"checkpoint": newest[1] if newest else "", "public_key": it.log.public_key}

    @router.get("/v1/audit/keys", tags=["audit"])
    async def keys() -> dict[str, Any]:
        """The log's verifier key (c2sp.org/signed-note)."""
        return {"keys": [it.log.public_key]}


def _decisions(router: APIRouter, it: Installation) -> None:
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
        """The entry with its inclusion proof."""
        return await decisions.proof(person_or_application(it, request), decision_id)

    @router.get("/v1/decisions/{decision_id}/replay", tags=["decisions"])
    async def replay(decision_id: str, request: Request) -> dict[str, Any]:
        """Evaluate the recorded facts again; must agree."""
        return await decisions.replay(person_or_application(it, request), decision_id)


def _files(encoded: dict[str, str]) -> dict[str, bytes]:
    try:
        return {n: base64.b64decode(t, validate=True) for n, t in sorted(encoded.items())}
    except (ValueError, binascii.Error):
        raise RequestError("`files` holds base64 by path", param="files") from None
