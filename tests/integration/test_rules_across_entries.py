"""What entries say of one another: two verifiers that share no code refuse the same stories.

The logs are real and rightly signed, as an operator with the key, or a bug, would write them.
"""

import asyncio
import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from transire.clock import SystemClock
from transire.domain.log import Item
from transire.errors import IntegrityError
from transire.record.opening import create_log, open_log
from transire.record.reading import ReadOnlyLog

KIT = Path(__file__).resolve().parents[2] / "audit"
sys.path.insert(0, str(KIT))
import rules as kit_rules  # noqa: E402 - the auditor's program is a script, not a package
import verify as kit  # noqa: E402

Story = dict[str, dict[str, Any]]
"""Name → an entry: its fields and `kind`, in order."""
BUNDLE = b"the bundle's files"
DIGEST = hashlib.sha256(BUNDLE).hexdigest()


def verdicts(**effects: str) -> bytes:
    """An evaluation: deployment → effect, raw."""
    rows = [{"deployment": d, "form": "raw", "effect": e} for d, e in effects.items()]
    return json.dumps(rows).encode()


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


FIRST = verdicts(a="permit", b="permit", c="forbid")
LATER = verdicts(a="forbid", b="permit", c="permit")
NONSENSE = b'{"a": "permit"}'
BLOBS = {digest_of(data): data for data in (BUNDLE, FIRST, LATER, NONSENSE)}


def permit(attempt: int, version: int = 0, **changes: Any) -> dict[str, Any]:
    return {
        "attempt": attempt,
        "deployment": "a",
        "provider": "p",
        "bundle": DIGEST,
        "quarantine": version,
        **changes,
    }


def asked(name: str, outcome: str, **more: Any) -> dict[str, Any]:
    who = {"tenant": "acme", "app": "sales", "key_id": "key_1"}
    return {
        "kind": "decision",
        "id": name,
        "outcome": outcome,
        "request": {"mac": "00ff"},
        **who,
        **more,
    }


def reserved(micro_usd: Any, period: str = "2026-11-26", limit: int = 100) -> dict[str, Any]:
    row = {"budget": "daily", "key": "budget/daily", "period": period}
    return {"reserved": [{**row, "micro_usd": micro_usd, "limit_micro_usd": limit}]}


def outcome(attempt: int, deployment: str, charged: Any) -> dict[str, Any]:
    return {
        "kind": "outcome",
        "decision_id": "dec_2",
        "attempt": attempt,
        "deployment": deployment,
        "charged_micro_usd": charged,
    }


def approved(queue: str, by: str) -> dict[str, Any]:
    return {"kind": "review.approved", "review_id": "rev_1", "queue": queue, "by": by}


def quarantined(verb: str, version: int, subject: str, name: str) -> dict[str, Any]:
    return {
        "kind": f"quarantine.{verb}",
        "version": version,
        "subject": subject,
        "subject_id": name,
    }


def honest() -> Story:
    """A hold of two queues, released; before it, a quarantine of others that was lifted again."""
    return {
        "genesis": {"kind": "policy.genesis", "bundle_digest": DIGEST, "mode": "team"},
        "key": {
            "kind": "access.key_created",
            "key_id": "key_1",
            "minted_by": "omar",
            "holder": "sam",
        },
        "imposed": quarantined("imposed", 1, "provider", "other"),
        "lifted": quarantined("lifted", 2, "provider", "other"),
        "held": asked(
            "dec_1", "review_required", review_id="rev_1", review={"queues": ["law", "risk"]}
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
        "failed": outcome(1, "a", 0),
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
        "answered": outcome(2, "b", 130),
        "remark": {"kind": "test", "disclosed": "a remark"},
    }


def write(folder: Path, story: Story) -> None:
    async def fill() -> None:
        log = open_log(folder, clock=SystemClock(), replica="r1")
        for entry in story.values():
            fields = {k: v for k, v in entry.items() if k not in ("kind", "disclosed")}
            told = {"comment": entry["disclosed"]} if "disclosed" in entry else {}
            named = (fields.get("bundle_digest"), fields.get("evaluation"))
            blobs = {digest: BLOBS[digest] for digest in named if digest in BLOBS}
            item = Item(kind=entry["kind"], fields=fields, blobs=blobs, disclosures=told)
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
    except kit_rules.Finding as finding:
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
        _after(after, quarantined("imposed", 3, kind, name))(story)
        story[permitted]["permit"]["quarantine"] = story[permitted]["quarantine"] = 3

    return change


def _for(name: str, deployment: str, **changes: Any) -> Callable[[Story], None]:
    """A permit, and its outcome, is for another deployment, or another form."""

    def change(story: Story) -> None:
        story[name]["permit"].update(deployment=deployment, **changes)
        story[{"released": "failed", "attempt": "answered"}[name]]["deployment"] = deployment

    return change


LIES: dict[str, tuple[str, Callable[[Story], None]]] = {
    "a release without an approval": ("released", _without("first", "second")),
    "a release with one approval of two": ("released", _without("second")),
    "an approval by who minted the key": ("second", _with("second", by="omar")),
    "an approval by who holds the key": ("second", _with("second", by="sam")),
    "two approvals by one person": ("second", _with("second", by="rita")),
    "an approval for another queue": ("second", _with("second", queue="sales")),
    "a release of a review nobody opened": ("first", _without("held")),
    "a release of another request": ("released", _with("released", request={"mac": "00fe"})),
    "a release with another key": ("released", _with("released", key_id="key_2")),
    "a release of what was denied": (
        "released",
        _after("second", {"kind": "review.denied", "review_id": "rev_1", "by": "lena"}),
    ),
    "a release of what has expired": (
        "released",
        _after("second", {"kind": "review.expired", "review_id": "rev_1"}),
    ),
    "a second release": (
        "added",
        _after(
            "released",
            asked(
                "dec_3",
                "permitted",
                review_id="rev_1",
                permit=permit(1, 2),
                evaluation=digest_of(FIRST),
            ),
        ),
    ),
    "an approval after the release": ("added", _after("released", approved("law", "nora"))),
    "an attempt without the decision's review": ("attempt", _with("attempt", review_id="rev_2")),
    "a hold in no queue": ("held", _with("held", review={"queues": []})),
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
        _after("imposed", quarantined("imposed", 2, "provider", "other")),
    ),
    "a reservation beyond its budget": (
        "released",
        _with("released", permit=permit(1, 2, **reserved(101))),
    ),
    "a reservation of what is still reserved": ("attempt", _with("failed", charged_micro_usd=None)),
    "a reservation of what was spent": ("attempt", _with("failed", charged_micro_usd=1)),
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
    "erasing what nobody disclosed": ("remark", _with("remark", kind="erasure", erased=["x"])),
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
    story["failed"]["charged_micro_usd"] = None
    story["attempt"]["permit"] |= reserved(100, "2026-11-27")
    write(tmp_path / "data", story)

    assert ours(tmp_path / "data") == theirs(tmp_path / "data") == ""


def test_an_evaluation_that_is_none_permits_nothing(tmp_path: Path) -> None:
    story = honest()
    story["released"]["evaluation"] = digest_of(NONSENSE)
    write(tmp_path / "data", story)

    assert "evaluation" in ours(tmp_path / "data")
    assert "evaluation" in theirs(tmp_path / "data")


@pytest.mark.parametrize("lie", LIES)
def test_both_refuse_a_story_that_cannot_have_happened(tmp_path: Path, lie: str) -> None:
    where, change = LIES[lie]
    story = honest()
    change(story)
    write(tmp_path / "data", story)
    place = f"entry {list(story).index(where)} "

    assert ours(tmp_path / "data").startswith(place)
    assert theirs(tmp_path / "data").startswith(place)
