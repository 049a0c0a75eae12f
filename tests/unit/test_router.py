"""The path with fakes that implement its ports: order, races, hostile stages, one outcome each."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.conftest import FakeClock
from tests.swift import run_swiftly
from tests.unit.paths import (
    ANSWER,
    CHUNK,
    COMPILED,
    LAST,
    UNTIL,
    FakeDetector,
    FakeExchange,
    FakeForwarder,
    FakeRecorder,
    FakeValidator,
    Path,
    request,
)

from transire.domain.answer import (
    Chunk,
    ChunkChoice,
    Completion,
    ToolCallDelta,
)
from transire.domain.authorization import Effect, Form, Pair, Verdict
from transire.domain.bundle import Quarantine
from transire.domain.classification import Classification
from transire.domain.decision import Choice, Hold
from transire.domain.ids import (
    DataClass,
    DeploymentId,
    ProviderId,
    ReviewId,
    Stakes,
    TenantId,
)
from transire.domain.log import Receipt
from transire.domain.outward import Wire
from transire.domain.permit import OutcomeStatus, Permit, Recorded
from transire.domain.ports import Release, Violation
from transire.domain.ranking import Candidate, Terms
from transire.domain.request import Assertions, RoutingRequest
from transire.errors import (
    ContractViolated,
    GovernanceUnavailable,
    HoldsFullError,
    IntegrityError,
    LogUnavailable,
    LogUncertain,
    PolicyDenied,
    RequestError,
    ReviewRequired,
    StaleError,
    TransireError,
    UpstreamError,
)
from transire.picks import free, redeclared


class Hesitant(FakeDetector):
    """Reads for ever."""

    async def classify(self, request: RoutingRequest) -> Classification:
        self.asked += 1
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")


class Endless(FakeRecorder):
    """Never comes to an end with a permit."""

    async def permit(self, *_: Any, **__: Any) -> Recorded[Permit]:
        self.events.append("recording")
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    def gave_up(self, case: Any, request: Any) -> None:
        self.events.append("gave up")


@pytest.fixture
def path(clock: FakeClock) -> Path:
    return Path(clock)


async def test_nothing_is_sent_before_it_is_recorded(path: Path) -> None:
    await path.router.route(request())

    assert path.events == ["recorded eu-economy first", "sent eu-economy"]
    assert [OutcomeStatus.OK] == [o.status for o in path.recorder.outcomes]


async def test_a_log_that_cannot_write_means_nothing_is_sent(path: Path) -> None:
    path.recorder.errors = [LogUnavailable("full"), LogUnavailable("still full")]
    with pytest.raises(LogUnavailable):
        await path.router.route(request())

    assert path.events == []


async def test_the_scorer_sees_the_permitted_set_alone(path: Path) -> None:
    path.detector.found = frozenset({DataClass("CONTACT")})
    await path.router.route(request("docs-qa"))

    assert all(not {"us-economy", "us-premium"} & seen for seen in path.scorer.seen)


async def test_a_hostile_scorer_cannot_send_outside_the_permitted_set(path: Path) -> None:
    path.detector.found = frozenset({DataClass("CONTACT")})
    path.scorer.hostile = DeploymentId("us-premium")
    with pytest.raises(IntegrityError):
        await path.router.route(request("docs-qa"))

    assert path.events == []
    assert path.recorder.refusals == ["integrity_failed"]


@pytest.mark.parametrize(
    ("error", "code", "logged"),
    [
        (GovernanceUnavailable("x"), "governance_unavailable", []),
        (RuntimeError("CANARY"), "governance_unavailable", ["RuntimeError"]),
    ],
)
async def test_a_detector_that_fails_refuses_and_is_recorded(
    path: Path, error: Exception, code: str, logged: list[str]
) -> None:
    path.detector.error = error
    with capture_logs() as lines, pytest.raises(GovernanceUnavailable) as caught:
        await path.router.route(request())

    assert "CANARY" not in str(caught.value)
    assert path.recorder.refusals == [code]
    assert path.events == []
    assert [line["error_type"] for line in lines] == logged


@pytest.mark.parametrize("way", ["route", "advise"])
async def test_a_caller_who_leaves_while_the_content_is_read_leaves_an_entry(
    path: Path, way: str
) -> None:
    path.detector = Hesitant()
    asking = asyncio.ensure_future(getattr(path.router, way)(request()))
    while not path.detector.asked:
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    assert path.recorder.refusals == ["cancelled"]
    assert path.events == []


async def test_a_caller_who_leaves_while_the_log_writes_leaves_no_second_entry(path: Path) -> None:
    path.rewire(recorder=Endless(path.events))
    asking = asyncio.ensure_future(path.router.route(request()))
    while not path.events:
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    assert path.events == ["recording"]


@pytest.mark.parametrize("models", [None, frozenset({DeploymentId("eu-medical")})])
async def test_what_fits_into_no_window_is_refused_and_recorded_before_it_is_read(
    path: Path, models: frozenset[DeploymentId] | None
) -> None:
    deployments = COMPILED.bundle.catalog.deployments
    names = deployments.keys() if models is None else models
    most = max(deployments[name].context_tokens for name in names)
    asked = request(assertions=Assertions(models=models))
    long = replace(asked, body=replace(asked.body, tokens_estimate=most + 1))
    just = replace(asked, body=replace(asked.body, tokens_estimate=most))

    with pytest.raises(RequestError, match="too long"):
        await path.router.route(long)
    with pytest.raises(RequestError, match="too long"):
        await path.router.advise(long)

    assert path.detector.asked == 0
    assert path.recorder.refusals == ["bad_request", "bad_request"]
    await path.router.advise(just)
    assert path.detector.asked == 1


async def test_a_denial_is_recorded_and_nothing_is_scored_into_being(path: Path) -> None:
    path.detector.found = frozenset({DataClass("CREDENTIAL")})
    with pytest.raises(PolicyDenied):
        await path.router.route(request())

    assert path.recorder.refusals == ["policy_denied"]


async def test_a_denial_that_cannot_be_recorded_is_an_unavailable_log(path: Path) -> None:
    path.detector.found = frozenset({DataClass("CREDENTIAL")})
    path.recorder.errors = [LogUnavailable("full")]
    with pytest.raises(LogUnavailable):
        await path.router.route(request())


async def test_governed_state_that_moves_before_the_commit_is_authorized_once_more(
    path: Path,
) -> None:
    path.recorder.errors = [StaleError("moved")]
    await path.router.route(request())

    assert len(path.scorer.seen) == 2
    assert path.events == ["recorded eu-economy first", "sent eu-economy"]


async def test_state_that_keeps_moving_ends_in_a_refusal(path: Path) -> None:
    path.recorder.errors = [StaleError("moved")] * 3
    with pytest.raises(StaleError):
        await path.router.route(request())

    assert path.events == []


async def test_a_fallback_has_its_own_permit_and_a_failed_outcome_before_it(path: Path) -> None:
    path.forwarder.failing = {"eu-economy": UpstreamError("down", facts={"failure": "status_5xx"})}
    await path.router.route(request())

    assert path.events == [
        "recorded eu-economy first",
        "sent eu-economy",
        "recorded eu-medical fallback",
        "sent eu-medical",
    ]
    assert [o.failure for o in path.recorder.outcomes] == ["status_5xx", ""]


async def test_a_quarantine_between_attempts_narrows_the_fallback(path: Path) -> None:
    failing = UpstreamError("down", facts={"failure": "status_5xx"})

    class Quarantining(FakeForwarder):
        async def send(self, permit: Any, wire: Wire, **more: Any) -> Any:
            path.quarantine = Quarantine(version=1, providers=frozenset({ProviderId("medvet")}))
            return await super().send(permit, wire, **more)

    path.forwarder = Quarantining(path.events, {"eu-economy": failing})
    path.rewire(forwarder=path.forwarder)
    await path.router.route(request())

    assert path.events[2:] == ["recorded eu-premium fallback", "sent eu-premium"]


async def test_a_pick_that_needs_review_is_held_and_nothing_routes_around_it(path: Path) -> None:
    path.detector.found = frozenset({DataClass("HEALTH")})
    with pytest.raises(ReviewRequired) as held:
        await path.router.route(request("sales"))

    waits = held.value.facts["review_id"]
    assert held.value.message == (
        f"waits for a person as `{waits}` in `clinical-claims`: poll `GET /v1/reviews/{waits}`, "
        f"then send the same again with `x-transire-review-id: {waits}`"
    )
    assert path.reviews.held == [frozenset({"clinical-claims"})]
    assert path.events == []
    assert path.recorder.refusals == []


async def test_a_hold_for_which_there_is_no_place_is_refused_and_recorded(path: Path) -> None:
    async def full(*_: Any) -> tuple[ReviewId, Any]:
        raise HoldsFullError("full", retry_after_s=60)

    path.reviews.hold = full  # type: ignore[method-assign, assignment] # every place is taken
    path.detector.found = frozenset({DataClass("HEALTH")})
    with pytest.raises(HoldsFullError):
        await path.router.route(request("sales"))

    assert path.recorder.refusals == ["reviews_full"]
    assert path.events == []


RELEASE = Release(
    review_id=ReviewId("rev_1"),
    conditions=(),
    changes=(),
    assertions=Assertions(),
    deployments=frozenset({DeploymentId("eu-medical")}),
    queues=frozenset({"clinical-claims"}),
    until=UNTIL,
)


async def test_a_release_frees_the_approved_deployment_alone(path: Path) -> None:
    path.detector.found = frozenset({DataClass("HEALTH")})
    path.reviews.allowed = RELEASE
    await path.router.route(request("sales", review_id=ReviewId("rev_1")))

    assert path.events == ["recorded eu-medical first", "sent eu-medical"]


async def test_a_release_by_another_queue_holds_again(path: Path) -> None:
    path.detector.found = frozenset({DataClass("HEALTH")})
    path.reviews.allowed = replace(RELEASE, queues=frozenset({"other"}))
    with pytest.raises(ReviewRequired):
        await path.router.route(request("sales", review_id=ReviewId("rev_1")))

    assert path.events == []


async def test_a_broken_contract_spends_the_budget_and_ends_typed(path: Path) -> None:
    path.validator.wrong = [Violation(kind="schema", path="a")]
    with pytest.raises(TransireError) as caught:
        await path.router.route(request())

    assert caught.value.code == "contract_violated"
    assert [o.status for o in path.recorder.outcomes] == [OutcomeStatus.CONTRACT_VIOLATED] * 3
    assert [e.split()[-1] for e in path.events if e.startswith("recorded")] == [
        "first",
        "contract",
        "contract",
    ]


@pytest.mark.parametrize(
    ("stakes", "named", "is_repaired"),
    [
        ("limited", None, True),
        ("high", None, False),
        ("high", frozenset({"high"}), True),
        ("limited", frozenset(), False),
    ],
)
async def test_an_answer_is_repaired_as_far_as_the_bundle_lets_it_at_these_stakes(
    path: Path, stakes: str, named: Any, is_repaired: bool
) -> None:
    async def repaired(_: Any, answer: Completion) -> Completion:
        return replace(answer, choices=(replace(answer.choices[0], content="repaired"),))

    path.validator.repaired = repaired  # type: ignore[method-assign, assignment] # a rule that always applies
    path.bundle = replace(path.bundle, routing=replace(path.bundle.routing, repair_stakes=named))
    path.reviews.allowed = Release(
        review_id=ReviewId("rev_1"),
        conditions=(),
        changes=(),
        assertions=Assertions(stakes=Stakes(stakes)),
        deployments=frozenset(path.bundle.catalog.deployments),
        queues=frozenset({"high-stakes"}),
        until=UNTIL,
    )
    asked = request(review_id=ReviewId("rev_1"))
    routed = await path.router.route(replace(asked, body=replace(asked.body, has_contract=True)))

    assert routed.completion is not None
    assert (routed.completion.choices[0].content == "repaired") is is_repaired


def retrying(path: Path, *, is_told: bool = True) -> None:
    """The bundle tells the next attempt what was wrong, or not, and something always is."""
    routing = replace(path.bundle.routing, retry_with_errors=is_told)
    path.bundle = replace(path.bundle, routing=routing)
    path.validator.wrong = [Violation(kind="schema", path="a")]


def contents(path: Path) -> list[tuple[tuple[str, ...], bytes]]:
    """Of each permit, in order: what it was noted with, and the digest of what it is for."""
    return [(c.request.noted, c.body(Form.RAW)[1]) for c, _ in path.recorder.permits]


async def test_the_next_attempt_is_told_once_what_was_wrong_and_classified_anew(
    path: Path,
) -> None:
    retrying(path)
    with pytest.raises(ContractViolated):
        await path.router.route(request())

    noted = (("schema",), b"noted")
    assert contents(path) == [((), b""), noted, noted]
    assert path.detector.asked == 2


async def test_without_the_bundles_word_the_same_is_sent_again(path: Path) -> None:
    retrying(path, is_told=False)
    with pytest.raises(ContractViolated):
        await path.router.route(request())

    assert contents(path) == [((), b"")] * 3
    assert path.detector.asked == 1


async def test_a_noted_request_goes_only_where_its_own_classes_may_go(path: Path) -> None:
    class Detector(FakeDetector):
        async def classify(self, request: RoutingRequest) -> Classification:
            found = await super().classify(request)
            classes = frozenset({DataClass("SECURITY_SENSITIVE")}) if request.noted else found.found
            return replace(found, found=classes)

    retrying(path)
    path.detector = Detector()
    with pytest.raises(ContractViolated):
        await path.router.route(request())

    assert [noted for noted, _ in contents(path)] == [(), ("schema",), ("schema",)]
    assert [e for e in path.events if e.startswith("sent")][1:] == ["sent onprem-general"] * 2


async def test_what_a_person_released_is_never_noted(path: Path) -> None:
    retrying(path)
    path.detector.found = frozenset({DataClass("HEALTH")})
    path.reviews.allowed = Release(
        review_id=ReviewId("rev_1"),
        conditions=(),
        changes=(),
        assertions=Assertions(),
        deployments=frozenset({DeploymentId("eu-medical")}),
        queues=frozenset({"clinical-claims"}),
        until=UNTIL,
    )
    with pytest.raises(ContractViolated):
        await path.router.route(request("sales", review_id=ReviewId("rev_1")))

    assert contents(path) == [((), b"")] * 2


async def test_nothing_is_noted_once_another_bundle_is_active(path: Path) -> None:
    retrying(path)
    first = path.bundle

    class Activating(FakeForwarder):
        async def send(self, permit: Recorded[Permit], wire: Wire, **more: Any) -> Any:
            path.bundle = replace(first)
            return await super().send(permit, wire, **more)

    path.rewire(forwarder=Activating(path.events))
    with pytest.raises(ContractViolated):
        await path.router.route(request())

    assert contents(path) == [((), b"")] * 3


async def test_a_failed_attempt_is_not_told_anything(path: Path) -> None:
    retrying(path)
    path.validator.wrong = []
    path.forwarder.failing = {
        name: UpstreamError("x", facts={"failure": "timeout"})
        for name in path.bundle.catalog.deployments
    }
    with pytest.raises(TransireError):
        await path.router.route(request())

    assert contents(path) == [((), b"")] * 3


async def test_without_a_contract_nothing_is_repaired(path: Path) -> None:
    async def repaired(_: Any, answer: Completion) -> Completion:
        raise AssertionError("nothing was promised")

    path.validator.repaired = repaired  # type: ignore[method-assign, assignment] # must not run
    routed = await path.router.route(request())

    assert routed.completion is ANSWER


async def test_a_cut_stream_settles_one_partial_outcome(path: Path) -> None:
    cut = UpstreamError("cut", facts={"failure": "cut"})
    path.forwarder.exchange = FakeExchange(ANSWER, [CHUNK, cut])
    routed = await path.router.route(request(is_stream=True))
    assert routed.relay is not None
    with pytest.raises(UpstreamError):
        async for _ in routed.relay.chunks():
            pass
    await routed.relay.cancel()

    assert [(OutcomeStatus.PARTIAL, "cut")] == [
        (o.status, o.failure) for o in path.recorder.outcomes
    ]


async def test_a_bad_call_before_anything_was_said_falls_back(path: Path) -> None:
    delta = ToolCallDelta(index=0, id="i", name="f", arguments="{}")
    call = Chunk(choices=(ChunkChoice(index=0, tool_calls=(delta,), finish_reason="tool_calls"),))
    path.validator.wrong = [Violation(kind="tool_unknown", path="a")]
    path.forwarder.exchange = FakeExchange(ANSWER, [call])
    with pytest.raises(ContractViolated):
        await path.router.route(request(is_stream=True))

    assert [(OutcomeStatus.CONTRACT_VIOLATED, "tool_unknown")] * 3 == [
        (o.status, o.failure) for o in path.recorder.outcomes
    ]
    assert [o.released_bytes for o in path.recorder.outcomes] == [0, 0, 0]


async def test_a_bad_call_after_text_ends_the_stream_and_says_how_much_went_out(
    path: Path,
) -> None:
    delta = ToolCallDelta(index=0, id="i", name="f", arguments="{}")
    call = Chunk(choices=(ChunkChoice(index=0, tool_calls=(delta,), finish_reason="tool_calls"),))
    path.validator.wrong = [Violation(kind="tool_unknown", path="a")]
    path.forwarder.exchange = FakeExchange(ANSWER, [CHUNK, call])
    routed = await path.router.route(request(is_stream=True))
    assert routed.relay is not None
    with pytest.raises(ContractViolated):
        async for _ in routed.relay.chunks():
            pass

    assert [(OutcomeStatus.PARTIAL, "tool_unknown", 2)] == [
        (o.status, o.failure, o.released_bytes) for o in path.recorder.outcomes
    ]


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize(("region", "told"), [("elsewhere", ["region"]), ("here", []), ("", [])])
async def test_an_answer_from_elsewhere_is_recorded(
    path: Path, is_stream: bool, region: str, told: list[str]
) -> None:
    path.forwarder.exchange = FakeExchange(ANSWER, [CHUNK, LAST], region=region)
    routed = await path.router.route(request(is_stream=is_stream))
    if routed.relay is not None:
        async for _ in routed.relay.chunks():
            pass
    (outcome,) = path.recorder.outcomes
    contradicts = outcome.facts.get("contradicts", [])

    assert isinstance(contradicts, list)
    assert [c for c in contradicts if c != "model"] == told


async def test_a_quarantine_stops_a_running_stream(path: Path) -> None:
    path.forwarder.exchange = FakeExchange(ANSWER, [CHUNK, CHUNK, LAST])
    routed = await path.router.route(request(is_stream=True))
    assert routed.relay is not None
    chunks = routed.relay.chunks()
    await anext(chunks)
    path.quarantine = Quarantine(version=1, tenants=frozenset({TenantId("acme")}))
    with pytest.raises(UpstreamError, match="quarantine"):
        await anext(chunks)

    assert [(OutcomeStatus.PARTIAL, "quarantined")] == [
        (o.status, o.failure) for o in path.recorder.outcomes
    ]


async def test_a_stream_nobody_reads_is_settled_as_cancelled(path: Path) -> None:
    path.forwarder.exchange = FakeExchange(ANSWER, [CHUNK, LAST])
    routed = await path.router.route(request(is_stream=True))
    assert routed.relay is not None
    await routed.relay.cancel()

    assert [OutcomeStatus.CANCELLED] == [o.status for o in path.recorder.outcomes]
    assert path.forwarder.exchange.closed == 1


async def test_advice_records_that_it_was_given_and_permits_nothing(path: Path) -> None:
    advice = await path.router.advise(request())

    assert isinstance(advice.choice, Choice)
    assert path.events == ["advice"]


async def test_advice_weighs_the_review_it_names_as_a_release_would(path: Path) -> None:
    path.detector.found = frozenset({DataClass("HEALTH")})
    asked = request("sales", review_id=ReviewId("rev_1"))
    path.reviews.allowed = RELEASE
    advice = await path.router.advise(asked)
    held = await path.router.advise(request("sales"))

    assert isinstance(advice.choice, Choice)
    assert advice.choice.released_by == "rev_1"
    assert isinstance(held.choice, Hold)
    assert path.events == ["advice", "advice"]


async def test_advice_on_a_review_that_does_not_release_is_refused(path: Path) -> None:
    async def undecided(_: Any) -> Release:
        raise ReviewRequired("the review is pending")

    path.reviews.release = undecided  # type: ignore[method-assign, assignment] # nobody has decided
    with pytest.raises(ReviewRequired):
        await path.router.advise(request("sales", review_id=ReviewId("rev_1")))

    assert (path.detector.asked, path.events) == (0, [])


@pytest.mark.parametrize("way", ["route", "advise"])
async def test_what_the_validator_refuses_is_refused_before_anything_is_read(
    path: Path, way: str
) -> None:
    path.validator.refusal = RequestError("the schema is too deep")
    path.detector.error = AssertionError("classified")
    with pytest.raises(RequestError, match="too deep"):
        await getattr(path.router, way)(request())

    assert path.recorder.refusals == ["bad_request"]


@pytest.mark.parametrize("way", ["route", "advise"])
async def test_the_deadline_ends_the_request_whatever_it_waits_for(path: Path, way: str) -> None:
    async def never(_: Any) -> Classification:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    path.detector.classify = never  # type: ignore[method-assign, assignment] # a detector that hangs
    with pytest.raises(GovernanceUnavailable, match="deadline"):
        await getattr(path.router, way)(request(deadline_s=0.05))

    assert path.recorder.refusals == ["governance_unavailable"]


async def test_advice_that_may_yet_be_written_gets_no_second_entry(path: Path) -> None:
    async def never(*_: Any) -> Receipt:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    path.recorder.advice = never  # type: ignore[method-assign, assignment] # a slow log
    with pytest.raises(GovernanceUnavailable, match="deadline"):
        await path.router.advise(request(deadline_s=0.05))

    assert path.recorder.refusals == []


class Cut(FakeExchange):
    async def completion(self) -> Completion:
        raise UpstreamError("cut", facts={"failure": "cut"})


async def test_each_attempt_is_recorded_with_its_own_usage(path: Path) -> None:
    exchanges = iter([FakeExchange(ANSWER), Cut(ANSWER), Cut(ANSWER)])

    class Changing(FakeForwarder):
        async def send(self, permit: Any, wire: Wire, **_: Any) -> Any:
            return next(exchanges)

    path.validator.wrong = [Violation(kind="schema")]
    path.rewire(forwarder=Changing(path.events))
    with pytest.raises(UpstreamError):
        await path.router.route(request())
    violated, *cut = path.recorder.outcomes

    assert (violated.failure, violated.tokens_in, violated.tokens_out) == ("schema", 1, 1)
    assert violated.cost_micro_usd is not None
    assert [(None, None, None)] * 2 == [(o.tokens_in, o.tokens_out, o.cost_micro_usd) for o in cut]


async def test_a_caller_who_goes_while_the_answer_is_judged_has_received_nothing(
    path: Path,
) -> None:
    judging = asyncio.Event()

    async def slowly(*_: Any) -> Sequence[Violation]:
        judging.set()
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    path.validator.violations = slowly  # type: ignore[method-assign, assignment] # still judging
    task = asyncio.ensure_future(path.router.route(request()))
    await judging.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (outcome,) = path.recorder.outcomes

    assert (outcome.status, outcome.released_bytes) == (OutcomeStatus.CANCELLED, 0)
    assert outcome.tokens_out == 1


async def test_what_was_released_of_a_stream_before_its_caller_left_is_counted(path: Path) -> None:
    path.forwarder.exchange = FakeExchange(ANSWER, [CHUNK, CHUNK, CHUNK, LAST])
    routed = await path.router.route(request(is_stream=True))
    assert routed.relay is not None
    chunks = routed.relay.chunks()
    await anext(chunks)
    await anext(chunks)
    assert isinstance(chunks, AsyncGenerator)
    await chunks.aclose()

    assert [(OutcomeStatus.CANCELLED, 4)] == [
        (o.status, o.released_bytes) for o in path.recorder.outcomes
    ]


async def test_every_permitted_pair_exhausted_ends_in_the_last_upstream_error(path: Path) -> None:
    down = UpstreamError("down", facts={"failure": "status_4xx"})
    path.forwarder.failing = dict.fromkeys(COMPILED.bundle.catalog.deployments, down)
    with pytest.raises(UpstreamError) as raised:
        await path.router.route(request())

    tried = ["eu-economy", "eu-medical", "eu-premium"]
    assert [e for e in path.events if e.startswith("sent")] == [f"sent {name}" for name in tried]
    assert raised.value.facts["attempts"] == [
        {"attempt": number, "deployment": name, "failure": "status_4xx"}
        for number, name in enumerate(tried, 1)
    ]
    assert raised.value.message == (
        "down (tried `eu-economy`: status_4xx; `eu-medical`: status_4xx; `eu-premium`: status_4xx)"
    )


async def test_a_decision_that_may_yet_be_written_gets_no_second_entry(path: Path) -> None:
    path.recorder.errors = [LogUncertain("the log did not commit in time")]

    with pytest.raises(LogUncertain):
        await path.router.route(request())

    assert path.recorder.refusals == []
    assert path.events == []


class Hanging(FakeExchange):
    async def completion(self) -> Completion:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")


def test_a_deployment_that_hangs_is_known_to_hang_before_the_request_ends(path: Path) -> None:
    path.forwarder.exchange = Hanging(ANSWER)
    with pytest.raises(UpstreamError):
        run_swiftly(path.router.route(request(deadline_s=8)))
    first = path.recorder.outcomes[0]

    assert (first.status, first.failure) == (OutcomeStatus.FAILED, "timeout")


def test_a_deadline_during_the_commit_writes_no_second_entry(path: Path) -> None:
    async def never(*_: Any, **__: Any) -> Recorded[Permit]:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    path.recorder.permit = never  # type: ignore[method-assign] # a slow log
    with pytest.raises(GovernanceUnavailable, match="deadline"):
        run_swiftly(path.router.route(request(deadline_s=8)))

    assert path.recorder.refusals == []


async def test_a_later_attempt_leaves_what_the_catalog_describes_otherwise(path: Path) -> None:
    before = path.governed()
    catalog = before.bundle.catalog
    moved = replace(catalog.deployments[DeploymentId("eu-medical")], address="https://new.example")
    deployments = {**catalog.deployments, moved.id: moved}
    bundle = replace(before.bundle, catalog=replace(catalog, deployments=deployments))

    assert redeclared(before, before) == frozenset()
    assert redeclared(before, replace(before, bundle=bundle)) == {
        Pair(deployment=moved.id, form=form) for form in Form
    }


@pytest.mark.parametrize(("is_redacted", "freed"), [(True, [Form.REDACTED]), (False, list(Form))])
def test_an_approval_of_the_redacted_form_frees_no_raw_one(
    is_redacted: bool, freed: list[Form]
) -> None:
    verdicts = [
        Verdict(pair=Pair(deployment=DeploymentId("a"), form=form), effect=Effect.PERMIT)
        for form in Form
    ]
    candidates = [Candidate(verdict, Terms(1, 1, 1, 1_000, 900, 0)) for verdict in verdicts]
    release = Release(
        review_id=ReviewId("rev_1"),
        conditions=(),
        changes=(),
        assertions=Assertions(),
        deployments=frozenset({DeploymentId("a")}),
        queues=frozenset(),
        is_redacted=is_redacted,
        until=UNTIL,
    )

    assert [c.pair.form for c in free(candidates, release)] == freed


class _Judging(FakeValidator):
    async def violations(self, request: Any, answer: Any) -> Sequence[Violation]:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")


def test_a_deadline_that_passes_while_an_answer_is_judged_is_no_caller_who_left(
    path: Path,
) -> None:
    path.rewire(validator=_Judging())
    with pytest.raises(UpstreamError, match="deadline"):
        run_swiftly(path.router.route(request(deadline_s=8)))
    (ended,) = path.recorder.outcomes

    assert (ended.status, ended.failure) == (OutcomeStatus.FAILED, "deadline")
