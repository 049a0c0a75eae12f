"""What entries say of one another: two verifiers that share no code refuse the same stories.

The logs are real and rightly signed, as an operator with the key, or a bug, would write them.
"""

import asyncio
import base64
import copy
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.integration.whole import FACTS, REQUEST, listing, whole

from transire.domain.log import KINDS, Item
from transire.errors import IntegrityError
from transire.record import known
from transire.record.opening import create_log, open_log
from transire.record.reading import ReadOnlyLog
from transire.record.story import Story as OurStory

KIT = Path(__file__).resolve().parents[2] / "audit"
sys.path.insert(0, str(KIT))
import rules as kit_rules  # noqa: E402 - the auditor's program is a script, not a package
import shapes as kit_shapes  # noqa: E402
import trees as kit_trees  # noqa: E402
import verify as kit  # noqa: E402

Story = dict[str, dict[str, Any]]
"""Name → an entry: its fields and `kind`, in order."""
NOON = datetime.fromisoformat("2026-11-26T12:00:00Z")
END = NOON + timedelta(days=2)
"""When the review expires."""
OLD, BUNDLE = b"the first bundle's files", b"the bundle's files"
DIGEST = hashlib.sha256(BUNDLE).hexdigest()


def verdicts(**effects: Any) -> bytes:
    """An evaluation, raw: deployment → `forbid`, or the queues that must release it."""
    rows = [
        {
            "deployment": name,
            "form": "raw",
            "effect": "forbid" if effect == "forbid" else "permit",
            "obligations": [
                {"kind": "review", "queue": queue, "policy": "p"}
                for queue in effect
                if effect != "forbid"
            ],
        }
        for name, effect in effects.items()
    ]
    return json.dumps(rows).encode()


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


FIRST = verdicts(a=("law", "risk"), b=("law",), c="forbid", f=("sales",), g=())
LATER = verdicts(a="forbid", b=(), c=(), g=(), f=())
STRICTER = verdicts(a="forbid", b=("sales",))
HELD = json.dumps(
    [
        *json.loads(verdicts(a="forbid")),
        {**json.loads(verdicts(b=("law", "risk")))[0]},
    ]
).encode()
REDACTED = json.dumps([*json.loads(FIRST), {**json.loads(FIRST)[0], "form": "redacted"}]).encode()
TWICE = json.dumps(json.loads(FIRST) + json.loads(verdicts(a="forbid"))).encode()
NONSENSE = b'{"a": "permit"}'
ALL = (FACTS, OLD, BUNDLE, FIRST, LATER, STRICTER, HELD, REDACTED, TWICE, NONSENSE)
BLOBS = {digest_of(data): data for data in ALL}


def permit(attempt: int, version: int = 0, **changes: Any) -> dict[str, Any]:
    return {
        "attempt": attempt,
        "deployment": "a",
        "provider": "p",
        "bundle": DIGEST,
        "quarantine": version,
        "content": "c0",
        **changes,
    }


def asked(name: str, outcome: str, **more: Any) -> dict[str, Any]:
    who = {"tenant": "acme", "app": "sales", "key_id": "key_1"}
    return {
        "kind": "decision",
        "id": name,
        "outcome": outcome,
        "request": REQUEST,
        "chosen": {"deployment": "a"},
        **who,
        **more,
    }


def reserved(
    micro_usd: Any, period: str = "2026-11-26", limit: int = 100, **changes: Any
) -> dict[str, Any]:
    row = {"budget": "daily", "key": "budget/daily/day", "period": period, **changes}
    return {"reserved": [{**row, "micro_usd": micro_usd, "limit_micro_usd": limit}]}


def outcome(attempt: int, deployment: str, charged: Any, status: str) -> dict[str, Any]:
    return {
        "kind": "outcome",
        "decision_id": "dec_2",
        "attempt": attempt,
        "deployment": deployment,
        "status": status,
        "charged_micro_usd": charged,
    }


def approved(queue: str, by: str) -> dict[str, Any]:
    return {"kind": "review.approved", "review_id": "rev_1", "queue": queue, "by": by}


def quarantined(verb: str, version: int, subject: str, name: str, by: str) -> dict[str, Any]:
    return {
        "kind": f"quarantine.{verb}",
        "version": version,
        "subject": subject,
        "subject_id": name,
        "by": by,
    }


def created(key_id: str) -> dict[str, Any]:
    owned = {"key_id": key_id, "tenant": "acme", "application": "sales"}
    return {"kind": "access.key_created", **owned, "minted_by": "omar", "holder": "sam"}


def honest() -> Story:
    """A bundle of two people, a quarantine, and a hold of two queues; at last, a team turns solo.

    The quarantine is of others, and was lifted again; the hold is released, and its second attempt
    is answered.
    """
    proposal = {"bundle_digest": DIGEST, "parent": digest_of(OLD)}
    return {
        "genesis": {"kind": "policy.genesis", "bundle_digest": digest_of(OLD), "mode": "team"},
        "proposed": {"kind": "policy.proposed", **proposal, "by": "ana"},
        "agreed": {"kind": "policy.approved", **proposal, "author": "ana", "by": "ben"},
        "activated": {
            "kind": "policy.activated",
            **proposal,
            "author": "ana",
            "approved_by": ["ben"],
            "by": "ana",
        },
        "key": created("key_1"),
        "other": created("key_2"),
        "imposed": quarantined("imposed", 1, "provider", "other", "omar"),
        "ratified": quarantined("ratified", 1, "provider", "other", "priya"),
        "wished": quarantined("lift_asked", 1, "provider", "other", "priya"),
        "lifted": {**quarantined("lifted", 2, "provider", "other", "ben"), "asked_by": "priya"},
        "held": asked(
            "dec_1",
            "review_required",
            review_id="rev_1",
            review={"queues": ["law", "risk"], "expires_at": END.isoformat()},
            evaluation=digest_of(FIRST),
        ),
        "first": approved("law", "rita"),
        "second": approved("risk", "lena"),
        "released": asked(
            "dec_2",
            "permitted",
            review_id="rev_1",
            permit=permit(1, 2, **reserved(70)),
            evaluation=digest_of(FIRST),
            bundle=DIGEST,
            quarantine=2,
        ),
        "failed": outcome(1, "a", 0, "failed"),
        "attempt": {
            "kind": "attempt",
            "decision_id": "dec_2",
            "review_id": "rev_1",
            "permit": permit(2, 2, deployment="b", **reserved(100)),
            "evaluation": digest_of(LATER),
            "request_bundle": DIGEST,
            "bundle": DIGEST,
            "quarantine": 2,
        },
        "answered": outcome(2, "b", 130, "ok"),
        "free": asked(
            "dec_3",
            "permitted",
            chosen={"deployment": "g"},
            permit=permit(1, 2, deployment="g", **reserved(0, "2026-11-27")),
            evaluation=digest_of(FIRST),
            at=NOON + timedelta(days=1),
        ),
        "remark": {"kind": "test", "disclosed": "a remark"},
        "unused": {"kind": "access.key_revoked", "key_id": "key_2"},
        "solo_asked": {"kind": "policy.solo_asked", "by": "ben"},
        "solo": {
            "kind": "policy.mode_changed",
            "was": "team",
            "mode": "solo",
            "by": "ana",
            "asked_by": "ben",
        },
    }


class Told:
    """A clock that shows what an entry says of its moment."""

    moment = NOON

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()


def write(folder: Path, story: Story) -> None:
    async def fill() -> None:
        clock = Told()
        log = open_log(folder, clock=clock, replica="r1")
        for entry in story.values():
            clock.moment = entry.get("at", clock.moment)
            said = {k: v for k, v in entry.items() if k not in ("disclosed", "at")}
            fields = whole(said, clock.moment)
            kind = fields.pop("kind")
            told = {"comment": entry["disclosed"]} if "disclosed" in entry else {}
            named = (fields.get(name) for name in ("bundle_digest", "evaluation", "facts"))
            blobs = {digest: BLOBS[digest] for digest in named if digest in BLOBS}
            item = Item(kind=kind, fields=fields, blobs=blobs, disclosures=told)
            await log.append(item)
        await log.close()

    create_log(folder, origin="log.example/story")
    asyncio.run(fill())


def ours(folder: Path) -> str:
    try:
        with ReadOnlyLog(folder) as log:
            log.verify(None)
    except IntegrityError as error:
        return error.message
    return ""


def theirs(folder: Path) -> str:
    try:
        log = kit.open_source(folder)
        kit.verify(log, kit.read_key(None, log.folder)[0])
    except kit_trees.Finding as finding:
        return finding.message
    return ""


def test_an_honest_story_satisfies_both(tmp_path: Path) -> None:
    write(tmp_path / "data", honest())

    assert ours(tmp_path / "data") == theirs(tmp_path / "data") == ""


def _without(*names: str) -> Callable[[Story], None]:
    def change(story: Story) -> None:
        for name in names:
            del story[name]

    return change


def _with(name: str, **changes: Any) -> Callable[[Story], None]:
    return lambda story: story[name].update(changes)


def _after(name: str, entry: dict[str, Any]) -> Callable[[Story], None]:
    def change(story: Story) -> None:
        rest = list(story.items())
        at = list(story).index(name) + 1
        story.clear()
        story.update([*rest[:at], ("added", entry), *rest[at:]])

    return change


def _blocked(after: str, kind: str, name: str, permitted: str) -> Callable[[Story], None]:
    """Something is quarantined after one entry, and the permit of a later one knows of it."""

    def change(story: Story) -> None:
        _after(after, quarantined("imposed", 3, kind, name, "omar"))(story)
        story[permitted]["permit"]["quarantine"] = story[permitted]["quarantine"] = 3

    return change


def _for(name: str, deployment: str, **changes: Any) -> Callable[[Story], None]:
    """A permit, and its outcome, is for another deployment, or another form."""

    def change(story: Story) -> None:
        story[name]["permit"].update(deployment=deployment, **changes)
        if "chosen" in story[name]:
            story[name]["chosen"] = {"deployment": deployment, **changes}
        story[{"released": "failed", "attempt": "answered"}[name]]["deployment"] = deployment

    return change


def _reserving(**changes: Any) -> Callable[[Story], None]:
    def change(story: Story) -> None:
        story["released"]["permit"]["reserved"][0].update(changes)

    return change


def _unreviewed(story: Story) -> None:
    for name in ("released", "attempt"):
        story[name]["review_id"] = None


def _without_permit(outcome: str) -> Callable[[Story], None]:
    def change(story: Story) -> None:
        story["released"] |= {"outcome": outcome, "permit": None}
        del story["failed"]

    return change


def _told_late(**changes: Any) -> Callable[[Story], None]:
    """The first attempt's outcome is written after the second attempt's permit."""

    def change(story: Story) -> None:
        story["failed"] |= {"charged_micro_usd": None, **changes}
        story["attempt"]["permit"] |= reserved(0)
        late = story.pop("failed")
        _after("attempt", late)(story)
        story["late"] = story["added"]
        rest = [*story.items()]
        story.clear()
        story.update((("late", e) if n == "added" else (n, e)) for n, e in rest if n != "late")

    return change


ESCALATION = {"verdicts": ["refusal"], "over": 1, "above": 600, "within_ms": 20_000}


def _escalated(first: str = "superseded", second: str = "ok", **changes: Any) -> Any:
    """The second attempt escalates over the first one's answer, which was kept meanwhile."""

    def change(story: Story) -> None:
        _told_late(status=first, released_bytes=0)(story)
        story["attempt"]["permit"]["cause"] = "escalation"
        story["attempt"]["escalation"] = dict(ESCALATION)
        story["answered"]["status"] = second
        if second in ("failed", "cancelled", "unknown"):
            story["answered"]["charged_micro_usd"] = None
        story["late"]["appraisal"] = {"verdicts": ["refusal"]}
        if first == "ok":
            story["late"]["not_escalated"] = "failed"
        if second == "superseded":
            story["answered"]["appraisal"] = {"verdicts": ["evaluator"], "score": 200}
        story["late"].update(changes)

    return change


def _both(*changes: Callable[[Story], None]) -> Callable[[Story], None]:
    def change(story: Story) -> None:
        for each in changes:
            each(story)

    return change


def _reserving_also(**changes: Any) -> Callable[[Story], None]:
    def change(story: Story) -> None:
        rows = story["released"]["permit"]["reserved"]
        rows.append({**rows[0], "budget": "b", "key": "budget/b/day", **changes})

    return change


def _advice() -> dict[str, Any]:
    return {**asked("dec_0", "denied"), "kind": "advice"}


REVOKED = {"kind": "access.key_revoked", "key_id": "key_1"}


def invited(by: str) -> dict[str, Any]:
    return {"kind": "access.invited", "person": "lena", "by": by}


def _people(*acts: dict[str, Any]) -> Callable[[Story], None]:
    """What becomes of Lena's credential, before anything else; the last act is `told`."""

    def change(story: Story) -> None:
        rest = dict(story)
        story.clear()
        story["genesis"] = rest.pop("genesis")
        for at, act in enumerate(acts, 1):
            story["told" if at == len(acts) else f"act {at}"] = dict(act)
        story.update(rest)

    return change


SET = {"kind": "access.credential_set", "person": "lena"}
ENDED = {"kind": "access.credential_revoked", "person": "lena", "by": "omar"}


LIES: dict[str, tuple[str, Callable[[Story], None]]] = {
    "two answers to one request": ("answered", _escalated("ok")),
    "an answer that was superseded and released": ("late", _escalated(released_bytes=5)),
    "an answer superseded by what was no escalation": (
        "late",
        _both(
            _escalated(),
            _with("attempt", permit=permit(2, 2, deployment="b", **reserved(0))),
            lambda story: story["attempt"].pop("escalation"),
        ),
    ),
    "an answer that was kept and sent in part": ("late", _escalated("partial")),
    "an escalation that says not over what": (
        "attempt",
        _both(_escalated(), lambda story: story["attempt"].pop("escalation")),
    ),
    "an escalation that hides that it is one": ("attempt", _with("attempt", escalation=ESCALATION)),
    "a first attempt that escalates": (
        "released",
        _both(
            _with("released", escalation=ESCALATION),
            lambda story: story["released"]["permit"].update(cause="escalation"),
        ),
    ),
    "an only attempt that was superseded": ("failed", _with("failed", status="superseded")),
    "an escalation of what was answered": (
        "attempt",
        _both(
            _with("failed", status="ok"),
            _with("attempt", escalation=ESCALATION),
            lambda story: story["attempt"]["permit"].update(cause="escalation"),
        ),
    ),
    "a release without an approval": ("released", _without("first", "second")),
    "a release with one approval of two": ("released", _without("second")),
    "an approval by who minted the key": ("second", _with("second", by="omar")),
    "an approval by who holds the key": ("second", _with("second", by="sam")),
    "two approvals by one person": ("second", _with("second", by="rita")),
    "an approval for another queue": ("second", _with("second", queue="sales")),
    "a release of a review nobody opened": ("first", _without("held")),
    "a release of another request": (
        "released",
        _with("released", request={**REQUEST, "mac": "00fe"}),
    ),
    "a release with another key": ("released", _with("released", key_id="key_2")),
    "a release of what was denied": (
        "released",
        _after("second", {"kind": "review.denied", "review_id": "rev_1", "by": "lena"}),
    ),
    "a release of what has expired": (
        "released",
        _after("second", {"kind": "review.expired", "review_id": "rev_1", "at": END}),
    ),
    "a second release": (
        "added",
        _after(
            "released",
            asked(
                "dec_4",
                "permitted",
                review_id="rev_1",
                permit=permit(1, 2),
                evaluation=digest_of(FIRST),
            ),
        ),
    ),
    "an approval after the release": ("added", _after("released", approved("law", "nora"))),
    "an attempt without the decision's review": ("attempt", _with("attempt", review_id="rev_2")),
    "a hold in no queue": (
        "held",
        _with("held", review={"queues": [], "expires_at": END.isoformat()}),
    ),
    "a permit for a quarantined deployment": (
        "released",
        _blocked("second", "deployment", "a", "released"),
    ),
    "a permit for a deployment of a quarantined provider": (
        "released",
        _blocked("second", "provider", "p", "released"),
    ),
    "a permit for a quarantined tenant": (
        "released",
        _blocked("second", "tenant", "acme", "released"),
    ),
    "a later attempt at what was quarantined meanwhile": (
        "attempt",
        _blocked("released", "deployment", "b", "attempt"),
    ),
    "a permit under an earlier quarantine": (
        "released",
        _with("released", permit=permit(1, 1)),
    ),
    "a permit that names no evaluation": ("released", _with("released", evaluation=None)),
    "a permit for what its evaluation forbids": ("released", _for("released", "c")),
    "a permit for what its evaluation does not know": ("released", _for("released", "d")),
    "a permit for a form its evaluation does not know": (
        "released",
        _for("released", "a", form="redacted"),
    ),
    "a later attempt at what was forbidden meanwhile": ("attempt", _for("attempt", "a")),
    "a later attempt at what was forbidden at first": ("attempt", _for("attempt", "c")),
    "a later attempt that names no evaluation": ("attempt", _with("attempt", evaluation=None)),
    "a later attempt of another request's bundle": (
        "attempt",
        _with("attempt", request_bundle=digest_of(FIRST)),
    ),
    "a later attempt evaluated under another bundle than its permit's": (
        "attempt",
        _with("attempt", bundle=digest_of(FIRST)),
    ),
    "a later attempt evaluated under another quarantine than its permit's": (
        "attempt",
        _with("attempt", quarantine=1),
    ),
    "a quarantine that skips a version": ("lifted", _with("lifted", version=3)),
    "lifting what was never imposed": ("lifted", _with("lifted", subject_id="p")),
    "imposing what is imposed": (
        "added",
        _after("imposed", quarantined("imposed", 2, "provider", "other", "omar")),
    ),
    "a reservation beyond its budget": (
        "released",
        _with("released", permit=permit(1, 2, **reserved(101))),
    ),
    "a reservation of what is still reserved": ("attempt", _with("failed", charged_micro_usd=None)),
    "a reservation of what was spent": (
        "attempt",
        _with("failed", charged_micro_usd=1, status="contract_violated"),
    ),
    "a charge of nothing for what cost something": (
        "answered",
        _with("answered", charged_micro_usd=0, cost_micro_usd=130, tokens_out=1),
    ),
    "a charge of less than it cost": (
        "answered",
        _with("answered", charged_micro_usd=129, cost_micro_usd=130, tokens_out=1),
    ),
    "a charge that nobody tells though the cost is known": (
        "answered",
        _with("answered", charged_micro_usd=None, cost_micro_usd=130, tokens_out=1),
    ),
    "a charge of what nobody counted": ("answered", _with("answered", tokens_out=None)),
    "a charge for what failed on the way": ("failed", _with("failed", http_status=None)),
    "an answer that came with an error": (
        "answered",
        _with("answered", http_status=500, charged_micro_usd=0),
    ),
    "an answer of which no byte had left": (
        "answered",
        _with("answered", failure="not_sent", charged_micro_usd=0),
    ),
    "a reservation of less than it can cost": (
        "released",
        _with("released", ranking=listing("a", cost_micro_usd=71)),
    ),
    "a later reservation of less than it can cost": (
        "attempt",
        _with("attempt", ranking=listing("b", cost_micro_usd=101)),
    ),
    "a reservation of what has no price": (
        "released",
        _with("released", ranking=listing("a", cost_micro_usd=None)),
    ),
    "a reservation of a period that is over": (
        "attempt",
        _with("attempt", permit=permit(2, 2, deployment="b", **reserved(1, "2026-11-25"))),
    ),
    "a reservation of less than nothing": (
        "released",
        _with("released", permit=permit(1, 2, **reserved(-1))),
    ),
    "a reservation of no amount": (
        "released",
        _with("released", permit=permit(1, 2, **reserved("70"))),
    ),
    "a charge of less than nothing": ("failed", _with("failed", charged_micro_usd=-70)),
    "a charge where nothing was reserved": ("failed", _with("released", permit=permit(1, 2))),
    "a permit that is a list": ("released", _with("released", permit=[permit(1, 2)])),
    "a permit that is false": ("released", _with("released", permit=False)),
    "an outcome of attempt true": ("failed", _with("failed", attempt=True)),
    "a key created twice": (
        "added",
        _after("key", {**created("key_1"), "minted_by": "zed"}),
    ),
    "a reservation that is an object": (
        "released",
        _with("released", permit=permit(1, 2, reserved={})),
    ),
    "a reservation that is no text": (
        "released",
        _with("released", permit=permit(1, 2, reserved="")),
    ),
    "a reservation with a sixth key": ("released", _reserving(note="x")),
    "a reservation of a key that is a number": ("released", _reserving(key=7)),
    "a reservation of a period that is none": ("released", _reserving(period="2026 11")),
    "a reservation of tomorrow": ("released", _reserving(period="2026-11-27")),
    "a reservation of last month": ("released", _reserving(period="2026-10")),
    "a permit for a provider that is a list": (
        "released",
        _with("released", permit=permit(1, 2, provider=["p"])),
    ),
    "a hold in a queue that is no text": (
        "held",
        _with("held", review={"queues": [["law"]], "expires_at": END.isoformat()}),
    ),
    "a hold whose review is a text": ("held", _with("held", review="law")),
    "an erasure of nothing": ("remark", _with("remark", kind="erasure", erased=[])),
    "a denied decision that carries a permit": ("released", _with("released", outcome="denied")),
    "a held decision that carries a permit": (
        "released",
        _with("released", outcome="review_required"),
    ),
    "advice that carries a permit": ("released", _with("released", kind="advice")),
    "erasing what nobody disclosed": ("remark", _with("remark", kind="erasure", erased=["x"])),
    "a permit without the review that its evaluation asks for": (
        "released",
        _unreviewed,
    ),
    "a permit that takes a queue besides those that released": ("released", _for("released", "f")),
    "a later attempt that takes a queue besides those that released": (
        "attempt",
        _with("attempt", evaluation=digest_of(STRICTER)),
    ),
    "a request of no review at what takes one": (
        "free",
        _with("free", chosen={"deployment": "b"}, permit=permit(1, 2, deployment="b")),
    ),
    "a hold in other queues than its evaluation names": (
        "held",
        _with("held", chosen={"deployment": "b"}),
    ),
    "a hold of what its evaluation forbids": ("held", _with("held", chosen={"deployment": "c"})),
    "a hold that names no evaluation": ("held", _with("held", evaluation=None)),
    "a release of what was not held": (
        "released",
        _with("held", evaluation=digest_of(HELD), chosen={"deployment": "b"}),
    ),
    "a release in the open of what was held redacted": (
        "released",
        _with(
            "held", chosen={"deployment": "a", "form": "redacted"}, evaluation=digest_of(REDACTED)
        ),
    ),
    "an attempt after the answer": ("attempt", _with("failed", status="ok")),
    "an attempt after an answer that broke off": (
        "attempt",
        _with("failed", status="partial", charged_micro_usd=None),
    ),
    "an attempt after the caller had left": ("attempt", _with("failed", status="cancelled")),
    "an answer of an attempt that another followed": ("late", _told_late(status="ok")),
    "an outcome of no known status": ("failed", _with("failed", status="fine")),
    "an attempt after a denial": ("attempt", _without_permit("denied")),
    "an attempt after a refusal": ("attempt", _without_permit("refused")),
    "a decision of an outcome that is none": ("released", _without_permit("waved through")),
    "a permitted decision without a permit": ("released", _without_permit("permitted")),
    "a permit for another pair than was chosen": (
        "released",
        _with("released", chosen={"deployment": "b"}),
    ),
    "a permit for another form than was chosen": (
        "released",
        _with("released", chosen={"deployment": "a", "form": "redacted"}),
    ),
    "a permit for what was not ranked": (
        "released",
        _with("released", ranking=listing("b", "c")),
    ),
    "a permit for a form that was not ranked": (
        "released",
        _with("released", ranking=listing("a", form=["redacted"])),
    ),
    "a later attempt at what was not ranked": (
        "attempt",
        _with("attempt", ranking=listing("a")),
    ),
    "a permit for other content than was asked": (
        "released",
        _with("released", permit=permit(1, 2, content="c1")),
    ),
    "a later attempt with other content": (
        "attempt",
        _with("attempt", permit=permit(2, 2, deployment="b", content="c1", **reserved(100))),
    ),
    "a later attempt that was told of a violation and sends the same": (
        "attempt",
        _with("attempt", noted=["not_json"]),
    ),
    "a permit that lives longer than it may": (
        "released",
        _with("released", permit=permit(1, 2, expires_at="2026-11-26T12:00:05.000001Z")),
    ),
    "an answer to a permit that was over when it was written": (
        "answered",
        _with(
            "attempt",
            permit=permit(2, 2, deployment="b", expires_at="2026-11-26T12:00:00Z", **reserved(100)),
        ),
    ),
    "an approval after the review's end": ("second", _with("second", at=END)),
    "a claim after the review's end": (
        "added",
        _after("first", {"kind": "review.claimed", "review_id": "rev_1", "at": END}),
    ),
    "a release after the review's end": ("released", _with("released", at=END)),
    "a review that expires before its end": (
        "added",
        _after("second", {"kind": "review.expired", "review_id": "rev_1"}),
    ),
    "a request with a key that nobody created": ("held", _without("key")),
    "advice with a key that nobody created": ("added", _after("genesis", _advice())),
    "a refusal of a key that nobody created": (
        "added",
        _after("genesis", asked("dec_0", "refused")),
    ),
    "a request of another tenant than its key's": ("held", _with("held", tenant="globex")),
    "a request of another application than its key's": ("held", _with("held", app="copilot")),
    "a hold for a key that was revoked": ("held", _after("key", REVOKED)),
    "a permit to a key that was revoked": ("released", _after("second", REVOKED)),
    "a later attempt of a key that was revoked meanwhile": ("attempt", _after("failed", REVOKED)),
    "a permit to a key that had expired": (
        "released",
        _both(
            _with("key", expires_at=(NOON + timedelta(hours=1)).isoformat()),
            _with("released", at=NOON + timedelta(hours=1)),
        ),
    ),
    "a hold for a key that had expired": (
        "held",
        _with("key", expires_at=(NOON - timedelta(days=1)).isoformat()),
    ),
    "a key that expires at no moment": ("key", _with("key", expires_at="tomorrow")),
    "an approval of a week ago": ("activated", _with("activated", at=NOON + timedelta(days=7))),
    "a wish to lift of a week ago": ("lifted", _with("lifted", at=NOON + timedelta(days=7))),
    "a wish to turn solo of a week ago": ("solo", _with("solo", at=NOON + timedelta(days=8))),
    "a credential that nobody was invited to": ("told", _people(SET)),
    "a credential set twice by one invitation": ("told", _people(invited("omar"), SET, SET)),
    "an invitation of who has a credential": (
        "told",
        _people(invited("omar"), SET, invited("ben")),
    ),
    "an invitation by who revoked": (
        "told",
        _people(invited("omar"), SET, ENDED, invited("omar")),
    ),
    "an invitation by who revoked last": (
        "told",
        _people(invited("omar"), SET, ENDED, {**ENDED, "by": "ben"}, invited("ben")),
    ),
    "an invitation of nobody": ("told", _people({"kind": "access.invited", "by": "omar"})),
    "a key revoked twice": ("unused", _after("other", {**REVOKED, "key_id": "key_2"})),
    "a key revoked before it was there": ("added", _after("genesis", REVOKED)),
    "a proposal against another parent": ("proposed", _with("proposed", parent=DIGEST)),
    "an approval of what nobody proposed": ("agreed", _without("proposed")),
    "an approval by the author": ("agreed", _with("agreed", by="ana")),
    "an activation of what nobody approved": ("activated", _without("agreed")),
    "an activation that names no approval": ("activated", _with("activated", approved_by=[])),
    "an activation that names an approval nobody gave": (
        "activated",
        _with("activated", approved_by=["ben", "priya"]),
    ),
    "an activation of what was activated": (
        "added",
        _after(
            "activated",
            {
                "kind": "policy.activated",
                "bundle_digest": DIGEST,
                "parent": DIGEST,
                "approved_by": ["ben"],
            },
        ),
    ),
    "a second genesis": (
        "added",
        _after("key", {"kind": "policy.genesis", "bundle_digest": digest_of(OLD), "mode": "team"}),
    ),
    "a quarantine that who imposed it ratifies": ("ratified", _with("ratified", by="omar")),
    "a quarantine ratified under another version": ("ratified", _with("ratified", version=2)),
    "a quarantine lifted alone": ("lifted", _with("lifted", asked_by=None)),
    "a quarantine lifted by who asked for it": ("lifted", _with("lifted", by="priya")),
    "a quarantine lifted for somebody who never asked": ("lifted", _without("wished")),
    "a team that turns solo alone": ("solo", _with("solo", by="ben")),
    "a team that turns solo without asking": ("solo", _without("solo_asked")),
    "a mode that changes from what it was not": ("solo", _with("solo", was="solo")),
    "a budget of two limits": (
        "attempt",
        _with("attempt", permit=permit(2, 2, deployment="b", **reserved(100, limit=900))),
    ),
    "a budget whose key is another's": ("released", _reserving(key="budget/mine/day")),
    "a budget counted by day under the key of its month": (
        "released",
        _reserving(key="budget/daily/month"),
    ),
    "a budget counted for another key": ("released", _reserving(key="budget/daily/day/key_2")),
    "a budget counted for all and then for each": (
        "attempt",
        _with(
            "attempt",
            permit=permit(2, 2, deployment="b", **reserved(1, key="budget/daily/day/key_1")),
        ),
    ),
    "a permit that leaves a budget out": (
        "attempt",
        _with("attempt", permit=permit(2, 2, deployment="b")),
    ),
    "a permit that reserves of a budget nobody asked for": (
        "attempt",
        _with(
            "attempt",
            permit=permit(
                2, 2, deployment="b", **reserved(1, budget="mine", key="budget/mine/day")
            ),
        ),
    ),
    "a permit that reserves two amounts": ("released", _reserving_also(micro_usd=1)),
}


def test_a_later_attempt_of_an_earlier_version_names_its_decisions_evaluation(
    tmp_path: Path,
) -> None:
    story = honest()
    for name in ("request_bundle", "bundle", "quarantine"):
        del story["attempt"][name]
    story["attempt"]["evaluation"] = digest_of(FIRST)
    write(tmp_path / "data", story)

    assert ours(tmp_path / "data") == theirs(tmp_path / "data") == ""


def test_a_reservation_of_a_new_period_finds_the_budget_whole(tmp_path: Path) -> None:
    story = honest()
    story["failed"]["charged_micro_usd"] = story["answered"]["charged_micro_usd"] = None
    story["attempt"]["permit"] |= reserved(100, "2026-11-27")
    story["attempt"]["at"] = NOON + timedelta(days=1)
    write(tmp_path / "data", story)

    assert ours(tmp_path / "data") == theirs(tmp_path / "data") == ""


@pytest.mark.parametrize("data", [NONSENSE, TWICE], ids=["no verdicts", "two on one pair"])
def test_an_evaluation_that_is_none_permits_nothing(tmp_path: Path, data: bytes) -> None:
    story = honest()
    story["released"]["evaluation"] = digest_of(data)
    write(tmp_path / "data", story)
    refusal = f"evaluation {digest_of(data)[:16]}… cannot be read"

    assert ours(tmp_path / "data") == theirs(tmp_path / "data") == refusal


def test_the_outcome_of_a_failed_attempt_may_come_after_the_next_permit(tmp_path: Path) -> None:
    story = honest()
    _told_late()(story)
    write(tmp_path / "data", story)

    assert ours(tmp_path / "data") == theirs(tmp_path / "data") == ""


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("superseded", "ok"),
        ("ok", "superseded"),
        ("ok", "failed"),
        ("ok", "contract_violated"),
        ("ok", "cancelled"),
        ("cancelled", "cancelled"),
        ("failed", "failed"),
        ("unknown", "unknown"),
    ],
)
def test_an_answer_that_was_kept_ends_in_any_way_that_leaves_one_answer_at_most(
    tmp_path: Path, first: str, second: str
) -> None:
    story = honest()
    _escalated(first, second)(story)
    write(tmp_path / "data", story)

    assert ours(tmp_path / "data") == theirs(tmp_path / "data") == ""


def test_two_people_may_revoke_and_invite_and_one_may_where_one_is_all(tmp_path: Path) -> None:
    confirmed = (ENDED, {**ENDED, "by": "ben"}, invited("omar"), SET)
    own = ({**ENDED, "by": "lena"}, invited("lena"), SET)
    for mode, acts in (("team", confirmed), ("team", own), ("solo", (ENDED, invited("omar"), SET))):
        story = honest()
        _people(invited("genesis"), invited("omar"), SET, *acts)(story)
        story["genesis"]["mode"] = mode
        if mode == "solo":
            del story["wished"], story["lifted"]["asked_by"], story["solo_asked"], story["solo"]
        folder = tmp_path / f"{mode} {len(acts)}"
        write(folder, story)

        assert ours(folder) == theirs(folder) == ""


def test_up_to_its_last_moment_a_key_an_approval_and_a_wish_count(tmp_path: Path) -> None:
    moment, week = timedelta(microseconds=1), timedelta(days=7)
    story = honest()
    story["activated"]["at"] = NOON + week - moment
    story["imposed"]["at"] = NOON + week
    story["lifted"]["at"] = NOON + 2 * week - moment
    story["held"]["review"]["expires_at"] = (NOON + 3 * week).isoformat()
    story["key"]["expires_at"] = (NOON + 5 * week).isoformat()
    story["solo"]["at"] = NOON + 4 * week
    for name in ("released", "attempt", "free"):
        story[name]["permit"] |= reserved(0, f"{NOON + 2 * week:%Y-%m-%d}")
    story["free"]["at"] = story["key"]["at"] = NOON + 5 * week - moment
    del story["key"]["at"]
    story["free"]["permit"] |= reserved(0, f"{NOON + 5 * week:%Y-%m-%d}")
    story["solo"]["at"] = NOON + 6 * week - 2 * moment
    write(tmp_path / "data", story)

    assert ours(tmp_path / "data") == theirs(tmp_path / "data") == ""


def test_a_solo_installation_needs_no_second_person_but_another_than_the_requester(
    tmp_path: Path,
) -> None:
    story = honest()
    story["genesis"]["mode"] = "solo"
    story["agreed"]["by"] = story["ratified"]["by"] = "ana"
    story["activated"]["approved_by"] = ["ana"]
    story["ratified"]["by"] = "omar"
    del story["wished"], story["lifted"]["asked_by"], story["solo_asked"], story["solo"]
    write(tmp_path / "data", story)

    assert ours(tmp_path / "data") == theirs(tmp_path / "data") == ""


def test_kinds_and_fields_that_no_rule_knows_are_named(tmp_path: Path) -> None:
    story = honest()
    story["failed"]["mood"] = "sad"
    story["free"]["permit"]["encore"] = 1
    write(tmp_path / "data", story)
    named = "decision.permit.encore, kind test, outcome.mood"

    with ReadOnlyLog(tmp_path / "data") as log:
        said = log.verify(None)
    summary = kit.verify(
        kit.open_source(tmp_path / "data"), kit.read_key(None, tmp_path / "data")[0]
    )

    assert f"not judged: {named}" in said
    assert summary["not_judged"] == named


def test_both_know_the_same_kinds_and_fields_and_every_kind_that_is_written() -> None:
    ours_know = {kind: fields | known._ALWAYS for kind, fields in known._FIELDS.items()}

    assert ours_know == kit_shapes.KNOWN
    assert ours_know.keys() == KINDS


@pytest.mark.parametrize("lie", LIES)
def test_both_refuse_a_story_that_cannot_have_happened(tmp_path: Path, lie: str) -> None:
    where, change = LIES[lie]
    story = honest()
    change(story)
    write(tmp_path / "data", story)
    place = f"entry {list(story).index(where)} "

    assert theirs(tmp_path / "data") == ours(tmp_path / "data")
    assert ours(tmp_path / "data").startswith(place)


def test_a_reservation_written_right_after_midnight_may_be_of_the_day_before(
    tmp_path: Path,
) -> None:
    story = honest()
    story["released"]["at"] = datetime.fromisoformat("2026-11-27T00:00:59Z")
    story["failed"] |= {"charged_micro_usd": 70, "status": "contract_violated"}
    story["attempt"]["permit"] |= reserved(1)
    story["attempt"]["at"] = datetime.fromisoformat("2026-11-27T00:01:01Z")
    write(tmp_path / "data", story)
    place = f"entry {list(story).index('attempt')} "

    assert ours(tmp_path / "data").startswith(place)
    assert theirs(tmp_path / "data").startswith(place)


def _key() -> kit_trees.Key:
    raw = bytes([1]) + bytes(range(32))
    identity = hashlib.sha256(b"log.example/story\n" + raw).digest()[:4].hex()
    return kit_trees.Key(f"log.example/story+{identity}+{base64.b64encode(raw).decode()}")


ALWAYS = {"v": 1, "ts": "2026-11-26T12:00:00.000000Z", "salt": "", "replica": "r", "boot": "b"}
KEY = _key()
WORDS = ("", "a", "key_1", "law", "rita", "2026-11-26", "2026-11", "decision", "attempt")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 200) | st.sampled_from(WORDS) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(("a", "queues", "mac", "version", "deployment", "candidates", "cut")),
            inner,
            max_size=2,
        )
    ),
    max_leaves=4,
)
GONE = "gone"
KNOWN = (
    *("kind", "id", "ts", "permit", "evaluation", "facts", "sd", "bundle", "quarantine"),
    *("outcome", "review_id", "review", "request", "app", "key_id", "tenant", "decision_id"),
    *("request_bundle", "attempt", "deployment", "charged_micro_usd", "queue", "by", "version"),
    *("subject", "subject_id", "parent", "bundle_digest", "erased", "holder", "minted_by"),
    *(
        "chosen",
        "noted",
        "status",
        "http_status",
        "mode",
        "author",
        "approved_by",
        "continues",
        "was",
    ),
    *("asked_by", "application", "ranking", "salt", "state"),
    *("experiment", "policies", "released_bytes"),
    *("escalation", "appraisal", "not_escalated"),
)


def _places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    rows = value.items() if isinstance(value, dict) else enumerate(value)
    for name, inner in rows:
        yield (*path, name)
        if isinstance(inner, dict | list):
            yield from _places(inner, (*path, name))


def _put(entry: dict[str, Any], path: tuple[str | int, ...], value: Any) -> None:
    inner: Any = entry
    for name in path[:-1]:
        inner = inner[name]
    if value == GONE and isinstance(inner, dict):
        inner.pop(path[-1], None)
    else:
        inner[path[-1]] = value


def _accepts(hear: Callable[[int, dict[str, Any]], None], told: list[dict[str, Any]]) -> bool:
    try:
        for index, entry in enumerate(told):
            hear(index, entry)
    except (IntegrityError, kit_trees.Finding):
        return False
    return True


@given(data=st.data())
@settings(max_examples=600)
def test_both_say_the_same_of_any_value_in_any_field_and_neither_breaks(
    data: st.DataObject,
) -> None:
    story = honest()
    if data.draw(st.booleans()):
        _escalated()(story)
    demand_agreement(story, data)


def demand_agreement(story: Story, data: st.DataObject) -> None:
    """Both verifiers accept or refuse a story of which one or two fields have any value."""
    told = [
        {**ALWAYS, "id": f"ent_{n}", **whole(entry, NOON)}
        for n, entry in enumerate(copy.deepcopy(story).values())
    ]
    for _ in range(data.draw(st.integers(1, 2))):
        entry = data.draw(st.sampled_from(told))
        there = sorted(_places(entry), key=str)
        path = data.draw(st.sampled_from(there) | st.sampled_from([(name,) for name in KNOWN]))
        with suppress(KeyError, IndexError, TypeError, AttributeError):  # the first took it away
            _put(entry, path, data.draw(VALUES | st.just(GONE)))

    heard = _accepts(kit_rules.Story(KEY).read, told)

    assert _accepts(OurStory().tell, told) == heard
