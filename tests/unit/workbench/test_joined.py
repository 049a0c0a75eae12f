"""Feedback in the log, joined with the application's own prompts: what may be fitted to it."""

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from transire.errors import RequestError
from transire.score.quality.features import features_of
from transire.workbench.quality.fit import best_penalty, fit
from transire.workbench.quality.joined import joined_outcomes
from transire.workbench.quality.outcomes import Outcomes
from transire.workbench.quality.report import Ends, evaluate

Entry = Mapping[str, Any]


def decided(name: str, deployment: str, *scores: int, task: str = "faq") -> list[Entry]:
    """A decision, how its answer ended, and what was thought of it."""
    return [
        {"kind": "decision", "id": name, "signals": {"task": task}},
        {"kind": "outcome", "decision_id": name, "deployment": "broken", "status": "failed"},
        {"kind": "outcome", "decision_id": name, "deployment": deployment, "status": "ok"},
        *({"kind": "feedback", "decision_id": name, "score_permille": score} for score in scores),
    ]


def prompts(folder: Path, *rows: tuple[str, str]) -> Path:
    path = folder / "prompts.jsonl"
    lines = [json.dumps({"decision_id": name, "prompt": prompt}) for name, prompt in rows]
    path.write_text("\n".join(lines))
    return path


def pairs(count: int, folder: Path, *more: Entry) -> tuple[Path, list[Entry]]:
    """As many prompts, each answered by both: `a` well, `b` badly."""
    rows, entries = list[tuple[str, str]](), list[Entry]()
    for i in range(count):
        for deployment, score in (("a", 900), ("b", 200)):
            name = f"dec_{deployment}{i}"
            rows.append((name, f"question {i}"))
            entries += decided(name, deployment, score)
    return prompts(folder, *rows), [*entries, *more]


def test_decisions_on_one_prompt_are_one_row_with_a_score_of_each_deployment(
    tmp_path: Path,
) -> None:
    found = joined_outcomes(*pairs(12, tmp_path), least=12)

    assert found.models == ("a", "b")
    assert found.scores.tolist() == [[0.9, 0.2]] * 12
    assert found.features[0].tags == ("task=faq",)


def test_who_only_says_that_it_helped_or_not_gives_all_or_nothing(tmp_path: Path) -> None:
    path, entries = pairs(12, tmp_path)
    entries += [
        {"kind": "feedback", "decision_id": "dec_a0", "success": False},
        {"kind": "feedback", "decision_id": "dec_b0", "success": True, "score_permille": None},
    ]

    assert joined_outcomes(path, entries, least=12).scores[0].tolist() == [0.45, 0.6]


def test_what_several_people_think_of_one_answer_is_their_mean(tmp_path: Path) -> None:
    path, entries = pairs(12, tmp_path)
    entries.append({"kind": "feedback", "decision_id": "dec_a0", "score_permille": 100})

    assert joined_outcomes(path, entries, least=12).scores[0].tolist() == [0.5, 0.2]


@pytest.mark.parametrize(
    "foreign",
    [
        {"kind": "feedback", "decision_id": "dec_of_somebody_else", "score_permille": 0},
        {"kind": "feedback", "decision_id": "dec_a0", "score_permille": 1_001},
        {"kind": "feedback", "decision_id": "dec_a0", "score_permille": True},
        {"kind": "feedback", "decision_id": "dec_a0"},
        {"kind": "feedback", "decision_id": None, "score_permille": 3},
        {"kind": "outcome", "decision_id": "dec_a0", "deployment": "b", "status": "failed"},
    ],
)
def test_what_is_no_feedback_on_these_answers_changes_nothing(
    foreign: Entry, tmp_path: Path
) -> None:
    found = joined_outcomes(*pairs(12, tmp_path, foreign), least=12)

    assert found.scores.tolist() == [[0.9, 0.2]] * 12


def test_a_prompt_that_one_deployment_answered_teaches_how_that_one_does(tmp_path: Path) -> None:
    path, entries = pairs(12, tmp_path)
    with path.open("a") as file:
        file.write('\n{"decision_id": "dec_lone", "prompt": "a lone question"}')

    found = joined_outcomes(path, [*entries, *decided("dec_lone", "a", 700)], least=12)

    assert found.scores[12, 0] == 0.7
    assert np.isnan(found.scores[12, 1])
    assert found.whole.tolist() == list(range(12))


def test_without_prompts_that_everybody_answered_no_gain_can_be_judged(tmp_path: Path) -> None:
    path, entries = pairs(12, tmp_path)
    only_a = [entry for entry in entries if "b" not in str(entry.get("decision_id", ""))]

    with pytest.raises(RequestError, match="evaluate --outcomes"):
        joined_outcomes(path, only_a, least=12)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"prompt": "x"}', "line 1: `decision_id`"),
        ('{"decision_id": "rev_1", "prompt": "x"}', "line 1: `decision_id`"),
        ('{"decision_id": "dec_1"}', "line 1: `prompt`"),
        ('{"decision_id": "dec_1", "prompt": "x", "answer": "y"}', "line 1: `answer`"),
    ],
)
def test_a_line_that_cannot_be_joined_is_refused(line: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text(line)

    with pytest.raises(RequestError) as caught:
        joined_outcomes(path, [], least=1)

    assert says in caught.value.message


def sums_and_weather(count: int, *, missing: float) -> Outcomes:
    """The small model fails at sums; of some rows, one score is not known."""
    draw = random.Random(5)
    features, scores = [], []
    for _ in range(count):
        is_sum = draw.random() < 0.5
        text = f"w{draw.randrange(10, 70)} {'prove the sum' if is_sum else 'will it rain?'}"
        row = [0.8 if is_sum else 0.5, 0.1 if is_sum else 0.8]
        if draw.random() < missing:
            row[draw.randrange(2)] = float("nan")
        features.append(features_of(text))
        scores.append(row)
    return Outcomes(
        ("large", "small"), tuple(features), np.arange(count, dtype=float), np.array(scores)
    )


def test_rows_with_a_missing_score_teach_and_do_not_test() -> None:
    rows = sums_and_weather(600, missing=0.5)
    whole = len(rows.whole)

    report = evaluate(rows, Ends(), fitted=whole - 100, repeats=1, seed=1)
    model = fit(rows, best_penalty(rows, 1))

    assert 200 < whole < 400
    assert report.tested == 100
    assert report.gain.low > 0
    assert np.all(np.isfinite(model.predict(rows.features[0])))


def judged(name: str, attempt: int, deployment: str, score: Any, status: str = "ok") -> list[Entry]:
    end = {"kind": "judge.ended", "decision_id": name, "attempt": -1_000 - attempt, "score": score}
    named = {"kind": "outcome", "decision_id": name, "attempt": attempt}
    return [end, {**named, "deployment": deployment, "status": status}]


def test_what_judges_said_counts_where_it_is_asked_for_and_nobody_else_spoke(
    tmp_path: Path,
) -> None:
    rows = [(f"dec_{i}", f"question {i}") for i in range(12)]
    entries = list[Entry]()
    for name, _ in rows:
        entries += [{"kind": "decision", "id": name, "signals": {"task": "faq"}}]
        entries += judged(name, 1, "b", 200, "superseded") + judged(name, 2, "a", 800)
    entries.append({"kind": "feedback", "decision_id": "dec_0", "score_permille": 100})
    entries += judged("dec_0", 3, "a", "much") + judged("dec_foreign", 1, "a", 1)
    path = prompts(tmp_path, *rows)

    found = joined_outcomes(path, entries, least=12, with_judges=True)

    assert found.models == ("a", "b")
    assert found.scores.tolist() == [[0.1, 0.2], *[[0.8, 0.2]] * 11]
    with pytest.raises(RequestError, match="0 prompts have feedback"):
        joined_outcomes(path, entries, least=12)
