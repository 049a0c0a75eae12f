"""What the log itself says about who asked and who released: keys and reviews. Pure.

The rules are in audit/FORMAT.md, "Rules across entries".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from transire.errors import IntegrityError
from transire.record.shape import moment_of

__all__ = ["Held", "Keys", "Released", "pair_in"]

_CLOSING: Final = frozenset({"review.denied", "review.cancelled", "review.expired"})


def pair_in(fields: Mapping[str, Any]) -> tuple[str, str]:
    """Deployment and form, as a permit or a choice names them."""
    return fields["deployment"], fields.get("form") or "raw"


class Keys:
    """Which keys there are at a place in the log, whose they are, and which were revoked."""

    def __init__(self) -> None:
        self._owners: dict[str, tuple[str, str]] = {}
        self._holders: dict[str, frozenset[str]] = {}
        self._revoked: set[str] = set()
        self._ends: dict[str, str | None] = {}

    def create(self, what: str, entry: Mapping[str, Any]) -> None:
        """Hear that a key was created.

        Raises:
            IntegrityError: it was created before.
        """
        name = entry["key_id"]
        if name in self._owners:
            raise IntegrityError(f"{what} creates a key that was created before")
        people = (entry.get("minted_by"), entry.get("holder"))
        self._owners[name] = (entry["tenant"], entry["application"])
        self._holders[name] = frozenset(person for person in people if person is not None)
        self._ends[name] = entry.get("expires_at")

    def revoke(self, what: str, entry: Mapping[str, Any]) -> None:
        """Hear that a key was revoked.

        Raises:
            IntegrityError: there is none, or not any more.
        """
        name = entry["key_id"]
        if name not in self._owners or name in self._revoked:
            raise IntegrityError(f"{what} revokes a key that is not there, or not any more")
        self._revoked.add(name)

    def ask(self, what: str, entry: Mapping[str, Any]) -> None:
        """Hear a request, whatever became of it.

        Raises:
            IntegrityError: its key was never created, or is another application's.
        """
        owner = self._owners.get(entry["key_id"])
        if owner is None:
            raise IntegrityError(f"{what} is by a key that no entry created")
        if owner != (entry["tenant"], entry["app"]):
            raise IntegrityError(f"{what} is of another tenant or application than its key")

    def use(self, what: str, name: str, entry: Mapping[str, Any]) -> None:
        """Hear that something was permitted to a key, or held for it.

        Raises:
            IntegrityError: it was revoked, or had expired.
        """
        if name in self._revoked:
            raise IntegrityError(f"{what} is by a key that was revoked")
        ends = self._ends[name]
        if ends is not None and moment_of(entry["ts"]) >= moment_of(ends):
            raise IntegrityError(f"{what} is by a key that had expired")

    def holders(self, name: str) -> frozenset[str]:
        """Who holds or minted it: they decide nothing it asks."""
        return self._holders.get(name, frozenset())


@dataclass(slots=True, eq=False)
class Held:
    """A review as far as entries tell.

    Attributes:
        request: Application, key and keyed digest.
        pair: What would have been chosen.
        evaluation: Digest of the verdicts it was held by.
        approvals: Queue → who released it.
    """

    request: tuple[str | None, str | None, str | None]
    pair: tuple[str, str]
    evaluation: str
    queues: frozenset[str]
    ends: datetime | None
    approvals: dict[str, str] = field(default_factory=dict)
    is_open: bool = True

    def is_over(self, entry: Mapping[str, Any]) -> bool:
        """Whether an entry was written after the review had expired."""
        return self.ends is not None and moment_of(entry["ts"]) >= self.ends


class Released:
    """That a hold is released once, in time, by every queue, by people who could not have asked."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._reviews: dict[str, Held] = {}
        self._of_decision: dict[str, str] = {}

    def hold(self, what: str, entry: Mapping[str, Any]) -> Held:
        """Hear a decision that waits for a review.

        Raises:
            IntegrityError: the review exists already, or has no name.
        """
        name, review = entry["review_id"], entry["review"]
        if not name or name in self._reviews:
            raise IntegrityError(f"{what} opens a review twice, or one that has no name")
        ends = review.get("expires_at")
        held = self._reviews[name] = Held(
            request=_request(entry),
            pair=pair_in(entry["chosen"]),
            evaluation=entry["evaluation"],
            queues=frozenset(review["queues"]),
            ends=None if ends is None else moment_of(ends),
        )
        return held

    def act(self, what: str, entry: Mapping[str, Any]) -> None:
        """Hear what became of a review.

        Raises:
            IntegrityError: nobody may have done this, or not yet, or not any more.
        """
        held = self._reviews.get(entry.get("review_id") or "")
        if held is None or not held.is_open:
            raise IntegrityError(f"{what} acts on a review that is not open")
        is_expiry = entry["kind"] == "review.expired"
        if is_expiry and held.ends is not None and not held.is_over(entry):
            raise IntegrityError(f"{what} ends a review before its end")
        if not is_expiry and held.is_over(entry):
            raise IntegrityError(f"{what} acts on a review after its end")
        if entry["kind"] == "review.approved":
            self._approve(what, entry, held)
        held.is_open = entry["kind"] not in _CLOSING

    def _approve(self, what: str, entry: Mapping[str, Any], held: Held) -> None:
        queue, person = entry["queue"], entry["by"]
        if queue not in held.queues - held.approvals.keys():
            raise IntegrityError(f"{what} approves for a queue that does not wait")
        if person in held.approvals.values():
            raise IntegrityError(f"{what} is a second approval by {person}")
        if person in self._keys.holders(held.request[1] or ""):
            raise IntegrityError(f"{what} is by {person}, who holds or minted the key")
        held.approvals[queue] = person

    def spend(self, what: str, decision: str, entry: Mapping[str, Any]) -> Held | None:
        """Hear a permit; its first spends the review that released it, later ones name the same.

        Returns:
            The review that released it; None where none did.

        Raises:
            IntegrityError: the review does not release exactly this request, or not any more.
        """
        name = entry.get("review_id") or ""
        if entry["kind"] == "attempt":
            if self._of_decision.get(decision, "") != name:
                raise IntegrityError(f"{what} is of another review than attempt 1")
            return self._reviews.get(name)
        if not name:
            return None
        held = self._reviews.get(name)
        if held is None or not held.is_open:
            raise IntegrityError(f"{what} is released by a review that is not open")
        if held.is_over(entry):
            raise IntegrityError(f"{what} is released after its review's end")
        if held.queues != held.approvals.keys():
            raise IntegrityError(f"{what} is released without all its approvals")
        if held.request != _request(entry):
            raise IntegrityError(f"{what} is not the request that was held")
        held.is_open = False
        self._of_decision[decision] = name
        return held


def _request(entry: Mapping[str, Any]) -> tuple[str | None, str | None, str | None]:
    """Application, key and keyed digest: what makes a request the one that was held."""
    request = entry.get("request") or {}
    return entry.get("app"), entry.get("key_id"), request.get("mac")
