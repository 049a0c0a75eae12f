"""A pick that cannot be attempted is passed over: nothing is permitted for it, and nothing sent."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
from tests.conftest import FakeClock
from tests.unit.paths import FakeScorer, Path, request

from transire.api.errors import error_headers
from transire.domain.authorization import Obligation
from transire.domain.ids import DeploymentId
from transire.domain.ranking import Ranking
from transire.errors import (
    DeploymentsUnavailable,
    LogUnavailable,
    RequestError,
    ReviewRequired,
    UpstreamError,
)

ECONOMY, MEDICAL, PREMIUM = (DeploymentId(f"eu-{n}") for n in ("economy", "medical", "premium"))
DOWN = UpstreamError("down", facts={"failure": "status_5xx"})


@dataclass
class QueuedScorer(FakeScorer):
    """Ranks one deployment as one that needs review."""

    queued: DeploymentId | None = None

    def rank(self, *arguments: Any, **named: Any) -> Ranking:
        ranking = super().rank(*arguments, **named)
        held = (Obligation(kind="review", queue="q"),)
        candidates = [
            c._replace(verdict=replace(c.verdict, obligations=held))
            if c.pair.deployment == self.queued
            else c
            for c in ranking.candidates
        ]
        return replace(ranking, candidates=tuple(candidates))


@pytest.fixture
def path(clock: FakeClock) -> Path:
    return Path(clock)


def everything(path: Path) -> list[DeploymentId]:
    return sorted(path.bundle.catalog.deployments)


async def test_what_cannot_be_built_for_one_deployment_goes_to_the_next(path: Path) -> None:
    path.forwarder.unbuildable = frozenset({ECONOMY})

    routed = await path.router.route(request())

    assert routed.deployment.id == MEDICAL
    assert path.events == ["recorded eu-medical first", "sent eu-medical"]
    assert path.health.claims == [MEDICAL]


async def test_the_decisions_entry_names_what_was_passed_over_and_why(path: Path) -> None:
    path.forwarder.unbuildable = frozenset({ECONOMY})
    path.health.taken = {MEDICAL: "health"}

    routed = await path.router.route(request())

    told = [(pair.deployment, by) for pair, by in routed.case.ranking.filtered]
    assert routed.deployment.id == PREMIUM
    assert told == [(ECONOMY, "wire"), (MEDICAL, "health")]


async def test_a_probe_that_another_took_first_is_not_waited_for(path: Path) -> None:
    path.health.taken = {ECONOMY: "health"}

    await path.router.route(request())

    assert path.events == ["recorded eu-medical first", "sent eu-medical"]
    assert path.retries.firsts == 1


async def test_what_no_deployment_can_be_sent_is_the_requests_own_fault(path: Path) -> None:
    path.forwarder.unbuildable = frozenset(everything(path))

    with pytest.raises(RequestError, match="`audio` cannot be sent there") as refused:
        await path.router.route(request())

    assert refused.value.param == "audio"
    assert refused.value.facts["filters"] == ["wire"]
    assert path.events == []
    assert path.recorder.refusals == ["bad_request"]


async def test_where_others_took_the_last_places_a_retry_is_advised(path: Path) -> None:
    path.health.taken = dict.fromkeys(everything(path), "quota")

    with pytest.raises(DeploymentsUnavailable) as refused:
        await path.router.route(request())

    assert refused.value.should_retry
    assert refused.value.facts["retry_after_s"] == 8, "seven seconds and a bit"
    assert error_headers(refused.value)["retry-after"] == "8"
    assert path.events == []


async def test_a_fallback_that_cannot_be_built_is_passed_over_too(path: Path) -> None:
    path.forwarder.failing = {ECONOMY: DOWN}
    path.forwarder.unbuildable = frozenset({MEDICAL})

    await path.router.route(request())

    assert path.events[2:] == ["recorded eu-premium fallback", "sent eu-premium"]
    assert path.retries.firsts == 1
    assert path.retries.left == 99


async def test_where_nothing_else_can_be_built_the_failure_before_stands(path: Path) -> None:
    path.forwarder.failing = {ECONOMY: DOWN}
    path.forwarder.unbuildable = frozenset(everything(path)) - {ECONOMY}

    with pytest.raises(UpstreamError) as failed:
        await path.router.route(request())

    assert failed.value is DOWN
    assert path.events[:2] == ["recorded eu-economy first", "sent eu-economy"]
    assert all("eu-economy" in event for event in path.events)


async def test_passing_over_never_routes_around_a_review(path: Path) -> None:
    """Once the best that is left needs a person, it is held, though another is free."""
    path.scorer = QueuedScorer(queued=MEDICAL)
    path.forwarder.unbuildable = frozenset({ECONOMY})

    with pytest.raises(ReviewRequired):
        await path.router.route(request())

    assert path.reviews.held == [frozenset({"q"})]
    assert path.events == []


async def test_a_claim_is_given_back_where_the_log_refuses(path: Path) -> None:
    async def refusing(*_: Any, **__: Any) -> Any:
        raise LogUnavailable("full")

    path.recorder.permit = refusing  # type: ignore[method-assign]

    with pytest.raises(LogUnavailable):
        await path.router.route(request())

    assert path.health.claims == []
    assert path.health.begun == []


async def test_advice_takes_nothing_that_an_attempt_could_need(path: Path) -> None:
    await path.router.advise(request())

    assert path.health.claims == []
