"""No character that shows nothing, and no mark on what bears none, breaks a find in two."""

import time
import unicodedata
from collections.abc import Iterator
from itertools import chain

import pytest

from transire.classify.gate import Panel
from transire.classify.recognizer import Recognizer
from transire.classify.recognizers import select
from transire.classify.scan import run
from transire.classify.views import folded

VALUES = {
    "CREDIT_CARD": "4111111111111111",
    "SECRET": "ghp_2E4Q7RT3XYZWUVKLh5jN8pQ0sV2xZ4bD6fG1",
    "AWS_ACCESS_KEY": "AKIAQ3EGRZ7TNXMPLWKC",
    "PRIVATE_KEY": "-----BEGIN RSA PRIVATE KEY-----",
}
ALL = range(0x110000)
IGNORABLE = (*range(0xFFF0, 0xFFF9), *range(0x1BCA0, 0x1BCA4), 0x2065, 0xE0000, 0xE0FFF, 0x3164)


def of(*categories: str) -> Iterator[str]:
    return (chr(c) for c in ALL if unicodedata.category(chr(c)) in categories)


HIDDEN = sorted({*of("Cc", "Cf"), *map(chr, IGNORABLE)} - set("\t\n\r"))
MARKS = sorted(of("Mn", "Me"))


def is_found(text: str, value: str, panel: Panel[Recognizer]) -> bool:
    low = text.index(value[0], 4)
    high = text.rindex(value[-1]) + 1
    hits = run(text, time.monotonic() + 20, panel).hits
    return any(hit.start <= low + 6 and hit.end >= high - 6 for hit in hits)


def missed(value: str, characters: list[str], at: int) -> list[str]:
    panel = Panel(select(frozenset(VALUES)))
    texts = {c: f"key {value[:at]}{c}{value[at:]} now" for c in characters}
    return [f"U+{ord(c):04X}" for c, text in texts.items() if not is_found(text, value, panel)]


@pytest.mark.parametrize("entity", VALUES)
def test_an_invisible_character_anywhere_hides_nothing(entity: str) -> None:
    value = VALUES[entity]

    assert [missed(value, HIDDEN, at) for at in (3, len(value) - 4)] == [[], []]


def test_a_mark_on_a_digit_hides_no_card() -> None:
    assert missed(VALUES["CREDIT_CARD"], MARKS, 8) == []


@pytest.mark.parametrize("entity", ["SECRET", "AWS_ACCESS_KEY", "PRIVATE_KEY"])
def test_a_mark_on_a_letter_that_makes_no_other_letter_hides_nothing(entity: str) -> None:
    value = VALUES[entity]
    at = next(i for i, c in enumerate(value) if c in "QXBP") + 1
    odd = [m for m in MARKS if len(unicodedata.normalize("NFC", value[at - 1] + m)) > 1]

    assert len(odd) > 1_900
    assert missed(value, odd, at) == []


def test_a_mark_between_all_digits_hides_no_card() -> None:
    panel = Panel(select(frozenset(VALUES)))
    value = VALUES["CREDIT_CARD"]

    for c in chain(HIDDEN, MARKS[::7]):
        assert is_found(f"pay {c.join(value)} now", value, panel), f"U+{ord(c):04X}"


def test_marks_in_heaps_hide_no_card() -> None:
    panel = Panel(select(frozenset(VALUES)))

    for heap in (
        "\u20d2\u20d3",
        "\u064b\u200b\u0301",
        "\u0301\u064b\u1ab0",
        "\u200d\u20d2\x01\u20d3",
    ):
        text = f"pay {heap.join(VALUES['CREDIT_CARD'])} now"
        assert is_found(text, VALUES["CREDIT_CARD"], panel), ascii(heap)


@pytest.mark.parametrize(
    "text",
    [
        "Cafe\u0301 mu\u0308de, pie\u030cn",
        "هَذَا نَصٌّ عَرَبِيٌّ مُشَكَّلٌ",
        "यह हिंदी में लिखा गया वाक्य है",
        "นี่คือประโยคภาษาไทยธรรมดา",
        "שָׁלוֹם עֲלֵיכֶם",
        "tabs\tand\r\nlines",
    ],
)
def test_ordinary_marks_stay_where_they_are(text: str) -> None:
    assert folded(text) is None
