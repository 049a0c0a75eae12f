"""The simulator: that it is a fleet under load, and that the scorer holds its gates in it."""

from dataclasses import replace
from random import Random
from xml.etree.ElementTree import fromstring

import pytest
from tests.unit.score.fleets import deployment

from transire.domain.deployment import DeploymentState
from transire.errors import RequestError
from transire.workbench.simulate.choosers import CHOOSERS, Asked
from transire.workbench.simulate.fleet import Incident, Reply, Served, Server
from transire.workbench.simulate.run import Result, Scenario, simulate
from transire.workbench.simulate.scenarios import FLEET, fleet_of, scenarios
from transire.workbench.simulate.svg import runs_svg

ONE = Served(name="one", mean_s=1.0, slots=2, cost_micro_usd=10, slow_share=0.0)


def server(served: Served = ONE, *incidents: Incident) -> Server:
    return Server(served, list(incidents), Random(1))


def test_calls_beyond_the_slots_wait_for_a_free_one() -> None:
    busy, alone = server(), server()
    together = sorted(busy.reply(0.0, 99.0).at_s for _ in range(6))
    spread = [alone.reply(100.0 * i, 99.0).at_s - 100.0 * i for i in range(6)]

    assert sum(together) > sum(spread)
    assert together[-1] > max(spread)


def test_service_times_have_the_mean_that_was_declared() -> None:
    found = server()
    took = [found.reply(100.0 * i, 99.0).at_s - 100.0 * i for i in range(4_000)]

    assert sum(took) / len(took) == pytest.approx(1.0, rel=0.05)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("hang", Reply(33.0, "timeout")), ("fast_fail", Reply(3.05, "status_5xx"))],
)
def test_an_incident_lasts_from_its_start_to_its_end(kind: str, expected: Reply) -> None:
    found = server(ONE, Incident("one", kind, 2.0, 4.0), Incident("other", "hang", 0.0, 9.0))

    assert found.reply(1.0, 30.0).failure == ""
    assert found.reply(3.0, 30.0) == expected
    assert found.reply(4.0, 30.0).failure == ""


def test_a_quota_refuses_what_comes_within_the_same_second() -> None:
    found = server(replace(ONE, per_s=2, slots=9))
    kinds = [found.reply(at, 30.0).failure for at in (0.0, 0.1, 0.2, 1.0, 1.05)]

    assert kinds == ["", "", "status_429", "", "status_429"]


def test_nobody_waits_longer_than_their_timeout() -> None:
    found = server(replace(ONE, slots=1))
    replies = [found.reply(0.0, 2.0) for _ in range(9)]

    assert max(reply.at_s for reply in replies) == 2.0
    assert {reply.failure for reply in replies if reply.at_s == 2.0} == {"timeout"}


@pytest.mark.parametrize("chooser", sorted(CHOOSERS))
def test_a_run_is_the_same_by_its_seed_and_loses_no_request(chooser: str) -> None:
    (steady, *_) = scenarios(FLEET, seconds=30, per_s=20)
    first, again = simulate(steady, chooser, 3), simulate(steady, chooser, 3)

    assert first == again
    assert first.requests == len(first.latencies_s)
    assert first.attempts == first.asked.total() == first.requests
    assert simulate(steady, chooser, 4) != first


def test_a_request_whose_fleet_fails_is_missed_after_its_attempts() -> None:
    broken = tuple(Incident(served.name, "fast_fail", 0.0, 99.0) for served in FLEET)
    found = simulate(
        Scenario(name="x", fleet=FLEET, per_s=1, seconds=30, incidents=broken), "transire", 1
    )

    assert found.missed == found.requests > 0
    assert found.attempts <= 2 * found.requests
    assert found.latencies_s == []


def test_the_busiest_is_measured_against_its_share_of_the_capacity() -> None:
    fleet = (ONE, replace(ONE, name="two", slots=6))
    result = Result()
    result.asked.update({"one": 50, "two": 50})

    assert result.over_capacity_share(fleet) == pytest.approx(0.5 / 0.25)


def test_a_catalogs_active_deployments_are_the_fleet() -> None:
    spare = deployment("spare", state=DeploymentState.DRAINING)
    found = fleet_of([deployment("a", latency_ms=700, concurrency=3), deployment("b"), spare], 400)

    assert [(s.name, s.mean_s, s.slots) for s in found] == [("a", 0.7, 3), ("b", 0.5, 10)]
    assert found[0].cost_micro_usd == 1_200


def test_a_fleet_of_one_or_without_prices_cannot_be_simulated() -> None:
    with pytest.raises(RequestError, match="fewer than two"):
        fleet_of([deployment("a")], 400)
    with pytest.raises(RequestError, match="`b` has no price"):
        fleet_of([deployment("a"), deployment("b", price=None)], 400)


@pytest.mark.slow
@pytest.mark.parametrize(
    "scenario", scenarios(FLEET, seconds=400, per_s=None), ids=lambda s: s.name
)
def test_at_two_thirds_of_the_capacity_the_scorer_misses_no_more_than_the_least_busy_rule(
    scenario: Scenario,
) -> None:
    """Half a point of a percent is allowed; a quota is capacity, too, and nobody is overrun."""
    own, least = simulate(scenario, "transire", 1), simulate(scenario, "least_outstanding", 1)

    assert own.missed_pct <= least.missed_pct + 0.5
    assert own.over_capacity_share(scenario.fleet) <= 1.5


@pytest.mark.slow
def test_in_steady_traffic_the_scorer_costs_a_tenth_less_than_power_of_two_choices() -> None:
    (steady, *_) = scenarios(FLEET, seconds=400, per_s=None)
    own, rival = simulate(steady, "transire", 1), simulate(steady, "p2c_ewma", 1)

    assert own.cost_per_request <= 0.9 * rival.cost_per_request


@pytest.mark.slow
def test_every_other_deployment_alone_would_drown_in_the_gates_traffic() -> None:
    """Below one deployment's capacity herding looks best; the gates are held well above it."""
    (steady, *_) = scenarios(FLEET, seconds=400, per_s=None)

    assert steady.per_s > 2 * max(served.capacity_per_s for served in FLEET)


def test_a_price_that_rises_at_noon_moves_traffic_away() -> None:
    *_, price = scenarios(FLEET, seconds=120, per_s=10)
    (steady, *_) = scenarios(FLEET, seconds=120, per_s=10)
    risen, before = simulate(price, "transire", 1), simulate(steady, "transire", 1)

    (rise,) = price.incidents
    assert risen.asked[rise.name] < 0.6 * before.asked[rise.name]
    assert risen.requests == before.requests


def test_a_rise_is_paid_by_whoever_does_not_look_at_prices() -> None:
    *_, price = scenarios(FLEET, seconds=120, per_s=20)
    own, blind = simulate(price, "transire", 1), simulate(price, "least_outstanding", 1)

    assert own.cost_per_request < 0.9 * blind.cost_per_request


def test_long_answers_take_longer_and_cost_more() -> None:
    short = Scenario(
        name="x", fleet=FLEET, per_s=1, arrivals=tuple(Asked(at_s=float(i)) for i in range(60))
    )
    long = replace(short, arrivals=tuple(Asked(at_s=float(i), tokens_out=3_000) for i in range(60)))
    brief, lengthy = simulate(short, "transire", 1), simulate(long, "transire", 1)

    assert brief.requests == lengthy.requests == 60
    assert sum(lengthy.latencies_s) > 2 * sum(brief.latencies_s)
    assert lengthy.cost_micro_usd > 2 * brief.cost_micro_usd


def test_plots_say_every_number_in_words() -> None:
    row = {
        "scenario": "steady",
        "chooser": "transire",
        "missed_pct": 1.5,
        "cost_micro_usd": 664.0,
        "shares": {"a<b": 0.25},
    }
    drawn = runs_svg([row, {**row, "chooser": "random"}])

    assert fromstring(drawn).tag.endswith("svg")
    assert "transire 1.50 %" in drawn
    assert "a&lt;b 25.0%" in drawn
