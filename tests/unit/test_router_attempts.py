"""Later attempts narrow and never widen; what moved, ended or must be whole is not tried around."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.conftest import FakeClock
from tests.unit.paths import (
    ANSWER,
    CHUNK,
    COMPILED,
    LAST,
    TERMS,
    FakeExchange,
    FakeForwarder,
    Path,
    request,
)

from transire.domain.answer import Completion
from transire.domain.bundle import Quarantine
from transire.domain.ids import DataClass, ProviderId, TenantId
from transire.domain.outward import Wire
from transire.domain.permit import OutcomeStatus
from transire.domain.request import Assertions
from transire.errors import (
    BudgetExceeded,
    GovernanceUnavailable,
    IntegrityError,
    StaleError,
    TransireError,
    UpstreamError,
)

DOWN = UpstreamError("down", facts={"failure": "status_5xx"})
FIRST = {"attempt": 1, "deployment": "eu-economy", "failure": "status_5xx"}


@pytest.fixture
def path(clock: FakeClock) -> Path:
    return Path(clock)


def while_sending(path: Path, act: Callable[[], None]) -> None:
    """The cheapest deployment fails, and something happens meanwhile."""

    class Eventful(FakeForwarder):
        async def send(self, permit: Any, wire: Wire, **more: Any) -> Any:
            act()
            return await super().send(permit, wire, **more)

    path.forwarder = Eventful(path.events, {"eu-economy": DOWN})
    path.rewire(forwarder=path.forwarder)


async def test_what_was_forbidden_at_first_stays_so_when_it_is_permitted_meanwhile(
    path: Path,
) -> None:
    path.quarantine = Quarantine(version=1, providers=frozenset({ProviderId("medvet")}))
    while_sending(path, lambda: setattr(path, "quarantine", Quarantine(version=2)))
    await path.router.route(request())

    assert path.events[2:] == ["recorded eu-premium fallback", "sent eu-premium"]


async def test_what_another_detector_finds_meanwhile_narrows_the_fallback(path: Path) -> None:
    def find_a_credential() -> None:
        path.detector.digest = "newer"
        path.detector.found = frozenset({DataClass("CREDENTIAL")})

    while_sending(path, find_a_credential)
    with pytest.raises(UpstreamError) as caught:
        await path.router.route(request())

    assert caught.value is DOWN
    assert path.events == ["recorded eu-economy first", "sent eu-economy"]


async def test_a_deployment_that_needs_review_by_now_is_no_fallback(path: Path) -> None:
    def find_health() -> None:
        path.detector.digest = "newer"
        path.detector.found = frozenset({DataClass("HEALTH")})

    while_sending(path, find_health)
    with pytest.raises(UpstreamError):
        await path.router.route(request("sales"))

    assert not any("eu-medical" in event for event in path.events)


async def test_a_request_is_not_tried_again_where_too_many_others_are(path: Path) -> None:
    path.forwarder.failing = {"eu-economy": DOWN}
    path.retries.left = 0

    with pytest.raises(UpstreamError) as failed:
        await path.router.route(request())

    assert [row["deployment"] for row in failed.value.facts["attempts"]] == ["eu-economy"]  # type: ignore[attr-defined]
    assert path.events == ["recorded eu-economy first", "sent eu-economy"]
    assert (path.retries.firsts, path.observer.untried) == (1, 1)


async def test_what_succeeds_at_once_asks_for_no_later_attempt(path: Path) -> None:
    await path.router.route(request())

    assert (path.retries.firsts, path.retries.left) == (1, 100)


def move_from_the_second_permit_on(
    path: Path, times: int, error: TransireError | None = None
) -> None:
    """The state moves before a later attempt's entry, so many times."""
    permit, calls = path.recorder.permit, 0

    async def moving(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if 1 < calls <= 1 + times:
            raise error or StaleError("moved")
        return await permit(*arguments, **named)

    path.recorder.permit = moving  # type: ignore[method-assign] # the state moves just then


async def test_state_that_moves_before_a_later_attempt_is_asked_once_more(path: Path) -> None:
    path.forwarder.failing = {"eu-economy": DOWN}
    move_from_the_second_permit_on(path, 2)

    await path.router.route(request())

    assert path.events[2:] == ["recorded eu-medical fallback", "sent eu-medical"]
    assert len(path.scorer.seen) == 1 + 3
    assert path.retries.left == 99


async def test_state_that_keeps_moving_before_a_later_attempt_ends_the_request(path: Path) -> None:
    path.forwarder.failing = {"eu-economy": DOWN}
    move_from_the_second_permit_on(path, 3)

    with pytest.raises(StaleError) as caught:
        await path.router.route(request())

    assert path.events == ["recorded eu-economy first", "sent eu-economy"]
    assert path.recorder.refusals == []
    assert caught.value.facts["attempts"] == [FIRST]


async def test_a_budget_spent_before_a_later_attempt_leaves_the_earlier_failure_told(
    path: Path,
) -> None:
    path.forwarder.failing = {"eu-economy": DOWN}
    move_from_the_second_permit_on(path, 1, BudgetExceeded("spent"))

    with pytest.raises(BudgetExceeded) as caught:
        await path.router.route(request())

    assert caught.value.facts["attempts"] == [FIRST]
    assert caught.value.message == "spent (tried `eu-economy`: status_5xx)"


async def test_a_permit_that_is_stale_before_the_first_byte_has_an_outcome_and_a_successor(
    path: Path,
) -> None:
    path.forwarder.failing = {"eu-economy": StaleError("moved")}
    await path.router.route(request())

    assert [(o.status, o.failure) for o in path.recorder.outcomes] == [
        (OutcomeStatus.FAILED, "stale"),
        (OutcomeStatus.OK, ""),
    ]
    assert path.events[2:] == ["recorded eu-medical fallback", "sent eu-medical"]


@pytest.mark.parametrize(
    ("error", "failure"), [(IntegrityError("spent"), "integrity_failed"), (OSError(), "internal")]
)
async def test_an_error_of_ours_before_the_answer_is_no_caller_who_left(
    path: Path, error: Exception, failure: str
) -> None:
    path.forwarder.failing = {"eu-economy": error}
    with pytest.raises(TransireError):
        await path.router.route(request())

    assert [(o.status, o.failure) for o in path.recorder.outcomes] == [
        (OutcomeStatus.FAILED, failure)
    ]


@pytest.mark.parametrize(
    ("error", "failure"),
    [(GovernanceUnavailable("no child"), "governance_unavailable"), (OSError(), "internal")],
)
async def test_an_error_of_ours_while_an_answer_is_judged_is_no_caller_who_left(
    path: Path, error: Exception, failure: str
) -> None:
    async def broken(*_: Any) -> Any:
        raise error

    path.validator.violations = broken  # type: ignore[method-assign,assignment] # judging breaks
    with pytest.raises(GovernanceUnavailable):
        await path.router.route(request())

    assert [(o.status, o.failure, o.released_bytes) for o in path.recorder.outcomes] == [
        (OutcomeStatus.FAILED, failure, 0)
    ]
    assert path.forwarder.exchange.closed == 1


async def test_an_error_of_ours_in_a_stream_leaves_a_partial_answer(path: Path) -> None:
    path.forwarder.exchange = FakeExchange(ANSWER, [CHUNK, OSError("broken")])
    routed = await path.router.route(request(is_stream=True))
    assert routed.relay is not None
    with pytest.raises(OSError, match="broken"):
        async for _ in routed.relay.chunks():
            pass

    assert [(o.status, o.failure, o.released_bytes) for o in path.recorder.outcomes] == [
        (OutcomeStatus.PARTIAL, "internal", 2)
    ]


class Blocking(FakeExchange):
    """A quarantine is imposed while the whole answer is on its way."""

    path: Path

    async def completion(self) -> Completion:
        self.path.quarantine = Quarantine(version=1, tenants=frozenset({TenantId("acme")}))
        return await super().completion()


async def test_a_quarantine_withholds_a_whole_answer_and_nothing_else_is_tried(path: Path) -> None:
    exchange = Blocking(ANSWER)
    exchange.path = path
    path.forwarder.exchange = exchange
    with pytest.raises(UpstreamError, match="quarantine"):
        await path.router.route(request())

    assert [(o.status, o.failure, o.released_bytes) for o in path.recorder.outcomes] == [
        (OutcomeStatus.FAILED, "quarantined", 0)
    ]
    assert path.events == ["recorded eu-economy first", "sent eu-economy"]


@pytest.mark.parametrize(
    ("changes", "is_relayed"),
    [
        ({}, True),
        ({"assertions": Assertions(required_tools=frozenset({"look_up"}))}, False),
        ({"body": replace(request().body, is_held=True)}, False),
    ],
)
async def test_a_stream_that_must_hold_something_is_fetched_whole(
    path: Path, changes: dict[str, Any], is_relayed: bool
) -> None:
    path.forwarder.exchange = FakeExchange(ANSWER, [CHUNK, LAST])
    routed = await path.router.route(request(is_stream=True, **changes))

    assert (routed.relay is not None) == is_relayed
    assert (routed.completion is None) == is_relayed
    if routed.relay is not None:
        await routed.relay.cancel()


async def test_a_first_attempt_that_went_stale_earns_nothing(path: Path) -> None:
    path.recorder.errors = [StaleError("moved"), StaleError("moved")]

    await path.router.route(request())

    assert path.retries.firsts == 1


@pytest.mark.parametrize(
    ("facts", "is_followed"),
    [
        ({"failure": "status_5xx", "status": 500}, True),  # an error's answer costs nothing
        ({"failure": "connect"}, True),
        ({"failure": "timeout"}, False),  # it may have been answered, and be charged
    ],
    ids=["error", "unsent", "timeout"],
)
async def test_the_callers_bound_on_cost_holds_for_all_attempts_together(
    path: Path, facts: dict[str, object], is_followed: bool
) -> None:
    path.forwarder = FakeForwarder(path.events, {"eu-economy": UpstreamError("no", facts=facts)})
    path.rewire(forwarder=path.forwarder)
    dear = TERMS._replace(worst_cost_micro_usd=60)
    path.scorer.terms = {str(name): dear for name in COMPILED.bundle.catalog.deployments}
    asked = request(assertions=Assertions(max_cost_micro_usd=100))
    if is_followed:
        assert (await path.router.route(asked)).account.permits == 2
        return
    with pytest.raises(UpstreamError):
        await path.router.route(asked)

    assert path.events == ["recorded eu-economy first", "sent eu-economy"]
