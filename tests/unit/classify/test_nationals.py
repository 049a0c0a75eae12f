"""Countries' numbers of people: proven, or named by a word before them."""

from collections.abc import Callable

import pytest

from transire.bundle.canaries import CANARIES
from transire.classify.recognizers import checks
from transire.classify.recognizers.nationals import national_recognizers
from transire.classify.scan import scan_texts

ENTITIES = sorted({recognizer.entity for recognizer in national_recognizers()})

# Published examples, or numbers made by another implementation of the same rule (Faker's).
PASSING = [
    (checks.is_cpf, "529.982.247-25"),
    (checks.is_cpf, "383.050.212-54"),
    (checks.is_nir, "2 55 08 14 168 025 38"),
    (checks.is_nir, "217016544083475"),
    (checks.is_belgian, "85.07.30-033.28"),
    (checks.is_belgian, "03071649737"),
    (checks.is_swedish, "811228-9874"),
    (checks.is_swedish, "981204-5665"),
    (checks.is_romanian, "1780907153617"),
    (checks.is_bulgarian, "7523169263"),
    (checks.is_spanish_insured, "292809244909"),
    (checks.passes_ean, "756.9853.2064.18"),
    (checks.is_german_tax, "86 095 742 719"),
    (checks.passes_iso_11_10, "69015723482"),
    (checks.is_bsn, "186493526"),
    (checks.is_portuguese, "123456789"),
    (checks.is_irish, "1234567T"),
    (checks.is_irish, "1234567FA"),
    (checks.is_austrian, "1237 010180"),
    (checks.is_austrian, "4313190376"),
    (checks.is_baltic, "37605030299"),
    (checks.is_turkish, "10000000146"),
    (checks.is_australian_medicare, "2123456701"[:9]),
    (checks.passes_luhn, "046 454 286"),
]


def spans(text: str, entity: str) -> list[str]:
    (scan,) = scan_texts([text], 5, frozenset({entity}))
    assert scan.failed == ()
    return [text[hit.start : hit.end] for hit in scan.hits if hit.score_pct >= 60]


@pytest.mark.parametrize(("check", "number"), PASSING)
def test_a_number_passes_its_check_and_no_neighbour_does(
    check: Callable[[str], bool], number: str
) -> None:
    assert check(number)
    last = max(i for i, c in enumerate(number) if c.isdigit())
    others = [number[:last] + d + number[last + 1 :] for d in "0123456789" if d != number[last]]
    if number[-1].isalpha():
        others = [number[:-1] + c for c in "ABCDEFGH" if c != number[-1]]

    assert [other for other in others if check(other)] == []


@pytest.mark.parametrize("entity", ENTITIES)
def test_the_span_is_the_number_alone(entity: str) -> None:
    (found,) = {*spans(f"Hello, {CANARIES[entity]}. Thanks!", entity)}

    assert found in CANARIES[entity]
    assert any(c.isdigit() for c in found)


@pytest.mark.parametrize("entity", ENTITIES)
def test_a_number_among_more_digits_is_none(entity: str) -> None:
    (number,) = {*spans(CANARIES[entity], entity)}

    assert spans(CANARIES[entity].replace(number, number + "/77"), entity) == []


PROVEN = ["BR_CPF", "FR_NIR", "BE_NATIONAL_NUMBER", "SE_PERSONNUMMER", "CH_AHV"]


@pytest.mark.parametrize("entity", PROVEN)
def test_what_its_check_proves_needs_no_word(entity: str) -> None:
    (number,) = {*spans(CANARIES[entity], entity)}

    assert spans(f"kindly note {number} in the file", entity) == [number]


@pytest.mark.parametrize("entity", sorted({*ENTITIES} - {*PROVEN}))
def test_what_chance_may_pass_needs_its_word(entity: str) -> None:
    (number,) = {*spans(CANARIES[entity], entity)}

    assert spans(f"kindly note {number} in the file", entity) == []


@pytest.mark.parametrize(
    ("entity", "bare", "named"),
    [
        ("UK_NHS", "chunks of 2147483648 bytes", "NHS number 2147483648"),
        ("AU_TFN", "row 876543210 is locked", "tax file number 876543210"),
        ("IN_AADHAAR", "id 312345678909 is locked", "aadhaar 312345678909"),
    ],
)
def test_bare_digits_that_one_number_in_ten_could_be_need_a_word(
    entity: str, bare: str, named: str
) -> None:
    assert spans(bare, entity) == []
    assert len(spans(named, entity)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "it would be a sin 123 456 789 times over",  # fails the check of a Canadian number
        "the passport office opens at 09:00, call 020 7946 0018",
        "a licence for 25 seats until 2027-12-31",
        "commit 1700118123456 took 1800101221140 ns",
        "id 529.982.247-26 is off by one",
        "version 756.1234.5678.90 of the firmware",
    ],
)
def test_other_numbers_are_nobodys(text: str) -> None:
    (scan,) = scan_texts([text], 5, frozenset(ENTITIES))

    assert scan.hits == ()
