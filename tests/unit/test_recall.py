"""On the path: which answers are kept, and what is asked before one is given again."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from tests.conftest import FakeClock
from tests.unit.paths import (
    ANSWER,
    CHUNK,
    LAST,
    FakeExchange,
    FakeInspector,
    FakeValidator,
    Path,
    request,
)

from transire.authorize.cedar import CedarAuthorizer
from transire.dispatch import Routed
from transire.domain.answer import Completion
from transire.domain.cache import CacheRules, Held, Kept, Place
from transire.domain.escalation import Appraisal, CascadeRules
from transire.domain.governed import Governed
from transire.domain.ids import ApplicationId, DataClass, PolicyId
from transire.domain.permit import Outcome, OutcomeStatus
from transire.domain.ports import Violation
from transire.domain.receiving import Received
from transire.domain.request import Assertions
from transire.errors import (
    GovernanceUnavailable,
    LogUnavailable,
    StaleError,
    UpstreamError,
)
from transire.identity.digests import InstallationKeys
from transire.recall import Recall

PLAIN = replace(ANSWER, model="")
"""Names no model, so that it contradicts no catalog."""


@dataclass
class Answers:
    """Keeps in a dict; implements `domain.cache.AnswerStore`."""

    kept: dict[bytes, Kept] = field(default_factory=dict)
    places: list[Place] = field(default_factory=list)

    async def recall(self, place: Place) -> Kept | None:
        self.places.append(place)
        return self.kept.get(place.digest)

    async def keep(self, place: Place, kept: Kept, *, ttl_s: int) -> bool:
        self.kept[place.digest] = kept
        return True

    async def forget(self, purge: Any) -> int:
        raise AssertionError("the path forgets nothing")

    async def tidy(self, *_: Any) -> None:
        raise AssertionError("the path tidies nothing")

    async def held(self, tenant: Any = None) -> Held:
        return Held(answers=len(self.kept), size_bytes=0)


class Permitting:
    """An authorizer whose bundle has a rule of `cache`; everything else is the pack's own."""

    def __init__(self, inner: Any, policies: tuple[str, ...]) -> None:
        self._inner = inner
        self._policies = policies

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def caches(self, application: Any) -> bool:
        return True

    def cache(self, *_: Any, **__: Any) -> tuple[PolicyId, ...]:
        return tuple(map(PolicyId, self._policies))


@dataclass
class Seen:
    """Implements `domain.cache.CacheObserver`."""

    results: list[str] = field(default_factory=list)
    micro_usd: int = 0

    def looked_up(self, result: str) -> None:
        self.results.append(result)

    def saved(self, micro_usd: int) -> None:
        self.micro_usd += micro_usd


class Wired:
    """A path with a cache, its outcomes durable at once."""

    def __init__(self, clock: FakeClock, **rules: Any) -> None:
        self.policies: tuple[str, ...] = ("cache.all",)
        self.is_durable = True
        self.path = Path(clock)
        self.path.forwarder.exchange = FakeExchange(PLAIN)
        self.path.bundle = replace(
            self.path.bundle,
            routing=replace(self.path.bundle.routing, cache=CacheRules(**{"ttl_s": 60, **rules})),
        )
        self.store, self.seen = Answers(), Seen()
        inner = self.path.governed
        self.path.governed = lambda: self._governed(inner())  # type: ignore[method-assign]
        recorder = self.path.recorder
        written = recorder.outcome

        def write(permit: Any, outcome: Outcome) -> Any:
            written(permit, outcome)
            if not self.is_durable:
                return None
            future = asyncio.get_running_loop().create_future()
            future.set_result(None)
            return future

        recorder.outcome = write  # type: ignore[method-assign]
        self.recall = Recall(
            store=self.store,
            keyed=InstallationKeys(b"k" * 32),
            forwarder=self.path.forwarder,
            recorder=recorder,
            validator=self.path.validator,
            inspector=self.path.inspector,
            observer=self.seen,
            clock=clock,
            max_bytes=1_000,
        )
        self.path.rewire(recall=self.recall, governed=self.path.governed)

    def _governed(self, made: Governed) -> Governed:
        authorizer: Any = Permitting(made.authorizer, self.policies)
        return replace(made, bundle=self.path.bundle, authorizer=authorizer)

    async def ask(self, **changes: Any) -> Routed:
        made = request()
        fields = {**made.body.fields, "temperature": 0, **changes.pop("fields", {})}
        routed = await self.path.router.route(
            replace(made, body=replace(made.body, fields=fields), **changes)
        )
        if routed.relay is not None:
            async for _ in routed.relay.chunks():
                pass
        await self.recall.flush()
        return routed


@pytest.fixture
def wired(clock: FakeClock) -> Wired:
    return Wired(clock)


async def test_the_second_of_two_is_given_what_the_first_was(wired: Wired) -> None:
    first, second = await wired.ask(), await wired.ask()

    assert (first.account.cache, second.account.cache) == ("miss", "hit")
    assert second.completion == PLAIN
    assert [e for e in wired.path.events if e.startswith("sent")] == wired.path.events[1:2]
    hit = second.permit.value
    assert hit.cause == "cache_hit"
    assert hit.cached is not None
    assert (hit.cached.decision_id, hit.cached.policies) == ("dec_1", ("cache.all",))
    ended = wired.path.recorder.outcomes[-1]
    assert (ended.status, ended.cost_micro_usd) == (OutcomeStatus.OK, 0)
    assert ended.facts["saved_micro_usd"] == wired.path.recorder.outcomes[0].cost_micro_usd
    assert ended.released_bytes == len("hi")
    assert wired.seen.results == ["miss", "hit"]


async def test_what_cannot_be_built_is_not_looked_up_and_passes_on_to_the_next(
    wired: Wired,
) -> None:
    first = (await wired.ask()).deployment.id
    wired.path.forwarder.unbuildable = frozenset({first})

    other = await wired.ask()

    assert other.deployment.id != first
    assert other.completion == PLAIN


async def test_what_is_sent_is_what_was_looked_up_and_built_once(wired: Wired) -> None:
    await wired.ask()

    assert len(wired.path.forwarder.bodies) == 1


async def test_what_is_streamed_is_built_for_itself(wired: Wired) -> None:
    wired.path.forwarder.exchange = FakeExchange(ANSWER, pieces=(CHUNK, CHUNK, LAST))
    await wired.ask(is_stream=True)

    assert len(wired.path.forwarder.bodies) == 2


async def test_what_a_cascade_asks_for_is_built_for_itself(wired: Wired) -> None:
    _cascading(wired, "default")
    await wired.ask()

    assert len(wired.path.forwarder.bodies) == 2


async def test_deployments_health_is_not_told_of_what_they_were_not_asked(wired: Wired) -> None:
    await wired.ask()
    await wired.ask()

    assert len(wired.path.health.begun) == len(wired.path.health.ended) == 1
    assert len(wired.path.observer.attempts) == 1
    assert wired.path.observer.codes == []


async def test_an_answer_is_over_at_its_time(wired: Wired, clock: FakeClock) -> None:
    await wired.ask()
    clock.advance(60)

    assert (await wired.ask()).account.cache == "miss"


@pytest.mark.parametrize(
    "changes",
    [
        {"fields": {"temperature": 0.1}},
        {"fields": {"temperature": None}},
        {"fields": {"temperature": "0"}},
        {"assertions": Assertions(cache="off")},
        {"noted": ("schema",)},
    ],
    ids=["sampled", "unsaid", "no-number", "declined", "noted"],
)
async def test_what_is_not_kept_is_not_looked_up_either(
    wired: Wired, changes: dict[str, Any]
) -> None:
    routed = await wired.ask(**changes)

    assert routed.account.cache == "off"
    assert (wired.store.places, wired.store.kept) == ([], {})


async def test_nothing_is_kept_at_the_highest_stakes(wired: Wired) -> None:
    bundle = wired.path.bundle
    own = bundle.catalog.applications[ApplicationId("support-triage")].stakes
    wired.path.bundle = replace(bundle, taxonomy=replace(bundle.taxonomy, stakes=(own,)))

    assert (await wired.ask()).account.cache == "off"
    assert wired.store.places == []


async def test_where_no_rule_permits_it_nothing_is_looked_up_or_kept(wired: Wired) -> None:
    wired.policies = ()

    assert (await wired.ask()).account.cache == "off"
    assert (wired.store.places, wired.store.kept) == ([], {})


async def test_the_pack_permits_none(clock: FakeClock) -> None:
    path = Path(clock)
    authorizer = path.governed().authorizer
    assert isinstance(authorizer, CedarAuthorizer)

    assert not any(map(authorizer.caches, path.bundle.catalog.applications))


@pytest.mark.parametrize(
    "answer",
    [
        replace(ANSWER.choices[0], finish_reason="length"),
        replace(ANSWER.choices[0], refusal="no", content=None),
        replace(ANSWER.choices[0], content="x" * 1_001),
        replace(ANSWER.choices[0], content="ü" * 501),
        replace(ANSWER.choices[0], logprobs={"content": []}),
        replace(ANSWER.choices[0], extras={"reasoning_content": "hm"}),
        replace(ANSWER.choices[0], content=""),
    ],
    ids=["cut", "refusal", "long", "long-in-bytes", "logprobs", "extras", "empty"],
)
async def test_only_whole_answers_of_text_are_kept(wired: Wired, answer: Any) -> None:
    made = replace(PLAIN, choices=(answer,))
    wired.path.forwarder.exchange = FakeExchange(made)
    await wired.ask()

    assert wired.store.kept == {}


async def test_an_answer_that_breaks_this_callers_contract_is_no_hit(wired: Wired) -> None:
    await wired.ask()
    wired.recall.validator = _Violated()

    assert (await wired.ask()).account.cache == "miss"
    assert wired.seen.results == ["miss", "unfit"]


class _Violated(FakeValidator):
    async def violations(self, request: Any, answer: Any) -> list[Violation]:
        return [Violation(kind="tool_required")]


@pytest.mark.parametrize("effect", ["withheld", "redacted"])
async def test_what_receive_would_not_let_through_as_it_is_is_no_hit(
    wired: Wired, effect: str
) -> None:
    await wired.ask()

    async def receive(answer: Completion) -> Received:
        given = None if effect == "withheld" else answer
        return Received(answer=given, facts={"received": {"effect": effect}})

    wired.recall.inspector = FakeInspector(receive)

    assert (await wired.ask()).account.cache == "miss"
    assert wired.seen.results == ["miss", "unfit"]


async def test_a_quarantine_between_permit_and_answer_gives_nothing(wired: Wired) -> None:
    await wired.ask()

    def moved(permit: Any) -> None:
        raise StaleError("the quarantine changed")

    wired.path.recorder.vouch = moved  # type: ignore[method-assign]
    routed = await wired.ask()

    failed = wired.path.recorder.outcomes[1]
    assert (failed.status, failed.failure) == (OutcomeStatus.FAILED, "stale")
    assert failed.released_bytes == 0
    assert routed.permit.value.cause != "cache_hit"


async def test_nothing_is_kept_whose_outcome_was_not_written(wired: Wired) -> None:
    wired.is_durable = False
    await wired.ask()

    assert wired.store.kept == {}


def _keys(wired: Wired) -> list[bytes]:
    return [place.digest for place in wired.store.places]


@pytest.mark.parametrize("name", ["key_id", "user"])
async def test_another_principal_has_another_place(wired: Wired, name: str) -> None:
    await wired.ask()
    changed: dict[str, Any] = {name: "another"}
    await wired.ask(principal=replace(request().principal, **changed))

    assert len(set(_keys(wired))) == 2


async def test_a_claimed_class_has_another_place(wired: Wired) -> None:
    await wired.ask()
    await wired.ask(assertions=Assertions(data_classes=frozenset({DataClass("CONTACT")})))

    assert len(set(_keys(wired))) == 2


async def test_a_stream_is_kept_once_it_has_ended_and_given_whole(wired: Wired) -> None:
    wired.path.forwarder.exchange = FakeExchange(ANSWER, pieces=(CHUNK, CHUNK, LAST))
    streamed = await wired.ask(is_stream=True)
    again = await wired.ask(is_stream=True)

    assert (streamed.relay is not None, again.relay) == (True, None)
    assert again.completion is not None
    assert again.completion.choices[0].content == "hihi"


@pytest.mark.parametrize(
    "pieces",
    [(CHUNK,), (CHUNK, UpstreamError("cut", facts={"failure": "reset"}))],
    ids=["unfinished", "broken"],
)
async def test_a_stream_that_did_not_end_is_not_kept(wired: Wired, pieces: Any) -> None:
    wired.path.forwarder.exchange = FakeExchange(ANSWER, pieces=pieces)
    with suppress(UpstreamError):
        await wired.ask(is_stream=True)

    assert wired.store.kept == {}


async def test_an_answer_that_names_another_model_is_not_kept(wired: Wired) -> None:
    wired.path.forwarder.exchange = FakeExchange(ANSWER)
    await wired.ask()

    assert wired.store.kept == {}


def _cascading(wired: Wired, *tasks: str) -> None:
    bundle, rules = wired.path.bundle, CascadeRules(on=frozenset({"refusal"}))
    routing = replace(bundle.routing, cascades=dict.fromkeys(tasks, rules))
    wired.path.bundle = replace(bundle, routing=routing)


async def test_a_hit_is_not_judged_again_and_takes_nothing_of_the_quota(wired: Wired) -> None:
    _cascading(wired, "default")
    await wired.ask()
    wired.path.appraiser.verdicts = [("refusal",)]
    again = await wired.ask()

    assert again.account.cache == "hit"
    assert wired.path.appraiser.verdicts == [("refusal",)]
    assert (wired.path.escalations.wanted, wired.path.escalations.taken) == ([False], 0)


async def test_an_answer_with_a_verdict_is_not_kept_and_neither_is_what_was_not_judged(
    wired: Wired,
) -> None:
    _cascading(wired, "default")
    for appraisal in (Appraisal(verdicts=("refusal",)), Appraisal(has_failed=True)):
        wired.path.rewire(appraiser=_Thinking(appraisal))
        wired.path.escalations.left = 0
        await wired.ask()
        assert wired.store.kept == {}


class _Thinking:
    def __init__(self, appraisal: Appraisal) -> None:
        self._appraisal = appraisal

    async def appraised(self, *_: Any, **__: Any) -> Appraisal:
        return self._appraisal


async def test_an_answer_that_no_cascade_judged_is_no_hit_for_a_task_that_has_one(
    wired: Wired,
) -> None:
    """The bundle is the same, and so are the bytes: only what the task asks of an answer is not."""
    _cascading(wired, "faq")
    await wired.ask()
    wired.path.detector.task = "faq"

    assert (await wired.ask()).account.cache == "miss"
    assert len(set(_keys(wired))) == 2


async def test_a_kept_answer_that_cannot_be_judged_is_asked_for_anew(wired: Wired) -> None:
    await wired.ask()

    class Gone(FakeValidator):
        asked = 0

        async def violations(self, request: Any, answer: Any) -> list[Violation]:
            self.asked += 1
            if self.asked == 1:
                raise GovernanceUnavailable("the schema checker could not be started")
            return []

    wired.recall.validator = Gone()

    assert (await wired.ask()).account.cache == "miss"
    assert wired.seen.results == ["miss", "unfit"]


async def test_an_outcome_that_the_log_refuses_keeps_nothing_and_breaks_nothing(
    wired: Wired,
) -> None:
    refused = asyncio.get_running_loop().create_future()
    refused.set_exception(LogUnavailable("full"))
    wired.path.recorder.outcome = lambda *_: refused  # type: ignore[method-assign, assignment]
    await wired.ask()

    assert wired.store.kept == {}
