"""Which models routing may use: those whose file, names and evidence are what the bundle says."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.score.fleets import bundle_of, deployment
from tests.unit.score.models import ANY_LENGTH, EARNED, HARD, model, task_model, written

from transire.domain.bundle import Bundle
from transire.domain.deployment import Deployment, Model
from transire.domain.ids import ModelId
from transire.errors import BundleError
from transire.score.quality.admission import absent_models, open_reader

FLEET = (deployment("large"), deployment("small"))
_MODELS = {
    ModelId("m"): Model(id=ModelId("m"), family=ModelId("m")),
    ModelId("large"): Model(id=ModelId("large"), family=ModelId("huge")),
    ModelId("small-2"): Model(id=ModelId("small-2"), family=ModelId("small")),
}


def bundle(*fleet: Deployment, **rules: Any) -> Bundle:
    made = bundle_of(*(fleet or FLEET), **{"tasks": ("billing", "default"), **rules})
    return replace(made, catalog=replace(made.catalog, models=_MODELS))


def refusal(of: Bundle) -> str:
    with pytest.raises(BundleError) as caught:
        open_reader(of)
    (problem,) = caught.value.problems
    return problem


def test_a_bundle_that_names_no_model_has_no_reader() -> None:
    assert open_reader(bundle()) is None


def test_a_model_that_earned_its_place_reads(tmp_path: Path) -> None:
    reader = open_reader(bundle(quality_model=written(model(), tmp_path / "q")))

    assert reader is not None
    assert reader.read(HARD, "default", None).gains == {"large": 173, "small": -520}


def test_a_file_with_another_digest_is_refused(tmp_path: Path) -> None:
    file = replace(written(model(), tmp_path / "q"), sha256="0" * 64)

    assert "it has sha256 " in refusal(bundle(quality_model=file))


def test_a_file_that_is_not_there_is_refused_and_an_author_is_only_told(tmp_path: Path) -> None:
    named = bundle(quality_model=replace(written(model(), tmp_path / "q"), path="/nowhere/q"))

    assert refusal(named).startswith("routing.yaml: `quality`: `/nowhere/q`: there is no such file")
    assert ["is not on this machine" in remark for remark in absent_models(named)] == [True]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"over_length": {"low": 0.0}}, "does not route better than the length"),
        ({"over_best_single": {"low": -0.01}}, "do not answer better than the best single model"),
        ({"over_best_single": {"low": None}}, "do not answer better than the best single model"),
        ({"rows": {"test": 49}}, "fewer than 50 rows"),
        ({"over_length": {}}, "train it again"),
        ({"over_length": {"low": "high"}}, "train it again"),
        ({"cuts": [0.0]}, "train it again"),
        ({"cuts": [0.4] * 8 + [0.1]}, "train it again"),
        ({"weak": "tiny"}, "train it again"),
    ],
)
def test_the_evidence_in_the_file_is_judged_again_whatever_its_flag_says(
    changed: Mapping[str, Any], says: str, tmp_path: Path
) -> None:
    facts = {"held_out": {**EARNED, **changed, "activates": True}, "domain": ANY_LENGTH}

    told = refusal(bundle(quality_model=written(model(facts=facts), tmp_path / "q")))

    assert says in told


@pytest.mark.parametrize(
    "facts", [{}, {"held_out": EARNED}, {"held_out": EARNED, "domain": {}}, {"held_out": 7}]
)
def test_a_file_without_evidence_is_refused(facts: Mapping[str, Any], tmp_path: Path) -> None:
    told = refusal(bundle(quality_model=written(model(facts=facts), tmp_path / "q")))

    assert "train it again" in told


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    file = written(model(), tmp_path / "q")
    Path(file.path).write_bytes(b"{}")
    named = replace(file, sha256="44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a")

    assert "not a quality model" in refusal(bundle(quality_model=named))


def test_a_model_of_which_the_catalog_knows_one_name_less_is_refused(tmp_path: Path) -> None:
    file = written(model(), tmp_path / "q")
    fewer = bundle(deployment("large"), deployment("tiny"), quality_model=file)

    assert "`small` is no deployment, model or family" in refusal(fewer)


def test_a_name_may_be_a_version_or_a_family_that_several_deployments_serve(
    tmp_path: Path,
) -> None:
    file = written(model(), tmp_path / "q")
    fleet = [
        deployment("a", model=ModelId("large")),
        deployment("b", model=ModelId("large")),
        deployment("c", model=ModelId("small-2")),
    ]
    reader = open_reader(bundle(*fleet, quality_model=file))

    assert reader is not None
    gains = reader.read(HARD, "default", None).gains
    assert gains == {"a": 173, "b": 173, "c": -520}


def test_a_classifier_of_tasks_may_name_only_tasks_that_exist(tmp_path: Path) -> None:
    file = written(task_model(), tmp_path / "t")

    told = refusal(bundle(tasks=("default",), task_model=file))

    assert "names the task `billing`, which does not exist" in told


def test_a_classifier_that_is_no_better_than_the_commonest_task_is_refused(
    tmp_path: Path,
) -> None:
    facts = dict(task_model().facts)
    facts["held_out"] = {**facts["held_out"], "commonest": 0.8}
    file = written(task_model(facts=facts), tmp_path / "t")

    assert "always naming the commonest" in refusal(bundle(task_model=file))


def test_one_kind_of_model_is_not_taken_for_the_other(tmp_path: Path) -> None:
    quality, tasks = written(model(), tmp_path / "q"), written(task_model(), tmp_path / "t")

    assert "no model of tasks" in refusal(bundle(task_model=quality))
    assert "no model of quality" in refusal(bundle(quality_model=tasks))


def test_two_names_for_one_deployment_are_refused(tmp_path: Path) -> None:
    fleet = [deployment("large", model=ModelId("small-2"))]
    of = bundle(*fleet, quality_model=written(model(), tmp_path / "q"))

    assert "served by the same deployment" in refusal(of)
