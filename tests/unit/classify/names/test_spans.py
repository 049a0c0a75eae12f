"""From likelihoods to names."""

import numpy as np
import pytest

from transire.classify.names.finder import EMBEDDED
from transire.classify.names.spans import names_in
from transire.classify.names.wordpiece import WordPieces

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


def test_a_name_found_once_is_found_wherever_it_recurs() -> None:
    text = "ask Maria Schneider . SCHNEIDER wrote, schneiders did not"

    assert found(text, "Maria", "Schneider") == ["Maria Schneider", "SCHNEIDER"]


@pytest.mark.parametrize(
    "text",
    ["ask @Maria today", "see /Maria/ or x_Maria", "use Terraform today", "the S3 bucket", "1 2"],
)
def test_handles_jargon_and_numbers_are_no_names(text: str) -> None:
    assert found(text, "Maria", "Terraform", "S3", "1", "2") == []


@pytest.mark.parametrize(("likely", "expected"), [(0.19, []), (0.21, ["Maria"])])
def test_a_likelihood_below_the_threshold_is_no_name(likely: float, expected: list[str]) -> None:
    assert found("ask Maria today", "Maria", likely=likely) == expected


def test_a_likelier_kind_wins() -> None:
    pieces = PIECES.split("ask Maria today")
    rows = np.tile([0.4, 0.5, 0.0], (len(pieces), 1))

    assert names_in("ask Maria today", pieces, rows) == []
