"""What entries say of one another, told entry by entry. Pure.

The rules (audit/FORMAT.md, "Rules across entries"): a log is founded once, with a lost log's bundle
and mode where it continues one; an activation names the bundle active before it; a decision's id is
its own; a permit has its decision, is numbered 1, 2, 3 …, and was recorded under the bundle active
and the quarantine in force at its place, within what budgets had left; a review releases once, with
all its approvals (`rules`); an outcome names one earlier permit, its deployment, and is its only
one; an erasure names what was disclosed. Blobs and disclosures that entries name are collected, for
whoever can look them up, and so is what every permit needs: its pair permitted in each evaluation
its request has stood on.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from transire.errors import IntegrityError
from transire.record.checkpoint import Checkpoint
from transire.record.note import VerifierKey
from transire.record.rules import Blocked, Budgeted, Released
from transire.record.shape import check_types
from transire.record.standing import check_continuation

__all__ = ["Story"]

_BLOB_FIELDS: Final = ("evaluation", "facts")


class Story:
    """Feed it every entry of a log in order.

    Attributes:
        blobs: Digest of side data → index of the first entry that names it.
        stood_on: Digest of an evaluation → (deployment, form) it must permit → index of an entry
            that permits on its strength.
        disclosed: Digest of a disclosure → index of its entry.
        erased: Digests of disclosures that some entry says were erased.
        open_permits: (decision id, attempt) → deployment, without an outcome so far.
        continues: The last checkpoint of the lost log that this one continues.

    Args:
        keys: The log's own; a genesis that continues another log must name one of them.
    """

    def __init__(self, keys: Sequence[VerifierKey] = ()) -> None:
        self._keys = keys
        self.continues: Checkpoint | None = None
        self.blobs: dict[str, int] = {}
        self.stood_on: dict[str, dict[tuple[str, str], int]] = {}
        self.disclosed: dict[str, int] = {}
        self.erased: set[str] = set()
        self.open_permits: dict[tuple[str, int], str] = {}
        self._attempts: dict[str, int] = {}
        self._decided: dict[str, tuple[str, tuple[str, ...]]] = {}
        self._tenants: dict[str, object] = {}
        self._active: str | None = None
        self._blocked = Blocked()
        self._released = Released()
        self._budgeted = Budgeted()

    def tell(self, index: int, entry: Mapping[str, Any]) -> None:
        """Hear one entry.

        Raises:
            IntegrityError: it contradicts an earlier one, or names one that is not there.
        """
        check_types(index, entry)
        kind = entry["kind"]
        if kind in ("policy.genesis", "policy.activated"):
            self._activate(index, entry, is_genesis=kind == "policy.genesis")
        if kind == "decision":
            decision = entry["id"]
            if decision in self._attempts:
                raise IntegrityError(f"entry {index} repeats the decision `{decision}`")
            self._attempts[decision] = 0
            self._tenants[decision] = entry.get("tenant")
        if entry.get("permit") is not None:
            if kind != "attempt" and entry.get("outcome") != "permitted":
                raise IntegrityError(f"entry {index} carries a permit and permits nothing")
            if kind not in ("decision", "attempt"):
                raise IntegrityError(f"entry {index} is of no kind that permits")
            self._permit(index, entry, is_decision=kind == "decision")
        if kind == "outcome":
            self._close(index, entry)
        if kind == "erasure":
            self._erase(index, entry)
        self._tell_rules(index, kind, entry)
        for name in _BLOB_FIELDS:
            if isinstance(entry.get(name), str):
                self.blobs.setdefault(entry[name], index)
        self.disclosed |= dict.fromkeys(entry.get("sd") or (), index)

    def _tell_rules(self, index: int, kind: str, entry: Mapping[str, Any]) -> None:
        if kind in ("quarantine.imposed", "quarantine.lifted"):
            self._blocked.move(index, entry)
        elif kind == "access.key_created":
            self._released.key(index, entry)
        elif kind == "decision" and entry.get("outcome") == "review_required":
            self._released.hold(index, entry)
        elif kind.startswith("review."):
            self._released.act(index, entry)

    def _erase(self, index: int, entry: Mapping[str, Any]) -> None:
        erased = set(entry["erased"])
        if not erased or not erased <= self.disclosed.keys():
            raise IntegrityError(f"entry {index} erases what no entry disclosed")
        self.erased |= erased

    def _activate(self, index: int, entry: Mapping[str, Any], *, is_genesis: bool) -> None:
        if is_genesis and self._active is not None:
            raise IntegrityError(f"entry {index} founds a log that was founded before")
        if is_genesis:
            self._blocked.found(entry)
        if not is_genesis and (self._active is None or entry.get("parent") != self._active):
            raise IntegrityError(f"entry {index} activates against another parent")
        if "continues" in entry:
            if not is_genesis:
                raise IntegrityError(f"entry {index} continues another log and is no genesis")
            self.continues = check_continuation(entry, self._keys).last
        digest = entry["bundle_digest"]
        self._active = digest
        self.blobs.setdefault(digest, index)

    def _permit(self, index: int, entry: Mapping[str, Any], *, is_decision: bool) -> None:
        permit = entry["permit"]
        decision = entry["id"] if is_decision else entry["decision_id"]
        before = self._attempts.get(decision)
        if before is None:
            raise IntegrityError(f"entry {index} is an attempt of no earlier decision")
        if permit.get("attempt") != before + 1 or is_decision != (before == 0):
            raise IntegrityError(f"entry {index} numbers its attempt wrongly")
        if permit.get("bundle") != self._active:
            raise IntegrityError(f"entry {index} permits under a bundle that was not active")
        self._blocked.judge(index, permit, self._tenants.get(decision))
        self._released.spend(index, decision, entry)
        self._stand_on(index, decision, entry, permit)
        self._budgeted.reserve(index, (decision, before + 1), entry)
        self._attempts[decision] = before + 1
        self.open_permits[decision, before + 1] = permit["deployment"]

    def _stand_on(
        self, index: int, decision: str, entry: Mapping[str, Any], permit: Mapping[str, Any]
    ) -> None:
        """A later attempt stands on its own evaluation and on all that came before it (I3)."""
        digest, bundle = entry.get("evaluation"), permit["bundle"]
        if not isinstance(digest, str):
            raise IntegrityError(f"entry {index} permits on the strength of no evaluation")
        named = (entry.get("bundle", bundle), entry.get("quarantine", permit.get("quarantine")))
        if named != (bundle, permit.get("quarantine")):
            raise IntegrityError(f"entry {index} was evaluated under another state than its permit")
        own, before = self._decided.get(decision, (bundle, ()))
        if entry.get("request_bundle", own) != own:
            raise IntegrityError(f"entry {index} names another bundle than its decision's")
        if digest not in before:
            before = (*before, digest)
            self._decided[decision] = (own, before)
        pair = (permit["deployment"], permit.get("form", "raw"))
        for each in before:
            self.stood_on.setdefault(each, {}).setdefault(pair, index)

    def _close(self, index: int, entry: Mapping[str, Any]) -> None:
        named = (entry["decision_id"], entry["attempt"])
        deployment = self.open_permits.pop(named, None)
        if deployment is None:
            raise IntegrityError(f"entry {index} is the outcome of no open permit")
        if entry["deployment"] != deployment:
            raise IntegrityError(f"entry {index} is the outcome of another deployment")
        self._budgeted.settle(index, named, entry)
