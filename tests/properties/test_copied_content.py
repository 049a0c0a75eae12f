"""No content reaches a shadow's target in a form that some rule keeps from it (I1, I3, I5)."""

import asyncio
from dataclasses import replace
from functools import cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import FakeClock
from tests.unit.authorize.worlds import judged, redacted
from tests.unit.classify.detectors import text_part
from tests.unit.paths import FakeDetector, FakeForwarder, request
from tests.unit.test_shadowing import RULE, SHADOWS, TARGET, World, compiled

from transire.bundle.compiled import CompiledBundle
from transire.domain.authorization import Form
from transire.domain.bundle import Quarantine
from transire.domain.ids import DataClass
from transire.domain.outward import Wire
from transire.domain.request import Assertions
from transire.errors import TransireError

CLASSES = ["CONTACT", "HEALTH", "CREDENTIAL", "CONFIDENTIAL"]
SCOPES = [
    'action in Action::"dispatch", resource == Deployment::"us-premium"',
    'action == Action::"route", resource == Deployment::"us-premium"',
    'action == Action::"shadow", resource',
]
OFF = dict.fromkeys((f"rules/{n}.cedar" for n in ("residency", "contracts", "tiers")), "// none\n")
SCRUBBED = {"messages": ["<EMAIL_ADDRESS_1>"]}

classes = st.frozensets(st.sampled_from(CLASSES), max_size=3)


@cache
def bundle(forbidden: frozenset[str], scope: str) -> CompiledBundle:
    text = RULE.replace("support-triage", "docs-qa")
    for number, name in enumerate(sorted(forbidden)):
        text += f'@id("no.{number}") @reason("no") forbid (principal, {scope}) '
        text += f'when {{ context.dataClasses.contains(DataClass::"{name}") }};\n'
    return compiled(rules=text, shadows=SHADOWS.replace("support-triage", "docs-qa"), files={**OFF})


class Reading(FakeDetector):
    """Finds these classes, and leaves those where it replaces what it found."""

    left: frozenset[str] = frozenset()

    async def redact(self, asked: Any, classification: Any) -> Any:
        made = redacted(judged("PSEUDONYMISED", *sorted(self.left)))
        return replace(made, body=replace(asked.body, fields=SCRUBBED))


class Fleet(FakeForwarder):
    """Remembers who was sent which form."""

    def __init__(self, events: list[str]) -> None:
        super().__init__(events)
        self.heard: list[tuple[str, Form]] = []

    def prepare(self, body: Any, deployment: Any, *, is_stream: bool) -> Wire:
        form = Form.REDACTED if body.fields == SCRUBBED else Form.RAW
        made = super().prepare(body, deployment, is_stream=is_stream)
        return replace(made, body=form.value.encode())

    async def send(self, permit: Any, wire: Wire, **how: Any) -> Any:
        if permit.value.cause == "shadow":
            self.heard.append((wire.deployment.id, Form(wire.body.decode())))
        return await super().send(permit, wire, **how)


async def copied(world: World, asserted: Assertions, blocked: bool) -> bool:
    """Whether a request was answered; its copy has been made by then, or not."""
    parts = (text_part("ana@example.org"),)
    body = replace(request().body, fields={"messages": ["ana@example.org"]}, parts=parts)
    try:
        routed = await world.ask(application="docs-qa", body=body, assertions=asserted)
    except TransireError:
        return False
    if blocked:
        world.quarantine = Quarantine(version=1, deployments=frozenset({TARGET}))
        world.log.state["quarantine/version"] = "1"
    world.shadowing.offer(routed)
    await world.settle()
    return True


@given(
    found=classes,
    left=classes,
    forbidden=classes,
    scope=st.sampled_from(SCOPES),
    claimed=classes,
    redaction=st.sampled_from([None, "require", "forbid"]),
    blocked=st.booleans(),
)
@settings(max_examples=120, deadline=None)
def test_a_target_hears_only_a_form_that_nothing_keeps_from_it(
    found: frozenset[str],
    left: frozenset[str],
    forbidden: frozenset[str],
    scope: str,
    claimed: frozenset[str],
    redaction: str | None,
    blocked: bool,
) -> None:
    detector = Reading(found=frozenset(map(DataClass, found)))
    detector.findings, detector.left = judged(*sorted(found)).findings, left
    world = World(FakeClock(), detector=detector)
    fleet = Fleet(world.events)
    made = bundle(forbidden, scope)
    world.open(made, fleet)
    asserted = Assertions(data_classes=frozenset(map(DataClass, claimed)), redaction=redaction)

    is_answered = asyncio.run(copied(world, asserted, blocked))

    close = made.bundle.taxonomy.class_closure
    kept = frozenset(map(DataClass, forbidden | {"CREDENTIAL"}))
    held = {
        Form.RAW: close(map(DataClass, found | claimed)),
        Form.REDACTED: close(map(DataClass, left | claimed)),
    }
    closed = {"require": Form.RAW, "forbid": Form.REDACTED}.get(redaction or "")
    forms = [f for f in Form if not held[f] & kept and f is not closed]
    if not found or redaction == "forbid":
        forms = [form for form in forms if form is Form.RAW]
    expected = [(TARGET, forms[0])] if forms and is_answered and not blocked else []
    assert fleet.heard == expected
    permitted = world.entries("shadow.permitted")
    assert [e["permit"].get("form", "raw") for e in permitted] == [f.value for _, f in expected]
