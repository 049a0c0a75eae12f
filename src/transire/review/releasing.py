"""What an approved review lets a request do that is sent again: once, exactly that, in time. Pure.

INVARIANT (I10): an approval is no bearer token. It is of one key and of one content; what it
conditions (the review as it stands) is compared in the transaction that spends it.
"""

from dataclasses import replace
from datetime import datetime

from transire.domain.ids import DeploymentId, ReviewId
from transire.domain.log import Change, Condition
from transire.domain.ports import Release
from transire.domain.request import RoutingRequest
from transire.errors import (
    ConflictError,
    NotFoundError,
    PolicyDenied,
    ReviewRequired,
    ReviewSpentError,
)
from transire.review.assertions import united
from transire.review.evidence import destroy
from transire.review.openings import closing
from transire.review.states import Review

__all__ = ["closed", "release_of"]


def release_of(review: Review, stored: str, request: RoutingRequest, now: datetime) -> Release:
    """The release that this review gives to this request.

    Args:
        stored: The review as the log's state spells it; spending it compares.

    Raises:
        NotFoundError, ReviewSpentError, PolicyDenied, ConflictError, ReviewRequired: as
            `domain.ports.Reviews.release`.
    """
    principal = request.principal
    is_theirs = (
        review.tenant == principal.tenant
        and review.application == principal.application
        and review.key_id == principal.key_id
    )
    if not is_theirs:
        raise NotFoundError("no such review")
    facts = {"review_id": review.id}
    state = review.state(now)
    if state == "spent":
        raise ReviewSpentError(
            f"this approval was used already, by `{review.spent_by}`",
            facts={**facts, "spent_by": review.spent_by},
        )
    if state in ("denied", "expired", "cancelled"):
        raise PolicyDenied(f"the review is {state}; send a new request", facts=facts)
    if review.mac != request.mac.hex():
        raise ConflictError(
            "this is not the request that was held: content, model or token bounds differ",
            facts=facts,
        )
    if state != "approved":
        raise ReviewRequired(f"the review is {state}", facts=facts)
    spent = replace(review, spent_by=request.id, version=review.version + 1)
    return Release(
        review_id=ReviewId(review.id),
        conditions=(Condition(key=f"review/{review.id}", equals=stored),),
        changes=(
            Change(key=f"review/{review.id}", value=spent.to_json()),
            *closed(review.id),
        ),
        assertions=united(review.assertions, request.assertions),
        deployments=frozenset(map(DeploymentId, review.deployments)),
        is_redacted=bool(review.facts["redacted"]),
        queues=frozenset(review.queues),
        until=review.ends,
    )


def closed(review_id: str) -> tuple[Change, ...]:
    """What closing a review does to the state beside it."""
    return (closing(review_id), *destroy(review_id))
