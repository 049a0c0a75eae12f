"""Word pieces as the published tokenizer makes them."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transire.classify.names.finder import EMBEDDED
from transire.classify.names.wordpiece import Piece, WordPieces

VECTORS = json.loads((Path(__file__).parent / "wordpiece_vectors.json").read_text())["vectors"]
PIECES = WordPieces.load(EMBEDDED["fast"].parent / "vocab.txt")


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: ascii(v["text"])[:40])
def test_pieces_are_those_of_the_published_tokenizer(vector: dict[str, object]) -> None:
    pieces = [[p.id, p.start, p.end] for p in PIECES.split(str(vector["text"]))]

    assert pieces == vector["pieces"]


@given(st.text(st.sampled_from("aB1_.-\t \n\r\x0b\x85\x1f\u00a0\u2028\u200bé漢'"), max_size=40))
def test_words_of_ascii_are_cut_as_character_by_character(text: str) -> None:
    slowly = list[Piece]()
    PIECES._read(slowly, text, 0)

    assert PIECES.split(text) == slowly


@given(st.text(max_size=300))
def test_pieces_stand_in_order_inside_the_text(text: str) -> None:
    pieces = PIECES.split(text)

    assert all(0 <= p.start < p.end <= len(text) for p in pieces)
    assert all(a.start <= b.start and a.end <= b.end for a, b in pairwise(pieces))
    assert not pieces or pieces[0].starts_word


def test_a_word_that_is_too_long_is_one_unknown_piece() -> None:
    pieces = PIECES.split("b" * 5_000 + " ok")

    assert [(p.start, p.end) for p in pieces] == [(0, 5_000), (5_001, 5_003)]
