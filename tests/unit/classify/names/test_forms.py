"""Names that stand where names stand."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transire.classify.names.chain import Deadline
from transire.classify.names.forms import FormReader


def found(text: str) -> list[str]:
    deadline = Deadline(lambda: 0.0, 1.0)
    return [text[hit.start : hit.end] for hit in FormReader().read(text, 0.0, deadline).hits]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ask Mr. Oakes or Frau von Berg", ["Oakes"]),
        ("Herr Jürgen van der Berg war da", ["Jürgen van der Berg"]),
        ("Dear Priscilla,\nthe parcel is late.", ["Priscilla"]),
        ("Sehr geehrte Frau Sommer,", ["Sommer"]),
        ("Dzień dobry Małgorzata, zwrot jest w drodze.", ["Małgorzata"]),
        ("Merhaba Çağlar, iadeniz yolda.", ["Çağlar"]),
        ("It is late.\n\nMet vriendelijke groet,\nFemke Hoekstra\nFlat 12", ["Femke Hoekstra"]),
        ("Mit freundlichen Grüßen\nAnnegret Vogel", ["Annegret Vogel"]),
        ("Thanks!\nBob", ["Bob"]),
        ('{"first_name": "Nkechi", "last_name": "O’Daly"}', ["Nkechi", "O’Daly"]),
        ("nachname: Ziegler\nort: Bonn", ["Ziegler"]),
        ("id;Last name;city\n1;Krupa;Lublin\n2;Lis;Bonn\n", ["Krupa", "Lis"]),
        ('"full_name","total"\n"Ugo Conti","4"\n', ["Ugo Conti"]),
    ],
)
def test_a_name_in_its_place_is_found(text: str, expected: list[str]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Hello World!",
        "Dear Customer, dear Sir",
        "Hi all, the build is green",
        "Hi Claude, write a poem",
        "Hello from the other side",
        "Thanks\nplease hurry",
        "Kind regards,\nYour Support Team",
        "Best Practices\nUse Kafka",
        "first_name: null, last_name: ${name}",
        "the customer_name column is wrong",
        "name,total\nparis,4\n",
        "last name\nSmith street\n",
        "Dr. no",
        "M. 12",
    ],
)
def test_a_place_without_a_person_has_no_name(text: str) -> None:
    assert found(text) == []


@given(st.text(st.sampled_from("Dear Mr.\n,;Aé'-_@1 "), max_size=200))
def test_finds_stand_inside_the_text_in_order(text: str) -> None:
    hits = FormReader().read(text, 0.0, Deadline(lambda: 0.0, 1.0)).hits

    assert all(0 <= hit.start < hit.end <= len(text) for hit in hits)
    assert [hit.start for hit in hits] == sorted(hit.start for hit in hits)


@pytest.mark.parametrize(
    "unit",
    ["Dear A ", "Dear ", "A A ", "Thanks\n", "last name,", "last_name: ", "Mr. ", "A'", "\n"],
)
def test_hostile_text_is_read_in_linear_time(unit: str) -> None:
    def cpu_s(count: int) -> float:
        began = time.process_time()
        FormReader().read(unit * count, 0.0, Deadline(lambda: 0.0, 1.0))
        return time.process_time() - began

    # Four times the text; quadratic would be sixteen times the work.
    assert any(cpu_s(8_000) <= 8 * cpu_s(2_000) + 0.01 for _ in range(4))


def test_a_deadline_that_is_over_is_a_failure() -> None:
    with pytest.raises(TimeoutError):
        FormReader().read("x", 0.0, Deadline(lambda: 2.0, 1.0))
