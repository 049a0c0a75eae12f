"""What the path owes on the way: what it asks for, spends, passes on, and whom it tells."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tests.conftest import FakeClock
from tests.unit.authorize.worlds import finding
from tests.unit.paths import ANSWER, CHUNK, LAST, UNTIL, FakeExchange, FakeForwarder, Path, request

from transire.domain.authorization import Effect, Obligation
from transire.domain.ids import DataClass, DeploymentId, Jurisdiction, ReviewId
from transire.domain.outward import Wire
from transire.domain.permit import OutcomeStatus
from transire.domain.ports import Release
from transire.domain.request import Assertions
from transire.errors import (
    PolicyDenied,
    RequestError,
    ReviewRequired,
    StaleError,
    TransireError,
    UpstreamError,
)

ECONOMY, MEDICAL = DeploymentId("eu-economy"), DeploymentId("eu-medical")
RELEASE = Release(
    review_id=ReviewId("rev_1"),
    conditions=(),
    changes=(),
    assertions=Assertions(),
    deployments=frozenset({MEDICAL}),
    queues=frozenset({"clinical-claims"}),
    until=UNTIL,
)


@pytest.fixture
def path(clock: FakeClock) -> Path:
    return Path(clock)


def down(**facts: object) -> UpstreamError:
    return UpstreamError("down", facts={"failure": "status_5xx", **facts})


@pytest.mark.parametrize(
    ("application", "redaction", "has_findings", "asked"),
    [
        ("docs-qa", None, True, 1),
        ("docs-qa", "require", True, 1),
        ("docs-qa", "forbid", True, 0),
        ("docs-qa", None, False, 0),
        ("support-triage", None, True, 0),
    ],
)
async def test_redaction_is_tried_where_it_is_allowed_and_could_help(
    path: Path, application: str, redaction: str | None, has_findings: bool, asked: int
) -> None:
    path.detector.findings = (finding("CONTACT"),) if has_findings else ()
    asserted = request(application, assertions=Assertions(redaction=redaction))
    await path.router.advise(asserted)

    assert path.detector.redactions == asked


async def test_an_unknown_application_gets_no_redaction_and_no_answer(path: Path) -> None:
    path.detector.findings = (finding("CONTACT"),)
    nobody = replace(request(), principal=replace(request().principal, application=None))
    with pytest.raises(TransireError):
        await path.router.route(nobody)

    assert path.detector.redactions == 0
    assert path.events == []


class Reviewing:
    """The active policy, with one deployment for which it asks for a review."""

    def __init__(self, path: Path, name: DeploymentId) -> None:
        self._governed = path.governed
        self._name = name

    def __call__(self) -> Any:
        authorizer: Any = self
        return replace(self._governed(), authorizer=authorizer)

    def authorize(self, *arguments: Any, **named: Any) -> Any:
        found = self._governed().authorizer.authorize(*arguments, **named)
        review = Obligation(kind="review", queue="clinical-claims")
        return replace(
            found,
            verdicts=tuple(
                replace(v, obligations=(review,))
                if v.pair.deployment == self._name and v.effect is Effect.PERMIT
                else v
                for v in found.verdicts
            ),
        )


def reviewing(path: Path, name: DeploymentId = MEDICAL) -> None:
    path.rewire(governed=Reviewing(path, name))


async def test_a_pick_that_needs_review_is_held_although_the_next_best_needs_none(
    path: Path,
) -> None:
    path.scorer.first = MEDICAL
    reviewing(path)
    with pytest.raises(ReviewRequired) as caught:
        await path.router.route(request())

    assert path.events == []
    assert path.reviews.held == [frozenset({"clinical-claims"})]
    assert caught.value.facts == {"review_id": "rev_1", "queues": ["clinical-claims"]}


async def test_a_fallback_never_needs_a_review(path: Path) -> None:
    reviewing(path)
    path.forwarder.failing = {ECONOMY: down()}
    await path.router.route(request())

    assert path.events[2:] == ["recorded eu-premium fallback", "sent eu-premium"]


async def test_a_release_that_is_not_needed_is_not_spent(path: Path) -> None:
    path.reviews.allowed = RELEASE
    await path.router.route(request(review_id=ReviewId("rev_1")))

    assert [release for _, release in path.recorder.permits] == [None]


async def test_a_release_that_is_needed_is_spent_with_its_decision(path: Path) -> None:
    path.scorer.first = MEDICAL
    path.reviews.allowed = RELEASE
    reviewing(path)
    await path.router.route(request(review_id=ReviewId("rev_1")))

    assert [release for _, release in path.recorder.permits] == [RELEASE]


async def test_what_was_asserted_when_it_was_held_counts_when_it_is_released(path: Path) -> None:
    held = Assertions(jurisdictions=frozenset({Jurisdiction("US")}))
    path.reviews.allowed = replace(RELEASE, assertions=held)
    await path.router.route(request(review_id=ReviewId("rev_1")))

    assert [case.request.assertions for case, _ in path.recorder.permits] == [held]
    assert path.events[0].startswith("recorded us-")


async def test_a_deployment_that_moved_elsewhere_meanwhile_is_no_fallback(path: Path) -> None:
    catalog = path.bundle.catalog
    moved = replace(catalog.deployments[MEDICAL], address="https://elsewhere.example/v1")
    deployments = {**catalog.deployments, MEDICAL: moved}

    class Activating(FakeForwarder):
        async def send(self, permit: Any, wire: Wire, **more: Any) -> Any:
            path.bundle = replace(path.bundle, catalog=replace(catalog, deployments=deployments))
            return await super().send(permit, wire, **more)

    path.forwarder = Activating(path.events, {ECONOMY: down()})
    path.rewire(forwarder=path.forwarder)
    await path.router.route(request())

    assert path.events[2:] == ["recorded eu-premium fallback", "sent eu-premium"]


async def test_every_error_carries_the_decisions_id(path: Path) -> None:
    path.detector.found = frozenset({DataClass("CREDENTIAL")})
    with pytest.raises(PolicyDenied) as caught:
        await path.router.route(request())
    advice = await path.router.advise(request())

    assert caught.value.decision_id == "dec_1"
    assert advice.error is not None
    assert advice.error.decision_id == "dec_1"
    assert path.observer.codes == ["policy_denied", "advice"]


async def test_what_could_not_even_be_read_is_recorded_as_refused(path: Path) -> None:
    error = RequestError("no JSON")
    await path.router.refuse(request(), error)

    assert path.recorder.refusals == ["bad_request"]
    assert (error.decision_id, path.observer.codes) == ("dec_1", ["bad_request"])


async def test_health_and_metrics_hear_of_every_attempt_how_it_began_and_ended(path: Path) -> None:
    path.forwarder.failing = {ECONOMY: down(status=503, retry_after_s=7.0)}
    await path.router.route(request())

    assert path.health.begun == [ECONOMY, MEDICAL]
    assert path.health.ended == [
        {
            "deployment": ECONOMY,
            "failure": "status_5xx",
            "latency_ms": 0,
            "first_token_ms": None,
            "retry_after_s": 7.0,
            "tokens_in": None,
            "tokens_out": None,
            "claimed_tokens": 0,
        },
        {
            "deployment": MEDICAL,
            "failure": "",
            "latency_ms": 0,
            "first_token_ms": None,
            "retry_after_s": None,
            "tokens_in": 1,
            "tokens_out": 1,
            "claimed_tokens": 0,
        },
    ]
    assert [(name, o.status) for name, o in path.observer.attempts] == [
        (ECONOMY, OutcomeStatus.FAILED),
        (MEDICAL, OutcomeStatus.OK),
    ]


async def test_a_failed_attempts_outcome_names_its_status_where_there_was_one(path: Path) -> None:
    path.forwarder.failing = {ECONOMY: down(status=503), MEDICAL: down()}
    await path.router.route(request())

    assert [o.http_status for o in path.recorder.outcomes] == [503, None, 200]


async def test_retry_after_of_a_broken_stream_reaches_health(path: Path) -> None:
    cut = UpstreamError("cut", facts={"failure": "cut", "retry_after_s": 3.0})
    path.forwarder.exchange = FakeExchange(ANSWER, [CHUNK, cut])
    routed = await path.router.route(request(is_stream=True))
    assert routed.relay is not None
    with pytest.raises(UpstreamError):
        async for _ in routed.relay.chunks():
            pass

    assert [told["retry_after_s"] for told in path.health.ended] == [3.0]


async def test_time_upstream_is_not_ours(path: Path, clock: FakeClock) -> None:
    class Slow(FakeForwarder):
        async def send(self, permit: Any, wire: Wire, **more: Any) -> Any:
            clock.advance(2)
            return await super().send(permit, wire, **more)

    path.forwarder = Slow(path.events, {ECONOMY: down()})
    path.rewire(forwarder=path.forwarder)
    routed = await path.router.route(request())
    clock.advance(0.5)
    path.router.answered(routed)

    assert path.observer.overheads_s == [0.5]
    assert path.observer.codes == ["ok"]
    assert [o.latency_ms for o in path.recorder.outcomes] == [2_000, 2_000]


async def test_every_stage_is_timed(path: Path) -> None:
    await path.router.route(request())

    assert path.observer.stages == {"classify": 0, "authorize": 0, "score": 0, "record": 0}


async def test_what_is_left_out_is_named_to_the_caller(path: Path) -> None:
    class Omitting(FakeForwarder):
        def prepare(self, body: Any, deployment: Any, *, is_stream: bool) -> Wire:
            made = super().prepare(body, deployment, is_stream=is_stream)
            return replace(made, ignored=("top_k",))

    path.rewire(forwarder=Omitting(path.events))
    body = replace(request().body, ignored=("metadata",))
    routed = await path.router.route(request(body=body))

    assert routed.account.ignored == ("metadata", "top_k")


@pytest.mark.parametrize("when", ["connecting", "reading"])
async def test_a_caller_who_goes_away_leaves_one_cancelled_outcome(path: Path, when: str) -> None:
    reached = asyncio.Event()

    class Stalling(FakeForwarder):
        async def send(self, permit: Any, wire: Wire, **more: Any) -> Any:
            exchange = await super().send(permit, wire, **more)
            if when == "connecting":
                reached.set()
                await asyncio.Event().wait()
            return exchange

    class Stalled(FakeExchange):
        async def completion(self) -> Any:
            reached.set()
            await asyncio.Event().wait()

    path.forwarder = Stalling(path.events, exchange=Stalled(ANSWER))
    path.rewire(forwarder=path.forwarder)
    asking = asyncio.ensure_future(path.router.route(request()))
    await reached.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    assert [(o.status, o.failure) for o in path.recorder.outcomes] == [
        (OutcomeStatus.CANCELLED, "cancelled")
    ]
    assert path.recorder.refusals == []
    assert path.forwarder.exchange.closed == (when == "reading")


async def test_state_that_keeps_moving_is_recorded_as_refused(path: Path) -> None:
    async def moving(*_: Any, **__: Any) -> Any:
        raise StaleError("moved")

    path.recorder.permit = moving  # type: ignore[method-assign] # it moves every time
    with pytest.raises(StaleError):
        await path.router.route(request())

    assert path.recorder.refusals == ["governance_unavailable"]
    assert len(path.scorer.seen) == 3


async def test_a_stream_that_failed_before_it_said_anything_is_replaced(path: Path) -> None:
    cut = UpstreamError("cut", facts={"failure": "cut"})
    path.forwarder.exchange = FakeExchange(ANSWER, [cut])
    with pytest.raises(UpstreamError):
        await path.router.route(request(is_stream=True))

    assert [o.status for o in path.recorder.outcomes] == [OutcomeStatus.FAILED] * 3
    path.forwarder.exchange = FakeExchange(ANSWER, [CHUNK, LAST])
    assert (await path.router.route(request(is_stream=True))).relay is not None
