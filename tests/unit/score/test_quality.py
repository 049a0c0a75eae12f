"""The quality predictor: what it reads of a prompt, and that its file says what it is."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transire.errors import IntegrityError
from transire.score.quality.features import BUCKETS, TRAITS, features_of
from transire.score.quality.model import QualityModel


def model(**changes: object) -> QualityModel:
    whole = QualityModel(
        models=("large", "small"),
        means=np.array([0.8, 0.5], np.float32),
        buckets=np.array(features_of("prove it").buckets, np.int32),
        words=np.array([[0.1] * 3, [-0.3] * 3], np.float32),
        trait_means=np.zeros(len(TRAITS), np.float32),
        trait_scales=np.ones(len(TRAITS), np.float32),
        traits=np.zeros((2, len(TRAITS)), np.float32),
        tags={"domain=law": np.array([0.2, 0.0], np.float32)},
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


@given(st.text(max_size=300))
def test_any_text_is_read_into_finite_numbers(text: str) -> None:
    read = features_of(text)

    assert len(read.traits) == len(TRAITS)
    assert all(np.isfinite(read.traits))
    assert list(read.buckets) == sorted(set(read.buckets))
    assert all(0 <= bucket < BUCKETS for bucket in read.buckets)


def test_buckets_are_the_same_on_every_machine() -> None:
    assert features_of("Prove it!").buckets == (47231, 161588, 197377, 234469, 262099)


def test_words_are_read_whatever_their_case() -> None:
    assert features_of("PROVE it").buckets == features_of("prove IT").buckets


def test_the_middle_of_a_long_prompt_is_not_read_but_for_its_length() -> None:
    short, long = "a " * 1_500 + "b " * 500, "a " * 1_500 + "secret " * 900 + "b " * 500

    assert features_of(long).buckets == features_of(short).buckets
    assert features_of(long).traits[0] > features_of(short).traits[0]


def test_what_was_never_seen_is_predicted_by_the_mean_alone() -> None:
    assert model().predict(features_of("zebra")).tolist() == pytest.approx([0.8, 0.5])


def test_known_words_and_tags_move_each_model_by_its_own_weights() -> None:
    large, small = model().predict(features_of("prove it", ("domain=law", "task=unknown")))

    assert large == pytest.approx(0.8 + 0.3 / 3**0.5 + 0.55 * 0.2, abs=1e-5)
    assert small == pytest.approx(0.5 - 0.9 / 3**0.5, abs=1e-5)


def test_a_file_reads_back_as_what_was_written() -> None:
    again = QualityModel.from_bytes(model(facts={"rows": 7}).to_bytes())

    assert again.digest == model(facts={"rows": 7}).digest
    assert again.facts == {"rows": 7}
    read = features_of("prove it", ("domain=law",))
    assert again.predict(read).tolist() == model().predict(read).tolist()


@pytest.mark.parametrize(
    "change",
    [
        {"format": "transire-quality/0"},
        {"trait_names": ["length"]},
        {"models": ["only"]},
        {"models": ["small", "large"]},
        {"means": "AAAA"},
        {"means": "AADAfwAAwH8="},  # two NaN
        {"buckets": "AQAAAAEAAAABAAAA"},  # not ascending
        {"buckets": "%%"},
        {"words": 7},
        {"tags": []},
        {"traits": None},
    ],
)
def test_a_file_whose_parts_do_not_fit_is_refused(change: dict[str, object]) -> None:
    document = json.loads(model().to_bytes()) | change

    with pytest.raises(IntegrityError):
        QualityModel.from_bytes(json.dumps(document).encode())


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"\xff", b'{"format": 1}'])
def test_what_is_no_model_is_refused(data: bytes) -> None:
    with pytest.raises(IntegrityError):
        QualityModel.from_bytes(data)
