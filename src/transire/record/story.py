"""What entries say of one another, told entry by entry. Pure.

The rules are in audit/FORMAT.md, "Rules across entries"; here are those about a request: it is
decided once, its permits are numbered and carry what was chosen, an outcome closes one of them, and
nothing follows what ended it. Others are asked about the rest: `changes` (what governs), `releases`
(keys and reviews), `verdicts` (evaluations), `attempts` (what follows one, and how it ends),
`budgeted`, `answered` (cache hits), `shadowed`, `moderated`, `judged`. Blobs and disclosures that
entries name are collected, for whoever can look them up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from transire.domain.judge import JUDGMENTS
from transire.domain.judgment import JUDGMENT
from transire.domain.moderation import MODERATION
from transire.domain.shadow import SHADOW
from transire.errors import IntegrityError
from transire.record.answered import Answered
from transire.record.attempts import SENT, Attempts
from transire.record.budgeted import Budgeted
from transire.record.changes import Blocked, Changed
from transire.record.checkpoint import Checkpoint
from transire.record.invited import Invited
from transire.record.judged import JudgedAnswers
from transire.record.known import unknown_in
from transire.record.moderated import ModeratedRequests
from transire.record.note import VerifierKey
from transire.record.releases import Keys, Released, pair_in
from transire.record.shadowed import Shadowed
from transire.record.shape import check_types, moment_of
from transire.record.standing import check_continuation
from transire.record.tried import Tried
from transire.record.verdicts import Stood

__all__ = ["Story"]

_BLOB_FIELDS: Final = ("evaluation", "facts")
_OUTCOMES: Final = frozenset({"permitted", "denied", "refused", "review_required"})
_BESIDE: Final = frozenset({"shadow.permitted", "moderation.permitted", "judge.permitted"})
"""Kinds of permits that are no attempt of their request."""
_CLOSING: Final = frozenset({"outcome", "shadow.ended", "judge.ended"})
_BACK: Final = timedelta(days=1)
"""By how much a clock that was set back may date an entry before an earlier one."""
_LIFE: Final = timedelta(seconds=5)
"""Of a permit: from when it was made, which is before its entry was written."""


@dataclass(slots=True)
class _Decided:
    """A decision as far as its attempts need it."""

    tenant: str
    application: str
    key_id: str
    content: str | None
    review: str
    attempts: Attempts = field(default_factory=Attempts)


class Story:
    """Feed it every entry of a log in order.

    Attributes:
        blobs: Digest of side data → index of the first entry that names it.
        stood_on: What each evaluation must allow.
        disclosed: Digest of a disclosure → index of its entry.
        erased: Digests of disclosures that some entry says were erased.
        open_permits: (decision id, attempt) → deployment, and whether its entry came too late for
            it to be used; without an outcome so far.
        continues: The last checkpoint of the lost log that this one continues.
        unknown: Kinds of entries, and fields, that no rule here can have judged.

    Args:
        keys: The log's own; a genesis that continues another log must name one of them.
    """

    def __init__(self, keys: Sequence[VerifierKey] = ()) -> None:
        self._verifiers = keys
        self.continues: Checkpoint | None = None
        self.blobs: dict[str, int] = {}
        self.stood_on = Stood()
        self.disclosed: dict[str, int] = {}
        self.erased: set[str] = set()
        self.open_permits: dict[tuple[str, int], tuple[str, bool]] = {}
        self.unknown: set[str] = set()
        self._newest = datetime.min.replace(tzinfo=UTC)
        self._decided: dict[str, _Decided] = {}
        self._changed = Changed()
        self._blocked = Blocked()
        self._keys = Keys()
        self._invited = Invited()
        self._released = Released(self._keys)
        self._budgeted = Budgeted()
        self._answered = Answered()
        self._tried = Tried()
        self._shadowed = Shadowed()
        self._moderated = ModeratedRequests()
        self._judged = JudgedAnswers()

    def tell(self, index: int, entry: Mapping[str, Any]) -> None:
        """Hear one entry.

        Raises:
            IntegrityError: it contradicts an earlier one, or names one that is not there.
        """
        check_types(index, entry)
        what, kind = f"entry {index}", entry["kind"]
        self._date(what, moment_of(entry["ts"]))
        permits = kind == "attempt" or (kind == "decision" and entry["outcome"] == "permitted")
        is_beside = kind in _BESIDE
        if entry.get("permit") is not None and not (permits or is_beside):
            raise IntegrityError(f"{what} carries a permit and permits nothing")
        self.unknown |= unknown_in(entry)
        if kind in ("decision", "advice"):
            self._ask(index, entry)
        if permits:
            self._permit(index, entry)
        if is_beside:
            self._permit_beside(index, entry)
        if kind in _CLOSING:
            self._close(what, entry)
        self._tried.hear(what, entry)
        if kind == "moderation.ended":
            self._close_moderation(what, entry)
        if kind == "erasure":
            self._erase(what, entry)
        self._tell_others(index, kind, entry)
        for name in _BLOB_FIELDS:
            if isinstance(entry.get(name), str):
                self.blobs.setdefault(entry[name], index)
        self.disclosed |= dict.fromkeys(entry.get("sd") or (), index)

    def _date(self, what: str, moment: datetime) -> None:
        if moment > self._newest:
            self._newest = moment
        elif self._newest - moment > _BACK:
            raise IntegrityError(f"{what} is dated more than a day before an earlier one")

    def _tell_others(self, index: int, kind: str, entry: Mapping[str, Any]) -> None:
        what = f"entry {index}"
        match kind:
            case "policy.genesis":
                self._found(what, entry)
                self.blobs.setdefault(entry["bundle_digest"], index)
            case "policy.activated":
                self._changed.hear(what, entry)
                self._answered.activated()
                self.blobs.setdefault(entry["bundle_digest"], index)
            case (
                "quarantine.imposed"
                | "quarantine.ratified"
                | "quarantine.lift_asked"
                | "quarantine.lifted"
            ):
                self._blocked.move(what, entry, is_team=self._changed.is_team)
            case "access.invited" | "access.credential_set" | "access.credential_revoked":
                self._invited.hear(what, entry, is_team=self._changed.is_team)
            case "access.key_created":
                self._keys.create(what, entry)
            case "access.key_revoked":
                self._keys.revoke(what, entry)
            case _ if kind.startswith("policy."):
                self._changed.hear(what, entry)
            case _ if kind.startswith("review."):
                self._released.act(what, entry)

    def _found(self, what: str, entry: Mapping[str, Any]) -> None:
        self._changed.found(what, entry)
        self._blocked.found(entry)
        if "continues" in entry:
            self.continues = check_continuation(entry, self._verifiers).last

    def _erase(self, what: str, entry: Mapping[str, Any]) -> None:
        erased = set(entry["erased"])
        if not erased:
            raise IntegrityError(f"{what} erases nothing")
        if not erased <= self.disclosed.keys():
            raise IntegrityError(f"{what} erases what was never disclosed")
        self.erased |= erased

    def _ask(self, index: int, entry: Mapping[str, Any]) -> None:
        what, name = f"entry {index}", entry["id"]
        self._keys.ask(what, entry)
        self._moderated.decide(what, entry)
        if entry["kind"] == "advice":
            return
        if name in self._decided:
            raise IntegrityError(f"{what} repeats a decision")
        if entry["outcome"] not in _OUTCOMES:
            raise IntegrityError(f"{what} has an outcome that is none")
        self._decided[name] = _Decided(
            tenant=entry["tenant"],
            application=entry["app"],
            key_id=entry["key_id"],
            content=(entry.get("request") or {}).get("content"),
            review=entry.get("review_id") or "",
        )
        if entry["outcome"] == "review_required":
            self._keys.use(what, entry["key_id"], entry)
            self.stood_on.hold(index, self._released.hold(what, entry))

    def _permit(self, index: int, entry: Mapping[str, Any]) -> None:
        what = f"entry {index}"
        name = entry["id"] if entry["kind"] == "decision" else entry["decision_id"]
        decided = self._numbered(what, name, entry)
        if entry["permit"].get("cause") in ("shadow", MODERATION, JUDGMENT):
            raise IntegrityError(f"{what} is an attempt and says that it is none")
        self._judge(what, entry, decided)
        held = self._released.spend(what, name, entry)
        self.stood_on.permit(index, name, entry, held)
        number = decided.attempts.count
        asker = (decided.tenant, decided.application, decided.key_id)
        self._answered.permitted(what, (name, number), entry, asker)
        self._open(what, (name, number), entry, asker)

    def _permit_beside(self, index: int, entry: Mapping[str, Any]) -> None:
        match entry["kind"]:
            case "shadow.permitted":
                self._copy(index, entry)
            case "moderation.permitted":
                self._moderate(index, entry)
            case _:
                self._put_to_judge(index, entry)

    def _put_to_judge(self, index: int, entry: Mapping[str, Any]) -> None:
        what, name = f"entry {index}", entry["decision_id"]
        decided = self._decided.get(name)
        if decided is None:
            raise IntegrityError(f"{what} judges an answer of no earlier decision")
        self._judged.permit(what, entry, decided.attempts, decided.review)
        # The conversation with its answer is another content than was asked.
        self._judge(what, entry, replace(decided, content=None))
        self.stood_on.judgment(index, name, entry)
        asker = (decided.tenant, decided.application, decided.key_id)
        self._open(what, (name, entry["permit"]["attempt"]), entry, asker)

    def _copy(self, index: int, entry: Mapping[str, Any]) -> None:
        what, name = f"entry {index}", entry["decision_id"]
        decided = self._decided.get(name)
        if decided is None:
            raise IntegrityError(f"{what} copies no earlier decision")
        self._shadowed.permit(what, entry, decided.attempts, decided.review)
        self._judge(what, entry, decided)
        self.stood_on.shadow(index, name, entry)
        asker = (decided.tenant, decided.application, decided.key_id)
        self._open(what, (name, SHADOW), entry, asker)

    def _moderate(self, index: int, entry: Mapping[str, Any]) -> None:
        what, permit, name = f"entry {index}", entry["permit"], entry["decision_id"]
        self._keys.ask(what, entry)
        self._moderated.permit(what, entry)
        asked = _Decided(
            tenant=entry["tenant"],
            application=entry["app"],
            key_id=entry["key_id"],
            content=(entry.get("request") or {}).get("content"),
            review="",
        )
        if name in self._decided:
            raise IntegrityError(f"{what} moderates what was decided before")
        self._judge(what, entry, asked)
        self.stood_on.moderation(index, entry)
        is_late = "expires_at" in permit and _left(entry) <= timedelta()
        self.open_permits[name, permit["attempt"]] = (permit["deployment"], is_late)

    def _close_moderation(self, what: str, entry: Mapping[str, Any]) -> None:
        named = (entry["decision_id"], entry["attempt"])
        is_one = JUDGMENTS < named[1] < SHADOW
        permitted = self.open_permits.pop(named, None) if is_one else None
        if permitted is None or permitted[0] != entry["deployment"]:
            raise IntegrityError(f"{what} ends no moderation that was permitted")
        if permitted[1] and entry["status"] == "ok":
            raise IntegrityError(f"{what} answers what was permitted too late to be sent")
        self._moderated.end(what, entry)

    def _judge(self, what: str, entry: Mapping[str, Any], decided: _Decided) -> None:
        """What every permit is held to."""
        self._keys.use(what, decided.key_id, entry)
        if entry["permit"]["bundle"] != self._changed.active:
            raise IntegrityError(f"{what} permits under a bundle that was not active")
        self._blocked.judge(what, entry["permit"], decided.tenant)
        _demand_choice(what, entry, decided.content)
        if _left(entry) > _LIFE:
            raise IntegrityError(f"{what} permits for longer than 5 seconds")

    def _open(
        self,
        what: str,
        named: tuple[str, int],
        entry: Mapping[str, Any],
        asker: tuple[str, str, str],
    ) -> None:
        self._budgeted.reserve(what, named, entry, asker)
        permit = entry["permit"]
        is_late = "expires_at" in permit and _left(entry) <= timedelta()
        self.open_permits[named] = (permit["deployment"], is_late)

    def _numbered(self, what: str, name: str, entry: Mapping[str, Any]) -> _Decided:
        """The decision, which this is the next attempt of."""
        attempt, decided = entry["permit"]["attempt"], self._decided.get(name)
        if decided is None:
            raise IntegrityError(f"{what} is an attempt of no earlier decision")
        if (attempt == 1) != (entry["kind"] == "decision"):
            raise IntegrityError(f"{what} numbers its attempt wrongly")
        if 0 < attempt <= decided.attempts.count:
            raise IntegrityError(f"{what} repeats attempt {attempt} of {name}")
        if attempt != decided.attempts.count + 1:
            raise IntegrityError(f"{what} skips an attempt of {name}")
        decided.attempts.permit(what, entry)
        return decided

    def _close(self, what: str, entry: Mapping[str, Any]) -> None:
        named, status = (entry["decision_id"], entry["attempt"]), entry["status"]
        decided, kind = self._decided.get(named[0]), entry["kind"]
        if decided is None or not _is_numbered(kind, named[1], decided.attempts.count):
            raise IntegrityError(f"{what} is the outcome of nothing that was permitted")
        permitted = self.open_permits.pop(named, None)
        if permitted is None:
            raise IntegrityError(f"{what} is a second outcome of {named[0]}")
        if entry["deployment"] != permitted[0]:
            raise IntegrityError(f"{what} is the outcome of another deployment")
        match kind:
            case "shadow.ended":
                self._shadowed.end(what, entry)
            case "judge.ended":
                self._judged.end(what, entry)
            case _:
                decided.attempts.end(what, entry)
                self._judged.rely(what, entry)
        if permitted[1] and status in SENT:
            raise IntegrityError(f"{what} answers what was permitted too late to be sent")
        self._budgeted.settle(what, named, entry)
        if kind == "outcome":
            self._answered.ended(named, entry)


def _is_numbered(kind: str, number: int, count: int) -> bool:
    """Whether what ends has the number of one of its kind, of so many attempts."""
    match kind:
        case "shadow.ended":
            return number == SHADOW
        case "judge.ended":
            return number < JUDGMENTS
        case _:
            return 0 < number <= count


def _demand_choice(what: str, entry: Mapping[str, Any], asked: str | None) -> None:
    """One pair was chosen, ranked, and permitted the content that was asked.

    Raises:
        IntegrityError: it was another.
    """
    permit, ranking = entry["permit"], entry.get("ranking")
    pair, sent = pair_in(permit), permit.get("content")
    if entry["kind"] == "decision" and pair_in(entry["chosen"]) != pair:
        raise IntegrityError(f"{what} permits another pair than it chose")
    if ranking and not _is_ranked(pair, ranking["candidates"]):
        raise IntegrityError(f"{what} permits what it did not rank")
    is_told = pair[1] == "raw" and None not in (asked, sent)
    # A message that tells of a violation makes another content, classified anew.
    if is_told and (sent != asked) != bool(entry.get("noted")):
        raise IntegrityError(f"{what} permits other content than was asked")


def _is_ranked(pair: tuple[str, str], columns: Mapping[str, Any]) -> bool:
    """Whether a pair is listed; in a list that was cut, it may have been."""
    if columns.get("cut") is not None:
        return True
    names = columns["deployment"]
    return pair in zip(names, columns.get("form") or ["raw"] * len(names), strict=False)


def _left(entry: Mapping[str, Any]) -> timedelta:
    """How long an entry's permit lives on once it is written; not long where it does not say."""
    ends = entry["permit"].get("expires_at", entry["ts"])
    return moment_of(ends) - moment_of(entry["ts"])
