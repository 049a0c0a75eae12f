"""Held requests, as reviewers and requesters reach them. Each act asks Cedar."""

from dataclasses import asdict
from typing import Annotated, Any, Final, Literal, TypeAlias

from fastapi import APIRouter, Query, Request
from pydantic import Field

from transire.api.asker import application_of, person_of, person_or_application
from transire.api.intake import StrictBody
from transire.bundle.acts import MODE_KEY
from transire.domain.request import Principal
from transire.errors import AccessError, NotFoundError
from transire.installation import Installation
from transire.review.listing import Wanted
from transire.review.states import Review

__all__ = ["DecideBody", "add_reviews"]

State: TypeAlias = Literal[
    "open",
    "pending",
    "claimed",
    "approved",
    "closed",
    "denied",
    "expired",
    "cancelled",
    "spent",
]
"""A review's states, one or several; another word is refused rather than matched by nothing."""


_REVIEW_ID: Final = "^rev_[0-9A-Za-z]{26}$"


class DecideBody(StrictBody):
    """A reviewer's decision; `queue` may be left out where one waits."""

    comment: str = Field("", max_length=2_000)
    queue: str | None = Field(None, max_length=64)


def add_reviews(router: APIRouter, it: Installation) -> None:
    """List, look at, claim, approve, deny and cancel."""

    async def judged(review_id: str, request: Request, action: str) -> tuple[Principal, Review]:
        principal = person_of(it, request)
        review = await it.reviews.get(review_id, principal)
        it.acts.require(principal, action, it.reviews.resource(review))
        return principal, review

    @router.get("/v1/reviews", tags=["reviews"])
    async def list_reviews(
        request: Request,
        state: State = "open",
        queue: Annotated[str | None, Query(max_length=64)] = None,
        after: Annotated[str | None, Query(pattern=_REVIEW_ID)] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> dict[str, Any]:
        """The tenant's reviews that this person may release, look into or audit, page by page.

        Open ones come oldest first, closed ones newest first. `next`, where it is not null, is the
        `after` of the next page; what this person may not see is neither shown nor named.
        """
        principal = person_of(it, request)
        wanted = Wanted(tenant=principal.tenant, state=state, queue=queue, after=after, limit=limit)
        may_audit = _may_audit(it, principal)
        page = await it.reviews.list(
            wanted, lambda review: may_audit or _may_act(it, principal, review)
        )
        return {"reviews": [_shown(it, review) for review in page.reviews], "next": page.next}

    @router.get("/v1/reviews/{review_id}", tags=["reviews"])
    async def get(
        review_id: str, request: Request, wait: Annotated[float, Query(ge=0, le=60)] = 0
    ) -> dict[str, Any]:
        """One review; with `wait`, as soon as it changes."""
        principal = person_or_application(it, request)
        review = await it.reviews.get(review_id, principal)
        is_person = principal.person is not None
        if is_person and not (_may_audit(it, principal) or _may_act(it, principal, review)):
            raise NotFoundError("no such review")
        if wait:
            review = await it.reviews.wait(review_id, principal, wait)
        if principal.person is None:
            return {
                "id": review.id,
                "state": review.state(it.clock.now()),
                "expires_at": review.expires_at,
                "decision_id": review.decision_id,
                "spent_by": review.spent_by,
            }
        return _shown(it, review)

    @router.get("/v1/reviews/{review_id}/content", tags=["reviews"])
    async def content(review_id: str, request: Request) -> dict[str, Any]:
        """The held request, where its queue shows content; the look is recorded."""
        principal, _ = await judged(review_id, request, "view_content")
        return {"request": await it.reviews.content(review_id, str(principal.person))}

    @router.post("/v1/reviews/{review_id}/claim", tags=["reviews"])
    async def claim(review_id: str, request: Request) -> dict[str, Any]:
        """Take it for a quarter of an hour."""
        principal, _ = await judged(review_id, request, "release")
        return _shown(it, await it.reviews.claim(review_id, str(principal.person)))

    @router.post("/v1/reviews/{review_id}/approve", tags=["reviews"])
    async def approve(review_id: str, body: DecideBody, request: Request) -> dict[str, Any]:
        """Release one queue's part of it."""
        principal, review = await judged(review_id, request, "release")
        _refuse_minters(it, principal, review_application=review.application)
        return _shown(
            it,
            await it.reviews.approve(
                review_id, str(principal.person), queue=body.queue, comment=body.comment
            ),
        )

    @router.post("/v1/reviews/{review_id}/deny", tags=["reviews"])
    async def deny(review_id: str, body: DecideBody, request: Request) -> dict[str, Any]:
        """Deny for good."""
        principal, _ = await judged(review_id, request, "release")
        return _shown(
            it, await it.reviews.deny(review_id, str(principal.person), comment=body.comment)
        )

    @router.post("/v1/reviews/{review_id}/cancel", tags=["reviews"])
    async def cancel(review_id: str, request: Request) -> dict[str, Any]:
        """The requester takes it back."""
        principal = application_of(it, request)
        return {
            "id": review_id,
            "state": (await it.reviews.cancel(review_id, principal)).state(it.clock.now()),
        }


def _shown(it: Installation, review: Review) -> dict[str, Any]:
    fields = asdict(review)
    for name in ("mac", "assertions"):
        del fields[name]
    return {**fields, "state": review.state(it.clock.now())}


def _may_audit(it: Installation, principal: Principal) -> bool:
    log = {"type": "AuditLog", "id": principal.tenant}
    return it.acts.may(str(principal.person), "read_audit", log)


def _may_act(it: Installation, principal: Principal, review: Review) -> bool:
    person, item = str(principal.person), it.reviews.resource(review)
    return any(it.acts.may(person, action, item) for action in ("release", "view_content"))


def _refuse_minters(it: Installation, principal: Principal, *, review_application: str) -> None:
    """Whoever can mint the requester's key could be the requester."""
    resource = {"type": "Application", "id": review_application}
    is_solo = it.log.peek(MODE_KEY) == "solo"
    if not is_solo and it.acts.may(str(principal.person), "mint_key", resource):
        raise AccessError("whoever can mint the requester's key does not release its requests")
