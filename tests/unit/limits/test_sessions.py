"""The memory of sessions: whose they are, how long they live, what they hold."""

from dataclasses import replace

import pytest
from tests.conftest import FakeClock
from tests.unit.authorize.worlds import asking, classes, facts

from transire.domain.authorization import Authorization, Facts, Form
from transire.domain.ids import ApplicationId, BundleDigest, DeploymentId, TenantId
from transire.domain.request import Assertions, RoutingRequest
from transire.domain.session import Seen, Session, SessionRules
from transire.limits.sessions import SessionMemory

RULES = SessionRules(idle_s=60, per_application=3)
ONE, TWO = DeploymentId("one"), DeploymentId("two")


def turn(session: str | None = "s", *claimed: str, application: str = "a") -> RoutingRequest:
    return asking(
        Assertions(session_id=session, data_classes=classes(*claimed)),
        application=ApplicationId(application),
    )


def judged(raw: Facts, redacted: Facts | None = None) -> Authorization:
    forms = {Form.RAW: (raw, raw)}
    if redacted is not None:
        forms[Form.REDACTED] = (redacted, redacted)
    return Authorization(
        verdicts=(),
        facts=forms,
        bundle_digest=BundleDigest("b"),
        quarantine_version=0,
        evaluated_at=FakeClock().now(),
        evaluation=b"",
        evaluation_digest="",
    )


def found(*names: str) -> Authorization:
    return judged(facts(data_classes=classes(*names)))


@pytest.fixture
def memory(clock: FakeClock) -> SessionMemory:
    return SessionMemory(clock)


def held(memory: SessionMemory, request: RoutingRequest, rules: SessionRules = RULES) -> Session:
    session = memory.recalled(request, rules).session
    assert session is not None
    return session


def test_a_request_without_a_session_passes_unchanged(memory: SessionMemory) -> None:
    plain = turn(None)
    memory.saw(plain, found("HEALTH"), RULES)
    memory.answered(plain, ONE)

    assert memory.recalled(plain, RULES) is plain
    assert memory.failed(plain, ONE) is plain


def test_a_new_session_holds_nothing(memory: SessionMemory) -> None:
    assert Session(digest="s") == held(memory, turn())


def test_every_kind_of_class_stays_as_what_it_was(memory: SessionMemory) -> None:
    first = facts(data_classes=classes("HEALTH"), failed_classes=classes("CREDENTIAL"))
    second = facts(uncovered_classes=classes("PERSONAL"), reduced_classes=classes("CONTACT"))
    memory.saw(turn(), judged(first), RULES)
    memory.saw(turn(), judged(second), RULES)

    assert held(memory, turn()).raw == Seen(
        found=classes("HEALTH"),
        failed=classes("CREDENTIAL"),
        uncovered=classes("PERSONAL"),
        reduced=classes("CONTACT"),
    )


def test_what_the_caller_claimed_of_one_turn_is_true_of_the_next(memory: SessionMemory) -> None:
    memory.saw(turn("s", "PHI"), found(), RULES)
    session = held(memory, turn())

    assert classes("PHI") == session.raw.found == session.redacted.found


def test_what_redaction_took_out_does_not_close_the_redacted_form(memory: SessionMemory) -> None:
    residual = facts(data_classes=classes("PSEUDONYMISED"), redacted=True)
    memory.saw(turn(), judged(facts(data_classes=classes("CONTACT")), residual), RULES)
    memory.saw(turn(), found(), RULES)
    session = held(memory, turn())

    assert classes("CONTACT") == session.raw.found
    assert classes("PSEUDONYMISED") == session.redacted.found


def test_what_could_not_be_redacted_closes_both_forms(memory: SessionMemory) -> None:
    memory.saw(turn(), found("HEALTH"), RULES)
    session = held(memory, turn())

    assert classes("HEALTH") == session.raw.found == session.redacted.found


@pytest.mark.parametrize(
    "other",
    [
        turn("t"),
        turn(application="b"),
        replace(turn(), principal=replace(turn().principal, tenant=TenantId("other"))),
    ],
)
def test_nothing_of_a_session_shows_in_another(
    memory: SessionMemory, other: RoutingRequest
) -> None:
    memory.saw(turn(), found("HEALTH"), RULES)
    memory.answered(turn(), ONE)
    memory.answered(other, TWO)
    memory.failed(other, ONE)

    assert Session(digest=other.assertions.session_id or "") == held(memory, other)
    assert held(memory, turn()).deployment == ONE


def test_a_session_is_forgotten_once_it_has_been_idle(
    memory: SessionMemory, clock: FakeClock
) -> None:
    memory.saw(turn(), found("HEALTH"), RULES)
    clock.advance(59)
    memory.saw(turn(), found(), RULES)
    clock.advance(59)

    assert held(memory, turn()).raw.found == classes("HEALTH")

    clock.advance(1)

    assert held(memory, turn()).raw.found == classes()


def test_sessions_beyond_the_bound_push_out_the_longest_idle_of_the_same_application(
    memory: SessionMemory,
) -> None:
    memory.saw(turn("s", application="b"), found("HEALTH"), RULES)
    memory.saw(turn("old"), found("HEALTH"), RULES)
    memory.saw(turn("used"), found("HEALTH"), RULES)
    for number in range(1_000):
        memory.saw(turn(f"s{number}"), found(), RULES)
        memory.saw(turn("used"), found(), RULES)

    assert held(memory, turn("used")).raw.found == classes("HEALTH")
    assert held(memory, turn("old")).raw.found == classes()
    assert held(memory, turn("s", application="b")).raw.found == classes("HEALTH")


def test_asking_for_a_session_that_was_never_used_takes_no_room(memory: SessionMemory) -> None:
    memory.saw(turn("s"), found("HEALTH"), RULES)
    for number in range(10):
        held(memory, turn(f"s{number}"))
        memory.answered(turn(f"s{number}"), ONE)

    assert held(memory, turn("s")).raw.found == classes("HEALTH")
    assert held(memory, turn("s0")).deployment is None


def test_a_sweep_forgets_the_idle_of_everybody(memory: SessionMemory, clock: FakeClock) -> None:
    memory.saw(turn("s", application="b"), found("HEALTH"), RULES)
    clock.advance(30)
    memory.saw(turn("s"), found("HEALTH"), RULES)
    clock.advance(30)
    memory.sweep(RULES)
    longer = replace(RULES, idle_s=3_600)

    assert held(memory, turn("s", application="b"), longer).raw.found == classes()
    assert held(memory, turn("s"), longer).raw.found == classes("HEALTH")


def test_what_answered_last_is_preferred_until_it_fails(memory: SessionMemory) -> None:
    memory.saw(turn(), found(), RULES)
    memory.answered(turn(), ONE)
    memory.answered(turn(), TWO)
    request = memory.recalled(turn(), RULES)

    assert memory.failed(request, ONE) is request

    failed = memory.failed(request, TWO)

    assert failed.session is not None
    assert failed.session.deployment is None
    assert held(memory, turn()).deployment is None
