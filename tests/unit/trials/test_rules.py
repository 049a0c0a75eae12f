"""Draws, shares and bounds: pure, the same every time, and inside what the bundle says."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transire.domain.ids import DeploymentId
from transire.domain.trial import CONTROL, MILLION, Experiment, Variant, drawn
from transire.errors import IntegrityError
from transire.trials.draw import available, fixed_shares
from transire.trials.matching import matched_shares
from transire.trials.replay import draw_agrees
from transire.trials.sequential import bounds, is_worse

counts = st.integers(0, 5_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
arms = st.lists(st.integers(0, 1_000), min_size=2, max_size=6).map(
    lambda shares: [
        Variant(
            name=CONTROL if i == 0 else f"v{i}", share_permille=share * 1_000 // (sum(shares) or 1)
        )
        for i, share in enumerate(shares)
    ]
)


@given(arms)
def test_fixed_shares_are_whole_and_what_cannot_be_drawn_falls_to_control(
    variants: list[Variant],
) -> None:
    whole, alone = dict(fixed_shares(variants)), dict(fixed_shares(variants[:1]))

    assert sum(whole.values()) == MILLION
    assert all(whole[v.name] == v.share_permille * 1_000 for v in variants[1:])
    assert alone == {CONTROL: MILLION}


@given(arms, st.integers(0, MILLION - 1))
def test_a_point_draws_one_variant_and_replay_draws_it_again(
    variants: list[Variant], point: int
) -> None:
    shares = fixed_shares(variants)
    name = drawn(shares, point)
    recorded = {
        "variants": [n for n, _ in shares],
        "shares_ppm": [s for _, s in shares],
        "point_ppm": point,
        "variant": name,
        "propensity_ppm": dict(shares)[name],
    }

    assert draw_agrees(recorded)
    assert not draw_agrees(recorded | {"propensity_ppm": dict(shares)[name] + 1})
    assert all(not draw_agrees(recorded | {"variant": n}) for n, _ in shares if n != name)


def test_a_malformed_draw_is_no_draw() -> None:
    with pytest.raises(IntegrityError):
        draw_agrees({"variants": ["a"], "shares_ppm": []})


@given(st.lists(counts, min_size=2, max_size=5), st.integers(10, 1_000))
def test_a_bandits_shares_are_whole_and_none_falls_below_its_exploration(
    state: list[tuple[int, int]], explore: int
) -> None:
    shares = matched_shares(state, explore)

    assert sum(shares) == MILLION
    assert min(shares) >= explore * 1_000 // len(state)


def test_a_bandit_leans_to_what_is_rewarded_and_not_before_it_knows() -> None:
    unknown = matched_shares([(0, 0), (0, 0)], 100)
    known = matched_shares([(180, 200), (120, 200)], 100)

    assert unknown == (500_000, 500_000)
    assert known[0] > 940_000


@given(counts)
def test_bounds_hold_the_rate_that_was_seen(seen: tuple[int, int]) -> None:
    bad, count = seen
    low, high = bounds(bad, count, 0.05)

    assert 0 <= low <= high <= 1
    assert not count or low <= bad / count <= high


def test_what_is_plainly_worse_is_said_soon_and_what_is_alike_hardly_ever() -> None:
    random = Random(7)

    def first_alarm(rate: float, usual: float, most: int) -> int:
        variant, control = [0, 0], [0, 0]
        for at in range(1, most + 1):
            for counts, chance in ((variant, rate), (control, usual)):
                counts[0] += random.random() < chance
                counts[1] += 1
            if is_worse((variant[0], variant[1]), (control[0], control[1]), margin=0, alpha=0.05):
                return at
        return 0

    assert 0 < first_alarm(1.0, 0.0, 50) <= 10
    assert 0 < first_alarm(0.3, 0.05, 1_000) < 400
    assert sum(first_alarm(0.1, 0.1, 300) > 0 for _ in range(60)) <= 3


def test_a_variant_out_of_reach_or_taken_back_is_not_drawn() -> None:
    far, near = DeploymentId("far"), DeploymentId("near")
    experiment = Experiment(
        id="e",
        digest="d",
        kind="canary",
        variants=(
            Variant(name=CONTROL, share_permille=400),
            Variant(name="out", share_permille=300, only=frozenset({far})),
            Variant(name="in", share_permille=300, only=frozenset({far, near})),
        ),
    )

    assert [v.name for v in available(experiment, {near}, ())] == [CONTROL, "in"]
    assert [v.name for v in available(experiment, {near}, ("in",))] == [CONTROL]
