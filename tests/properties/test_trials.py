"""Variants: who draws which is settled by a keyed hash, in the shares, inside the permitted set."""

import asyncio
from dataclasses import replace
from functools import cache
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import FakeClock
from tests.unit.paths import request
from tests.unit.trials.test_keeper import Lab, with_experiments

from transire.domain.ids import DeploymentId
from transire.domain.trial import CONTROL, MILLION, Experiment, Trial, Variant, drawn
from transire.identity.digests import InstallationKeys
from transire.trials.draw import Unit, fixed_shares, point_of
from transire.trials.matching import matched_shares

NAMES = st.text(min_size=1, max_size=12)
KEYS = st.binary(min_size=32, max_size=32).map(InstallationKeys)
MANY = 2_000
SURE = 6.0
"""Standard deviations: one false alarm in five hundred million."""


def experiment(share_permille: int, salt: str = "") -> Experiment:
    rest = Variant(name=CONTROL, share_permille=1_000 - share_permille)
    other = Variant(name="other", share_permille=share_permille)
    return Experiment(id="e", digest="d", kind="ab", variants=(rest, other), salt=salt)


def unit(name: str, kind: str = "session", **changes: str) -> Unit:
    return Unit(kind=kind, name=name, **{"tenant": "acme", "application": "sales", **changes})


@given(KEYS, NAMES, NAMES, st.integers(0, 1_000))
def test_a_unit_falls_where_it_fell_and_shares_do_not_move_it(
    keys: InstallationKeys, name: str, salt: str, share: int
) -> None:
    first = point_of(experiment(share, salt), unit(name), keys)

    assert 0 <= first < MILLION
    assert first == point_of(experiment(1_000 - share, salt), unit(name), keys)


@given(KEYS, st.integers(1, 999), NAMES)
def test_units_are_drawn_in_the_shares_and_each_propensity_is_its_share(
    keys: InstallationKeys, share: int, salt: str
) -> None:
    tried = experiment(share, salt)
    shares = fixed_shares(tried.variants)
    chosen = [drawn(shares, point_of(tried, unit(f"s{n}"), keys)) for n in range(MANY)]
    p = share / 1_000

    assert abs(chosen.count("other") - MANY * p) <= SURE * (MANY * p * (1 - p)) ** 0.5
    assert dict(shares) == {CONTROL: (1_000 - share) * 1_000, "other": share * 1_000}


@given(KEYS, NAMES)
def test_another_salt_kind_tenant_or_application_assigns_anew(
    keys: InstallationKeys, name: str
) -> None:
    told = [
        point_of(experiment(500, salt), unit(f"{name}{n}", kind, **more), keys)
        for salt, kind, more in (
            ("", "session", {}),
            ("x", "session", {}),
            ("", "key", {}),
            ("", "session", {"tenant": "globex"}),
            ("", "session", {"application": "copilot"}),
        )
        for n in range(5)
    ]

    assert len(set(told)) >= len(told) - 1  # of a million, two may meet


@given(
    st.lists(st.integers(0, 400), min_size=4, max_size=4).map(
        lambda n: [(min(n[0], n[1]), max(n[0], n[1])), (min(n[2], n[3]), max(n[2], n[3]))]
    ),
    st.integers(10, 1_000),
)
def test_one_more_success_never_lowers_a_variants_share(
    state: list[tuple[int, int]], explore: int
) -> None:
    won, count = state[0]
    before = matched_shares(state, explore)
    after = matched_shares([(won + 1, count + 1), state[1]], explore)

    assert after[0] >= before[0] - 1_000  # the grid's own width


@cache
def lab() -> tuple[Any, Any, Any]:
    """A scorer, and what policy permits one request."""
    opened = asyncio.run(Lab(FakeClock()).open(with_experiments()))
    governed = opened.governed()
    classification = asyncio.run(opened.detector.classify(request()))
    authorization = governed.authorizer.authorize(
        request(), classification, None, quarantine=governed.quarantine, now=opened.clock.now()
    )
    return governed, classification, authorization


def ranked(trial: Trial | None, without: frozenset[str]) -> list[str]:
    governed, classification, authorization = lab()
    kept = tuple(v for v in authorization.verdicts if v.pair.deployment not in without)
    ranking = governed.scorer.rank(
        replace(request(), trial=trial),
        classification,
        replace(authorization, verdicts=kept),
        exclude=frozenset(),
        seed=7,
    )
    return [candidate.pair.deployment for candidate in ranking.candidates]


DEPLOYMENTS = ("eu-economy", "eu-premium", "us-economy", "us-premium", "onprem-general", "nowhere")
SOME = st.frozensets(st.sampled_from(DEPLOYMENTS).map(DeploymentId))


@given(SOME, SOME, SOME)
def test_a_variant_orders_and_narrows_what_is_permitted_and_adds_nothing(
    prefer: frozenset[DeploymentId], only: frozenset[DeploymentId], without: frozenset[str]
) -> None:
    trial = Trial(
        experiment="e",
        digest="d",
        kind="ab",
        unit="request",
        variant="other",
        task="",
        point_ppm=0,
        shares=(("other", MILLION),),
        prefer=prefer,
        only=only,
    )
    usual, tried = ranked(None, without), ranked(trial, without)

    assert set(tried) <= set(usual)
    assert bool(tried) == bool(usual)
    assert set(tried) == ((set(usual) & only) or set(usual) if only else set(usual))
    assert trial.propensity_ppm == MILLION
