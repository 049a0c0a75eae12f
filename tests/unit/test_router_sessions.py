"""Sessions on the path: what a turn leaves, what the next one finds, and in which order."""

from dataclasses import replace
from typing import Any

import pytest
from tests.conftest import FakeClock
from tests.unit.paths import CHUNK, LAST, FakeExchange, Path, request

from transire.domain.authorization import Form
from transire.domain.ids import DataClass, DeploymentId
from transire.domain.request import Assertions, RoutingRequest
from transire.errors import PolicyDenied, StaleError, UpstreamError

HEALTH, CREDENTIAL = DataClass("HEALTH"), DataClass("CREDENTIAL")
DOWN = UpstreamError("down", facts={"failure": "status_5xx"})


@pytest.fixture
def path(clock: FakeClock) -> Path:
    return Path(clock)


def turn(session: str | None = "s", **more: Any) -> RoutingRequest:
    return request(assertions=Assertions(session_id=session), **more)


async def finds(path: Path, *found: DataClass, session: str | None = "s") -> None:
    """A turn in which something is found, whatever becomes of it."""
    path.detector.found = frozenset(found)
    try:
        path.router.answered(await path.router.route(turn(session)))
    except PolicyDenied:
        pass
    finally:
        path.detector.found = frozenset()


async def test_a_harmless_turn_goes_no_further_than_an_earlier_one_of_its_session(
    path: Path,
) -> None:
    await path.router.route(turn(None))
    await finds(path, HEALTH)
    await path.router.route(turn())
    await path.router.route(turn("another"))
    free, first, second, another = path.scorer.seen

    assert first < free
    assert second == first
    assert another == free


async def test_what_came_from_the_session_is_asserted_and_not_of_the_body(path: Path) -> None:
    await finds(path, HEALTH)
    await path.router.route(turn())
    case, _ = path.recorder.permits[-1]
    base, asserted = case.authorization.facts[Form.RAW]

    assert base.data_classes == frozenset()
    assert HEALTH in asserted.data_classes
    assert case.request.session is not None
    assert HEALTH in case.request.session.raw.found


async def test_a_credential_that_went_nowhere_keeps_the_rest_of_the_session_at_home(
    path: Path,
) -> None:
    await finds(path, CREDENTIAL)
    with pytest.raises(PolicyDenied, match="another `session_id`"):
        await path.router.route(turn())

    assert path.events == []

    await path.router.route(turn("another"))

    assert path.events == ["recorded eu-economy first", "sent eu-economy"]


async def test_a_denial_of_the_turns_own_content_does_not_speak_of_the_session(path: Path) -> None:
    path.detector.found = frozenset({CREDENTIAL})
    for _ in range(2):
        with pytest.raises(PolicyDenied) as raised:
            await path.router.route(turn())

        assert "session" not in raised.value.message


async def test_advice_reads_and_adds_to_the_session(path: Path) -> None:
    path.detector.found = frozenset({CREDENTIAL})
    await path.router.advise(turn())
    path.detector.found = frozenset()
    advice = await path.router.advise(turn())

    assert advice.choice is None
    assert isinstance(advice.error, PolicyDenied)


async def test_the_deployment_that_answered_is_the_next_turns_preference(path: Path) -> None:
    path.scorer.first = DeploymentId("eu-premium")
    path.router.answered(await path.router.route(turn()))
    await path.router.route(turn())
    first, second = (case.request.session for case, _ in path.recorder.permits)

    assert first is not None
    assert second is not None
    assert first.deployment is None
    assert second.deployment == "eu-premium"


@pytest.mark.parametrize(
    ("code", "kept"),
    [("ok", "eu-economy"), ("cancelled", "eu-premium"), ("upstream_failed", None)],
)
async def test_a_stream_counts_by_how_it_ended(path: Path, code: str, kept: str | None) -> None:
    path.forwarder.exchange = FakeExchange(path.forwarder.exchange.answer, pieces=[CHUNK, LAST])
    path.scorer.first = DeploymentId("eu-premium")
    path.router.answered(await path.router.route(turn(is_stream=True)))
    if code == "ok":
        path.scorer.first = DeploymentId("eu-economy")
    path.router.answered(await path.router.route(turn(is_stream=True)), code)
    await path.router.route(turn(is_stream=True))
    session = path.recorder.permits[-1][0].request.session

    assert session is not None
    assert session.deployment == kept


async def test_a_deployment_that_fails_loses_the_preference_at_once(path: Path) -> None:
    path.scorer.first = DeploymentId("eu-premium")
    path.router.answered(await path.router.route(turn()))
    path.forwarder.failing = {"eu-premium": DOWN}
    path.recorder.permits.clear()
    await path.router.route(turn())
    preferred = [case.request.session for case, _ in path.recorder.permits]

    assert [s and s.deployment for s in preferred[:2]] == ["eu-premium", None]

    path.forwarder.failing = {}
    await path.router.route(turn())
    last = path.recorder.permits[-1][0].request.session

    assert last is not None
    assert last.deployment is None


async def test_a_later_attempt_keeps_what_the_session_held_when_it_was_decided(path: Path) -> None:
    await finds(path, HEALTH)
    path.forwarder.failing = dict.fromkeys(path.bundle.catalog.deployments, DOWN)
    path.scorer.seen.clear()
    with pytest.raises(UpstreamError):
        await path.router.route(turn())
    first, *later = path.scorer.seen

    assert later
    assert all(permitted <= first for permitted in later)
    for case, _ in path.recorder.permits:
        assert HEALTH in case.authorization.facts[Form.RAW][1].data_classes


async def test_a_request_that_is_authorized_anew_still_counts_its_session(path: Path) -> None:
    await finds(path, HEALTH)
    path.recorder.errors = [StaleError("moved")]
    path.scorer.seen.clear()
    await path.router.route(turn())
    moved, again = path.scorer.seen

    assert moved == again


async def test_a_session_forgets_after_the_time_that_the_bundle_gives_it(
    path: Path, clock: FakeClock
) -> None:
    routing = path.bundle.routing
    path.bundle = replace(
        path.bundle, routing=replace(routing, sessions=replace(routing.sessions, idle_s=60))
    )
    await finds(path, CREDENTIAL)
    clock.advance(60)
    await path.router.route(turn())

    assert path.events == ["recorded eu-economy first", "sent eu-economy"]
