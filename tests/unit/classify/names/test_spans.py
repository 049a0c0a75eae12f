"""From likelihoods to names."""

import time
from typing import Any

import numpy as np
import pytest

from transire.classify.names.finder import EMBEDDED
from transire.classify.names.spans import names_in
from transire.classify.names.wordpiece import Piece, WordPieces
from transire.classify.scan import MAX_HITS

PIECES = WordPieces.load(EMBEDDED["fast"].parent / "vocab.txt")


def found(text: str, *persons: str, likely: float = 0.9) -> list[str]:
    """Names in a text in which these words, and no others, look like persons."""
    pieces = PIECES.split(text)
    rows = np.zeros((len(pieces), 3))
    for number, piece in enumerate(pieces):
        before = text.rfind(" ", 0, piece.start) + 1
        after = text.find(" ", piece.start)
        word = text[before : len(text) if after < 0 else after].strip(".,;:!?()@")
        rows[number, 0] = likely if word in persons else 0.0
    return [text[hit.start : hit.end] for hit in names_in(text, pieces, rows)]


def test_words_of_one_name_are_one_finding() -> None:
    assert found("ask Maria Schneider today", "Maria", "Schneider") == ["Maria Schneider"]


def test_names_apart_are_two_findings() -> None:
    assert found("ask Maria and Hans today", "Maria", "Hans") == ["Maria", "Hans"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("she loves lilies. Taylor sang", ["lilies", "Taylor"]),
        ("ask J. Taylor today", ["J. Taylor"]),
        ("ask Dr. Taylor today", ["Dr. Taylor"]),
        ("ask J.R. Taylor today", ["J.R. Taylor"]),
        ("see anna.swifter today", ["anna.swifter"]),
        ("ask Anna-Lena O'Taylor today", ["Anna-Lena O'Taylor"]),
    ],
)
def test_a_full_stop_between_sentences_joins_no_name(text: str, expected: list[str]) -> None:
    words = ("lilies", "Taylor", "J", "Dr", "J.R", "anna.swifter", "Anna-Lena", "O'Taylor")

    assert found(text, *words) == expected


@pytest.mark.parametrize(
    ("text", "persons"),
    [
        ("can the vice president be fired", ("vice", "president")),
        ("thank God for that", ("God",)),
        ("ask your Mom today", ("your", "Mom")),
    ],
)
def test_an_office_or_a_relation_by_itself_names_nobody(
    text: str, persons: tuple[str, ...]
) -> None:
    assert found(text, *persons) == []


@pytest.mark.parametrize(
    ("text", "likely", "is_name"),
    [
        ("ask Maria today", 0.16, True),
        ("ASK MARIA TODAY", 0.16, False),
        ("ask maria today", 0.16, False),
        ("ask maria today", 0.21, True),
        ("ASK MARIA TODAY", 0.21, True),
        ("Please ask maria today", 0.45, False),
        ("Please ask maria today", 0.55, True),
    ],
)
def test_how_sure_a_name_must_be_depends_on_the_capitals_around_it(
    text: str, likely: float, is_name: bool
) -> None:
    assert bool(found(text, "maria", "Maria", "MARIA", likely=likely)) == is_name


def test_an_unsure_small_word_beside_a_name_is_no_part_of_it() -> None:
    pieces = PIECES.split("ask Maria ok today")
    rows = np.tile([0.0, 0.0], (len(pieces), 1))
    rows[1], rows[2] = (0.9, 0.0), (0.18, 0.0)

    hits = names_in("ask Maria ok today", pieces, rows)

    assert [(hit.start, hit.end) for hit in hits] == [(4, 9)]


def test_a_name_recurs_in_small_letters_however_sure() -> None:
    text = "ask Maria Schneider . then schneider wrote"

    assert found(text, "Maria", "Schneider", likely=0.3) == ["Maria Schneider", "schneider"]


def test_an_office_with_a_name_is_found_with_it() -> None:
    assert found("ask President Lincoln today", "President", "Lincoln") == ["President Lincoln"]


def test_a_name_found_once_is_found_wherever_it_recurs() -> None:
    text = "ask Maria Schneider . SCHNEIDER wrote, schneiders did not"

    assert found(text, "Maria", "Schneider") == ["Maria Schneider", "SCHNEIDER"]


@pytest.mark.parametrize(
    "text",
    ["ask @Maria today", "see /Maria/ or x_Maria", "use Terraform today", "the S3 bucket", "1 2"],
)
def test_handles_jargon_and_numbers_are_no_names(text: str) -> None:
    assert found(text, "Maria", "Terraform", "S3", "1", "2") == []


@pytest.mark.parametrize(("likely", "expected"), [(0.14, []), (0.16, ["Maria"])])
def test_a_likelihood_below_the_threshold_is_no_name(likely: float, expected: list[str]) -> None:
    assert found("ask Maria today", "Maria", likely=likely) == expected


def test_a_likelier_kind_wins() -> None:
    pieces = PIECES.split("ask Maria today")
    rows = np.tile([0.4, 0.5, 0.0], (len(pieces), 1))

    assert names_in("ask Maria today", pieces, rows) == []


def test_a_name_recurs_in_another_spelling_of_blanks_but_not_inside_a_word() -> None:
    text = "ask Maria Schneider . maria\n\nSCHNEIDER , xschneider , x_schneider_y , Schneider"

    assert found(text, "Maria", "Schneider") == [
        "Maria Schneider",
        "maria\n\nSCHNEIDER",
        "Schneider",
    ]


def hostile(count: int) -> tuple[str, list[Piece], Any]:
    """A text with `count` different names, each of two words, and as many repetitions."""
    text = "".join(f"Anna B{n}erg, " for n in range(count)) + "anna b1erg, " * count
    pieces = PIECES.split(text)
    rows = np.zeros((len(pieces), 3))
    rows[:, 0] = [0.9 if text[p.start].isalnum() and p.end < len(text) // 2 else 0 for p in pieces]
    return text, pieces, rows


def test_many_names_cost_what_they_weigh() -> None:
    def cpu_s(count: int) -> float:
        arguments = hostile(count)
        began = time.process_time()
        names_in(*arguments)
        return time.process_time() - began

    # Four times the text; quadratic would be sixteen times the work.
    assert any(cpu_s(4_000) <= 8 * cpu_s(1_000) for _ in range(4))


def test_more_names_than_a_scan_may_hold_are_a_failure() -> None:
    with pytest.raises(OverflowError):
        names_in(*hostile(MAX_HITS + 1))
