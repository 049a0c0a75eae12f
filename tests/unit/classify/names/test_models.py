"""The models that travel with the package, on text that nobody trained on."""

import base64
import gzip
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from transire.classify.names.finder import NameFinder
from transire.classify.names.spans import PERSON
from transire.workbench.measure import Row, evaluate

DATA = (
    Path(os.environ.get("TRANSIRE_DEV_DATA", "../shared/data")) / "detection" / "ner_dev.jsonl.gz"
)
MODELS = ["accurate", "fast"]


def read(names: str, *texts: str) -> list[list[str]]:
    finder = NameFinder.load((names,), time.monotonic)
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
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"Maria Schneider": {"open": 3}}', "Maria Schneider"),
        ("name;city;total\nAnna Kowalska;Warsaw;12\n", "Anna Kowalska"),
        ("Dear Mr Schneider,\nyour parcel is late.", "Schneider"),
        ("Hallo Frau Berger, das Paket ist da.", "Berger"),
        ("The parcel is late.\n\nKind regards,\nMaria Schneider\nCustomer Care", "Maria Schneider"),
        ("From: Peter Novak\nSubject: the invoice", "Peter Novak"),
    ],
)
def test_a_name_is_found_in_keys_tables_greetings_and_signatures(
    names: str, text: str, expected: str
) -> None:
    assert any(expected in name for name in read(names, text)[0])


@pytest.mark.parametrize("names", MODELS)
def test_a_name_introduced_once_is_found_again_far_away_and_bare(names: str) -> None:
    text = "My name is Maria Schneider. " + "The parcel is late. " * 100 + "schneider, 12:30"

    assert read(names, text)[0].count("schneider") == 1


@pytest.mark.parametrize("names", MODELS)
def test_a_handle_is_no_name_but_its_owner_is(names: str) -> None:
    found = read(names, "@mariaschneider wrote to Peter Novak about it")[0]

    assert not any("maria" in name for name in found)
    assert any("Novak" in name for name in found)


@pytest.mark.parametrize(
    ("written", "via"),
    [
        (base64.b64encode(b"My name is Maria Schneider, please call").decode(), "base64"),
        (quote("My name is Maria Schneider").replace("e", "%65"), "percent"),
        ("My name is M&#97;ria Schn&#101;ider", "html"),
    ],
)
def test_a_name_in_disguise_is_found_where_it_stands(written: str, via: str) -> None:
    finder = NameFinder.load(("accurate",), time.monotonic)
    assert finder is not None
    text = f"note: {written} ok"

    hits = [hit for hit in finder.find_now([text], 60.0)[0].hits if hit.via]

    assert {hit.via for hit in hits} == {via}
    assert all(6 <= hit.start < hit.end <= 6 + len(written) for hit in hits)


def test_escaped_quotes_and_line_feeds_are_not_read_twice() -> None:
    text = 'say \\"hello\\" to Maria Schneider\\nand thank you'
    finder = NameFinder.load(("fast",), time.monotonic)
    assert finder is not None

    hits = finder.find_now([text], 60.0)[0].hits

    assert [(text[hit.start : hit.end], hit.via) for hit in hits] == [("Maria Schneider", None)]


@pytest.mark.parametrize("names", MODELS)
def test_a_written_out_line_feed_is_no_letter_of_the_name_after_it(names: str) -> None:
    finder = NameFinder.load((names,), time.monotonic)
    assert finder is not None
    text = r"thanks for the report\nMaria Schneider\nand thank you"

    hits = finder.find_now([text], 60.0)[0].hits

    assert [text[hit.start : hit.end] for hit in hits] == ["Maria Schneider"]


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
@pytest.mark.skipif(
    not DATA.is_file(), reason="the development data is not here (TRANSIRE_DEV_DATA)"
)
@pytest.mark.parametrize(
    ("names", "precision", "recall"), [("accurate", 0.70, 0.55), ("fast", 0.62, 0.48)]
)
def test_persons_in_noisy_web_text_are_found(names: str, precision: float, recall: float) -> None:
    finder = NameFinder.load((names,), time.monotonic)
    assert finder is not None
    measured = [
        Row(
            tuple((start, end, PERSON) for start, end in spans),
            tuple(
                (h.start, h.end, PERSON, h.score_pct) for h in finder.find_now([text], 60.0)[0].hits
            ),
        )
        for text, spans in rows()
    ]
    rates = evaluate(measured)[PERSON].entities()["overlap"]

    assert rates["precision"] >= precision
    assert rates["recall"] >= recall
