"""Held requests as durable state: exact, theirs, four eyes, once, and with evidence."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.conftest import FakeClock
from tests.swift import run_swiftly
from tests.unit.review.reviews import (
    CANARY,
    DEPLOYMENTS,
    ReviewDesk,
    held_case,
    person,
    review,
    sent,
)

from transire.bundle.acts import ACTIVE_KEY
from transire.domain.authorization import Form
from transire.domain.classification import Redaction
from transire.domain.ids import (
    ApplicationId,
    DataClass,
    DeploymentId,
    Jurisdiction,
    KeyId,
    Purpose,
    ReviewId,
    Stakes,
    TenantId,
)
from transire.domain.log import Item
from transire.domain.request import Assertions
from transire.errors import (
    ConflictError,
    HoldsFullError,
    LogUnavailable,
    NotFoundError,
    PolicyDenied,
    ReviewRequired,
    ReviewSpentError,
    StaleError,
)
from transire.review.evidence import MAX_HELD_BYTES, hold_key, key_key
from transire.review.listing import Page, Wanted


@pytest.fixture
def desk(clock: FakeClock) -> ReviewDesk:
    return ReviewDesk(clock)


async def test_a_hold_is_a_decision_that_opens_a_review_of_exactly_this_request(
    desk: ReviewDesk,
) -> None:
    review = await desk.stored(await desk.hold("claims"))
    entry = desk.last

    assert (entry["kind"], entry["outcome"]) == ("decision", "review_required")
    assert entry["review_id"] == review.id
    assert entry["review"] == {
        "queues": ["claims"],
        "expires_at": review.expires_at,
        "evidence": "content",
    }
    assert (review.tenant, review.application, review.key_id) == ("acme", "docs-qa", "key_1")
    assert (review.decision_id, review.mac) == ("dec_X", b"mac".hex())
    assert review.key_holders == ("hal", "omar")
    assert (review.stakes, review.data_classes) == ("high", ("HEALTH",))
    assert review.state(desk.clock.now()) == "pending"


async def test_reviewers_see_facts_rules_and_where_it_would_go_and_no_content(
    desk: ReviewDesk,
) -> None:
    review = await desk.stored(await desk.hold("claims"))

    assert review.facts["would_go_to"] == "eu-medical"
    assert review.facts["data_classes"] == ["HEALTH"]
    assert (review.facts["tokens"], review.facts["redacted"]) == (9, False)
    assert review.facts["policies"] == [
        {"id": "hold.claims", "reason": "claims are checked", "regulation": "HWG §3"}
    ]
    assert CANARY not in repr((desk.log.entries, desk.log.state, desk.log.blobs))


async def test_a_release_covers_what_these_queues_may_release_and_nothing_else(
    desk: ReviewDesk,
) -> None:
    review = await desk.stored(await desk.hold("claims"))

    assert frozenset(review.deployments) == DEPLOYMENTS


async def test_no_review_is_opened_where_the_state_moved_or_the_log_does_not_write(
    desk: ReviewDesk,
) -> None:
    desk.log.state[ACTIVE_KEY] = "moved"
    with pytest.raises(StaleError):
        await desk.hold()
    desk.log.break_down()
    with pytest.raises(LogUnavailable):
        await desk.hold()

    assert await desk.queue.list(Wanted(tenant="acme")) == Page((), None)


@pytest.mark.parametrize(
    ("queues", "minutes"), [(("claims",), 240), (("claims", "stakes"), 60), (("unlisted",), 60)]
)
async def test_the_shortest_promise_of_its_queues_ends_a_review(
    desk: ReviewDesk, queues: tuple[str, ...], minutes: int
) -> None:
    review = await desk.stored(await desk.hold(*queues))

    assert review.expires_at == (desk.clock.now() + timedelta(minutes=minutes)).isoformat()


@pytest.mark.parametrize(
    ("queues", "evidence"),
    [(("claims",), "content"), (("stakes",), "facts"), (("claims", "stakes"), "content")],
)
async def test_content_is_kept_where_a_queue_asks_for_it_alone(
    desk: ReviewDesk, queues: tuple[str, ...], evidence: str
) -> None:
    review_id = await desk.hold(*queues)
    keeps = {hold_key(review_id), key_key(review_id)} <= desk.log.state.keys()

    assert (await desk.stored(review_id)).evidence == evidence
    assert keeps == (evidence == "content")


async def test_content_that_is_too_long_is_not_kept_and_the_review_says_so(
    desk: ReviewDesk,
) -> None:
    body = replace(sent().body, fields={"messages": ["x" * MAX_HELD_BYTES]})
    review_id = await desk.hold("claims", body=body)

    assert hold_key(review_id) not in desk.log.state
    assert (await desk.stored(review_id)).evidence == "facts"
    assert desk.last["review"]["evidence"] == "facts"
    with pytest.raises(NotFoundError, match="no content"):
        await desk.queue.content(review_id, "rita")


async def test_a_look_at_the_content_is_recorded_before_it_is_given(desk: ReviewDesk) -> None:
    review_id = await desk.hold("claims")
    shown = await desk.queue.content(review_id, "rita")

    assert shown == sent().body.fields
    assert (desk.last["kind"], desk.last["by"]) == ("review.viewed", "rita")
    assert (await desk.stored(review_id)).viewers == ("rita",)
    desk.log.break_down()
    with pytest.raises(LogUnavailable):
        await desk.queue.content(review_id, "ron")


async def test_content_without_its_key_is_not_shown(desk: ReviewDesk) -> None:
    review_id = await desk.hold("claims")
    del desk.log.state[key_key(review_id)]

    with pytest.raises(NotFoundError):
        await desk.queue.content(review_id, "rita")


async def test_nothing_is_released_before_the_approval(desk: ReviewDesk) -> None:
    review_id = await desk.hold()

    with pytest.raises(ReviewRequired, match="pending"):
        await desk.release(review_id)
    await desk.queue.claim(review_id, "rita")
    with pytest.raises(ReviewRequired, match="claimed"):
        await desk.release(review_id)


async def test_an_approval_releases_its_deployments_for_its_queues(desk: ReviewDesk) -> None:
    review_id = await desk.hold("claims")
    await desk.approve(review_id)
    release = await desk.release(review_id)

    assert (release.review_id, release.queues) == (review_id, {"claims"})
    assert release.deployments == DEPLOYMENTS
    assert not release.is_redacted


async def test_an_approval_of_the_redacted_form_says_so(desk: ReviewDesk) -> None:
    case, hold = held_case("claims", form=Form.REDACTED)
    redaction = Redaction(
        body=case.request.body,
        classification=case.classification,
        content_digest=b"redacted",
        count=1,
    )
    review_id, _ = await desk.queue.hold(replace(case, redaction=redaction), hold, desk.governed)
    await desk.approve(str(review_id))

    assert (await desk.release(str(review_id))).is_redacted


async def test_an_approval_is_spent_by_one_decision(desk: ReviewDesk) -> None:
    review_id = await desk.hold()
    await desk.approve(review_id)
    first, second = await desk.release(review_id), await desk.release(review_id)
    spends = [
        Item(kind="decision", fields={"id": name}, conditions=r.conditions, changes=r.changes)
        for name, r in (("dec_2", first), ("dec_3", second))
    ]
    await desk.log.append(spends[0])
    with pytest.raises(ConflictError):
        await desk.log.append(spends[1])

    assert (await desk.stored(review_id)).spent_by == "dec_X"
    assert hold_key(review_id) not in desk.log.state
    assert key_key(review_id) not in desk.log.state
    with pytest.raises(ReviewSpentError) as caught:
        await desk.release(review_id)
    assert caught.value.facts == {"review_id": review_id, "spent_by": "dec_X"}


@pytest.mark.parametrize(
    "changes",
    [
        {"tenant": TenantId("other")},
        {"application": ApplicationId("sales")},
        {"key_id": KeyId("key_2")},
    ],
)
async def test_an_approval_is_its_own_keys_alone(desk: ReviewDesk, changes: Any) -> None:
    review_id = await desk.hold()
    await desk.approve(review_id)

    with pytest.raises(NotFoundError):
        await desk.release(review_id, principal=replace(sent().principal, **changes))


async def test_an_approval_is_of_the_exact_request(desk: ReviewDesk) -> None:
    review_id = await desk.hold()
    await desk.approve(review_id)

    with pytest.raises(ConflictError, match="not the request"):
        await desk.release(review_id, mac=b"other")
    with pytest.raises(NotFoundError):
        await desk.release("rev_0")


async def _deny(desk: ReviewDesk, review_id: str) -> None:
    await desk.queue.deny(review_id, "rita", comment="no")


async def _cancel(desk: ReviewDesk, review_id: str) -> None:
    await desk.queue.cancel(review_id, sent().principal)


async def _expire(desk: ReviewDesk, review_id: str) -> None:
    desk.clock.advance(240 * 60)
    assert await desk.queue.sweep() == 1


async def _expire_approved(desk: ReviewDesk, review_id: str) -> None:
    await desk.approve(review_id)
    await _expire(desk, review_id)


@pytest.mark.parametrize(
    ("close", "state", "kind"),
    [
        (_deny, "denied", "review.denied"),
        (_cancel, "cancelled", "review.cancelled"),
        (_expire, "expired", "review.expired"),
        (_expire_approved, "expired", "review.expired"),
    ],
)
async def test_a_closed_review_releases_nothing_and_keeps_no_content(
    desk: ReviewDesk, close: Any, state: str, kind: str
) -> None:
    review_id = await desk.hold("claims")
    await close(desk, review_id)

    assert (desk.last["kind"], desk.last["tenant"]) == (kind, "acme")
    assert hold_key(review_id) not in desk.log.state
    assert key_key(review_id) not in desk.log.state
    with pytest.raises(PolicyDenied, match=state):
        await desk.release(review_id)
    with pytest.raises(NotFoundError):
        await desk.queue.content(review_id, "rita")


async def test_what_has_expired_is_recorded_once_and_what_has_not_is_left(
    desk: ReviewDesk,
) -> None:
    await desk.hold("stakes")
    later = await desk.hold("claims")
    denied = await desk.hold("stakes")
    await _deny(desk, denied)
    desk.clock.advance(60 * 60)

    assert [await desk.queue.sweep(), await desk.queue.sweep()] == [1, 0]
    assert (await desk.stored(later)).state(desk.clock.now()) == "pending"
    assert hold_key(later) in desk.log.state


async def test_every_queue_must_release_and_says_what_its_reviewer_saw(desk: ReviewDesk) -> None:
    review_id = await desk.hold("claims", "stakes")
    await desk.queue.content(review_id, "rita")
    await desk.approve(review_id, "rita", "claims")
    seen = desk.last
    with pytest.raises(ReviewRequired):
        await desk.release(review_id)
    await desk.approve(review_id, "ron")

    assert (seen["kind"], seen["queue"], seen["saw_content"]) == (
        "review.approved",
        "claims",
        True,
    )
    assert (desk.last["queue"], desk.last["saw_content"]) == ("stakes", False)
    assert (await desk.release(review_id)).queues == {"claims", "stakes"}


async def test_with_two_queues_waiting_the_name_of_one_is_needed(desk: ReviewDesk) -> None:
    review_id = await desk.hold("claims", "stakes")

    with pytest.raises(Exception, match="waits in claims, stakes"):
        await desk.approve(review_id)


@pytest.mark.parametrize("act", ["claimed", "approved", "denied"])
async def test_every_act_names_review_person_and_tenant(desk: ReviewDesk, act: str) -> None:
    review_id = await desk.hold()
    if act == "claimed":
        await desk.queue.claim(review_id, "rita")
    elif act == "approved":
        await desk.approve(review_id)
    else:
        await _deny(desk, review_id)

    assert (desk.last["kind"], desk.last["by"]) == (f"review.{act}", "rita")
    assert (desk.last["review_id"], desk.last["tenant"]) == (review_id, "acme")


async def test_a_comment_stands_beside_the_tree_and_not_in_the_entry(desk: ReviewDesk) -> None:
    review_id = await desk.hold()
    await desk.queue.approve(review_id, "rita", queue=None, comment=CANARY + "x" * 3_000)

    assert CANARY not in repr(desk.log.entries)
    assert desk.log.items[-1].disclosures == {"comment": (CANARY + "x" * 3_000)[:2_000]}
    await desk.queue.claim(await desk.hold(), "rita")
    assert desk.log.items[-1].disclosures == {}


async def test_an_act_that_lost_a_race_changes_nothing(desk: ReviewDesk) -> None:
    review_id = await desk.hold()
    before = desk.log.state[f"review/{review_id}"]
    await _deny(desk, review_id)
    get = desk.log.get

    async def stale(key: str) -> str | None:
        return before if key == f"review/{review_id}" else await get(key)

    desk.log.get = stale  # type: ignore[method-assign] # read before the denial
    with pytest.raises(ConflictError):
        await desk.approve(review_id)

    assert (await desk.stored(review_id)).denied_by == "rita"


async def test_a_sweep_that_lost_a_race_against_a_change_closes_nothing(desk: ReviewDesk) -> None:
    review_id = await desk.hold("stakes")
    rows = await desk.log.scan("open-review/")
    await _deny(desk, review_id)
    desk.clock.advance(60 * 60)

    async def earlier(prefix: str) -> list[tuple[str, str]]:
        return rows

    desk.log.scan = earlier  # type: ignore[method-assign] # read before the denial

    assert await desk.queue.sweep() == 0
    assert desk.last["kind"] == "review.denied"


@pytest.mark.parametrize("close", [_deny, _cancel, _expire, _expire_approved])
async def test_what_is_closed_is_never_read_again_to_find_what_is_open(
    desk: ReviewDesk, close: Any
) -> None:
    closed = await desk.hold("claims")
    await close(desk, closed)
    desk.log.state[f"review/{closed}"] = "no longer JSON"
    left = await desk.hold("claims")

    assert await desk.queue.sweep() == 0
    listed = await desk.queue.list(Wanted(tenant="acme", state="pending"))
    assert [r.id for r in listed.reviews] == [left]
    assert await desk.queue.open_count() == 1


async def test_an_approval_that_was_used_is_no_longer_open(desk: ReviewDesk) -> None:
    review_id = await desk.hold()
    await desk.approve(review_id)
    assert await desk.queue.open_count() == 1
    release = await desk.release(review_id)
    item = Item(kind="decision", fields={}, conditions=release.conditions, changes=release.changes)
    await desk.log.append(item)

    assert await desk.queue.open_count() == 0


async def test_a_credential_holds_no_more_than_it_may(desk: ReviewDesk) -> None:
    first, *_ = [await desk.hold() for _ in range(3)]
    with pytest.raises(HoldsFullError, match="this credential has 3") as caught:
        await desk.hold()
    entries = len(desk.log.entries)
    await _deny(desk, first)
    await desk.hold()

    assert (caught.value.status, caught.value.should_retry) == (429, False)
    assert entries == 3


async def test_a_tenant_holds_no_more_than_it_may(desk: ReviewDesk) -> None:
    desk.holders |= {KeyId("key_2"): frozenset(), KeyId("key_3"): frozenset()}
    theirs = replace(sent().principal, tenant=TenantId("other"))
    for key_id in ("key_1", "key_2", "key_1", "key_2", "key_1"):
        await desk.hold(principal=replace(sent().principal, key_id=KeyId(key_id)))
    with pytest.raises(HoldsFullError, match="this tenant has 5"):
        await desk.hold(principal=replace(sent().principal, key_id=KeyId("key_3")))
    await desk.hold(principal=theirs)

    assert await desk.queue.open_count() == 6


async def test_holds_that_come_at_once_share_the_places(desk: ReviewDesk) -> None:
    append, go = desk.log.append, asyncio.Event()

    async def slowly(item: Item, **more: Any) -> Any:
        await go.wait()
        return await append(item, **more)

    desk.log.append = slowly  # type: ignore[method-assign] # a slow disk
    holds = [asyncio.ensure_future(desk.hold()) for _ in range(6)]
    while sum(hold.done() for hold in holds) < 3:
        await asyncio.sleep(0)
    go.set()
    results = await asyncio.gather(*holds, return_exceptions=True)

    assert sum(isinstance(result, HoldsFullError) for result in results) == 3
    assert await desk.queue.open_count() == 3


async def test_a_hold_that_failed_gives_its_place_back(desk: ReviewDesk) -> None:
    desk.log.break_down()
    for _ in range(4):
        with pytest.raises(LogUnavailable):
            await desk.hold()
    desk.log.broken = None
    await desk.hold()

    assert await desk.queue.open_count() == 1


async def test_a_review_is_shown_to_its_tenants_people_and_to_its_own_key(
    desk: ReviewDesk,
) -> None:
    review_id = await desk.hold()
    theirs = sent().principal

    assert (await desk.queue.get(review_id, theirs)).id == review_id
    assert (await desk.queue.get(review_id, person())).id == review_id
    for other in (
        person("other"),
        replace(theirs, key_id=KeyId("key_2")),
        replace(theirs, tenant=TenantId("other")),
    ):
        with pytest.raises(NotFoundError):
            await desk.queue.get(review_id, other)
        with pytest.raises(NotFoundError):
            await desk.queue.cancel(review_id, other)


async def test_waiting_ends_with_the_next_act(desk: ReviewDesk) -> None:
    review_id = await desk.hold()
    waiting = asyncio.ensure_future(desk.queue.wait(review_id, person(), 30))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()
    await desk.queue.claim(review_id, "rita")

    assert (await waiting).claimed_by == "rita"


@pytest.mark.parametrize(("asked_s", "waited_s"), [(30, 30), (9_999, 60)])
def test_waiting_ends_with_its_time_and_after_a_minute(
    desk: ReviewDesk, asked_s: float, waited_s: float
) -> None:
    async def wait() -> tuple[int, float]:
        found = await desk.queue.wait(await desk.hold(), person(), asked_s)
        return found.version, asyncio.get_running_loop().time()

    version, passed_s = run_swiftly(wait())

    assert version == 1
    assert passed_s == pytest.approx(waited_s)


def test_cedar_judges_acts_on_tenant_queues_stakes_classes_and_key_holders(
    desk: ReviewDesk,
) -> None:
    resource = desk.queue.resource(review(queues={"b": None, "a": None}))

    assert (resource["type"], resource["id"]) == ("ReviewItem", "rev_1")
    assert resource["parents"] == [{"type": "Tenant", "id": "acme"}]
    assert resource["attrs"] == {
        "tenant": {"__entity": {"type": "Tenant", "id": "acme"}},
        "queue": "a,b",
        "stakes": {"__entity": {"type": "Stakes", "id": "high"}},
        "dataClasses": [{"__entity": {"type": "DataClass", "id": "HEALTH"}}],
        "keyHolders": [
            {"__entity": {"type": "User", "id": "hal"}},
            {"__entity": {"type": "User", "id": "omar"}},
        ],
    }


WIDE = Assertions()
HELD = Assertions(
    models=frozenset(map(DeploymentId, ("a", "b"))),
    purpose=Purpose("document_qa"),
    task="translate",
    domain="health",
    stakes=Stakes("high"),
    data_classes=frozenset({DataClass("HEALTH")}),
    jurisdictions=frozenset(map(Jurisdiction, ("DE", "FR"))),
    max_cost_micro_usd=5,
    max_latency_ms=50,
    min_quality_permille=700,
    priority=3,
    session_id="s",
    redaction="require",
    required_tools=frozenset({"f"}),
    allowed_tools=frozenset({"f", "g"}),
    cache="off",
    shadow="off",
)


async def released(desk: ReviewDesk, held: Assertions, again: Assertions) -> Assertions:
    review_id = await desk.hold(assertions=held)
    await desk.approve(review_id)
    united: Assertions = (await desk.release(review_id, assertions=again)).assertions
    return united


async def test_dropping_what_was_asserted_gains_nothing(desk: ReviewDesk) -> None:
    assert await released(desk, HELD, WIDE) == HELD


async def test_asserting_more_on_the_way_narrows(desk: ReviewDesk) -> None:
    assert await released(desk, WIDE, HELD) == HELD


async def test_of_two_assertions_the_stricter_counts(desk: ReviewDesk) -> None:
    again = Assertions(
        models=frozenset(map(DeploymentId, ("b", "c"))),
        data_classes=frozenset({DataClass("CONTACT")}),
        jurisdictions=frozenset(map(Jurisdiction, ("FR", "US"))),
        max_cost_micro_usd=9,
        max_latency_ms=9,
        min_quality_permille=900,
        priority=1,
        required_tools=frozenset({"g"}),
        allowed_tools=frozenset({"g", "h"}),
    )
    united = await released(desk, HELD, again)

    assert united == replace(
        HELD,
        models=frozenset({DeploymentId("b")}),
        data_classes=frozenset(map(DataClass, ("HEALTH", "CONTACT"))),
        jurisdictions=frozenset({Jurisdiction("FR")}),
        max_latency_ms=9,
        min_quality_permille=900,
        priority=1,
        required_tools=frozenset({"f", "g"}),
        allowed_tools=frozenset({"g"}),
    )


async def test_jurisdictions_without_a_common_one_leave_no_place(desk: ReviewDesk) -> None:
    again = Assertions(jurisdictions=frozenset({Jurisdiction("US")}))
    united = await released(desk, HELD, again)

    assert united.jurisdictions
    assert not united.jurisdictions & {"US", "DE", "FR"}


@pytest.mark.parametrize(
    "again",
    [
        {"purpose": Purpose("other")},
        {"stakes": Stakes("low")},
        {"redaction": "forbid"},
        {"session_id": "other"},
        {"task": "other"},
        {"domain": "other"},
    ],
)
async def test_an_assertion_that_contradicts_the_held_one_is_refused(
    desk: ReviewDesk, again: Any
) -> None:
    with pytest.raises(ConflictError, match="asserted another"):
        await released(desk, HELD, Assertions(**again))


async def test_asserting_the_same_again_is_the_same(desk: ReviewDesk) -> None:
    assert await released(desk, HELD, HELD) == HELD


async def test_a_release_is_asked_for_by_id(desk: ReviewDesk) -> None:
    with pytest.raises(NotFoundError):
        await desk.queue.release(sent(review_id=ReviewId("rev_0")))


def test_what_is_held_in_these_tests_asserts_everything() -> None:
    """A field that nobody thought of would be dropped by whoever sends again without it."""
    unsaid = Assertions()

    assert all(getattr(HELD, name) != getattr(unsaid, name) for name in Assertions.__slots__)


@pytest.mark.parametrize("name", ["cache", "shadow"])
async def test_what_was_switched_off_stays_off(desk: ReviewDesk, name: str) -> None:
    switched = Assertions(**{name: "off"})  # type: ignore[arg-type]

    assert getattr(await released(desk, switched, Assertions()), name) == "off"
    assert getattr(await released(desk, Assertions(), switched), name) == "off"
