"""What entries of a transire decision log say of one another: FORMAT.md, "Rules across entries".

Nothing here reads a file: `verify.py` hands over what it has read, entry by entry.
"""

import datetime as dt
import json
from typing import NamedTuple

from answers import Answers
from attempts import SENT, Attempts
from budgets import Budgets
from draws import Draws
from governed import Governed
from judgments import Judgments
from moderations import Moderations
from people import CREDENTIALS, People
from reviews import Pair, Review, pair_of
from shadows import Shadows, is_unsaid
from shapes import misfit, moment, unknown
from trees import INCOMPLETE, TAMPERED, Entry, Finding, Key, demand, refuse

BACK = dt.timedelta(days=1)  # that a clock which was set back may date an entry before another
LIFE = dt.timedelta(seconds=5)  # of a permit, from its making on
ENDS = ("outcome", "shadow.ended", "moderation.ended", "judge.ended")
OUTCOMES = ("permitted", "denied", "refused", "review_required")


class Story:
    """Hears every entry in order; a rule that does not hold is a Finding."""

    def __init__(self, key: Key) -> None:
        self.governed = Governed(key)
        self.people = People()
        self.budgets = Budgets()
        self.answers = Answers()
        self.attempts = Attempts()
        self.shadows = Shadows()
        self.moderations = Moderations()
        self.judgments = Judgments()
        self.draws = Draws()
        self.decisions: dict[str, Entry] = {}
        self.permits: dict[tuple[str, int], tuple[str, bool]] = {}
        self.ended: set[tuple[str, int]] = set()
        self.needed: dict[str, dict[Need, int]] = {}
        self.reviews: dict[str, Review] = {}
        self.keys: dict[str, Entry] = {}
        self.revoked: set[str] = set()
        self.blobs: dict[str, int] = {}
        self.disclosed: dict[str, int] = {}
        self.erased: dict[str, int] = {}
        self.kinds: dict[str, int] = {}
        self.unknown: set[str] = set()
        self.newest = ""

    def read(self, index: int, entry: Entry) -> None:
        what, odd, kind = f"entry {index}", misfit(entry), entry.get("kind")
        demand(odd is None, f"{what} has no `{odd}` of the type it must have")
        self._date(what, entry["ts"])
        is_permit = kind == "attempt" or (kind, entry.get("outcome")) == ("decision", "permitted")
        is_beside = kind in ("shadow.permitted", "moderation.permitted", "judge.permitted")
        is_one = is_permit or is_beside or entry.get("permit") is None
        demand(is_one, f"{what} carries a permit and permits nothing")
        self.kinds[str(kind)] = self.kinds.get(str(kind), 0) + 1
        self.unknown.update(unknown(entry))
        if str(kind).startswith(("policy.", "quarantine.")):
            self.governed.hear(what, entry)
        elif str(kind).startswith("access."):
            self._access(what, entry)
        elif str(kind).startswith("review."):
            review = self.reviews.get(entry.get("review_id") or "")
            demand(review and review.is_open, f"{what} acts on a review that is not open")
            if review:
                review.hear(what, entry, self.keys.get(review.held["key_id"], {}))
        elif kind in ENDS:
            self._outcome(what, entry)
        elif is_beside:
            self._beside(what, str(kind), index, entry)
        elif kind in ("decision", "advice"):
            self._asked(what, index, entry)
        elif kind == "erasure":
            demand(entry["erased"], f"{what} erases nothing")
            for digest in entry["erased"]:
                demand(digest in self.disclosed, f"{what} erases what was never disclosed")
                self.erased[digest] = index
        if is_permit:
            self._permit(what, index, entry)
        self.draws.read(what, str(kind), entry)
        for name in ("evaluation", "facts"):
            if isinstance(entry.get(name), str):
                self.blobs.setdefault(entry[name], index)
        if kind in ("policy.genesis", "policy.activated"):
            self.blobs.setdefault(entry["bundle_digest"], index)
            self.answers.answered.clear()
        self.disclosed |= dict.fromkeys(entry.get("sd") or [], index)

    def _date(self, what: str, written: str) -> None:
        """No entry is dated long before an earlier one."""
        is_plain = len(written) == len(self.newest) == len("2026-11-26T12:00:00.000000Z")
        if is_plain and written >= self.newest and written[-1] == self.newest[-1] == "Z":
            self.newest = written  # as nearly every entry is; nothing need be read
            return
        newest, at = moment(self.newest), moment(written)
        if newest is None or at is None or at >= newest:
            self.newest = written
        else:
            demand(newest - at <= BACK, f"{what} is dated more than a day before an earlier one")

    def _access(self, what: str, entry: Entry) -> None:
        if entry["kind"] in ("access.key_created", "access.key_revoked"):
            self._key(what, entry)
        elif entry["kind"] in CREDENTIALS:
            self.people.hear(what, entry, is_team=self.governed.mode != "solo")

    def _key(self, what: str, entry: Entry) -> None:
        name, is_there = entry["key_id"], entry["key_id"] in self.keys
        if entry["kind"] == "access.key_created":
            demand(not is_there, f"{what} creates a key that was created before")
            self.keys[name] = entry
        else:
            is_valid = is_there and name not in self.revoked
            demand(is_valid, f"{what} revokes a key that is not there, or not any more")
            self.revoked.add(name)

    def _use(self, what: str, name: str, entry: Entry) -> None:
        """A key to which something is permitted, or for which something is held."""
        demand(name not in self.revoked, f"{what} is by a key that was revoked")
        ends, at = moment(str(self.keys[name].get("expires_at"))), moment(entry["ts"])
        is_valid = ends is None or (at is not None and at < ends)
        demand(is_valid, f"{what} is by a key that had expired")

    def _asked(self, what: str, index: int, entry: Entry) -> None:
        self._owned(what, entry)
        self.moderations.decide(what, entry)
        if entry["kind"] == "advice":
            return
        demand(entry["id"] not in self.decisions, f"{what} repeats a decision")
        demand(entry["outcome"] in OUTCOMES, f"{what} has an outcome that is none")
        kept = ("tenant", "app", "key_id", "review_id", "request")
        self.decisions[entry["id"]] = {name: entry.get(name) for name in kept}
        self.decisions[entry["id"]] |= {"evaluations": [], "attempts": 0}
        if entry["outcome"] == "review_required":
            self._use(what, entry["key_id"], entry)
            review, name = Review(entry), entry["review_id"]
            is_new = name and name not in self.reviews
            demand(is_new, f"{what} opens a review twice, or one that has no name")
            self.reviews[name] = review
            need = Need("hold", pair_of(entry["chosen"]), review)
            self.needed.setdefault(entry["evaluation"], {}).setdefault(need, index)

    def _owned(self, what: str, entry: Entry) -> None:
        key = self.keys.get(entry["key_id"])
        demand(key, f"{what} is by a key that no entry created")
        owners = key and (key["tenant"], key["application"])
        is_same = owners == (entry["tenant"], entry["app"])
        demand(is_same, f"{what} is of another tenant or application than its key")

    def _beside(self, what: str, kind: str, index: int, entry: Entry) -> None:
        """A permit that is no attempt of its request."""
        if kind == "shadow.permitted":
            self._shadow(what, index, entry)
        elif kind == "judge.permitted":
            self._judgment(what, index, entry)
        else:
            self._moderation(what, index, entry)

    def _moderation(self, what: str, index: int, entry: Entry) -> None:
        self._owned(what, entry)
        permit, name = entry["permit"], entry["decision_id"]
        demand(name not in self.decisions, f"{what} moderates what was decided before")
        self.moderations.permit(what, entry)
        self._current(what, entry, entry)
        need = Need("permit", pair_of(permit), None)
        self.needed.setdefault(entry["evaluation"], {}).setdefault(need, index)
        left = _left(entry)
        is_late = left is not None and left <= dt.timedelta()
        self.permits[(name, permit["attempt"])] = (permit["deployment"], is_late)

    def _moderated(self, what: str, entry: Entry) -> None:
        named = (entry["decision_id"], entry["attempt"])
        is_open = -1000 < named[1] < 0 and named in self.permits and named not in self.ended
        deployment, is_late = self.permits[named] if is_open else ("", False)
        is_own = is_open and entry["deployment"] == deployment
        demand(is_own, f"{what} ends no moderation that was permitted")
        is_timely = not is_late or entry["status"] != "ok"
        demand(is_timely, f"{what} answers what was permitted too late to be sent")
        self.ended.add(named)
        self.moderations.end(what, entry)

    def _permit(self, what: str, index: int, entry: Entry) -> None:
        permit, is_first = entry["permit"], entry["kind"] == "decision"
        name, attempt = entry["id"] if is_first else entry["decision_id"], permit["attempt"]
        is_there = name in self.decisions
        demand(is_there, f"{what} is an attempt of no earlier decision", INCOMPLETE)
        demand(is_first == (attempt == 1), f"{what} numbers its attempt wrongly")
        decision = self.decisions[name]
        is_new = not 0 < attempt <= decision["attempts"]
        demand(is_new, f"{what} repeats attempt {attempt} of {name}")
        is_next = attempt == decision["attempts"] + 1
        demand(is_next, f"{what} skips an attempt of {name}", INCOMPLETE)
        self.attempts.permit(what, name, entry)
        is_plain = permit.get("cause") not in ("shadow", "moderation", "judgment")
        demand(is_plain, f"{what} is an attempt and says that it is none")
        self._current(what, entry, decision)
        review = self._released(what, entry, decision, is_first)
        self._evaluated(what, entry, decision)
        for digest in decision["evaluations"]:
            need = Need("permit", pair_of(permit), review)
            self.needed.setdefault(digest, {}).setdefault(need, index)
        if review:
            need = Need("release", pair_of(permit), review)
            self.needed.setdefault(review.held["evaluation"], {}).setdefault(need, index)
        self.answers.permit(what, name, entry, decision)
        self._open(what, name, entry, decision)
        decision["attempts"] = attempt

    def _shadow(self, what: str, index: int, entry: Entry) -> None:
        name = entry["decision_id"]
        demand(name in self.decisions, f"{what} copies no earlier decision", INCOMPLETE)
        decision = self.decisions[name]
        self.shadows.permit(what, entry, decision)
        self._current(what, entry, decision)
        need = Need("shadow", pair_of(entry["permit"]), None)
        for digest in (decision["evaluations"][0], entry["evaluation"]):
            self.needed.setdefault(digest, {}).setdefault(need, index)
        self._open(what, name, entry, decision)

    def _judgment(self, what: str, index: int, entry: Entry) -> None:
        name = entry["decision_id"]
        is_there = name in self.decisions
        demand(is_there, f"{what} judges an answer of no earlier decision", INCOMPLETE)
        decision = self.decisions[name]
        self.judgments.permit(what, entry, decision)
        # The conversation with its answer is another content than was asked.
        self._current(what, entry, {**decision, "request": None})
        need = Need("shadow", pair_of(entry["permit"]), None)
        self.needed.setdefault(entry["evaluation"], {}).setdefault(need, index)
        self._open(what, name, entry, decision)

    def _current(self, what: str, entry: Entry, decision: Entry) -> None:
        """What every permit is held to: of now, of its content, and not for long."""
        permit, left = entry["permit"], _left(entry)
        self._use(what, decision["key_id"], entry)
        self.governed.judge(what, permit, decision["tenant"])
        self._choice(what, entry, permit, decision)
        demand(left is None or left <= LIFE, f"{what} permits for longer than 5 seconds")

    def _open(self, what: str, name: str, entry: Entry, decision: Entry) -> None:
        self.budgets.reserve(what, entry, decision)
        permit, left = entry["permit"], _left(entry)
        is_late = left is not None and left <= dt.timedelta()
        self.permits[(name, permit["attempt"])] = (permit["deployment"], is_late)

    def _choice(self, what: str, entry: Entry, permit: Entry, decision: Entry) -> None:
        """One pair: chosen, ranked, and permitted the content that was asked."""
        pair, ranking = pair_of(permit), entry.get("ranking")
        is_chosen = entry["kind"] != "decision" or pair == pair_of(entry["chosen"])
        demand(is_chosen, f"{what} permits another pair than it chose")
        ranked = ranking and ranking["candidates"]
        if ranked and ranked.get("cut") is None:
            forms = ranked.get("form") or ["raw"] * len(ranked["deployment"])
            is_ranked = pair in zip(ranked["deployment"], forms, strict=False)
            demand(is_ranked, f"{what} permits what it did not rank")
        asked, sent = (decision.get("request") or {}).get("content"), permit.get("content")
        if pair[1] == "raw" and asked is not None and sent is not None:
            is_same = (sent == asked) == (not entry.get("noted"))
            demand(is_same, f"{what} permits other content than was asked")

    def _released(
        self, what: str, entry: Entry, decision: Entry, is_first: bool
    ) -> "Review | None":
        """The review that released it, where one did: spent by attempt 1, named by all."""
        name = entry.get("review_id") or ""
        is_same = name == (decision["review_id"] or "")
        demand(is_same, f"{what} is of another review than attempt 1")
        review = self.reviews.get(name) if name else None
        demand(not name or review, f"{what} is released by a review that is not open")
        if review and is_first:
            review.release(what, entry)
        return review

    def _evaluated(self, what: str, entry: Entry, decision: Entry) -> None:
        """An attempt stands on its own evaluation and on all of its request's before it."""
        digest, permit = entry.get("evaluation"), entry["permit"]
        demand(isinstance(digest, str), f"{what} permits and names no evaluation")
        for name in ("bundle", "quarantine"):
            is_same = entry.get(name, permit.get(name)) == permit.get(name)
            demand(is_same, f"{what} has another {name} than its permit")
        own = decision.setdefault("bundle", permit["bundle"])
        is_same = entry.get("request_bundle", own) == own
        demand(is_same, f"{what} names another request_bundle than its decision was made under")
        if digest not in decision["evaluations"]:
            decision["evaluations"].append(digest)

    def check_evaluation(self, digest: str, data: bytes) -> None:
        """The verdicts stored under this digest allow what entries did on their strength."""
        if digest not in self.needed:
            return
        try:
            rows = json.loads(data.decode(), parse_constant=refuse)
            queues = {(row["deployment"], row["form"]): _queues(row) for row in rows}
            unsaid = {(row["deployment"], row["form"]) for row in rows if is_unsaid(row)}
            demand(len(queues) == len(rows), "one pair has two verdicts")
        except (Finding, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise Finding(TAMPERED, f"evaluation {digest[:16]}… cannot be read") from None
        for need, index in self.needed[digest].items():
            if need.role != "shadow":
                need.check(f"entry {index}", queues)
                continue
            is_open = need.pair in unsaid or queues.get(need.pair) == set()
            said = f"{need.pair[0]} ({need.pair[1]})"
            demand(is_open, f"entry {index} shows {said} what an evaluation does not allow")

    def _outcome(self, what: str, entry: Entry) -> None:
        named, status = (entry["decision_id"], entry["attempt"]), entry["status"]
        kind, number = entry["kind"], entry["attempt"]
        if kind == "moderation.ended":
            self._moderated(what, entry)
            return
        is_own = number > 0 if kind == "outcome" else number == 0
        is_own = number < -1000 if kind == "judge.ended" else is_own
        demand(
            is_own and named in self.permits, f"{what} is the outcome of nothing that was permitted"
        )
        demand(named not in self.ended, f"{what} is a second outcome of {named[0]}")
        deployment, is_late = self.permits[named]
        demand(entry["deployment"] == deployment, f"{what} is the outcome of another deployment")
        if kind == "shadow.ended":
            self.shadows.end(what, entry)
        elif kind == "judge.ended":
            self.judgments.end(what, entry)
        else:
            self.attempts.end(what, named[0], entry)
            self.judgments.outcome(what, entry)
            self.shadows.outcome(entry)
        is_timely = not is_late or status not in SENT
        demand(is_timely, f"{what} answers what was permitted too late to be sent")
        self.ended.add(named)
        self.budgets.charge(what, named, entry)
        if kind == "outcome":
            self.answers.outcome(named, entry)


class Need(NamedTuple):
    """What an entry did, and on the strength of what review; an evaluation must allow it.

    A `permit` needs its pair permitted, and every queue it asks for among those that released; a
    `hold`, that it asks for exactly these queues; a `release` looks into the hold's evaluation: the
    deployment was permitted within these queues, and what was held redacted is released redacted.
    """

    role: str
    pair: Pair
    review: "Review | None"

    def check(self, what: str, queues: dict[Pair, set[str] | None]) -> None:
        name, form = self.pair
        released = self.review.queues if self.review else set()
        asked, said = queues.get(self.pair), f"{name} ({form})"
        if self.role == "hold":
            is_same = asked is not None and asked == released
            demand(is_same, f"{what} holds {said} for other queues than its evaluation names")
        elif self.role == "release":
            held = [queues.get((name, each)) for each in ("raw", "redacted")]
            is_held = any(each is not None and each <= released for each in held)
            is_seen = "redacted" == form or (self.review and self.review.pair[1] == "raw")
            demand(is_held and is_seen, f"{what} releases {said}, which was not held")
        else:
            is_there = asked is not None
            demand(is_there, f"{what} permits {said}, which an evaluation it stands on does not")
            is_free = asked is not None and asked <= released
            demand(is_free, f"{what} permits {said} without the review that it takes")


def _queues(row: Entry) -> set[str] | None:
    """The queues that must release a permitted pair; None where it is forbidden."""
    named = {each["queue"] for each in row["obligations"] if each["kind"] == "review"}
    return named if row["effect"] == "permit" else None


def _left(entry: Entry) -> dt.timedelta | None:
    """How long the permit in an entry lives on when it is written; None where it does not say."""
    ends, written = moment(str(entry["permit"].get("expires_at"))), moment(entry["ts"])
    return ends - written if ends and written else None
