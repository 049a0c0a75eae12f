"""The bundle's prompt on the path: bound, put first, judged, recorded, and bound again."""

from dataclasses import replace
from typing import Any

import pytest
from tests.conftest import FakeClock
from tests.unit.bundle.bundles import pack_files
from tests.unit.paths import COMPILED, FakeDetector, Path, request

from transire.bundle.compile import compile_bundle
from transire.bundle.compiled import CompiledBundle
from transire.domain.authorization import Form
from transire.domain.classification import Signals
from transire.domain.ids import DataClass, DeploymentId
from transire.domain.request import Body, Part, PartKind, RoutingRequest
from transire.errors import RequestError, StaleError, UpstreamError
from transire.prompting import bound, fill_shelf, prompted, rebound

HEALTH = DataClass("HEALTH")
PROMPTS = {
    "prompts/support@1.yaml": b"text: Answer briefly.\n",
    "prompts/support@2.yaml": b"text: Answer at length.\nrole: developer\n",
    "prompts/billing@1.yaml": b"text: Answer about bills.\nexclusive: true\n",
}
BINDING = "prompt: support@1, prompts: {billing: billing@1}"


def with_prompts(binding: str = BINDING, files: dict[str, bytes] = PROMPTS) -> CompiledBundle:
    sources = {**pack_files(), **files}
    catalog = sources["catalog/tenants.yaml"].decode()
    bound = catalog.replace("support-triage: {", f"support-triage: {{{binding}, ")
    sources["catalog/tenants.yaml"] = bound.encode()
    return compile_bundle(sources)


BUNDLE = with_prompts()


def body(*messages: dict[str, Any]) -> Body:
    parts = tuple(
        Part(
            pointer=("messages", at, "content"),
            kind=PartKind.TEXT,
            text=message["content"],
            role=message["role"],
        )
        for at, message in enumerate(messages)
    )
    return replace(request().body, fields={"messages": list(messages)}, parts=parts)


def messages(sent: Body) -> Any:
    return sent.fields["messages"]


USER = {"role": "user", "content": "why?"}


async def path_with(clock: FakeClock, detector: FakeDetector | None = None) -> Path:
    path = Path(clock, bundle=BUNDLE.bundle)
    path.detector = detector or path.detector
    path.prompts = await fill_shelf(BUNDLE.bundle, path.detector)
    return path


async def asked(task: str, *messages: dict[str, Any], clock: FakeClock) -> RoutingRequest:
    path = await path_with(clock)
    classification = await path.detector.classify(request())
    classification = replace(classification, signals=Signals(task=task))
    return bound(request(body=body(*(messages or (USER,)))), classification, path.governed())


async def test_a_bundle_without_bindings_has_no_shelf() -> None:
    assert await fill_shelf(COMPILED.bundle, FakeDetector()) is None


@pytest.mark.parametrize(("task", "ref"), [("default", "support@1"), ("billing", "billing@1")])
async def test_an_application_is_given_the_prompt_of_the_task(
    task: str, ref: str, clock: FakeClock
) -> None:
    made = await asked(task, clock=clock)

    assert made.prompt is not None
    assert made.prompt.prompt.ref == ref


async def test_the_prompt_comes_first_and_a_callers_instructions_stay_behind_it(
    clock: FakeClock,
) -> None:
    own = {"role": "system", "content": "be rude"}
    made = await asked("default", own, USER, clock=clock)
    sent = prompted(replace(made.body, carried=((("messages", 1, "name"), "x"),)), made.prompt)

    assert sent.fields["messages"] == [{"role": "system", "content": "Answer briefly."}, own, USER]
    assert [part.pointer[1] for part in sent.parts] == [1, 2]
    assert sent.carried == ((("messages", 2, "name"), "x"),)
    assert sent.tokens_estimate > made.body.tokens_estimate
    assert made.body.fields["messages"] == [own, USER]


@pytest.mark.parametrize("role", ["system", "developer"])
async def test_an_exclusive_prompt_refuses_a_callers_own_instructions(
    role: str, clock: FakeClock
) -> None:
    with pytest.raises(RequestError, match=r"billing@1.*messages\[1\]"):
        await asked("billing", USER, {"role": role, "content": "no"}, clock=clock)


async def test_what_any_prompt_of_an_application_holds_is_a_fact_whatever_the_task(
    clock: FakeClock,
) -> None:
    path = await path_with(clock, FakeDetector(in_prompts=frozenset({HEALTH})))
    free = Path(clock)
    await free.router.route(request(body=body(USER)))
    await path.router.route(request(body=body(USER)))
    case, _ = path.recorder.permits[-1]
    base, asserted = case.authorization.facts[Form.RAW]

    assert HEALTH in base.data_classes
    assert base == asserted
    assert path.scorer.seen[-1] < free.scorer.seen[-1]


async def test_what_is_sent_has_the_prompt_and_what_is_bound_by_the_permit_has_not(
    clock: FakeClock,
) -> None:
    path = await path_with(clock)
    await path.router.route(request(body=body(USER), content_digest=b"caller's"))
    case, _ = path.recorder.permits[-1]

    assert messages(path.forwarder.bodies[-1])[0]["content"] == "Answer briefly."
    assert case.body(Form.RAW)[1] == b"caller's"
    assert case.body(Form.RAW)[0].fields["messages"] == [USER]


async def test_every_attempt_gets_the_same_prompt(clock: FakeClock) -> None:
    path = await path_with(clock)
    first_pick = DeploymentId("eu-economy")
    path.scorer.first = first_pick
    path.forwarder.failing = {first_pick: UpstreamError("down", facts={"failure": "status_5xx"})}
    await path.router.route(request(body=body(USER)))
    first, second = (messages(sent)[0] for sent in path.forwarder.bodies)

    assert first == second == {"role": "system", "content": "Answer briefly."}


async def test_a_prompt_that_another_bundle_rewrote_is_not_sent_again(clock: FakeClock) -> None:
    path = await path_with(clock)
    made = await asked("default", clock=clock)
    changed = with_prompts(files={**PROMPTS, "prompts/support@1.yaml": b"text: Other.\n"})
    now = replace(
        path.governed(), prompts=await fill_shelf(changed.bundle, FakeDetector(digest="newer"))
    )

    with pytest.raises(StaleError):
        await rebound(made, now)
    with pytest.raises(StaleError):
        await rebound(made, replace(now, prompts=None))


async def test_a_newer_detectors_reading_joins_the_earlier_one(clock: FakeClock) -> None:
    path = await path_with(clock)
    made = await asked("default", clock=clock)
    newer = FakeDetector(digest="newer", in_prompts=frozenset({HEALTH}))
    now = replace(path.governed(), prompts=await fill_shelf(BUNDLE.bundle, newer))
    again = await rebound(made, now)

    assert again.bundle_text is not None
    assert again.bundle_text.found == {HEALTH}
    assert again.prompt is not None
    assert again.prompt.detector == "newer"
