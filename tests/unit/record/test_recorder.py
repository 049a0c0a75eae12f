"""Entries of the path: what they say, what they depend on, and that no permit exists without."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from tests.conftest import FakeClock
from tests.fakes import MemoryLog
from tests.unit.paths import UNTIL
from tests.unit.record.cases import CANARY, CHOICE, DIGEST, EVALUATION, TERMS, WIRE, case
from tests.unit.score.fleets import deployment, price, verdict

from transire.bundle.acts import ACTIVE_KEY
from transire.bundle.quarantine import VERSION_KEY
from transire.domain.authorization import Form
from transire.domain.budget import Budget, Period, Scope
from transire.domain.decision import Choice, Hold
from transire.domain.ids import DeploymentId, ReviewId, TenantId
from transire.domain.log import Change, Condition, Item
from transire.domain.outward import Wire
from transire.domain.permit import Outcome, OutcomeStatus, Permit, Recorded
from transire.domain.ports import Release
from transire.domain.ranking import Candidate
from transire.domain.request import Assertions, Part, PartKind
from transire.errors import (
    AuthenticationError,
    BudgetExceeded,
    ConflictError,
    GovernanceUnavailable,
    IntegrityError,
    LogUnavailable,
    PolicyDenied,
    StaleError,
)
from transire.record.fields import outcome_fields
from transire.record.recorder import LogRecorder


class Desk:
    """A recorder over a log in memory, and a case of this moment."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.log = MemoryLog({ACTIVE_KEY: "0" * 64, VERSION_KEY: "0"})
        log: Any = self.log
        self.recorder = LogRecorder(log, clock)
        self.case = case()

    async def permit(
        self,
        *,
        attempt: int = 1,
        form: Form = Form.RAW,
        release: Release | None = None,
        wire: Wire = WIRE,
        budgets: Sequence[Budget] = (),
    ) -> Recorded[Permit]:
        return await self.recorder.permit(
            self.case,
            Choice(candidate=Candidate(verdict("a", form), TERMS)),
            wire,
            attempt=attempt,
            cause="first" if attempt == 1 else "fallback",
            release=release,
            budgets={budget.id: budget for budget in budgets},
        )

    @property
    def last(self) -> dict[str, Any]:
        entry: dict[str, Any] = dict(self.log.entries[-1])
        return entry


RELEASE = Release(
    review_id=ReviewId("rev_1"),
    conditions=(Condition(key="review/rev_1", equals="approved"),),
    changes=(Change(key="review/rev_1", value="spent"),),
    assertions=Assertions(),
    deployments=frozenset({DeploymentId("a")}),
    queues=frozenset({"q"}),
    until=UNTIL,
)


@pytest.fixture
def desk(clock: FakeClock) -> Desk:
    return Desk(clock)


async def test_a_decision_says_who_asked_what_was_found_and_what_was_permitted(desk: Desk) -> None:
    recorded = await desk.permit()
    entry = desk.last

    assert entry["kind"] == "decision"
    assert (entry["id"], entry["outcome"]) == ("dec_1", "permitted")
    assert entry["chosen"] == {"deployment": "a"}
    assert (entry["tenant"], entry["app"], entry["key_id"]) == ("t", "app", "k")
    assert (entry["purpose"], entry["detector"]) == ("support", "det")
    assert (entry["bundle"], entry["quarantine"]) == ("0" * 64, 0)
    assert entry["classes"] == [{"class": "CONTACT", "count": 2}]
    assert (entry["states"], entry["redactions"]) == ({"found": 1}, 2)
    assert entry["ignored"] == ["metadata", "top_k"]
    assert entry["request"]["mac"] == b"mac".hex()
    assert entry["request"]["needs"] == ["json_mode", "tools"]
    assert entry["request"]["capabilities"] == ["store"]
    assert entry["limits"]["models"] == ["a", "b"]
    assert entry["limits"]["max_latency_ms"] == 9
    assert entry["permit"] == {
        "attempt": 1,
        "cause": "first",
        "deployment": "a",
        "provider": "p",
        "content": b"content".hex(),
        "wire": b"w".hex(),
        "bundle": "0" * 64,
        "quarantine": 0,
        "expires_at": "2026-11-25T09:00:05.000000Z",
    }
    assert recorded.receipt.entry_id == "dec_1"
    assert recorded.value.expires_at == desk.clock.now() + timedelta(seconds=5)


async def test_evaluation_and_facts_are_kept_beside_the_entry_under_their_digests(
    desk: Desk,
) -> None:
    await desk.permit()
    entry = desk.last

    assert desk.log.blobs[entry["evaluation"]] == EVALUATION
    assert orjson.loads(desk.log.blobs[entry["facts"]]) == {}


async def test_a_permit_of_the_redacted_form_is_of_the_redacted_content(desk: Desk) -> None:
    recorded = await desk.permit(form=Form.REDACTED)

    assert recorded.value.content_digest == b"redacted"
    assert desk.last["permit"]["form"] == desk.last["chosen"]["form"] == "redacted"
    assert desk.last["permit"]["content"] == b"redacted".hex()


async def test_a_later_attempt_names_its_decision_and_its_evaluation(desk: Desk) -> None:
    await desk.permit()
    recorded = await desk.permit(attempt=2)
    entry = desk.last

    assert entry["kind"] == "attempt"
    assert (entry["decision_id"], entry["evaluation"]) == ("dec_1", DIGEST)
    assert (entry["permit"]["attempt"], entry["permit"]["cause"]) == (2, "fallback")
    assert entry["id"] == recorded.receipt.entry_id != "dec_1"
    assert "request" not in entry


@pytest.mark.parametrize("key", [ACTIVE_KEY, VERSION_KEY])
@pytest.mark.parametrize("attempt", [1, 2])
async def test_no_permit_is_made_once_bundle_or_quarantine_has_moved(
    desk: Desk, key: str, attempt: int
) -> None:
    desk.log.state[key] = "moved"
    with pytest.raises(StaleError):
        await desk.permit(attempt=attempt)

    assert desk.log.entries == []


async def test_nothing_is_permitted_or_held_once_the_key_is_over(desk: Desk) -> None:
    principal = replace(desk.case.request.principal, expires_at=desk.clock.now())
    desk.case = replace(desk.case, request=replace(desk.case.request, principal=principal))
    hold = Hold(candidate=CHOICE.candidate, queues=frozenset({"q"}))
    desk.log.broken = ConflictError("it is over", facts={"is_over": True})  # as the writer says
    for attempt in (1, 2):
        with pytest.raises(AuthenticationError, match="expired"):
            await desk.permit(attempt=attempt)
    with pytest.raises(AuthenticationError, match="expired"):
        await desk.recorder.held(desk.case, hold, review_id="rev_1", review_fields={}, changes=())

    assert desk.log.entries == []


@pytest.mark.parametrize("key_first", [True, False])
async def test_an_entry_is_due_before_its_key_and_its_release_end(
    desk: Desk, key_first: bool
) -> None:
    ends = UNTIL + timedelta(days=-1 if key_first else 1)
    principal = replace(desk.case.request.principal, expires_at=ends)
    desk.case = replace(desk.case, request=replace(desk.case.request, principal=principal))
    desk.log.state["review/rev_1"] = "approved"
    await desk.permit(release=RELEASE)
    await desk.permit(attempt=2, release=RELEASE)

    assert [item.until for item in desk.log.items] == [min(ends, UNTIL), ends]


async def test_no_permit_is_made_where_the_log_does_not_write(desk: Desk) -> None:
    desk.log.break_down()
    with pytest.raises(LogUnavailable):
        await desk.permit()


async def test_a_release_is_spent_by_the_decisions_own_entry(desk: Desk) -> None:
    desk.log.state["review/rev_1"] = "approved"
    await desk.permit(release=RELEASE)

    assert desk.log.state["review/rev_1"] == "spent"
    assert desk.last["review_id"] == "rev_1"
    with pytest.raises(ConflictError):
        await desk.permit(release=RELEASE)
    assert len(desk.log.entries) == 1


async def test_a_later_attempt_needs_no_second_approval_and_names_the_first(desk: Desk) -> None:
    desk.log.state["review/rev_1"] = "approved"
    await desk.permit(release=RELEASE)
    await desk.permit(attempt=2, release=RELEASE)

    assert desk.last["review_id"] == "rev_1"
    assert desk.log.items[-1].changes == ()


async def test_what_is_left_out_is_named_only_where_something_is(desk: Desk) -> None:
    body = replace(desk.case.request.body, ignored=())
    desk.case = replace(desk.case, request=replace(desk.case.request, body=body))
    await desk.permit()
    assert desk.last["ignored"] == ["top_k"]

    await desk.permit(wire=replace(WIRE, ignored=()))
    assert "ignored" not in desk.last


async def test_a_permit_is_vouched_for_until_its_outcome(desk: Desk) -> None:
    recorded = await desk.permit()
    desk.recorder.vouch(recorded)
    desk.recorder.outcome(recorded, Outcome(status=OutcomeStatus.OK))

    with pytest.raises(IntegrityError, match="not issued"):
        desk.recorder.vouch(recorded)


async def test_an_outcome_names_the_rules_of_a_repair_and_is_as_before_without_one(
    desk: Desk,
) -> None:
    plain = Outcome(status=OutcomeStatus.OK)
    repaired = replace(plain, repaired=("closing", "fence"))
    permit = (await desk.permit()).value

    assert outcome_fields(permit, repaired)["repaired"] == ["closing", "fence"]
    assert "repaired" not in outcome_fields(permit, plain)


async def test_a_permit_that_only_looks_like_ours_is_not_vouched_for(desk: Desk) -> None:
    recorded = await desk.permit()
    with pytest.raises(IntegrityError):
        desk.recorder.vouch(replace(recorded))


@pytest.mark.parametrize("key", [ACTIVE_KEY, VERSION_KEY])
async def test_a_permit_is_void_once_bundle_or_quarantine_moves(desk: Desk, key: str) -> None:
    recorded = await desk.permit()
    desk.log.state[key] = "moved"
    with pytest.raises(StaleError):
        desk.recorder.vouch(recorded)


async def test_a_permit_is_void_while_the_log_cannot_tell_what_governs(desk: Desk) -> None:
    recorded = await desk.permit()
    desk.log.is_current = False
    with pytest.raises(StaleError):
        desk.recorder.vouch(recorded)
    desk.log.is_current = True

    desk.recorder.vouch(recorded)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(PolicyDenied("no"), "denied"), (GovernanceUnavailable("no"), "refused")],
)
@pytest.mark.parametrize("is_known", [True, False])
async def test_a_refusal_says_whether_policy_denied_or_something_failed(
    desk: Desk, error: Any, outcome: str, is_known: bool
) -> None:
    await desk.recorder.refusal(desk.case if is_known else None, desk.case.request, error)
    entry = desk.last

    assert (entry["kind"], entry["id"]) == ("decision", "dec_1")
    assert (entry["outcome"], entry["code"]) == (outcome, error.code)
    assert ("ranking" in entry) == ("evaluation" in entry) == is_known
    assert "permit" not in entry
    assert entry["request"]["mac"] == b"mac".hex()


async def test_a_hold_opens_its_review_in_the_decisions_own_entry(desk: Desk) -> None:
    candidate = Candidate(verdict("a", queue="q"), TERMS)
    await desk.recorder.held(
        desk.case,
        Hold(candidate=candidate, queues=frozenset({"q"})),
        review_id="rev_1",
        review_fields={"queues": ["q"]},
        changes=(Change(key="review/rev_1", value="open"),),
    )
    entry = desk.last

    assert (entry["kind"], entry["outcome"]) == ("decision", "review_required")
    assert (entry["id"], entry["review_id"]) == ("dec_1", "rev_1")
    assert (entry["chosen"], entry["review"]) == ({"deployment": "a"}, {"queues": ["q"]})
    assert desk.log.state["review/rev_1"] == "open"
    assert desk.log.blobs[entry["evaluation"]] == EVALUATION


@pytest.mark.parametrize("key", [ACTIVE_KEY, VERSION_KEY])
async def test_no_review_is_opened_once_bundle_or_quarantine_has_moved(
    desk: Desk, key: str
) -> None:
    desk.log.state[key] = "moved"
    hold = Hold(candidate=Candidate(verdict("a", queue="q"), TERMS), queues=frozenset({"q"}))
    with pytest.raises(StaleError):
        await desk.recorder.held(
            desk.case,
            hold,
            review_id="rev_1",
            review_fields={},
            changes=(Change(key="review/rev_1", value="open"),),
        )

    assert "review/rev_1" not in desk.log.state


HOLD = Hold(candidate=Candidate(verdict("a", queue="q"), TERMS), queues=frozenset({"q"}))


@pytest.mark.parametrize(
    ("choice", "outcome"),
    [(CHOICE, "permitted"), (HOLD, "review_required"), (None, "denied")],
)
async def test_advice_says_what_would_happen_and_carries_no_permit(
    desk: Desk, choice: Choice | Hold | None, outcome: str
) -> None:
    await desk.recorder.advice(desk.case, choice)
    entry = desk.last

    assert (entry["kind"], entry["id"], entry["outcome"]) == ("advice", "dec_1", outcome)
    assert entry.get("chosen") == (None if choice is None else {"deployment": "a"})
    assert "permit" not in entry
    assert desk.log.blobs[entry["evaluation"]] == EVALUATION


async def test_advice_names_the_review_that_would_release_it_and_spends_nothing(
    desk: Desk,
) -> None:
    await desk.recorder.advice(desk.case, replace(CHOICE, released_by=ReviewId("rev_1")))

    assert (desk.last["outcome"], desk.last["review_id"]) == ("permitted", "rev_1")
    assert (desk.log.items[-1].conditions, desk.log.items[-1].changes) == ((), ())


async def test_an_outcome_names_its_decision_and_attempt_and_how_it_ended(desk: Desk) -> None:
    recorded = await desk.permit(attempt=2)
    outcome = Outcome(
        status=OutcomeStatus.PARTIAL,
        failure="cut",
        http_status=200,
        latency_ms=5,
        first_byte_ms=2,
        tokens_in=3,
        tokens_out=4,
        cost_micro_usd=6,
        released_bytes=7,
        finish_reasons=("stop",),
        facts={"contradicts": ["model"]},
    )
    desk.recorder.outcome(recorded, outcome)
    await desk.recorder.flush()
    entry = desk.last

    assert entry["kind"] == "outcome"
    assert {name: entry[name] for name in ("decision_id", "attempt", "deployment", "status")} == {
        "decision_id": "dec_1",
        "attempt": 2,
        "deployment": "a",
        "status": "partial",
    }
    assert (entry["failure"], entry["http_status"], entry["released_bytes"]) == ("cut", 200, 7)
    assert (entry["latency_ms"], entry["first_byte_ms"]) == (5, 2)
    assert (entry["tokens_in"], entry["tokens_out"], entry["cost_micro_usd"]) == (3, 4, 6)
    assert (entry["finish_reasons"], entry["contradicts"]) == (["stop"], ["model"])


async def test_an_outcome_that_the_log_refuses_breaks_nothing_else(desk: Desk) -> None:
    recorded = await desk.permit()
    desk.log.break_down()

    desk.recorder.outcome(recorded, Outcome(status=OutcomeStatus.OK))


async def test_flushing_waits_for_outcomes_that_are_not_durable_yet(desk: Desk) -> None:
    recorded = await desk.permit()
    enqueue, durable = desk.log.enqueue, asyncio.get_running_loop().create_future()

    def later(*arguments: Any, **named: Any) -> Any:
        job = enqueue(*arguments, **named)
        job.future = durable
        return job

    desk.log.enqueue = later  # type: ignore[method-assign] # a log that takes its time
    desk.recorder.outcome(recorded, Outcome(status=OutcomeStatus.OK))
    flushing = asyncio.ensure_future(desk.recorder.flush())
    await asyncio.sleep(0)
    assert not flushing.done()
    durable.set_result(recorded.receipt)
    await flushing


async def test_nothing_of_the_content_stands_in_any_entry(desk: Desk) -> None:
    recorded = await desk.permit()
    await desk.permit(attempt=2, form=Form.REDACTED)
    await desk.recorder.refusal(desk.case, desk.case.request, PolicyDenied(CANARY))
    await desk.recorder.refusal(None, desk.case.request, PolicyDenied(CANARY))
    await desk.recorder.advice(desk.case, CHOICE)
    desk.recorder.outcome(recorded, Outcome(status=OutcomeStatus.OK))

    assert CANARY not in repr(desk.log.entries)
    assert not any(CANARY.encode() in blob for blob in desk.log.blobs.values())


BUDGET = Budget(
    id="daily",
    scope=Scope.TENANT,
    period=Period.DAY,
    limit_micro_usd=100,
    tenant=TenantId("t"),
)
PRICED = replace(
    WIRE,
    body=b"x" * 40,
    deployment=deployment("a", price=price(1_000_000), max_output_tokens=20, context_tokens=90),
)
"""Forty bytes and twenty tokens out, a micro-USD each: 60."""


async def test_a_permit_reserves_the_most_it_can_cost(desk: Desk) -> None:
    await desk.permit(budgets=[BUDGET], wire=PRICED)

    assert desk.log.state["budget/daily/day"] == "2026-11-25 60"
    assert desk.last["permit"]["reserved"] == [
        {
            "budget": "daily",
            "key": "budget/daily/day",
            "period": "2026-11-25",
            "micro_usd": 60,
            "limit_micro_usd": 100,
        }
    ]


async def test_a_permit_that_a_budget_has_not_enough_left_for_is_no_permit(desk: Desk) -> None:
    await desk.permit(budgets=[BUDGET], wire=PRICED)

    with pytest.raises(BudgetExceeded, match="`daily`"):
        await desk.permit(budgets=[BUDGET], wire=PRICED)

    assert len(desk.log.entries) == 1


async def test_an_image_may_be_as_many_tokens_as_the_window_takes(desk: Desk) -> None:
    image = Part(pointer=(), kind=PartKind.IMAGE, text="image/png", role="user")
    body = replace(desk.case.request.body, parts=(image,))
    desk.case = replace(desk.case, request=replace(desk.case.request, body=body))

    with pytest.raises(BudgetExceeded):
        await desk.permit(budgets=[BUDGET], wire=PRICED)

    await desk.permit(budgets=[replace(BUDGET, limit_micro_usd=110)], wire=PRICED)
    assert desk.log.state["budget/daily/day"] == "2026-11-25 110"


async def test_what_has_no_known_price_is_not_permitted_under_a_budget(desk: Desk) -> None:
    with pytest.raises(BudgetExceeded, match="no known price"):
        await desk.permit(budgets=[BUDGET], wire=replace(WIRE, deployment=deployment(price=None)))

    assert desk.log.entries == []


ENDINGS = {
    "with a cost": (
        Outcome(status=OutcomeStatus.OK, http_status=200, cost_micro_usd=7, tokens_out=3),
        7,
        7,
    ),
    "never sent": (Outcome(status=OutcomeStatus.FAILED, failure="connect"), 0, 0),
    "refused": (Outcome(status=OutcomeStatus.FAILED, failure="status_4xx", http_status=400), 0, 0),
    "cut": (Outcome(status=OutcomeStatus.PARTIAL, failure="cut", http_status=200), None, 60),
    "cut after a first count": (
        Outcome(
            status=OutcomeStatus.CANCELLED,
            failure="cancelled",
            http_status=200,
            cost_micro_usd=1,
            tokens_out=1,
        ),
        None,
        60,
    ),
    "whole, and of no tokens": (
        Outcome(status=OutcomeStatus.OK, http_status=200, cost_micro_usd=0, tokens_out=0),
        None,
        60,
    ),
    "late": (Outcome(status=OutcomeStatus.FAILED, failure="timeout"), None, 60),
}


@pytest.mark.parametrize(("outcome", "charged", "left"), ENDINGS.values(), ids=ENDINGS)
async def test_an_outcome_gives_back_what_was_surely_not_spent(
    desk: Desk, outcome: Outcome, charged: int | None, left: int
) -> None:
    recorded = await desk.permit(budgets=[BUDGET], wire=PRICED)
    desk.recorder.outcome(recorded, outcome)

    assert desk.last["charged_micro_usd"] == charged
    assert desk.log.state["budget/daily/day"] == f"2026-11-25 {left}"


class Picky(MemoryLog):
    """A log that cannot take an outcome with this field, as one that is too large."""

    def enqueue(self, item: Item, *, linger: bool = False) -> Any:
        if "received" in item.fields:
            future = asyncio.get_running_loop().create_future()
            future.set_exception(LogUnavailable("this entry could not be written"))
            return SimpleNamespace(future=future)
        return super().enqueue(item, linger=linger)


async def test_an_outcome_that_the_log_cannot_take_has_a_stand_in_with_its_numbers(
    clock: FakeClock,
) -> None:
    desk = Desk(clock)
    log: Any = Picky({ACTIVE_KEY: "0" * 64, VERSION_KEY: "0"})
    desk.log, desk.recorder = log, LogRecorder(log, clock)
    recorded = await desk.permit(budgets=[BUDGET], wire=PRICED)
    facts: Any = {"received": {"classes": ["x" * 70_000]}, "saved_micro_usd": 2**60}
    outcome = Outcome(
        status=OutcomeStatus.OK,
        failure="schema",
        latency_ms=5,
        tokens_out=4,
        cost_micro_usd=6,
        finish_reasons=("stop",),
        facts=facts,
    )
    assert desk.recorder.outcome(recorded, outcome) is not None
    await desk.recorder.flush()
    [_, entry] = desk.log.entries

    assert desk.recorder.unwritten == 1
    assert entry["left_out"] == ["finish_reasons", "received", "saved_micro_usd"]
    assert (entry["status"], entry["decision_id"], entry["attempt"]) == (
        "ok",
        desk.case.request.id,
        1,
    )
    assert (entry["latency_ms"], entry["tokens_out"], entry["charged_micro_usd"]) == (5, 4, 6)
    assert (entry["failure"], entry["finish_reasons"]) == ("schema", [])
    [settled] = desk.log.items[-1].spends
    assert settled == recorded.value.spends[0].settled(6)


async def test_a_stand_in_that_is_refused_too_is_the_last(desk: Desk) -> None:
    recorded = await desk.permit()
    told = []

    def refusing(item: Item, *, linger: bool = False) -> Any:
        told.append(item)
        future = asyncio.get_running_loop().create_future()
        future.set_exception(LogUnavailable("no"))
        return SimpleNamespace(future=future)

    desk.log.enqueue = refusing  # type: ignore[method-assign] # takes nothing at all
    desk.recorder.outcome(recorded, Outcome(status=OutcomeStatus.OK))
    await desk.recorder.flush()

    assert [("left_out" in item.fields) for item in told] == [False, True]
    assert desk.recorder.unwritten == 2
