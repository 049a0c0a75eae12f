"""What must hold in a transire decision log: the tree, signatures, entries, and entry to entry.

Nothing here reads a file: `verify.py` hands over what it has read. FORMAT.md says it in words.
"""

import base64
import binascii
import hashlib
import json
import re
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from shapes import day, misfit, seconds

TAMPERED, INCOMPLETE, UNTRUSTED = 1, 2, 3
MAX_ENTRY_BYTES = 60 * 1024
MAX_INTEGER = 2**53 - 1
MAX_DEPTH = 254
EMPTY_ROOT = hashlib.sha256(b"").digest()
KEY_NAME = re.compile(r"[a-z][a-z0-9_]*")


class Finding(Exception):
    """What is wrong, with the exit status it calls for."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def demand(holds: object, message: str, status: int = TAMPERED) -> None:
    """Every rule is one call of this."""
    if not holds:
        raise Finding(status, message)


# --- the tree: RFC 6962 section 2.1 -------------------------------------------------------------


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """Roots of the perfect subtrees of what was appended so far, largest first."""

    def __init__(self) -> None:
        self.size = 0
        self.peaks: list[tuple[int, bytes]] = []

    def append(self, leaf: bytes) -> None:
        self.peaks.append((1, leaf))
        self.size += 1
        while len(self.peaks) > 1 and self.peaks[-1][0] == self.peaks[-2][0]:
            width, right = self.peaks.pop()
            _, left = self.peaks.pop()
            self.peaks.append((2 * width, node_hash(left, right)))

    def root(self) -> bytes:
        if not self.peaks:
            return EMPTY_ROOT
        root = self.peaks[-1][1]
        for _, left in reversed(self.peaks[:-1]):
            root = node_hash(left, root)
        return root


# --- signed notes and checkpoints: c2sp.org/signed-note, c2sp.org/tlog-checkpoint ----------------


class Key:
    """A verifier key, `name+hexid+base64(0x01 || key)`."""

    def __init__(self, text: str) -> None:
        self.spelled = text.strip()
        parts = self.spelled.split("+", 2)
        demand(len(parts) == 3, "a key is written name+id+base64", UNTRUSTED)
        self.name, raw = parts[0], unbase64(parts[2])
        demand(len(raw) == 33 and raw[0] == 1, "the key is not an Ed25519 key", UNTRUSTED)
        self.id = hashlib.sha256(self.name.encode() + b"\n" + raw).digest()[:4]
        demand(self.id.hex() == parts[1], "the key's id does not match the key", UNTRUSTED)
        self.public = Ed25519PublicKey.from_public_bytes(raw[1:])

    def open(self, note: str, what: str) -> tuple[int, bytes]:
        """(size, root) of a checkpoint this key has signed."""
        return self.parse(self.text_of(note, what), what)

    def text_of(self, note: str, what: str) -> str:
        """The text of a note this key has signed."""
        head, gap, tail = note.rpartition("\n\n")
        demand(gap and tail.endswith("\n"), f"{what} is not a signed note")
        text, is_signed = head + "\n", False
        for line in tail[:-1].split("\n"):
            fields = line.split(" ")
            raw = unbase64(fields[2]) if len(fields) == 3 and fields[0] == "—" else b""
            demand(len(raw) >= 5, f"{what} has a malformed signature line")
            if fields[1] == self.name and raw[:4] == self.id:
                try:
                    self.public.verify(raw[4:], text.encode())
                except InvalidSignature:
                    raise Finding(TAMPERED, f"the signature of {what} does not match") from None
                is_signed = True
        status = UNTRUSTED if text.split("\n")[0] != self.name else TAMPERED
        demand(is_signed, f"{what} is not signed by {self.name}", status)
        return text

    def parse(self, text: str, what: str) -> tuple[int, bytes]:
        lines = text.split("\n")
        is_number = len(lines) == 4 and lines[1].isdecimal() and len(lines[1]) < 20
        size = int(lines[1]) if is_number else -1
        root = unbase64(lines[2]) if size >= 0 else b""
        spelled = f"{self.name}\n{size}\n{base64.b64encode(root).decode()}\n"
        demand(spelled == text and len(root) == 32, f"{what} is not a checkpoint of {self.name}")
        return size, root


def unbase64(text: str) -> bytes:
    """The bytes, or none where this is not their one spelling."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return b""
    return raw if base64.b64encode(raw).decode() == text else b""


# --- entries ------------------------------------------------------------------------------------

Entry = dict[str, Any]


def parse_entry(index: int, data: bytes) -> Entry:
    """An entry under the profile: one spelling, sorted ASCII keys, integers only."""
    what = f"entry {index}"
    demand(len(data) <= MAX_ENTRY_BYTES, f"{what} is larger than {MAX_ENTRY_BYTES} bytes")
    try:
        entry = json.loads(data, parse_float=_refuse, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise Finding(TAMPERED, f"{what} is not JSON under the profile") from None
    demand(isinstance(entry, dict), f"{what} is not an object")
    _check_profile(what, entry)
    spelled = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    is_one = spelled.encode("utf-8", "replace") == data  # a lone surrogate is in no spelling
    demand(is_one, f"{what} is not in its one canonical spelling")
    for name in ("v", "kind", "id", "ts", "salt", "replica", "boot"):
        demand(name in entry, f"{what} lacks `{name}`")
    return dict(entry)


def _refuse(_text: str) -> object:
    raise ValueError


def _check_profile(what: str, value: object, depth: int = 1) -> None:
    is_flat = not isinstance(value, dict | list)
    demand(is_flat or depth <= MAX_DEPTH, f"{what} is more than {MAX_DEPTH} levels deep")
    if isinstance(value, dict):
        demand(all(map(KEY_NAME.fullmatch, value)), f"{what} has a key outside the profile")
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            _check_profile(what, inner, depth + 1)
    elif type(value) is int:
        demand(abs(value) <= MAX_INTEGER, f"{what} has an integer outside the profile")


# --- what entries say of one another: FORMAT.md, "Rules across entries" ---------------------------


class Story:
    """Hears every entry in order; a rule that does not hold is a Finding."""

    def __init__(self, key: Key) -> None:
        self.key = key
        self.continues: str | None = None
        self.active: str | None = None
        self.version: int | None = None
        self.blocked: set[str] = set()
        self.decisions: dict[str, Entry] = {}
        self.permits: dict[tuple[str, int], str] = {}
        self.needed: dict[str, dict[tuple[str, str], int]] = {}
        self.closed: set[tuple[str, int]] = set()
        self.spent: dict[str, tuple[str, int]] = {}
        self.reserved: dict[tuple[str, int], list[Entry]] = {}
        self.reviews: dict[str, Review] = {}
        self.people: dict[str, set[str | None]] = {}
        self.blobs: dict[str, int] = {}
        self.disclosed: dict[str, int] = {}
        self.erased: dict[str, int] = {}
        self.kinds: dict[str, int] = {}

    def read(self, index: int, entry: Entry) -> None:
        what, odd = f"entry {index}", misfit(entry)
        demand(odd is None, f"{what} has no `{odd}` of the type it must have")
        kind = entry["kind"]
        permit = entry.get("permit")
        is_permit = kind == "attempt" or (kind, entry.get("outcome")) == ("decision", "permitted")
        demand(is_permit or permit is None, f"{what} carries a permit and permits nothing")
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if kind in ("policy.genesis", "policy.activated"):
            self._activate(what, kind, entry)
            self.blobs.setdefault(str(self.active), index)
        elif kind in ("quarantine.imposed", "quarantine.lifted"):
            self._quarantine(what, kind, entry)
        elif kind == "access.key_created":
            demand(entry["key_id"] not in self.people, f"{what} creates a key once more")
            owners = {entry.get("holder"), entry.get("minted_by")}
            self.people[entry["key_id"]] = owners
        elif kind.startswith("review."):
            review = self.reviews.get(entry.get("review_id") or "")
            demand(review and review.is_open, f"{what} acts on no open review")
            if review:
                review.hear(what, kind, entry, self.people.get(review.held["key_id"] or "", set()))
        elif kind == "outcome":
            self._outcome(what, entry)
        elif kind == "decision":
            demand(entry["id"] not in self.decisions, f"{what} repeats a decision")
            kept = ("tenant", "app", "key_id", "review_id", "request")
            self.decisions[entry["id"]] = {name: entry.get(name) for name in kept}
            self.decisions[entry["id"]]["evaluations"] = []
            if entry.get("outcome") == "review_required":
                self._hold(what, entry)
        elif kind == "erasure":
            demand(entry["erased"], f"{what} erases nothing")
            for digest in entry["erased"]:
                demand(digest in self.disclosed, f"{what} erases what was never disclosed")
                self.erased[digest] = index
        if permit is not None:
            self._permit(what, kind, entry, permit)
            self._evaluated(index, entry, permit)
        for name in ("evaluation", "facts"):
            if isinstance(entry.get(name), str):
                self.blobs.setdefault(entry[name], index)
        self.disclosed |= dict.fromkeys(entry.get("sd") or [], index)

    def _activate(self, what: str, kind: str, entry: Entry) -> None:
        if kind == "policy.activated":
            demand(self.active, f"{what} activates in a log that was never founded")
            demand(entry.get("parent") == self.active, f"{what} activates against another parent")
            demand("continues" not in entry, f"{what} continues another log and is no genesis")
        else:
            demand(self.active is None, f"{what} founds a log that was founded before")
            kept: Entry = {"version": 0, "blocked": []}
            if "continues" in entry:
                self._continue(f"the succession in {what}", entry)
                kept = entry.get("quarantine") or {}
            self.version, self.blocked = kept.get("version"), set(kept.get("blocked") or [])
        self.active = entry["bundle_digest"]

    def _continue(self, what: str, entry: Entry) -> None:
        """A genesis after a lost log: that log's key signed where it stood and who follows it."""
        given = entry["continues"]
        try:
            lost = Key(str(given.get("key")))
            lines = lost.text_of(str(given.get("note")), what).split("\n")
        except (Finding, AttributeError):  # whatever it is, this log's own key signed the entry
            raise Finding(TAMPERED, f"{what} is not signed by the lost log's key") from None
        is_one = len(lines) == 9 and lines[0] == "transire-succession/v1" and not lines[8]
        demand(is_one, f"{what} is not one")
        lost.parse("\n".join(lines[1:4]) + "\n", what)
        founded = [f"bundle {entry.get('bundle_digest')}", f"mode {entry.get('mode')}"]
        is_ours = lines[4:6] == founded and lines[7] == self.key.spelled
        demand(is_ours, f"{what} is for another bundle, mode or log")
        self.continues = f"{lines[1]} from its size {lines[2]}"

    def _quarantine(self, what: str, kind: str, entry: Entry) -> None:
        name, version = f"{entry['subject']}/{entry['subject_id']}", entry["version"]
        if self.version is not None:
            demand(version == self.version + 1, f"{what} skips a version of the quarantine")
            is_new = name not in self.blocked
            demand(is_new == kind.endswith("imposed"), f"{what} blocks twice or frees what is free")
        self.version = version
        (self.blocked.add if kind.endswith("imposed") else self.blocked.discard)(name)

    def _hold(self, what: str, entry: Entry) -> None:
        name, queues = entry["review_id"], set(entry["review"]["queues"])
        demand(name and name not in self.reviews, f"{what} opens a review twice or without a name")
        self.reviews[name] = Review(self.decisions[entry["id"]], queues)

    def _permit(self, what: str, kind: str, entry: Entry, permit: Entry) -> None:
        name = entry["id"] if kind == "decision" else entry["decision_id"]
        attempt, deployment = permit["attempt"], permit["deployment"]
        is_numbered = (kind == "decision") == (attempt == 1)
        demand(is_numbered, f"{what} numbers its attempt wrongly")
        demand(name in self.decisions, f"{what} is an attempt of no earlier decision", INCOMPLETE)
        demand((name, attempt) not in self.permits, f"{what} repeats attempt {attempt} of {name}")
        is_next = attempt == 1 or (name, attempt - 1) in self.permits
        demand(is_next, f"{what} skips an attempt of {name}", INCOMPLETE)
        is_current = permit.get("bundle") == self.active
        demand(is_current, f"{what} permits under a bundle that was not active")
        decision = self.decisions[name]
        for at in (
            f"deployment/{deployment}",
            f"provider/{permit['provider']}",
            f"tenant/{decision['tenant']}",
        ):
            demand(at not in self.blocked, f"{what} permits what was quarantined: {at}")
        is_current = self.version in (None, permit.get("quarantine"))
        demand(is_current, f"{what} permits under another version of the quarantine")
        released_by = entry.get("review_id") or ""
        demand(
            released_by == (decision["review_id"] or ""),
            f"{what} is of another review than attempt 1",
        )
        if released_by and attempt == 1:
            review = self.reviews.get(released_by)
            demand(review, f"{what} is released by a review that was never opened")
            if review:
                review.release(what, decision)
        self.permits[(name, attempt)] = deployment
        self._reserve(what, (name, attempt), permit.get("reserved", []), _days(entry, permit))

    def _evaluated(self, index: int, entry: Entry, permit: Entry) -> None:
        """Notes what each evaluation of this request must permit; `check_evaluation` looks."""
        what, is_later = f"entry {index}", entry["kind"] != "decision"
        decision = self.decisions[entry["decision_id"] if is_later else entry["id"]]
        digest = entry.get("evaluation")
        demand(isinstance(digest, str), f"{what} permits and names no evaluation")
        for name in ("bundle", "quarantine"):
            is_same = entry.get(name, permit.get(name)) == permit.get(name)
            demand(is_same, f"{what} has another {name} than its permit")
        if not is_later:
            decision["bundle"] = permit.get("bundle")
        is_same = entry.get("request_bundle", decision["bundle"]) == decision["bundle"]
        demand(is_same, f"{what} names another request_bundle than its decision was made under")
        if digest not in decision["evaluations"]:
            decision["evaluations"].append(digest)
        for earlier in decision["evaluations"]:
            pair = (permit["deployment"], permit.get("form", "raw"))
            self.needed.setdefault(earlier, {}).setdefault(pair, index)

    def check_evaluation(self, digest: str, data: bytes) -> None:
        """The verdicts stored under this digest permit what entries permitted because of them."""
        needed = self.needed.get(digest, {})
        if not needed:
            return
        try:
            rows = json.loads(data.decode(), parse_constant=_refuse)
            verdicts = {(v["deployment"], v["form"]): v["effect"] for v in rows}
        except (ValueError, TypeError, KeyError, RecursionError):
            raise Finding(TAMPERED, f"evaluation {digest[:16]}… cannot be read") from None
        for pair, index in needed.items():
            what = f"entry {index} permits {pair[0]} ({pair[1]})"
            is_permitted = verdicts.get(pair) == "permit"
            demand(is_permitted, f"{what}, which an evaluation it stands on does not")

    def _outcome(self, what: str, entry: Entry) -> None:
        named = (entry["decision_id"], entry["attempt"])
        demand(named in self.permits, f"{what} is the outcome of nothing that was permitted")
        demand(named not in self.closed, f"{what} is a second outcome of {named[0]}")
        is_same = entry["deployment"] == self.permits[named]
        demand(is_same, f"{what} is the outcome of another deployment")
        self.closed.add(named)
        self._charge(what, self.reserved.pop(named, []), entry)

    def _reserve(
        self, what: str, attempt: tuple[str, int], rows: list[Entry], days: list[str]
    ) -> None:
        """Every reservation fits into what its budget has left in its period."""
        for row in rows:
            amount, limit, period = row["micro_usd"], row["limit_micro_usd"], row["period"]
            is_now = any(period in (each, each[:7]) for each in days)
            demand(is_now, f"{what} reserves of another day or month")
            last, spent = self.spent.get(row["key"], (period, 0))
            demand(period >= last, f"{what} reserves of a period that is over")
            spent = amount + (spent if last == period else 0)
            demand(spent <= limit, f"{what} permits beyond the budget {row['budget']}")
            self.spent[row["key"]] = (period, spent)
        if rows:
            self.reserved[attempt] = rows

    def _charge(self, what: str, rows: list[Entry], entry: Entry) -> None:
        """An outcome puts what was charged in the place of what was reserved."""
        charged = entry.get("charged_micro_usd")
        if charged is None:
            return
        demand(rows and charged >= 0, f"{what} is charged what was not reserved, or no amount")
        for row in rows:
            period, spent = self.spent[row["key"]]
            if period == row["period"]:
                self.spent[row["key"]] = (period, max(0, spent + charged - row["micro_usd"]))


class Review:
    """One hold: which queues wait, and who has released it for which."""

    def __init__(self, held: Entry, queues: set[str]) -> None:
        self.held, self.waiting = held, queues
        self.approvers: set[str] = set()
        self.is_open = True

    def hear(self, what: str, kind: str, entry: Entry, owners: set[str | None]) -> None:
        if kind == "review.approved":
            queue, by = entry["queue"], entry["by"]
            demand(queue in self.waiting, f"{what} approves for a queue that does not wait")
            demand(by not in self.approvers, f"{what} is a second approval by {by}")
            demand(by not in owners, f"{what} is by {by}, who holds or minted the key")
            self.waiting.remove(queue)
            self.approvers.add(by)
        elif kind in ("review.denied", "review.cancelled", "review.expired"):
            self.is_open = False

    def release(self, what: str, decision: Entry) -> None:
        demand(self.is_open, f"{what} is released by a review that is over")
        demand(not self.waiting, f"{what} is released without all its approvals")
        asked, held = ((d["app"], d["key_id"], _mac(d)) for d in (decision, self.held))
        demand(asked == held, f"{what} is not the request that was held")
        self.is_open = False


def _mac(decision: Entry) -> object:
    return (decision["request"] or {}).get("mac")


def _days(entry: Entry, permit: Entry) -> list[str]:
    """The days in which a permit may have been made: a moment before its entry, or its end."""
    moments = [seconds(entry["ts"]), seconds(str(permit.get("expires_at", entry["ts"])))]
    at = min(moment for moment in moments if moment is not None)
    return [day(at), day(at - 60)]
