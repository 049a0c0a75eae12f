"""Sentences to learn from keep their names in their places."""

import gzip
import json
from pathlib import Path

import pytest

from transire.workbench.names.corpus import Row, is_held_out, joined, plain_rows, read_sources

ROWS = [
    Row(f"{n:02} Maria Schneider called about the invoice", ((3, 18, "PERSON"),), "chat")
    for n in range(40)
]


@pytest.mark.parametrize("seed", range(5))
def test_joined_rows_keep_every_name_in_its_place(seed: int) -> None:
    made = joined(ROWS, seed)
    names = [row.text[start:end] for row in made for start, end, _ in row.spans]

    assert names == ["Maria Schneider"] * len(ROWS)
    assert 1 < len(made) < len(ROWS)


def test_rows_of_two_sources_are_never_joined() -> None:
    other = [Row("no name here", (), "news")]

    assert [row.source for row in joined([*ROWS[:1], *other, *ROWS[1:2]], 1)] == [
        *("chat", "news", "chat")
    ]


def test_one_row_in_twelve_is_held_out_by_its_text_alone() -> None:
    rows = [Row(f"text {n}", (), "chat") for n in range(2_000)]
    held = [row for row in rows if is_held_out(row)]

    assert 110 < len(held) < 220
    assert all(is_held_out(Row(row.text, (), "news")) for row in held)


def test_training_takes_biomedical_rows_from_the_front_of_one_order() -> None:
    rows = [Row(f"text {n}", (), "bio:x") for n in range(3_000)] + ROWS

    assert plain_rows(rows, 1) == plain_rows(rows, 1) != plain_rows(rows, 2)
    assert len(plain_rows(rows, 1)) == 2_000
    assert all(row.source == "bio:x" for row in plain_rows(rows, 1))


def test_sources_are_read_with_biomedical_rows_apart(tmp_path: Path) -> None:
    files = {
        "ner_train.jsonl.gz": [("news", "a"), ("bio:x", "b"), ("chat", "c")],
        "ner_train_de.jsonl.gz": [("zeitung", "d")],
    }
    for name, rows in files.items():
        lines = [json.dumps({"source": s, "text": t, "spans": []}) for s, t in rows]
        (tmp_path / name).write_bytes(gzip.compress("\n".join(lines).encode()))

    named, english = read_sources(tmp_path)

    assert [row.text for row in named] == ["a", "c", "d"]
    assert [row.text for row in english] == ["a", "b", "c"]
