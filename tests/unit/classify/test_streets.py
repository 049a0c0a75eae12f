"""Street addresses by their shape, in a dozen languages."""

import pytest

from transire.classify.recognizers.streets import STREET_ADDRESS
from transire.classify.scan import scan_texts


def streets(text: str) -> list[str]:
    (scan,) = scan_texts([text], 5, frozenset({STREET_ADDRESS}))
    assert scan.failed == ()
    return [text[hit.start : hit.end] for hit in scan.hits]


@pytest.mark.parametrize(
    "address",
    [
        "12 Rose Lane",
        "221B Baker Street",
        "350 Fifth Avenue",
        "742 5th Ave",
        "123 N. Main St",
        "1600 Pennsylvania Ave. NW",
        "P.O. Box 123",
        "Lindenstraße 12a",
        "Berliner Straße 7",
        "Hauptstr. 5",
        "Kirchweg 3, 12345 Musterstadt",
        "Am Markt 1, 20095 Hamburg",
        "Keizersgracht 174",
        "Storgatan 5",
        "12 rue de la Paix",
        "5 bis, avenue des Champs-Élysées",
        "Calle Mayor 5",
        "Avenida de la Constitución, 12",
        "C/ Alcalá 45",
        "Rua Augusta, 1508",
        "Via Garibaldi 12",
        "Piazza San Marco n. 1",
        "ul. Marszałkowska 10/4",
        "Kossuth Lajos utca 3",
        "Atatürk Caddesi No: 12",
    ],
)
def test_an_address_is_found_to_its_ends(address: str) -> None:
    assert streets(f"Please write to {address}, thank you.") == [address]


def test_after_a_word_for_living_small_letters_are_enough() -> None:
    assert streets("i live at 12 rose lane in leeds") == ["12 rose lane"]


@pytest.mark.parametrize(
    "text",
    [
        "we have 3 ways and 5 places to go",
        "step 4 Drive carefully",
        "Chapter 5 Road to Victory",
        "In 2024 Wall Street fell",
        "the Bundesstraße 216 is closed",
        "Platz 3 im Rennen, Arbeitsplatz 3 im Büro",
        "Ring 0 and Ring 3 of the processor",
        "10 Best Places",
        "mailbox 12 is full; box 3 too",
        "a street of 12 houses, 3 lanes wide",
    ],
)
def test_ways_and_places_of_prose_are_nobodys(text: str) -> None:
    assert streets(text) == []


@pytest.mark.parametrize("unit", ["1 A ", "A 1 ", "Via A ", "Rue 1 ", "ul. A ", "12 Aa Street"])
def test_long_texts_of_nearly_addresses_are_read_in_time(unit: str) -> None:
    (scan,) = scan_texts([unit * (20_000 // len(unit))], 2, frozenset({STREET_ADDRESS}))

    assert scan.failed == ()
