"""Moderators asked before a decision: only where permitted, behind a permit each, never unsaid."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import FakeClock
from tests.unit.paths import FakeHealth, request
from tests.unit.score.fleets import deployment

from transire.account import Account
from transire.domain.authorization import Authorization, Effect, Form, Pair, Verdict
from transire.domain.bundle import Quarantine
from transire.domain.classification import Classification, Redaction, Signals
from transire.domain.deployment import Moderator
from transire.domain.guarding import Guard, Guarded
from transire.domain.ids import BundleDigest, DeploymentId, PolicyId
from transire.domain.log import Receipt
from transire.domain.moderation import Moderated
from transire.domain.outward import Wire
from transire.domain.permit import Outcome, Permit, Recorded
from transire.domain.request import Body
from transire.errors import LogUnavailable, StaleError, UpstreamError
from transire.moderation import Moderation, with_verdicts

CLEAN = Classification(
    findings=(),
    states=(),
    found=frozenset(),
    failed=frozenset(),
    uncovered={},
    detector_digest="d",
    signals=Signals(),
)
NAMES = ("a", "b", "c")
GUARDS = {name: Guard(f"guard_{name}") for name in NAMES}
UNASKED = Guard("guard_unasked")
"""Every moderator says something of it, and the bundle does not run it."""
BEHAVIOURS = ("clean", "raised", "unsaid", "failed", "empty", "large", "claimed")


@dataclass
class Desk:
    """A recorder, a service and an authorizer that keep what happened, in order.

    Attributes:
        permitted: Pairs that policy lets texts go to.
        behaviours: Moderator → how it behaves.
        log_fails_at: The permit, by number, that the log cannot take.
    """

    permitted: frozenset[Pair]
    behaviours: Mapping[str, str]
    log_fails_at: int = 0
    stale_at: str = ""
    hangs: bool = False
    events: list[tuple[str, Any]] = field(default_factory=list)
    results: list[tuple[str, str]] = field(default_factory=list)
    health: FakeHealth = field(default_factory=FakeHealth)

    def moderation(self) -> Moderation:
        for name, behaviour in self.behaviours.items():
            if behaviour == "claimed":
                self.health.taken[DeploymentId(name)] = "health"
        own: Any = self
        return Moderation(
            service=own,
            recorder=own,
            sessions=own,
            health=self.health,
            observer=own,
            clock=FakeClock(),
        )

    def governed(self) -> Any:
        moderators = {
            DeploymentId(name): Moderator(
                deployment=deployment(name),
                categories={"x": GUARDS[name], "y": UNASKED},
                max_bytes=1_024,
            )
            for name in NAMES
        }
        catalog = SimpleNamespace(moderators=moderators)
        routing = SimpleNamespace(sessions=None)
        return SimpleNamespace(
            bundle=SimpleNamespace(
                catalog=catalog, routing=routing, guards=frozenset(GUARDS.values())
            ),
            authorizer=SimpleNamespace(moderation=self.authorize),
            quarantine=Quarantine(),
        )

    def authorize(self, *_: Any, **__: Any) -> Authorization:
        pairs = [Pair(deployment=DeploymentId(n), form=form) for n in NAMES for form in Form]
        verdicts = tuple(
            Verdict(
                pair=pair,
                effect=Effect.PERMIT if pair in self.permitted else Effect.FORBID,
                policies=(PolicyId("moderate.all"),),
            )
            for pair in pairs
        )
        return Authorization(
            verdicts=verdicts,
            facts={},
            bundle_digest=BundleDigest("b"),
            quarantine_version=0,
            evaluated_at=FakeClock().now(),
            evaluation=b"[]",
            evaluation_digest="e",
        )

    def recalled(self, asked: Any, _: Any) -> Any:
        return asked

    def prepare(self, body: Body, moderator: Moderator) -> Wire | None:
        behaviour = self.behaviours[moderator.deployment.id]
        if behaviour == "empty":
            return None
        data = b"x" * 2_000 if behaviour == "large" else body.ignored[0].encode()
        return Wire(deployment=moderator.deployment, body=data, digest=b"w")

    async def permit(
        self,
        _: Any,
        digest: bytes,
        verdict: Verdict,
        authorization: Authorization,
        wire: Wire,
        *,
        attempt: int,
    ) -> Recorded[Permit]:
        await asyncio.sleep(0)
        if attempt == -self.log_fails_at:
            raise LogUnavailable("the disk is full")
        permit = Permit(
            decision_id=request().id,
            attempt=attempt,
            cause="moderation",
            pair=verdict.pair,
            content_digest=digest,
            wire_digest=wire.digest,
            bundle_digest=authorization.bundle_digest,
            quarantine_version=0,
            expires_at=FakeClock().now(),
        )
        receipt = Receipt(
            entry_id=f"ent_{attempt}", index=0, tree_size=1, leaf_hash=b"", origin="", checkpoint=""
        )
        self.events.append(("permit", permit))
        return Recorded(value=permit, receipt=receipt)

    async def ask(
        self, permit: Recorded[Permit], wire: Wire, moderator: Moderator, *, timeout_s: float
    ) -> Mapping[Guard, bool | None]:
        name = moderator.deployment.id
        self.events.append(("ask", (permit.value, wire.body)))
        await asyncio.sleep(3_600 if self.hangs else 0)
        if name == self.stale_at:
            raise StaleError("something moved")
        behaviour = self.behaviours[name]
        if behaviour == "failed":
            raise UpstreamError("the deployment failed", facts={"failure": "timeout"})
        said = {"clean": False, "raised": True, "unsaid": None}[behaviour]
        return {GUARDS[name]: said, UNASKED: True}

    def ended(self, permit: Recorded[Permit], outcome: Outcome, said: Guarded) -> None:
        self.events.append(("end", (permit.value.attempt, str(outcome.status), said)))

    def moderated(self, moderator: DeploymentId, result: str) -> None:
        self.results.append((moderator, result))

    def of(self, kind: str) -> list[Any]:
        return [what for name, what in self.events if name == kind]


def told(body: str) -> Body:
    return Body(
        fields={},
        parts=(),
        capabilities=frozenset(),
        needs=frozenset(),
        ignored=(body,),
        size_bytes=0,
        tokens_estimate=1,
    )


REDACTED = Redaction(
    body=told("redacted"), classification=CLEAN, content_digest=b"redacted", count=1
)


async def judged(desk: Desk, account: Account | None = None) -> Moderated:
    asked = request(body=told("raw"), content_digest=b"raw")
    account = account or Account(request=asked, started=0.0)
    made = await desk.moderation().judged(asked, CLEAN, REDACTED, desk.governed(), account)
    assert made is not None
    return made


all_pairs = st.frozensets(
    st.sampled_from([Pair(deployment=DeploymentId(n), form=f) for n in NAMES for f in Form])
)
behaviours = st.fixed_dictionaries({name: st.sampled_from(BEHAVIOURS) for name in NAMES})


@given(permitted=all_pairs, how=behaviours)
def test_content_never_reaches_a_moderator_that_policy_denied(
    permitted: frozenset[Pair], how: dict[str, str]
) -> None:
    desk = Desk(permitted, how)

    asyncio.run(judged(desk))

    for permit, body in desk.of("ask"):
        assert permit.pair in permitted
        assert body == permit.content_digest == str(permit.pair.form).encode()
        assert desk.events.index(("permit", permit)) < desk.events.index(("ask", (permit, body)))


@given(permitted=all_pairs, how=behaviours)
def test_every_guard_is_heard_or_has_failed(
    permitted: frozenset[Pair], how: dict[str, str]
) -> None:
    desk = Desk(permitted, how)

    made = asyncio.run(judged(desk))

    for name, guard in GUARDS.items():
        may = any(pair.deployment == name for pair in permitted)
        state = "raised" if may and how[name] == "raised" else "failed"
        if may and how[name] in ("clean", "empty"):
            state = "silent"
        assert (guard in made.guarded.raised) == (state == "raised")
        assert (guard in made.guarded.failed) == (state == "failed")
    assert [(c.moderator, c.result) for c in made.consulted] == desk.results
    for _, _, said in desk.of("end"):  # a decision names what the bundle runs, and nothing else
        assert UNASKED not in said.raised | said.failed


@given(permitted=all_pairs, how=behaviours)
def test_every_permit_is_numbered_in_order_and_ends_once(
    permitted: frozenset[Pair], how: dict[str, str]
) -> None:
    desk = Desk(permitted, how)

    asyncio.run(judged(desk))

    numbers = [permit.attempt for permit in desk.of("permit")]
    assert numbers == [-1 - n for n in range(len(numbers))]
    assert sorted(number for number, _, _ in desk.of("end")) == sorted(numbers)
    assert len(desk.health.begun) == len(desk.health.ended) == len(numbers)


ALL = frozenset(Pair(deployment=DeploymentId(n), form=Form.RAW) for n in NAMES)
CALM = dict.fromkeys(NAMES, "clean")


async def test_raw_texts_go_before_redacted_ones() -> None:
    both = frozenset(Pair(deployment=DeploymentId("a"), form=form) for form in Form)

    made = await judged(Desk(both, CALM))

    assert made.consulted[0].form is Form.RAW


async def test_a_log_that_cannot_record_ends_the_request_and_every_permit() -> None:
    desk = Desk(ALL, CALM, log_fails_at=2, hangs=True)

    with pytest.raises(LogUnavailable):
        await judged(desk)

    assert [number for number, _, _ in desk.of("end")] == [-1]
    assert desk.health.claims == [DeploymentId("a")]


async def test_what_moved_meanwhile_begins_the_request_anew_with_the_next_number() -> None:
    account = Account(request=request(), started=0.0)
    with pytest.raises(StaleError):
        await judged(Desk(ALL, CALM, stale_at="b"), account)

    again = Desk(ALL, CALM)
    await judged(again, account)

    assert [permit.attempt for permit in again.of("permit")] == [-4, -5, -6]


async def test_a_caller_who_leaves_ends_what_was_permitted() -> None:
    desk = Desk(ALL, CALM, hangs=True)
    running = asyncio.ensure_future(judged(desk))
    while len(desk.of("permit")) < len(NAMES):
        await asyncio.sleep(0)

    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert {(number, status) for number, status, _ in desk.of("end")} == {
        (-1, "cancelled"),
        (-2, "cancelled"),
        (-3, "cancelled"),
    }


def test_what_moderators_say_joins_what_was_said() -> None:
    said = Guarded(raised=frozenset({Guard("hate")}), failed=frozenset({Guard("violence")}))
    before = with_verdicts(CLEAN, Guarded(raised=frozenset({Guard("jailbreak")})))

    made = with_verdicts(before, said)

    assert made.raised_guards == {"jailbreak", "hate"}
    assert made.failed_guards == {"violence"}
