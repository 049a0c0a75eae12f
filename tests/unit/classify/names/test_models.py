"""The models that travel with the package, on text that nobody trained on."""

import gzip
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from transire.classify.names.finder import NameFinder
from transire.classify.names.spans import PERSON
from transire.workbench.measure import Row, evaluate

DATA = Path(os.environ.get("TRANSIRE_DATA", "../shared/data")) / "detection" / "ner_dev.jsonl.gz"
MODELS = ["accurate", "fast"]


def read(names: str, *texts: str) -> list[list[str]]:
    finder = NameFinder.load(names, time.monotonic)
    assert finder is not None
    scans = finder.find_now(texts, 120.0)
    assert all(scan.failed == () for scan in scans)
    return [[t[h.start : h.end] for h in s.hits] for t, s in zip(texts, scans, strict=True)]


@pytest.mark.parametrize("names", MODELS)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("My name is Maria Schneider and I would like to cancel.", "Maria Schneider"),
        ("please call john smith back", "john smith"),
        ("PLEASE CALL JOHN SMITH BACK", "JOHN SMITH"),
        ('{"name": "Jürgen Klopp", "total": 4}', "Jürgen Klopp"),
        ("please call Ｊｏｈｎ Ｓｍｉｔｈ back", "Ｊｏｈｎ Ｓｍｉｔｈ"),
        ("Herr Thomas Müller hat gestern angerufen.", "Thomas Müller"),
    ],
)
def test_a_name_is_found_in_any_case_and_in_structure(names: str, text: str, expected: str) -> None:
    assert any(expected in name for name in read(names, text)[0])


@pytest.mark.parametrize("names", MODELS)
@pytest.mark.parametrize(
    "text",
    [
        "What are your opening hours?",
        "Rename the variable total to sum in this function.",
        "Deploy the service to EKS and copy the logs to S3.",
        "def parse(line):\n    return line.split(',')",
        "How do I reset my password?",
    ],
)
def test_what_holds_no_name_has_no_finding(names: str, text: str) -> None:
    assert read(names, text)[0] == []


@pytest.mark.parametrize("names", MODELS)
def test_hostile_text_is_read_to_its_end(names: str) -> None:
    texts = ["\u202e" * 5_000, "a" * 20_000, ". " * 2_000, "\ud800 x", "漢" * 3_000, "A. " * 3_000]

    assert len(read(names, *texts)) == len(texts)


def rows() -> Iterator[tuple[str, list[tuple[int, int]]]]:
    with gzip.open(DATA, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield row["text"], [(s, e) for s, e, label in row["spans"] if label == "PERSON"]


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_file(), reason="the development data is not here (TRANSIRE_DATA)")
@pytest.mark.parametrize(
    ("names", "precision", "recall"), [("accurate", 0.70, 0.55), ("fast", 0.62, 0.48)]
)
def test_persons_in_noisy_web_text_are_found(names: str, precision: float, recall: float) -> None:
    finder = NameFinder.load(names, time.monotonic)
    assert finder is not None
    measured = [
        Row(
            tuple((start, end, PERSON) for start, end in spans),
            tuple((h.start, h.end, PERSON) for h in finder.find_now([text], 60.0)[0].hits),
        )
        for text, spans in rows()
    ]
    rates = evaluate(measured)[PERSON].entities()["overlap"]

    assert rates["precision"] >= precision
    assert rates["recall"] >= recall
