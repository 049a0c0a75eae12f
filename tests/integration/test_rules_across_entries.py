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

from transire.domain.log import Item
from transire.errors import IntegrityError
from transire.record.opening import create_log, open_log
from transire.record.reading import ReadOnlyLog
from transire.record.story import Story as OurStory

KIT = Path(__file__).resolve().parents[2] / "audit"
sys.path.insert(0, str(KIT))
import rules as kit_rules  # noqa: E402 - the auditor's program is a script, not a package
import verify as kit  # noqa: E402

Story = dict[str, dict[str, Any]]
"""Name → an entry: its fields and `kind`, in order."""
NOON = datetime.fromisoformat("2026-11-26T12:00:00Z")
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
            fields = {k: v for k, v in entry.items() if k not in ("kind", "disclosed", "at")}
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


def _reserving(**changes: Any) -> Callable[[Story], None]:
    def change(story: Story) -> None:
        story["released"]["permit"]["reserved"][0].update(changes)

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
    "a permit that is a list": ("released", _with("released", permit=[permit(1, 2)])),
    "a permit that is false": ("released", _with("released", permit=False)),
    "an outcome of attempt true": ("failed", _with("failed", attempt=True)),
    "a key created twice": (
        "added",
        _after("key", {"kind": "access.key_created", "key_id": "key_1", "minted_by": "zed"}),
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
    "a hold in a queue that is no text": ("held", _with("held", review={"queues": [["law"]]})),
    "a hold whose review is a text": ("held", _with("held", review="law")),
    "an erasure of nothing": ("remark", _with("remark", kind="erasure", erased=[])),
    "a denied decision that carries a permit": ("released", _with("released", outcome="denied")),
    "a held decision that carries a permit": (
        "released",
        _with("released", outcome="review_required"),
    ),
    "advice that carries a permit": ("released", _with("released", kind="advice")),
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
    story["attempt"]["at"] = NOON + timedelta(days=1)
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


def test_a_reservation_written_right_after_midnight_may_be_of_the_day_before(
    tmp_path: Path,
) -> None:
    story = honest()
    story["released"]["at"] = datetime.fromisoformat("2026-11-27T00:00:59Z")
    story["failed"]["charged_micro_usd"] = 70
    story["attempt"]["permit"] |= reserved(1)
    story["attempt"]["at"] = datetime.fromisoformat("2026-11-27T00:01:01Z")
    write(tmp_path / "data", story)
    place = f"entry {list(story).index('attempt')} "

    assert ours(tmp_path / "data").startswith(place)
    assert theirs(tmp_path / "data").startswith(place)


def _key() -> kit_rules.Key:
    raw = bytes([1]) + bytes(range(32))
    identity = hashlib.sha256(b"log.example/story\n" + raw).digest()[:4].hex()
    return kit_rules.Key(f"log.example/story+{identity}+{base64.b64encode(raw).decode()}")


ALWAYS = {"v": 1, "ts": "2026-11-26T12:00:00.000000Z", "salt": "", "replica": "r", "boot": "b"}
KEY = _key()
WORDS = ("", "a", "key_1", "law", "rita", "2026-11-26", "2026-11", "decision", "attempt")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 200) | st.sampled_from(WORDS) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(("a", "queues", "mac", "version")), inner, max_size=2)
    ),
    max_leaves=4,
)
GONE = "gone"
KNOWN = (
    *("kind", "id", "ts", "permit", "evaluation", "facts", "sd", "bundle", "quarantine"),
    *("outcome", "review_id", "review", "request", "app", "key_id", "tenant", "decision_id"),
    *("request_bundle", "attempt", "deployment", "charged_micro_usd", "queue", "by", "version"),
    *("subject", "subject_id", "parent", "bundle_digest", "erased", "holder", "minted_by"),
    *("chosen", "noted", "status", "http_status", "mode", "author", "approved_by", "continues"),
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
    except (IntegrityError, kit_rules.Finding):
        return False
    return True


@given(data=st.data())
@settings(max_examples=600)
def test_both_say_the_same_of_any_value_in_any_field_and_neither_breaks(
    data: st.DataObject,
) -> None:
    told = [
        {**ALWAYS, "id": f"ent_{n}", **{k: v for k, v in entry.items() if k != "disclosed"}}
        for n, entry in enumerate(copy.deepcopy(honest()).values())
    ]
    for _ in range(data.draw(st.integers(1, 2))):
        entry = data.draw(st.sampled_from(told))
        there = sorted(_places(entry), key=str)
        path = data.draw(st.sampled_from(there) | st.sampled_from([(name,) for name in KNOWN]))
        with suppress(KeyError, IndexError, TypeError, AttributeError):  # the first took it away
            _put(entry, path, data.draw(VALUES | st.just(GONE)))

    heard = _accepts(kit_rules.Story(KEY).read, told)

    assert _accepts(OurStory().tell, told) == heard
