"""Copies of answered requests: when one is sent, in which form, and what it leaves alone."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.conftest import FakeClock
from tests.fakes import MemoryLog
from tests.unit.authorize.worlds import judged, redacted
from tests.unit.bundle.bundles import pack_files
from tests.unit.paths import (
    ANSWER,
    FakeDetector,
    FakeExchange,
    FakeForwarder,
    FakeValidator,
    Path,
    request,
)
from tests.unit.trials.test_keeper import PlainKeys

from transire.authorize.cedar import CedarAuthorizer
from transire.bundle.acts import ACTIVE_KEY
from transire.bundle.compile import compile_bundle
from transire.bundle.compiled import CompiledBundle
from transire.bundle.quarantine import VERSION_KEY
from transire.dispatch import Routed
from transire.domain.bundle import Quarantine
from transire.domain.governed import Governed
from transire.domain.ids import (
    DataClass,
    DecisionId,
    DeploymentId,
    Jurisdiction,
    ReviewId,
    Stakes,
    TenantId,
)
from transire.domain.ports import Release, Violation
from transire.domain.request import Assertions
from transire.errors import LogUnavailable, UpstreamError
from transire.identity.keys import revoked_key
from transire.record.recorder import LogRecorder
from transire.record.shadows import LogShadowRecorder
from transire.shadowing import Bounds, Shadowing

TARGET = DeploymentId("us-premium")
RULE = """
@id("shadow.support")
permit (principal == Application::"support-triage", action == Action::"shadow",
        resource == Deployment::"us-premium");
"""
SHADOWS = """\
shadows:
  try-us:
    applications: [support-triage]
    targets: {us-premium: 1000000}
    daily_micro_usd: 100000000
"""


def compiled(
    rules: str = RULE, shadows: str = SHADOWS, files: Mapping[str, str] | None = None
) -> CompiledBundle:
    """The pack, with a shadow and a rule for it."""
    more = {name: text.encode() for name, text in (files or {}).items()}
    extra = {"rules/shadow.cedar": rules.encode(), "experiments.yaml": shadows.encode()}
    return compile_bundle({**pack_files(), **extra, **more})


@dataclass
class Seen:
    """Implements `domain.shadow.ShadowObserver`."""

    results: list[tuple[str, str]] = field(default_factory=list)

    def shadowed(self, deployment: DeploymentId, result: str, cost_micro_usd: int | None) -> None:
        self.results.append((deployment, result))


class Slow(FakeForwarder):
    """Holds each copy until it is let go."""

    def __init__(self, events: list[str]) -> None:
        super().__init__(events)
        self.gate = asyncio.Event()

    async def send(self, permit: Any, wire: Any, **how: Any) -> Any:
        if permit.value.cause == "shadow":
            self.events.append("begun")
            await self.gate.wait()
        return await super().send(permit, wire, **how)


class World(Path):
    """The path over a log in memory, and copies beside it."""

    def open(
        self, bundle: CompiledBundle, forwarder: FakeForwarder | None = None, **bounds: Any
    ) -> "World":
        self.bundle, self.authorizer = bundle.bundle, CedarAuthorizer(bundle)
        self.log = MemoryLog({ACTIVE_KEY: bundle.digest, VERSION_KEY: "0"})
        self.seen = Seen()
        entries: Any = self.log
        self.real = LogRecorder(entries, self.clock)
        self.forwarder = forwarder or self.forwarder
        self.rewire(recorder=self.real, forwarder=self.forwarder)
        self.shadowing = Shadowing(
            governed=self.governed,
            recorder=LogShadowRecorder(self.real, self.clock, self.log.state.get),
            forwarder=self.forwarder,
            validator=self.validator,
            appraiser=self.appraiser,
            observer=self.seen,
            keyed=PlainKeys(),
            contradicts=lambda *_: False,
            clock=self.clock,
            bounds=Bounds(**{"in_flight": 2, "waiting": 2, "timeout_s": 5.0, **bounds}),
        )
        return self

    def governed(self) -> Governed:
        return Governed(
            bundle=self.bundle,
            quarantine=self.quarantine,
            detector=self.detector,
            authorizer=self.authorizer,
            scorer=self.scorer,
        )

    async def ask(self, name: str = "dec_1", **changes: Any) -> Routed:
        routed = await self.router.route(request(id=DecisionId(name), **changes))
        self.router.answered(routed)
        return routed

    async def settle(self) -> None:
        await asyncio.gather(*self.shadowing._copies, return_exceptions=True)

    async def copied(self, **changes: Any) -> list[str]:
        """Ask once and offer a copy; what came of it."""
        self.shadowing.offer(await self.ask(**changes))
        await self.settle()
        return [result for _, result in self.seen.results]

    def entries(self, kind: str) -> list[Any]:
        return [e for i, e in zip(self.log.items, self.log.entries, strict=True) if i.kind == kind]

    @property
    def sent(self) -> list[str]:
        return [event for event in self.events if event == f"sent {TARGET}"]


@pytest.fixture
def world(clock: FakeClock) -> World:
    return World(clock).open(compiled())


async def test_a_copy_has_its_own_permit_and_end_after_the_answer(world: World) -> None:
    assert await world.copied() == ["ok"]

    assert world.log.kinds == ["decision", "outcome", "shadow.permitted", "shadow.ended"]
    permitted, ended = world.entries("shadow.permitted")[0], world.entries("shadow.ended")[0]
    assert permitted["permit"]["cause"] == "shadow"
    assert (permitted["permit"]["attempt"], ended["attempt"]) == (0, 0)
    assert permitted["policies"] == ["shadow.support"]
    assert permitted["experiment"]["variant"] == permitted["permit"]["deployment"] == TARGET
    assert (ended["status"], ended["released_bytes"]) == ("ok", 0)
    assert ended["primary"]["attempt"] == 1
    assert permitted["permit"]["reserved"][-1]["budget"] == "shadow/try-us"


async def test_nothing_of_a_copy_touches_health_account_or_what_attempts_measured(
    world: World,
) -> None:
    routed = await world.ask()
    before = _told(world, routed)

    world.shadowing.offer(routed)
    await world.settle()

    assert world.sent
    assert _told(world, routed) == before


def _told(world: World, routed: Routed) -> Any:
    """Everything that a copy may not change."""
    account, health = routed.account, world.health
    counted = (list(world.observer.attempts), list(health.ended), list(health.claims))
    used = (account.usage, account.cost_micro_usd, account.permits, account.upstream_s)
    return counted, used, dict(world.observer.stages), list(world.observer.codes)


async def test_nothing_is_copied_where_no_rule_permits_it(clock: FakeClock) -> None:
    world = World(clock).open(compiled(rules="// nothing\n"))

    assert await world.copied() == ["denied"]
    assert (world.sent, world.entries("shadow.permitted")) == ([], [])


async def test_a_bundle_without_shadows_is_asked_for_nothing(clock: FakeClock) -> None:
    world = World(clock).open(compile_bundle(pack_files()))

    assert await world.copied() == []


@pytest.mark.parametrize(
    "rule",
    [
        'forbid (principal, action == Action::"route", resource == Deployment::"us-premium")',
        'forbid (principal, action in Action::"dispatch", resource == Deployment::"us-premium")',
        'forbid (principal, action == Action::"shadow", resource == Deployment::"us-premium")',
        'forbid (principal, action == Action::"route_unreviewed", resource)'
        ' when { resource == Deployment::"us-premium" }',
    ],
)
async def test_what_a_rule_keeps_from_a_deployment_is_not_copied_to_it(
    rule: str, clock: FakeClock
) -> None:
    world = World(clock).open(compiled(rules=f'{RULE}\n@id("no") @reason("no") {rule};'))

    assert await world.copied() == ["denied"]
    assert world.sent == []


async def test_personal_data_of_a_european_tenant_is_not_copied_to_america(world: World) -> None:
    world.detector.found = frozenset({DataClass("PERSONAL"), DataClass("CONTACT")})

    assert await world.copied() == ["denied"]
    assert world.sent == []


UNATTENDED = """
@id("unattended")
permit (principal in Tenant::"acme", action == Action::"route_unreviewed", resource)
when { context.unscannedParts >= 0 };
"""


async def test_nothing_of_the_highest_stakes_is_copied_though_nobody_has_to_release_it(
    clock: FakeClock,
) -> None:
    made = compiled(rules=RULE + UNATTENDED, files={"rules/review.cedar": "// none\n"})
    world = World(clock).open(made)

    assert await world.copied(assertions=Assertions(stakes=Stakes("high"))) == []
    assert world.entries("outcome")[0]["status"] == "ok"


@pytest.mark.parametrize(
    "changes",
    [
        {"assertions": Assertions(shadow="off")},
        {"application": "copilot"},
        {"body": replace(request().body, capabilities=frozenset({"store"}))},
    ],
    ids=["the caller declines", "another application", "a field that changes what leaves"],
)
async def test_some_requests_are_not_even_drawn(changes: dict[str, Any], clock: FakeClock) -> None:
    world = World(clock).open(compiled(files={"rules/egress.cedar": "// none\n"}))

    assert await world.copied(**changes) == []
    assert world.entries("outcome")[0]["status"] == "ok"


async def test_what_a_person_released_is_not_copied(world: World) -> None:
    world.detector.found = frozenset({DataClass("HEALTH")})
    world.reviews.allowed = Release(
        review_id=ReviewId("rev_1"),
        conditions=(),
        changes=(),
        deployments=frozenset(world.bundle.catalog.deployments),
        queues=frozenset({"default", "clinical-claims", "high-stakes"}),
        assertions=Assertions(),
        until=datetime(2030, 1, 1, tzinfo=UTC),
    )

    assert await world.copied(review_id=ReviewId("rev_1")) == []
    assert world.entries("outcome")[0]["status"] == "ok"


async def test_a_deployment_may_be_tried_before_it_may_answer(clock: FakeClock) -> None:
    def of_globex(text: str) -> str:
        named = text.replace("support-triage", "globex-assistant")
        return named.replace("us-premium", "onprem-general")

    world = World(clock).open(compiled(rules=of_globex(RULE), shadows=of_globex(SHADOWS)))
    world.forwarder.exchange = FakeExchange(ANSWER)
    made = request("globex-assistant")
    asking = replace(made.principal, tenant=TenantId("globex"))

    assert await world.copied(application="globex-assistant", principal=asking) == ["ok"]
    permitted = world.entries("shadow.permitted")[0]
    names = world.entries("decision")[0]["ranking"]["candidates"]["deployment"]
    assert permitted["permit"]["deployment"] == "onprem-general"
    assert "onprem-general" not in names


async def test_a_caller_who_narrows_narrows_his_copies(world: World) -> None:
    narrowed = Assertions(jurisdictions=frozenset({Jurisdiction("EEA")}))

    assert await world.copied(assertions=narrowed) == ["denied"]
    assert world.sent == []


async def test_a_quarantine_after_the_answer_keeps_the_copy_back(world: World) -> None:
    routed = await world.ask()
    world.quarantine = Quarantine(version=1, deployments=frozenset({TARGET}))
    world.log.state[VERSION_KEY] = "1"

    world.shadowing.offer(routed)
    await world.settle()

    assert [result for _, result in world.seen.results] == ["denied"]
    assert world.sent == []


async def test_a_quarantine_that_nobody_here_has_heard_of_yet_makes_the_permit_stale(
    world: World,
) -> None:
    routed = await world.ask()
    world.log.state[VERSION_KEY] = "1"

    world.shadowing.offer(routed)
    await world.settle()

    assert [result for _, result in world.seen.results] == ["stale"]
    assert (world.sent, world.entries("shadow.permitted")) == ([], [])


async def test_another_bundle_copies_nothing_of_what_the_last_one_decided(world: World) -> None:
    routed = await world.ask()
    changed = compiled(rules=RULE + "// changed\n")
    world.bundle, world.authorizer = changed.bundle, CedarAuthorizer(changed)
    world.log.state[ACTIVE_KEY] = world.bundle.digest

    world.shadowing.offer(routed)
    await world.settle()

    assert world.sent == []


async def test_a_revoked_key_has_no_copies(world: World) -> None:
    routed = await world.ask()
    world.log.state[revoked_key(routed.case.request.principal.key_id)] = "omar"

    world.shadowing.offer(routed)
    await world.settle()

    assert [result for _, result in world.seen.results] == ["log"]
    assert world.sent == []


async def test_no_record_no_copy(world: World) -> None:
    routed = await world.ask()
    world.log.break_down()

    world.shadowing.offer(routed)
    await world.settle()

    assert [result for _, result in world.seen.results] == ["log"]
    assert world.sent == []


async def test_a_copy_waits_for_the_answers_own_outcome(world: World) -> None:
    routed = await world.ask()
    outcome = asyncio.get_running_loop().create_future()
    routed.account.durable = outcome

    world.shadowing.offer(routed)
    for _ in range(10):
        await asyncio.sleep(0)
    before = list(world.sent)
    outcome.set_exception(LogUnavailable("the disk is full"))
    await world.settle()

    assert before == world.sent == []
    assert [result for _, result in world.seen.results] == ["log"]


async def test_all_copies_of_a_day_cost_no_more_than_their_budget(clock: FakeClock) -> None:
    shadows = SHADOWS.replace("100000000", "1")
    world = World(clock).open(compiled(shadows=shadows))

    assert await world.copied() == ["budget"]
    assert (world.sent, world.entries("shadow.permitted")) == ([], [])


async def test_copies_leave_the_second_half_of_a_hard_budget_to_requests(clock: FakeClock) -> None:
    def budgeted(limit: int) -> World:
        budget = f"{{application: support-triage, period: day, limit_micro_usd: {limit}}}"
        files = {"catalog/budgets.yaml": f"budgets:\n  small: {budget}\n"}
        return World(clock).open(compiled(files=files))

    rich = budgeted(10**9)
    assert await rich.copied() == ["ok"]
    kinds = ("decision", "shadow.permitted")
    first, copy = (rich.entries(k)[0]["permit"]["reserved"][0]["micro_usd"] for k in kinds)
    poor, just = budgeted(2 * copy - 1), budgeted(2 * copy + 10)

    assert first < copy
    assert await just.copied() == ["ok"]
    assert await poor.copied() == ["budget"]
    assert poor.sent == []


async def test_what_an_answer_breaks_is_recorded_and_nothing_more(world: World) -> None:
    routed = await world.ask()
    world.validator.wrong = (Violation(kind="not_json"),)

    world.shadowing.offer(routed)
    await world.settle()

    ended = world.entries("shadow.ended")[0]
    assert (ended["status"], ended["failure"]) == ("contract_violated", "not_json")
    assert ended["released_bytes"] == 0


async def test_a_target_that_fails_is_recorded_and_not_asked_again(world: World) -> None:
    routed = await world.ask()
    world.forwarder.failing = {TARGET: UpstreamError("no", facts={"failure": "status_5xx"})}

    world.shadowing.offer(routed)
    await world.settle()

    assert [e["failure"] for e in world.entries("shadow.ended")] == ["status_5xx"]
    assert world.health.ended[-1]["deployment"] == routed.deployment.id


async def test_a_target_that_cannot_take_it_gets_nothing(world: World) -> None:
    world.forwarder.unbuildable = frozenset({TARGET})

    assert await world.copied() == ["unfit"]
    assert world.entries("shadow.permitted") == []


async def test_a_need_that_the_target_does_not_list_is_not_copied_there(world: World) -> None:
    routed = await world.ask()
    needy = replace(routed.case.request.body, needs=frozenset({"telepathy"}))
    case = replace(routed.case, request=replace(routed.case.request, body=needy))

    world.shadowing.offer(replace(routed, case=case))
    await world.settle()

    assert [result for _, result in world.seen.results] == ["unfit"]


async def test_what_finds_no_place_is_dropped_and_counted_at_once(clock: FakeClock) -> None:
    world = World(clock)
    slow = Slow(world.events)
    world.open(compiled(), slow, in_flight=1, waiting=1)
    answered = [await world.ask(f"dec_{n}") for n in range(4)]

    for routed in answered:
        world.shadowing.offer(routed)
    for _ in range(50):
        await asyncio.sleep(0)
    dropped, begun = list(world.seen.results), world.events.count("begun")
    slow.gate.set()
    await world.settle()

    assert [result for _, result in dropped] == ["busy", "busy"]
    assert begun == 1
    assert [result for _, result in world.seen.results] == ["busy", "busy", "ok", "ok"]


async def test_a_body_that_is_too_large_beside_the_others_is_dropped(world: World) -> None:
    large = replace(request().body, size_bytes=16 * 1024 * 1024 + 1)

    assert await world.copied(body=large) == ["busy"]
    assert world.sent == []


async def test_a_bug_in_drawing_reaches_nobody(world: World) -> None:
    routed = await world.ask()

    class Broken:
        def digest(self, purpose: str, data: bytes) -> bytes:
            raise ValueError("a bug")

    world.shadowing.keyed = Broken()
    world.shadowing.offer(routed)
    await world.settle()

    assert (world.seen.results, world.sent) == ([], [])


async def test_a_bug_in_judging_a_copy_ends_it_with_an_entry(world: World) -> None:
    routed = await world.ask()

    class Broken(FakeValidator):
        async def violations(self, request: Any, answer: Any) -> Any:
            raise ValueError("a bug")

    world.shadowing.validator = Broken()
    world.shadowing.offer(routed)
    await world.settle()

    assert [e["status"] for e in world.entries("shadow.ended")] == ["failed"]
    assert [result for _, result in world.seen.results] == ["governance_unavailable"]


async def test_after_a_fallback_the_copy_stands_on_the_decisions_own_verdicts(
    world: World,
) -> None:
    first = (await world.ask("dec_0")).deployment.id
    world.forwarder.failing = {first: UpstreamError("no", facts={"failure": "status_5xx"})}

    routed = await world.ask()
    world.shadowing.offer(routed)
    await world.settle()

    assert routed.account.permits == 2
    assert [result for _, result in world.seen.results] == ["ok"]
    decision = world.entries("decision")[1]
    assert world.entries("shadow.permitted")[0]["evaluation"] == decision["evaluation"]


async def test_a_stop_breaks_off_what_is_on_its_way_and_records_it(clock: FakeClock) -> None:
    world = World(clock)
    world.open(compiled(), Slow(world.events), in_flight=1, waiting=4, grace_s=0.001)
    for n in range(3):
        world.shadowing.offer(await world.ask(f"dec_{n}"))
    while "begun" not in world.events:
        await asyncio.sleep(0)

    await world.shadowing.close()
    world.shadowing.offer(await world.ask("dec_9"))

    permitted, ended = world.entries("shadow.permitted"), world.entries("shadow.ended")
    assert [e["decision_id"] for e in permitted] == [e["decision_id"] for e in ended]
    assert {e["status"] for e in ended} == {"cancelled"}
    assert world.sent == []
    assert not world.shadowing._copies


class Redacting(FakeDetector):
    """Finds a mail address, and leaves pseudonymised text where it is replaced."""

    async def redact(self, request: Any, classification: Any) -> Any:
        body = replace(request.body, fields={"messages": ["[EMAIL]"]})
        return replace(redacted(judged("PSEUDONYMISED")), body=body)


LAX = """
@id("residency.personal") @reason("stays")
forbid (principal, action in Action::"dispatch", resource)
when { context.dataClasses.contains(DataClass::"PERSONAL") }
unless { resource in Jurisdiction::"GDPR_ADEQUATE" };
"""


async def test_the_redacted_form_goes_where_the_raw_one_may_not(clock: FakeClock) -> None:
    files = {"rules/residency.cedar": LAX, "rules/contracts.cedar": "// none\n"}
    rule, shadows = (text.replace("support-triage", "docs-qa") for text in (RULE, SHADOWS))
    world = World(clock, detector=Redacting(found=frozenset({DataClass("CONTACT")})))
    world.detector.findings = judged("CONTACT").findings
    world.open(compiled(rules=rule, shadows=shadows, files=files))
    body = replace(request().body, fields={"messages": ["ana@example.org"]})

    assert await world.copied(application="docs-qa", body=body) == ["ok"]

    permitted = world.entries("shadow.permitted")[0]
    assert permitted["permit"]["form"] == "redacted"
    assert world.forwarder.bodies[-1].fields == {"messages": ["[EMAIL]"]}
    assert "form" not in world.entries("decision")[0]["permit"]
