"""What a prompt is read as: gains beside the catalog's quality, a task, or nothing."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.score.fleets import bundle_of, deployment
from tests.unit.score.models import HARD, model, task_model, written

from transire.score.quality.admission import open_reader
from transire.score.quality.drift import DriftWatch
from transire.score.quality.model import QualityModel
from transire.score.quality.reader import PromptReader
from transire.score.quality.share import DearerShare

FLEET = (
    deployment("large"),
    deployment("small", quality_permille={"default": 500, "billing": 300}),
)


def reader(
    tmp_path: Path, quality: QualityModel | None = None, tasks: QualityModel | None = None
) -> PromptReader:
    named: dict[str, Any] = {}
    if quality is not None:
        named["quality_model"] = written(quality, tmp_path / "quality")
    if tasks is not None:
        named["task_model"] = written(tasks, tmp_path / "tasks")
    made = open_reader(bundle_of(*FLEET, tasks=("billing", "default"), **named))
    assert made is not None
    return made


def test_a_gain_is_what_the_prompt_adds_to_a_models_mean(tmp_path: Path) -> None:
    read = reader(tmp_path, model()).read(HARD, None, None)

    assert read.task is None
    assert read.gains == {"large": 173, "small": -520}  # three words of 0.1 and -0.3, by √3


@pytest.mark.parametrize("text", ["", " ", "zebra crossing", "prove the old unknown theorem"])
def test_nothing_is_predicted_of_what_is_unlike_the_fitted_prompts(
    text: str, tmp_path: Path
) -> None:
    assert reader(tmp_path, model()).read(text, None, None).gains is None


def test_nothing_is_predicted_of_a_length_that_was_never_seen(tmp_path: Path) -> None:
    facts = {**model().facts, "domain": {"least_known_permille": 0, "log_chars": [3.0, 5.0]}}
    of = reader(tmp_path, model(facts=facts))

    seen = [of.read(size * "it ", None, None).gains is not None for size in (2, 20, 200)]

    assert seen == [False, True, False]


def test_a_domain_counts_for_everybody(tmp_path: Path) -> None:
    assert reader(tmp_path, model()).read(HARD, None, "law").gains == {"large": 283, "small": -520}


def test_a_task_counts_only_where_the_catalog_says_nothing_of_it(tmp_path: Path) -> None:
    tagged = model(tags={"task=billing": np.array([-0.1, -0.1], np.float32)})

    gains = reader(tmp_path, tagged).read(HARD, "billing", None).gains

    assert gains == {"large": 173 - 55, "small": -520}


def test_a_task_is_named_where_nobody_named_one_and_it_is_likely_enough(tmp_path: Path) -> None:
    of = reader(tmp_path, tasks=task_model())

    assert of.read(HARD, None, None).task == "billing"
    assert of.read(HARD, "default", None).task is None
    assert of.read("zebra", None, None).task is None


def test_the_task_that_was_named_counts_for_the_gain(tmp_path: Path) -> None:
    tagged = model(tags={"task=billing": np.array([-0.1, -0.1], np.float32)})

    read = reader(tmp_path, tagged, task_model()).read(HARD, None, None)

    assert (read.task, read.gains) == ("billing", {"large": 118, "small": -520})


def test_drift_is_nothing_while_prompts_are_as_they_were_and_grows_when_they_are_not() -> None:
    watch = DriftWatch([float(cut) for cut in range(1, 10)])
    for at in range(1_000):
        watch.saw(at % 10 + 0.5)
    alike = watch.permille
    for _ in range(1_000):
        watch.saw(0.5)

    assert alike is not None
    assert alike < 20
    assert watch.permille is not None
    assert watch.permille > 250


def test_of_few_prompts_nothing_is_said() -> None:
    watch = DriftWatch([0.0] * 9)
    for _ in range(499):
        watch.saw(math.inf)

    assert (watch.permille, watch.foreign_permille) == (None, None)


def test_the_share_of_foreign_prompts_is_told() -> None:
    watch = DriftWatch([0.0] * 9)
    for _ in range(3_000):
        watch.saw(1.0)
        watch.passed()

    assert watch.foreign_permille == pytest.approx(500, abs=2)


def test_a_key_is_moved_no_more_often_than_its_share() -> None:
    share = DearerShare(200)

    moved = sum(share.asked("key", f"dec_{i}", moves=True) for i in range(1_000))

    assert 200 <= moved <= 206


def test_a_quiet_key_cannot_save_for_a_storm() -> None:
    share = DearerShare(500)
    for i in range(1_000):
        share.asked("key", f"calm_{i}", moves=False)

    moved = sum(share.asked("key", f"storm_{i}", moves=True) for i in range(20))
    later = sum(share.asked("key", f"later_{i}", moves=True) for i in range(100))

    assert moved == 20
    assert later == pytest.approx(60, abs=2)  # ten that are left of what was saved, and a half


def test_keys_do_not_spend_each_others_share() -> None:
    share = DearerShare(0)
    for i in range(10):
        share.asked("greedy", f"dec_{i}", moves=True)

    assert share.asked("modest", "dec_other", moves=True)


def test_later_attempts_of_a_decision_are_told_the_same_and_cost_nothing() -> None:
    share = DearerShare(0)

    told = [share.asked("key", "dec_1", moves=True) for _ in range(50)]

    assert all(told)
    assert share.asked("key", "dec_2", moves=True)
