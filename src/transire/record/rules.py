"""What the log itself says about quarantines, budgets and reviews, told entry by entry. Pure.

The rules are in audit/FORMAT.md, "Rules across entries".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from transire.domain.budget import Spend, sums_after
from transire.errors import BudgetExceeded, IntegrityError
from transire.record.shape import moment_of

__all__ = ["Blocked", "Budgeted", "Released"]

_LATE: Final = timedelta(minutes=1)
"""How long after its permit was made an entry may be written; a day may end in between."""


class Blocked:
    """What is quarantined at a place in the log, and under which version.

    A log that continues another starts with what its genesis says was blocked; where an early one
    says nothing, the version is unknown until the next quarantine.
    """

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._version: int | None = None

    def found(self, entry: Mapping[str, Any]) -> None:
        """Hear a genesis."""
        kept = entry.get("quarantine") if "continues" in entry else {"version": 0, "blocked": []}
        if isinstance(kept, dict):
            self._version = kept.get("version")
            self._names = set(kept.get("blocked") or ())

    def move(self, index: int, entry: Mapping[str, Any]) -> None:
        """Hear that something was imposed or lifted.

        Raises:
            IntegrityError: the version does not follow, or what is lifted is not there.
        """
        name, imposes = (
            f"{entry['subject']}/{entry['subject_id']}",
            entry["kind"].endswith(".imposed"),
        )
        is_known = self._version is not None
        if is_known and entry.get("version") != self._version + 1:  # type: ignore[operator] # known
            raise IntegrityError(f"entry {index} skips a version of the quarantine")
        if is_known and (name in self._names) == imposes:
            raise IntegrityError(f"entry {index} imposes what is blocked, or lifts what is not")
        self._names = self._names | {name} if imposes else self._names - {name}
        self._version = entry["version"]

    def judge(self, index: int, permit: Mapping[str, Any], tenant: object) -> None:
        """Hear a permit.

        Raises:
            IntegrityError: it is for something that is blocked, or was judged under another
                version.
        """
        asked = {("deployment", permit["deployment"]), ("provider", permit["provider"])}
        asked.add(("tenant", tenant))
        if blocked := self._names & {f"{kind}/{name}" for kind, name in asked}:
            raise IntegrityError(f"entry {index} permits `{min(blocked)}`, which is quarantined")
        if self._version is not None and permit.get("quarantine") != self._version:
            raise IntegrityError(f"entry {index} permits under another version of the quarantine")


class Budgeted:
    """The sums of budgets at a place in the log, and what open attempts have reserved of them."""

    def __init__(self) -> None:
        self._sums: dict[str, str] = {}
        self._reserved: dict[tuple[str, int], tuple[Spend, ...]] = {}

    def reserve(self, index: int, attempt: tuple[str, int], entry: Mapping[str, Any]) -> None:
        """Hear an entry with a permit.

        Raises:
            IntegrityError: it reserves more than its budget had left, or of another time.
        """
        spends = tuple(Spend(**row) for row in entry["permit"].get("reserved", ()))
        if spends and not {spend.period for spend in spends} <= _periods(entry):
            raise IntegrityError(f"entry {index} reserves of a period that is not its own")
        try:
            self._sums |= sums_after(self._sums.get, spends)
        except BudgetExceeded as error:
            raise IntegrityError(
                f"entry {index} permits beyond a budget: {error.message}"
            ) from None
        if spends:
            self._reserved[attempt] = spends

    def settle(self, index: int, attempt: tuple[str, int], entry: Mapping[str, Any]) -> None:
        """Hear an outcome.

        Raises:
            IntegrityError: it is charged what is no amount, or where nothing was reserved.
        """
        spends = self._reserved.pop(attempt, ())
        charged = entry.get("charged_micro_usd")
        if charged is None:
            return
        if not spends or charged < 0:
            raise IntegrityError(f"entry {index} is charged what was not reserved, or no amount")
        self._sums |= sums_after(self._sums.get, (spend.settled(charged) for spend in spends))


def _periods(entry: Mapping[str, Any]) -> set[str]:
    """The days and months an entry's permit may reserve of.

    What an attempt reserves is of the moment its permit was made: right before the entry's `ts`,
    or, where the log was so slow that the permit was over by then, right before its end.
    """
    ends = entry["permit"].get("expires_at", entry["ts"])
    moment = min(moment_of(entry["ts"]), moment_of(ends))
    days = {at.date().isoformat() for at in (moment, moment - _LATE)}
    return days | {day[:7] for day in days}


@dataclass(slots=True)
class _Held:
    """A review as far as entries tell: `approvals` is queue → who released it."""

    request: tuple[str | None, str | None, str | None]
    queues: frozenset[str]
    approvals: dict[str, str] = field(default_factory=dict)
    end: str = ""


class Released:
    """That a hold is released once, by every queue, by people who could not have asked."""

    def __init__(self) -> None:
        self._reviews: dict[str, _Held] = {}
        self._holders: dict[str, frozenset[str]] = {}
        self._of_decision: dict[str, str] = {}

    def key(self, index: int, entry: Mapping[str, Any]) -> None:
        """Hear that a key was created: whoever holds or minted it decides nothing it asks.

        Raises:
            IntegrityError: it was created before.
        """
        if entry["key_id"] in self._holders:
            raise IntegrityError(f"entry {index} creates a key that was created before")
        people = (entry.get("minted_by"), entry.get("holder"))
        self._holders[entry["key_id"]] = frozenset(name for name in people if name is not None)

    def hold(self, index: int, entry: Mapping[str, Any]) -> None:
        """Hear a decision that waits for a review.

        Raises:
            IntegrityError: the review exists already, or has no name.
        """
        name = entry["review_id"]
        if not name or name in self._reviews:
            raise IntegrityError(f"entry {index} opens a review twice, or one that has no name")
        self._reviews[name] = _Held(_request(entry), frozenset(entry["review"]["queues"]))

    def act(self, index: int, entry: Mapping[str, Any]) -> None:
        """Hear what became of a review.

        Raises:
            IntegrityError: nobody may have done this, or not any more.
        """
        held = self._reviews.get(entry.get("review_id") or "")
        if held is None or held.end:
            raise IntegrityError(f"entry {index} acts on a review that is not open")
        if entry["kind"] == "review.approved":
            self._approve(index, entry, held)
        elif entry["kind"] in ("review.denied", "review.cancelled", "review.expired"):
            held.end = entry["kind"]

    def _approve(self, index: int, entry: Mapping[str, Any], held: _Held) -> None:
        queue, person = entry["queue"], entry["by"]
        if queue not in held.queues - held.approvals.keys():
            raise IntegrityError(f"entry {index} approves for a queue that does not wait")
        if person in held.approvals.values() or person in self._own(held):
            raise IntegrityError(f"entry {index} approves for somebody who may not")
        held.approvals[queue] = person

    def _own(self, held: _Held) -> frozenset[str]:
        return self._holders.get(held.request[1] or "", frozenset())

    def spend(self, index: int, decision: str, entry: Mapping[str, Any]) -> None:
        """Hear a permit; its first spends the review that released it, later ones name the same.

        Raises:
            IntegrityError: the review does not release exactly this request, or not any more.
        """
        name = entry.get("review_id") or ""
        if entry["kind"] == "attempt":
            if self._of_decision.get(decision, "") != name:
                raise IntegrityError(f"entry {index} was released by another review than attempt 1")
            return
        if not name:
            return
        held = self._reviews.get(name)
        if held is None or held.end or held.request != _request(entry):
            raise IntegrityError(f"entry {index} is released by a review that does not release it")
        if held.queues != held.approvals.keys():
            raise IntegrityError(f"entry {index} is released without all its approvals")
        held.end = "spent"
        self._of_decision[decision] = name


def _request(entry: Mapping[str, Any]) -> tuple[str | None, str | None, str | None]:
    """Application, key and keyed digest: what makes a request the one that was held."""
    request = entry.get("request") or {}
    return entry.get("app"), entry.get("key_id"), request.get("mac")
