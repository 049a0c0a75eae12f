"""A review as a value, and every act on it as a pure function.

States: pending → claimed → approved | denied; from the first two also cancelled. Whatever was not
denied, cancelled or spent expires, an approval as well (computed when read). Every queue of the
hold must release, each by another person; one denial is final. An approval is spent by the one
decision that used it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from transire.errors import AccessError, ConflictError, RequestError

__all__ = ["STATES", "Review", "approve", "cancel", "claim", "deny", "expire", "saw"]

STATES: Final = frozenset(
    {"pending", "claimed", "approved", "denied", "cancelled", "expired", "spent"}
)

_CLAIM_MINUTES = 15
"""A claim's lease; after it anyone may decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """One held request.

    Attributes:
        mac: `request_mac` (hex): the exact request.
        key_holders: People who hold or minted the requester's key; they never decide.
        assertions: The held assertions, as JSON.
        facts: What reviewers see: classes, purpose, candidates, policies; never content.
        deployments: What may serve it once released.
        queues: Queue → {"by", "at", "saw_content"} once it released, else null.
        expired: Its expiry was recorded; from `expires_at` on it counts as expired anyway.
        viewers: People who looked at the content.
        spent_by: The decision that used the approval.
    """

    id: str
    decision_id: str
    tenant: str
    application: str
    key_id: str
    key_holders: tuple[str, ...]
    mac: str
    stakes: str
    data_classes: tuple[str, ...]
    assertions: Mapping[str, Any]
    facts: Mapping[str, Any]
    deployments: tuple[str, ...]
    queues: Mapping[str, Any]
    evidence: str
    opened_at: str
    expires_at: str
    claimed_by: str = ""
    claimed_at: str = ""
    denied_by: str = ""
    cancelled: bool = False
    expired: bool = False
    viewers: tuple[str, ...] = ()
    spent_by: str = ""
    version: int = field(default=1)

    def state(self, now: datetime) -> str:
        """pending, claimed, approved, denied, cancelled, expired or spent."""
        if self.spent_by:
            return "spent"
        if self.denied_by:
            return "denied"
        if self.cancelled:
            return "cancelled"
        if self.expired or now >= self.ends:
            return "expired"
        if all(self.queues.values()):
            return "approved"
        return "claimed" if self.claimed_by else "pending"

    @property
    def ends(self) -> datetime:
        """When it expires by itself; no act but its expiry is written from then on."""
        return datetime.fromisoformat(self.expires_at)

    def to_json(self) -> str:
        """Canonical text; conditions compare it."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Review":
        """Read `to_json` back."""
        fields = json.loads(text)
        for name in ("key_holders", "data_classes", "deployments", "viewers"):
            fields[name] = tuple(fields[name])
        return cls(**fields)


def claim(review: Review, person: str, now: datetime) -> Review:
    """Take it for a quarter of an hour, so that two people do not read it at once."""
    _open(review, now)
    if review.claimed_by not in ("", person) and not _has_lapsed(review, now):
        raise ConflictError(f"`{review.claimed_by}` has claimed this review")
    return _next(review, claimed_by=person, claimed_at=now.isoformat())


def saw(review: Review, person: str, now: datetime) -> Review:
    """Note that a person looked at the content."""
    _open(review, now)
    return _next(review, viewers=tuple(sorted({*review.viewers, person})))


def approve(review: Review, queue: str, person: str, comment: str, now: datetime) -> Review:
    """One queue releases. Another queue takes another person."""
    _decidable(review, person, comment, now)
    if queue not in review.queues:
        raise RequestError(f"this review waits in {', '.join(sorted(review.queues))}")
    if review.queues[queue]:
        raise ConflictError(f"`{queue}` has released it already")
    if any(decision and decision["by"] == person for decision in review.queues.values()):
        raise AccessError("another queue takes another person")
    decision = {
        "by": person,
        "at": now.isoformat(),
        "saw_content": person in review.viewers,
    }
    return _next(review, queues={**review.queues, queue: decision})


def deny(review: Review, person: str, comment: str, now: datetime) -> Review:
    """Deny for good."""
    _decidable(review, person, comment, now)
    return _next(review, denied_by=person)


def cancel(review: Review, now: datetime) -> Review:
    """The requester takes it back."""
    _open(review, now)
    return _next(review, cancelled=True)


def expire(review: Review, now: datetime) -> Review:
    """Its time is over, and nothing else has ended it."""
    if review.state(now) != "expired" or review.expired:
        raise ConflictError("this review is not one that expires now")
    return _next(review, expired=True)


def _decidable(review: Review, person: str, comment: str, now: datetime) -> None:
    _open(review, now)
    if person in review.key_holders:
        raise AccessError("nobody decides a request made with a key they hold or minted")
    if not comment.strip():
        raise RequestError("a decision needs a `comment` that says why", param="comment")
    if review.claimed_by not in ("", person) and not _has_lapsed(review, now):
        raise ConflictError(f"`{review.claimed_by}` has claimed this review")


def _open(review: Review, now: datetime) -> None:
    state = review.state(now)
    if state not in ("pending", "claimed"):
        raise ConflictError(f"this review is {state}")


def _has_lapsed(review: Review, now: datetime) -> bool:
    claimed = datetime.fromisoformat(review.claimed_at)
    return (now - claimed).total_seconds() >= _CLAIM_MINUTES * 60


def _next(review: Review, **changes: Any) -> Review:
    return replace(review, version=review.version + 1, **changes)
