"""Fitting and judging quality predictors: known answers, and refusals that are meant."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transire.errors import RequestError
from transire.score.quality.features import TRAITS, Features, features_of
from transire.workbench.quality.curve import measure
from transire.workbench.quality.fit import fit
from transire.workbench.quality.outcomes import Outcomes, read_outcomes
from transire.workbench.quality.report import Ends, evaluate, judge

FLAT = (0.0,) * len(TRAITS)


def lines(tmp_path: Path, *rows: Any, name: str = "data.jsonl") -> Path:
    file = tmp_path / name
    file.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return file


def row(prompt: str = "hi", **outcomes: float) -> dict[str, Any]:
    return {"prompt": prompt, "outcomes": outcomes or {"large": 1, "small": 0}}


def worlds(count: int, *, is_hard_for_small: bool) -> Outcomes:
    """Prompts about sums or about weather; the small model may fail at sums, and only there."""
    random = np.random.default_rng(5)
    prompts, scores = list[str](), list[list[float]]()
    for _ in range(count):
        is_sum = bool(random.random() < 0.5)
        words = random.choice([f"w{i}" for i in range(10, 50)], size=8)
        prompts.append(" ".join([*words, "prove the sum" if is_sum else "will it rain?"]))
        large, small = 0.7, 0.4
        if is_hard_for_small:
            large, small = (0.8, 0.1) if is_sum else (0.4, 0.8)
        scores.append([float(random.random() < large), float(random.random() < small)])
    return Outcomes(
        ("large", "small"),
        tuple(map(features_of, prompts)),
        np.array([float(len(prompt)) for prompt in prompts]),
        np.array(scores),
    )


def test_a_router_that_knows_the_gain_keeps_more_than_the_strong_model_has() -> None:
    gains = np.array([1.0, 0.0, 0.0, -1.0, 1.0])

    known = measure(gains, gains)

    # Shares 0 … 1 in fifths; kept 0, 1, 2, 2, 2, 1 of one.
    assert known.apgr == pytest.approx((0.5 + 1.5 + 2 + 2 + 1.5) / 5)
    assert known.cpt50 == pytest.approx(10)
    assert known.cpt80 == pytest.approx(16)


@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=40))
def test_a_router_without_an_opinion_is_the_random_one(gains: list[float]) -> None:
    found = measure(np.zeros(len(gains)), np.array(gains))

    if sum(gains) > 0:
        assert found == pytest.approx((0.5, 50, 80))
    else:
        assert all(np.isnan(found))


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0.0, 1.0])), min_size=2, max_size=30))
def test_the_order_of_rows_changes_nothing(rows: list[tuple[int, float]]) -> None:
    preference = np.array([float(p) for p, _ in rows])
    gains = np.array([g for _, g in rows]) + 0.01

    forward, backward = measure(preference, gains), measure(preference[::-1], gains[::-1])

    assert forward == pytest.approx(backward)


def test_a_row_drawn_twice_counts_twice() -> None:
    preference, gains = np.array([2.0, 1.0, 0.0]), np.array([1.0, 0.0, 1.0])

    weighted = measure(preference, gains, np.array([2.0, 1.0, 0.0]))
    written_out = measure(np.array([2.0, 2.0, 1.0]), np.array([1.0, 1.0, 0.0]))

    assert weighted == pytest.approx(written_out)


def test_the_fit_is_the_ridge_regression_that_algebra_gives() -> None:
    random = np.random.default_rng(3)
    features = tuple(
        Features(tuple(sorted(random.choice(9, size=4, replace=False).tolist())), FLAT)
        for _ in range(60)
    )
    scores = random.random((60, 2))
    found = fit(Outcomes(("a", "b"), features, np.zeros(60), scores), 3.0)

    matrix = np.zeros((60, 9))
    for at, read in enumerate(features):
        matrix[at, list(read.buckets)] = 0.5
    normal = matrix.T @ matrix + 3.0 * np.eye(9)
    expected = np.linalg.solve(normal, matrix.T @ (scores - scores.mean(axis=0)))
    assert found.buckets.tolist() == list(range(9))
    assert np.allclose(found.words.T, expected, atol=1e-4)
    predicted = np.stack([found.predict(read) for read in features])
    assert np.allclose(predicted, scores.mean(axis=0) + matrix @ expected, atol=1e-4)


def test_what_stands_in_one_row_alone_gets_no_weight() -> None:
    features = (Features((1, 2), FLAT), Features((1, 3), FLAT), Features((1,), FLAT))
    found = fit(Outcomes(("a", "b"), features, np.zeros(3), np.eye(3)[:, :2]), 1.0)

    assert found.buckets.tolist() == [1]


def test_a_predictor_that_finds_where_the_small_model_fails_may_be_activated() -> None:
    rows = worlds(1_200, is_hard_for_small=True)

    report = evaluate(rows, Ends(), fitted=800, repeats=2, seed=1)

    assert (report.weak, report.strong) == ("small", "large")
    assert report.router["apgr"].value > 0.7
    assert report.refusals == []
    assert report.to_json()["activates"] is True


def test_a_predictor_that_found_nothing_may_not() -> None:
    rows = worlds(600, is_hard_for_small=False)

    report = evaluate(rows, Ends(), fitted=400, repeats=2, seed=1)

    assert "length" in " ".join(report.refusals)
    assert report.best_single in report.refusals[-1]
    assert report.to_json()["activates"] is False


def test_the_same_data_gives_the_same_report() -> None:
    rows = worlds(300, is_hard_for_small=True)

    first, second = (evaluate(rows, Ends(), fitted=200, repeats=1, seed=9) for _ in range(2))

    assert first == second


def test_a_fitted_model_is_judged_only_on_its_own_models() -> None:
    rows = worlds(300, is_hard_for_small=True)
    found = fit(rows, 10.0)

    assert judge(found, rows, Ends(), seed=1).fitted == 300
    with pytest.raises(RequestError, match="fitted on large, small"):
        judge(found, rows._replace(models=("large", "tiny")), Ends(), seed=1)


@pytest.mark.parametrize(("weak", "strong"), [("tiny", None), ("large", "large")])
def test_ends_that_are_none_or_one_are_refused(weak: str, strong: str | None) -> None:
    with pytest.raises(RequestError):
        Ends(weak, strong).of(("large", "small"), np.array([0.9, 0.1]))


def test_lines_are_read_with_tags_and_scores_in_the_order_of_names(tmp_path: Path) -> None:
    text = json.dumps(row("prove it", small=0.25, large=True) | {"domain": "law", "task": "t"})
    file = tmp_path / "data.jsonl.gz"
    file.write_bytes(gzip.compress(f"{text}\n\n{text}\n".encode()))

    read = read_outcomes(file, least=2)

    assert read.models == ("large", "small")
    assert read.scores.tolist() == [[1.0, 0.25]] * 2
    assert read.features[0].tags == ("domain=law", "task=t")
    assert read.chars.tolist() == [8.0, 8.0]


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ([], "`prompt` must be a string"),
        ({"prompt": 7}, "`prompt` must be a string"),
        ({"prompt": "x"}, "`outcomes` must name"),
        (row(large=1), "`outcomes` must name"),
        (row(large=2, small=0), "from 0 to 1"),
        (row(large=float("nan"), small=0), "from 0 to 1"),
        (row("hi", large="1", small=0), "from 0 to 1"),  # type: ignore[arg-type]
        (row(large=1, other=0), "same models"),
        (row() | {"promt": 1}, "`promt` is not"),
        (row() | {"domain": 7}, "must be strings"),
    ],
)
def test_a_bad_line_is_named_and_not_quoted(tmp_path: Path, bad: Any, says: str) -> None:
    with pytest.raises(RequestError, match=says) as refused:
        read_outcomes(lines(tmp_path, row(), bad), least=1)

    assert "line 2" in str(refused.value)


def test_too_few_rows_and_what_is_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="has 1 rows, and 50 are needed"):
        read_outcomes(lines(tmp_path, row()), least=50)
    for name, content in (
        ("a.jsonl", b"\xff\xfe"),
        ("b.gz", b"no gzip"),
        ("c.gz", gzip.compress(b"x" * 99)[:-9]),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RequestError, match="no text in UTF-8, or not whole"):
            read_outcomes(tmp_path / name, least=1)
