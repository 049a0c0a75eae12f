"""What feedback earns a bandit's variant, and that the log alone tells what was earned."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.conftest import FakeClock
from tests.unit.trials.test_keeper import CANARY, Lab, with_experiments

from transire.domain.feedback import Feedback
from transire.domain.trial import Experiment
from transire.errors import BundleError
from transire.trials.rewards import reward_of

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
BANDIT = Experiment(id="size", digest="d", kind="bandit", variants=(), reward_within_s=3_600)
DRAW = {"digest": "d", "variant": "new", "reward": "feedback"}
HELPED = Feedback(success=True)


@pytest.fixture
def lab(clock: FakeClock) -> Lab:
    return Lab(clock)


def decision(**changes: Any) -> dict[str, Any]:
    told = {"ts": "2026-11-26T11:30:00.000000Z", "signals": {"task": "faq"}}
    return {**told, "experiment": {**DRAW, **changes}}


def earned(given: Feedback = HELPED, *, later: float = 0, **changes: Any) -> Any:
    return reward_of([BANDIT], decision(**changes), given, NOON + timedelta(seconds=later))


@pytest.mark.parametrize(
    ("given", "won"),
    [
        (Feedback(success=True), 1),
        (Feedback(success=False), 0),
        (Feedback(success=False, score_permille=1_000), 0),
        (Feedback(score_permille=500), 1),
        (Feedback(score_permille=499), 0),
    ],
    ids=["helped", "not", "success-first", "half", "less"],
)
def test_a_judgement_is_won_or_lost_by_the_variant_and_its_task(given: Feedback, won: int) -> None:
    assert earned(given) == {"digest": "d", "variant": "new", "task": "faq", "won": won}


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"given": Feedback(reason="style")}, "nobody said whether it helped"),
        ({"later": 1_801}, "it came after its time"),
        ({"digest": "earlier"}, "that experiment is not tried any more"),
        ({"reward": None}, "answers are what rewards it"),
        ({"unwell": True}, "another deployment answered"),
    ],
    ids=["silent", "late", "gone", "other", "unwell"],
)
def test_nothing_is_earned_where_it_says_nothing_of_the_variant(
    more: dict[str, Any], why: str
) -> None:
    assert earned(**more) is None, why


def test_a_decision_without_an_experiment_earns_nothing() -> None:
    assert reward_of([BANDIT], {"ts": "2026-11-26T11:30:00Z"}, HELPED, NOON) is None


async def test_a_bandit_follows_what_helped_and_not_what_answered(lab: Lab) -> None:
    text = CANARY.replace("kind: canary", "kind: bandit").rpartition("    guard:")[0]
    await lab.open(with_experiments(text + "    reward: {by: feedback, within_hours: 1}\n"))
    [tried] = lab.bundle.experiments
    before = [await lab.ask(n) for n in range(40)]
    for entry in before:
        helped = Feedback(success=entry["experiment"]["variant"] == "terse")
        entry["ts"] = lab.clock.now().isoformat()
        reward = reward_of(lab.bundle.experiments, entry, helped, lab.clock.now())
        assert reward is not None
        lab.keeper.hear({"kind": "feedback", "boot": "lab", "reward": reward})
    after = (await lab.ask(99))["experiment"]

    assert all(entry["experiment"]["state"] == [[0, 0], [0, 0]] for entry in before)
    assert tried.reward_within_s == 3_600
    assert after["reward"] == "feedback"
    assert sum(count for _, count in after["state"]) == 40
    assert after["shares_ppm"][1] > 900_000


def test_only_a_bandit_is_rewarded() -> None:
    with pytest.raises(BundleError) as refused:
        with_experiments(CANARY + "    reward: {by: feedback}\n")

    assert any("nothing is rewarded but a bandit" in p for p in refused.value.problems)
