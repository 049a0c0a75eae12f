"""Texts that two readers would read in two ways are not JSON here."""

import pytest

from transire.validate.strict_json import MAX_CHARS, NOT_JSON, read


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "{",
        "{} {}",
        "{}x",
        "{'a': 1}",
        "{a: 1}",
        "[1,]",
        "NaN",
        "-Infinity",
        "1e999",
        "01",
        '{"a": 1, "a": 1}',
        '{"a": {"b": 1, "b": 2}}',
        '{"a": 1, "\\u0061": 2}',
        '"\\ud800"',
        '{"\\uDC00": 1}',
        '"\ud800"',
        '"line\nbreak"',
        "[" * 100_000,
        "9" * 5_000,
        '"' + "x" * MAX_CHARS + '"',
        "\ufeff{}",
    ],
)
def test_ambiguous_text_is_not_read(text: str) -> None:
    assert read(text) is NOT_JSON


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("null", None),
        (" {} \n", {}),
        ('"\\ud83d\\ude00"', "😀"),
        ('"\\\\ud800"', "\\ud800"),
        ('{"a": [1, 2.5, "ü"]}', {"a": [1, 2.5, "ü"]}),
    ],
)
def test_one_document_is_read(text: str, expected: object) -> None:
    assert read(text) == expected
