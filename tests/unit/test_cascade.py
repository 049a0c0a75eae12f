"""Escalation on the path: what becomes of a kept answer, whatever happens beside it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.conftest import FakeClock
from tests.swift import run_swiftly
from tests.unit.paths import (
    TERMS,
    FakeExchange,
    FakeForwarder,
    FakeRecorder,
    FakeScorer,
    Path,
    request,
)

from transire.domain.answer import AnswerChoice, Completion, Usage
from transire.domain.bundle import Quarantine
from transire.domain.decision import Choice
from transire.domain.deployment import Deployment
from transire.domain.escalation import Appraisal, CascadeRules
from transire.domain.ids import DeploymentId
from transire.domain.outward import Wire
from transire.domain.permit import Outcome, Permit, Recorded
from transire.domain.ports import Violation
from transire.domain.request import Assertions
from transire.errors import (
    BudgetExceeded,
    ContractViolated,
    GovernanceUnavailable,
    IntegrityError,
    LogUnavailable,
    UpstreamError,
)

SMALL, MIDDLE, LARGE = map(DeploymentId, ("eu-economy", "eu-premium", "us-premium"))
TIERS = {
    SMALL: TERMS._replace(quality_permille=500),
    MIDDLE: TERMS._replace(quality_permille=800, cost_micro_usd=20),
    LARGE: TERMS._replace(quality_permille=900, cost_micro_usd=90),
    "us-economy": TERMS._replace(quality_permille=400),
    "onprem-general": TERMS._replace(quality_permille=450),
    "eu-medical": TERMS._replace(quality_permille=450),
}


@dataclass
class Recorder(FakeRecorder):
    """Knows how each deployment's attempt ended, and why each later one was made."""

    ended: list[tuple[str, Outcome]] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)
    late: list[Exception] = field(default_factory=list)

    async def permit(self, case: Any, choice: Choice, *args: Any, **how: Any) -> Recorded[Permit]:
        if how["attempt"] > 1 and self.late:
            raise self.late.pop(0)
        self.choices.append(choice)
        return await super().permit(case, choice, *args, **how)

    def outcome(self, permit: Recorded[Permit], outcome: Outcome) -> None:
        super().outcome(permit, outcome)
        self.ended.append((permit.value.pair.deployment, outcome))


@dataclass
class Forwarder(FakeForwarder):
    """Each deployment says its own name; `hanging` ones never answer."""

    hanging: Sequence[str] = ()
    asked: list[dict[str, Any]] = field(default_factory=list)

    def prepare(self, body: Any, deployment: Deployment, *, is_stream: bool) -> Wire:
        self.asked.append({"fields": body.fields, "is_stream": is_stream})
        return super().prepare(body, deployment, is_stream=is_stream)

    async def send(self, permit: Recorded[Permit], wire: Wire, **how: Any) -> Any:
        await super().send(permit, wire, **how)
        if wire.deployment.id in self.hanging:
            await asyncio.Event().wait()
        return FakeExchange(said(wire.deployment.id))


def said(text: str) -> Completion:
    choice = AnswerChoice(
        index=0, content=text, refusal=None, tool_calls=(), finish_reason="stop", logprobs={"a": 1}
    )
    usage = Usage(prompt_tokens=1, completion_tokens=1, total_tokens=2)
    return Completion(choices=(choice,), usage=usage, model="", created=1)


@pytest.fixture
def path(clock: FakeClock) -> Path:
    return cascading(clock)


def cascading(clock: Any, *on: str) -> Path:
    """A path whose default task cascades from the small deployment on."""
    made = Path(clock, scorer=FakeScorer(first=SMALL, terms=dict(TIERS)))
    made.recorder = Recorder(made.events)
    made.forwarder = Forwarder(made.events)
    made.rewire(recorder=made.recorder, forwarder=made.forwarder)
    rules = CascadeRules(on=frozenset(on or ("refusal", "contract")))
    routing = replace(made.bundle.routing, cascades={"default": rules})
    made.bundle = replace(made.bundle, routing=routing)
    return made


def ended(path: Path) -> list[tuple[str, str]]:
    recorder = path.recorder
    assert isinstance(recorder, Recorder)
    return [(name, str(outcome.status)) for name, outcome in recorder.ended]


def outcome_of(path: Path, deployment: str) -> Outcome:
    recorder = path.recorder
    assert isinstance(recorder, Recorder)
    return dict(recorder.ended)[deployment]


async def test_an_answer_with_a_verdict_is_superseded_by_the_cheapest_better_one(
    path: Path,
) -> None:
    path.appraiser.verdicts = [("refusal",)]
    routed = await path.router.route(request())

    assert path.events == [
        *("recorded eu-economy first", "sent eu-economy"),
        *("recorded eu-premium escalation", "sent eu-premium"),
    ]
    assert routed.completion is not None
    assert routed.completion.choices[0].content == "eu-premium"
    assert routed.escalated_for == ("refusal",)
    assert sorted(ended(path)) == [("eu-economy", "superseded"), ("eu-premium", "ok")]
    assert outcome_of(path, SMALL).released_bytes == 0
    assert path.observer.escalations == [("refusal", "answered")]
    assert path.escalations.wanted == [True]


async def test_a_good_answer_costs_no_escalation(path: Path) -> None:
    routed = await path.router.route(request())

    assert routed.permit.value.pair.deployment == SMALL
    assert ended(path) == [("eu-economy", "ok")]
    assert (path.escalations.wanted, path.escalations.taken) == ([False], 0)
    assert path.observer.escalations == []


async def test_a_task_without_a_cascade_is_never_judged(path: Path) -> None:
    path.bundle = replace(path.bundle, routing=replace(path.bundle.routing, cascades={}))
    path.appraiser.verdicts = [("refusal",)]
    await path.router.route(request())

    assert path.appraiser.verdicts == [("refusal",)]
    assert ended(path) == [("eu-economy", "ok")]


async def test_beyond_the_quota_the_small_answer_goes_out_with_its_verdict(path: Path) -> None:
    path.appraiser.verdicts = [("refusal",)]
    path.escalations.left = 0
    routed = await path.router.route(request())

    assert routed.completion is not None
    assert routed.completion.verdicts == ("refusal",)
    assert ended(path) == [("eu-economy", "ok")]
    facts = outcome_of(path, SMALL).facts
    assert facts["appraisal"] == {"verdicts": ["refusal"]}
    assert facts["not_escalated"] == "quota"
    assert path.observer.escalations == [("refusal", "quota")]


@pytest.mark.parametrize(
    ("late", "why"),
    [
        (BudgetExceeded("spent"), "budget"),
        (LogUnavailable("full"), "failed"),
        (GovernanceUnavailable("away"), "failed"),
    ],
)
async def test_what_stops_an_escalation_never_takes_the_kept_answer(
    path: Path, late: Exception, why: str
) -> None:
    path.appraiser.verdicts = [("refusal",)]
    assert isinstance(path.recorder, Recorder)
    path.recorder.late = [late]
    routed = await path.router.route(request())

    assert routed.permit.value.pair.deployment == SMALL
    assert ended(path) == [("eu-economy", "ok")]
    assert outcome_of(path, SMALL).facts["not_escalated"] == why
    assert path.recorder.refusals == []


async def test_where_everything_better_fails_the_kept_answer_goes_out(path: Path) -> None:
    path.appraiser.verdicts = [("refusal",)]
    broken = UpstreamError("down", facts={"failure": "status_5xx"})
    path.forwarder.failing = {MIDDLE: broken, LARGE: broken}
    routed = await path.router.route(request())

    assert routed.completion is not None
    assert routed.completion.choices[0].content == "eu-economy"
    assert ended(path) == [
        ("eu-premium", "failed"),
        ("us-premium", "failed"),
        ("eu-economy", "ok"),
    ]
    assert outcome_of(path, SMALL).facts["not_escalated"] == "failed"
    assert path.escalations.taken == 2
    assert path.observer.escalations == [("refusal", "failed")]


async def test_of_two_answers_with_verdicts_the_graver_is_dropped(path: Path) -> None:
    path.appraiser.verdicts = [("low_confidence",), ("refusal",), ("refusal",)]
    routed = await path.router.route(request())

    assert routed.permit.value.pair.deployment == SMALL
    assert sorted(ended(path)) == [
        ("eu-economy", "ok"),
        ("eu-premium", "superseded"),
        ("us-premium", "superseded"),
    ]


async def test_of_two_alike_the_newer_goes_out(path: Path) -> None:
    path.appraiser.verdicts = [("refusal",)] * 3
    routed = await path.router.route(request())

    assert routed.permit.value.pair.deployment == LARGE
    assert ended(path)[-1] == ("us-premium", "ok")
    assert outcome_of(path, LARGE).facts["not_escalated"] == "attempts"


async def test_nothing_better_is_asked_for_where_nothing_better_is_permitted(path: Path) -> None:
    path.appraiser.verdicts = [("refusal",)]
    path.scorer.terms[SMALL] = TERMS._replace(quality_permille=950)
    routed = await path.router.route(request())

    assert routed.permit.value.pair.deployment == SMALL
    assert outcome_of(path, SMALL).facts["not_escalated"] == "none_better"
    assert path.escalations.taken == 0


async def test_a_broken_contract_escalates_where_the_cascade_says_so(path: Path) -> None:
    path.validator.wrong = [Violation(kind="schema")]
    with pytest.raises(ContractViolated):
        await path.router.route(request())

    assert [e for e in path.events if e.startswith("recorded")] == [
        "recorded eu-economy first",
        "recorded eu-premium escalation",
        "recorded us-premium escalation",
    ]
    assert path.observer.escalations == [("contract", "failed")]


async def test_beyond_the_quota_a_broken_contract_is_retried_as_ever(path: Path) -> None:
    path.validator.wrong = [Violation(kind="schema")]
    path.escalations.left = 0
    with pytest.raises(ContractViolated):
        await path.router.route(request())

    causes = [e.split()[-1] for e in path.events if e.startswith("recorded")]
    assert causes == ["first", "contract", "contract"]
    assert path.observer.escalations == [("contract", "quota")]


async def test_a_caller_who_leaves_leaves_no_open_permit(path: Path) -> None:
    path.appraiser.verdicts = [("refusal",)]
    assert isinstance(path.forwarder, Forwarder)
    path.forwarder.hanging = (MIDDLE,)
    asking = asyncio.ensure_future(path.router.route(request()))
    while "sent eu-premium" not in path.events:
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    assert ended(path) == [("eu-premium", "cancelled"), ("eu-economy", "cancelled")]
    assert outcome_of(path, SMALL).released_bytes == 0


def test_a_better_deployment_that_hangs_does_not_cost_the_kept_answer() -> None:
    class LoopClock(FakeClock):
        def monotonic(self) -> float:
            return asyncio.get_running_loop().time()

    async def ask() -> tuple[Path, Any]:
        path = cascading(LoopClock())
        path.appraiser.verdicts = [("refusal",)]
        assert isinstance(path.forwarder, Forwarder)
        path.forwarder.hanging = (MIDDLE, LARGE)
        return path, await path.router.route(request())

    path, routed = run_swiftly(ask())

    assert routed.permit.value.pair.deployment == SMALL
    assert ended(path)[-1] == ("eu-economy", "ok")
    assert outcome_of(path, SMALL).latency_ms == 0
    assert outcome_of(path, SMALL).facts["not_escalated"] == "deadline"
    assert path.recorder.refusals == []


async def test_an_appraiser_with_a_bug_costs_no_answer_its_way_out(path: Path) -> None:
    async def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("of a secret answer")

    path.appraiser.appraised = broken  # type: ignore[method-assign] # a plug-in with a bug
    with capture_logs() as logs:
        routed = await path.router.route(request())

    assert routed.permit.value.pair.deployment == SMALL
    assert ended(path) == [("eu-economy", "ok")]
    assert outcome_of(path, SMALL).facts["appraisal"] == {"verdicts": [], "failed": True}
    assert [e["error_type"] for e in logs if e["event"] == "appraisal.failed"] == [
        "ZeroDivisionError"
    ]


async def test_an_appraiser_that_finds_a_broken_integrity_stops(path: Path) -> None:
    async def broken(*_: Any, **__: Any) -> Any:
        raise IntegrityError("stop")

    path.appraiser.appraised = broken  # type: ignore[method-assign] # as above
    with pytest.raises(IntegrityError):
        await path.router.route(request())

    assert ended(path) == [("eu-economy", "failed")]


@pytest.mark.parametrize("stage", ["validating", "appraising"])
async def test_a_quarantine_while_a_good_answer_is_judged_withholds_it(
    path: Path, stage: str
) -> None:
    """Judging takes time (a child process, an evaluator), and whoever is on call acts at once."""

    async def blocked(*_: Any, **__: Any) -> Any:
        path.quarantine = Quarantine(version=1, deployments=frozenset({SMALL}))
        return () if stage == "validating" else Appraisal()

    if stage == "validating":
        path.validator.violations = blocked  # type: ignore[method-assign] # somebody acts meanwhile
    else:
        path.appraiser.appraised = blocked  # type: ignore[method-assign] # as above
    with pytest.raises(UpstreamError) as caught:
        await path.router.route(request())

    assert caught.value.facts["failure"] == "quarantined"
    assert ended(path) == [("eu-economy", "failed")]
    assert outcome_of(path, SMALL).released_bytes == 0


async def test_a_better_answer_that_is_quarantined_while_it_is_judged_leaves_the_kept_one(
    path: Path,
) -> None:
    path.appraiser.verdicts = [("low_confidence",)]
    judged = path.appraiser.appraised

    async def blocking(*args: Any, **how: Any) -> Any:
        made = await judged(*args, **how)
        if not made.verdicts:
            path.quarantine = Quarantine(version=1, deployments=frozenset({MIDDLE, LARGE}))
        return made

    path.appraiser.appraised = blocking  # type: ignore[method-assign] # somebody acts meanwhile
    routed = await path.router.route(request())

    assert routed.completion is not None
    assert routed.completion.choices[0].content == "eu-economy"
    assert ended(path) == [("eu-premium", "failed"), ("eu-economy", "ok")]


async def test_an_answer_of_what_was_quarantined_meanwhile_does_not_go_out(path: Path) -> None:
    class Alarmed(Forwarder):
        async def send(self, permit: Any, wire: Wire, **how: Any) -> Any:
            if wire.deployment.id == MIDDLE:
                path.quarantine = Quarantine(version=1, deployments=frozenset({SMALL}))
                raise UpstreamError("down", facts={"failure": "status_5xx"})
            return await super().send(permit, wire, **how)

    path.appraiser.verdicts = [("refusal",)]
    path.bundle = replace(path.bundle, routing=replace(path.bundle.routing, max_attempts=2))
    path.rewire(forwarder=Alarmed(path.events))
    with pytest.raises(UpstreamError) as caught:
        await path.router.route(request())

    assert caught.value.facts["failure"] == "quarantined"
    assert ended(path) == [("eu-premium", "failed"), ("eu-economy", "failed")]
    assert outcome_of(path, SMALL).released_bytes == 0


async def test_a_broken_integrity_stops_and_releases_nothing(path: Path) -> None:
    path.appraiser.verdicts = [("refusal",)]
    assert isinstance(path.recorder, Recorder)
    path.recorder.late = [IntegrityError("another permit")]
    with pytest.raises(IntegrityError):
        await path.router.route(request())

    assert ended(path) == [("eu-economy", "failed")]
    assert outcome_of(path, SMALL).released_bytes == 0


async def test_health_hears_of_a_kept_answer_when_it_is_there(path: Path) -> None:
    path.appraiser.verdicts = [("refusal",)]
    path.forwarder.failing = {MIDDLE: UpstreamError("down", facts={"failure": "status_5xx"})}
    await path.router.route(request())

    assert [(e["deployment"], e["failure"]) for e in path.health.ended] == [
        (SMALL, ""),
        (MIDDLE, "status_5xx"),
        (LARGE, ""),
    ]


async def test_a_streaming_request_is_held_until_it_was_judged(path: Path) -> None:
    routed = await path.router.route(request(is_stream=True))

    assert isinstance(path.forwarder, Forwarder)
    assert [False] == [asked["is_stream"] for asked in path.forwarder.asked]
    assert (routed.completion is not None, routed.relay) == (True, None)


async def test_probabilities_that_only_we_asked_for_do_not_reach_the_caller(
    clock: FakeClock,
) -> None:
    path = cascading(clock, "low_confidence")
    path.scorer.first = MIDDLE  # the pack lists `logprobs` for it, and not for the small one
    routed = await path.router.route(request())

    assert isinstance(path.forwarder, Forwarder)
    assert path.forwarder.asked[0]["fields"] == {"logprobs": True}
    assert routed.completion is not None
    assert routed.completion.choices[0].logprobs is None


async def test_a_bound_on_cost_covers_both_answers(path: Path) -> None:
    path.appraiser.verdicts = [("refusal",)]
    path.scorer.terms |= {
        SMALL: TIERS[SMALL]._replace(worst_cost_micro_usd=40),
        MIDDLE: TIERS[MIDDLE]._replace(worst_cost_micro_usd=70),
        LARGE: TIERS[LARGE]._replace(worst_cost_micro_usd=60),
    }
    routed = await path.router.route(request(assertions=Assertions(max_cost_micro_usd=100)))

    assert routed.permit.value.pair.deployment == LARGE

    path.appraiser.verdicts = [("refusal",)]
    await path.router.route(request(assertions=Assertions(max_cost_micro_usd=99)))

    assert outcome_of(path, SMALL).facts["not_escalated"] == "max_cost"


async def test_a_pick_that_is_passed_over_takes_no_second_of_the_quota(path: Path) -> None:
    path.appraiser.verdicts = [("refusal",)]
    path.forwarder.unbuildable = frozenset({MIDDLE})
    routed = await path.router.route(request())

    assert routed.permit.value.pair.deployment == LARGE
    assert (path.escalations.taken, path.retries.left) == (1, 99)


async def test_where_every_better_pick_is_passed_over_nothing_is_taken(path: Path) -> None:
    path.appraiser.verdicts = [("refusal",)]
    path.forwarder.unbuildable = frozenset({MIDDLE, LARGE})
    routed = await path.router.route(request())

    assert routed.permit.value.pair.deployment == SMALL
    assert outcome_of(path, SMALL).facts["not_escalated"] == "none_better"
    assert (path.escalations.taken, path.retries.left) == (0, 100)


async def test_what_could_not_be_recorded_takes_nothing(path: Path) -> None:
    path.appraiser.verdicts = [("refusal",)]
    assert isinstance(path.recorder, Recorder)
    path.recorder.late = [BudgetExceeded("spent")]
    await path.router.route(request())

    assert (path.escalations.taken, path.retries.left) == (0, 100)


async def test_beyond_the_retry_budget_nothing_is_taken_of_the_quota(path: Path) -> None:
    path.appraiser.verdicts = [("refusal",)]
    path.retries.left = 0
    await path.router.route(request())

    assert outcome_of(path, SMALL).facts["not_escalated"] == "retry_budget"
    assert path.escalations.taken == 0


async def test_what_was_sent_and_came_to_nothing_was_taken(path: Path) -> None:
    path.appraiser.verdicts = [("refusal",)]
    assert isinstance(path.forwarder, Forwarder)
    path.forwarder.hanging = (MIDDLE,)
    asking = asyncio.ensure_future(path.router.route(request()))
    while "sent eu-premium" not in path.events:
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    assert (path.escalations.taken, path.retries.left) == (1, 99)


async def test_an_ordinary_attempt_that_is_never_sent_costs_nothing_of_everybodys(
    path: Path,
) -> None:
    path.bundle = replace(path.bundle, routing=replace(path.bundle.routing, cascades={}))
    broken = UpstreamError("down", facts={"failure": "status_4xx"})
    path.forwarder.failing = {SMALL: broken}
    path.forwarder.unbuildable = frozenset(path.bundle.catalog.deployments.keys() - {SMALL})
    with pytest.raises(UpstreamError):
        await path.router.route(request())

    assert path.retries.left == 100
