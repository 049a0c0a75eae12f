"""What was found once is found again, wherever and however it is written."""

import json

import pytest

from transire.classify.recurrences import Recurrences


def spots(text: str, *values: str, any_case: bool = True) -> list[str]:
    finder = Recurrences([(value, any_case) for value in values])
    return [text[start:end] for start, end, _ in finder.spots(text)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("to bob@acme.com, bob@acme.com.", "bob@acme.com"),
        ("BOB@ACME.COM or Bob@Acme.com", "bob@acme.com"),
        ("x4111111111111111y 4111111111111111", "4111111111111111"),
        ("ANNA SCHMIDT; anna schmidt", "Anna Schmidt"),
        ("ANNA (Anna)", "Anna"),
        ("anna_schmidt anna", "anna"),
        ("Zoë ZOË", "Zoë"),
        ("Li-Li", "Li"),
    ],
)
def test_every_recurrence_is_found(text: str, value: str) -> None:
    assert len(spots(text, value)) == 2


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Annual planning", "Ann"),
        ("I will", "Will"),
        ("a rose", "Rose"),
        ("2019", "19"),
        ("b", "b"),
    ],
)
def test_an_ordinary_word_is_no_recurrence(text: str, value: str) -> None:
    assert spots(text, value) == []


def test_where_case_matters_another_case_is_another_value() -> None:
    assert spots("hunter2X HUNTER2X", "hunter2X", any_case=False) == ["hunter2X"]


def test_the_longest_value_wins_and_spots_never_overlap() -> None:
    assert spots("Anna Schmidt and Anna", "Anna", "Anna Schmidt") == ["Anna Schmidt", "Anna"]


def test_signs_that_grow_in_lower_case_move_nothing() -> None:
    assert spots("İİİ bob@acme.com", "bob@acme.com") == ["bob@acme.com"]


def test_placeholders_are_not_looked_into() -> None:
    finder = Recurrences([("PERSON", True)], {"<PERSON_bcdf>"})

    text, count = finder.replaced("<PERSON_bcdf> PERSON <PERSON_forged>", lambda *_: "#")

    assert (text, count) == ("<PERSON_bcdf> # <#_forged>", 2)


def test_json_is_read_through_its_escapes_and_stays_json() -> None:
    document = '{"Zo\\u00eb": "say \\"Zo\\u00eb\\"", "card": 4111111111111111, "n": 41}'
    finder = Recurrences([("Zoë", True), ("4111111111111111", True)])

    text, count = finder.replaced_in_json(document, lambda value, _: f"<{len(value)}>")

    assert json.loads(text) == {"<3>": 'say "<3>"', "card": "<16>", "n": 41}
    assert count == 3
    assert set(finder.found_in_json(document)) == {"Zoë", "4111111111111111"}


def test_without_values_nothing_recurs() -> None:
    assert spots("anything") == []
