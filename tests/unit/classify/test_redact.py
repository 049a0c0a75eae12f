import json

import pytest
from tests.unit.classify.detectors import Keys, text_part

from transire.classify.placeholders import (
    PlaceholderBook,
    conversation_key,
    placeholder_namer,
)
from transire.classify.redact import replacements
from transire.domain.classification import Finding
from transire.domain.ids import DataClass
from transire.domain.request import Part, PartKind


def finding(part: int, start: int, end: int, entity: str = "X", score: int = 90) -> Finding:
    return Finding(
        part=part, start=start, end=end, entity=entity, data_class=DataClass("C"), score_pct=score
    )


def replaced(part: Part, *findings: Finding) -> str | None:
    texts, _ = replacements([part], findings, lambda entity, value: f"<{entity}:{len(value)}>")
    return texts.get(part.pointer)


def test_spans_become_placeholders_and_the_rest_stays() -> None:
    part = text_part("a 123 b 45 c")

    assert replaced(part, finding(0, 2, 5), finding(0, 8, 10)) == "a <X:3> b <X:2> c"


def test_overlapping_spans_become_one_under_the_stronger_name() -> None:
    part = text_part("0123456789")

    text = replaced(part, finding(0, 1, 5, "WEAK", 40), finding(0, 3, 8, "STRONG", 90))

    assert text == "0<STRONG:7>89"


def test_touching_spans_stay_two() -> None:
    assert replaced(text_part("abcd"), finding(0, 0, 2), finding(0, 2, 4)) == "<X:2><X:2>"


def test_a_part_that_cannot_be_redacted_is_left() -> None:
    part = text_part("abc", kind=PartKind.SCHEMA, is_redactable=False)

    assert replacements([part], [finding(0, 0, 3)], lambda *_: "x") == ({}, 0)


@pytest.mark.parametrize("entity", ["CONFIDENTIAL_MARKING", "EXPORT_MARKING", "HEALTH_CLAIM"])
def test_a_marking_is_never_replaced(entity: str) -> None:
    assert replaced(text_part("SECRET//NOFORN"), finding(0, 0, 14, entity)) is None


def test_spans_are_counted_after_merging() -> None:
    parts = [text_part("abcdef"), text_part("abcdef", 1)]
    found = [finding(0, 0, 2), finding(0, 1, 3), finding(1, 0, 1)]

    assert replacements(parts, found, lambda *_: "x")[1] == 2


def test_json_with_a_bare_number_stays_json() -> None:
    text = '{"card": 4111111111111111, "to": "4111111111111111"}'
    part = text_part(text, kind=PartKind.JSON)

    new = replaced(part, finding(0, 9, 25), finding(0, 34, 50))

    assert new is not None
    assert json.loads(new) == {"card": "<X:16>", "to": "<X:16>"}


def test_json_that_would_break_is_left_so_that_its_finding_stays() -> None:
    part = text_part('{"a": 1, "b": 2}', kind=PartKind.JSON)

    assert replaced(part, finding(0, 4, 9)) is None


def test_json_that_was_broken_before_is_redacted_as_text() -> None:
    assert replaced(text_part('{"a": 12', kind=PartKind.JSON), finding(0, 6, 8)) == '{"a": <X:2>'


def test_a_value_in_json_is_named_as_it_is_meant() -> None:
    part = text_part('{"to": "Zo\\u00eb"}', kind=PartKind.JSON)

    texts, _ = replacements([part], [finding(0, 8, 16)], lambda _, value: value.upper())

    assert json.loads(texts[part.pointer]) == {"to": "ZOË"}


def named(*scope: str, entity: str = "E", value: str = "bob") -> str:
    return placeholder_namer(conversation_key(Keys().digest, scope))(entity, value, 5)


def test_a_name_keeps_the_letters_a_name_may_have() -> None:
    part = text_part("bob_123456789", kind=PartKind.NAME)

    texts, _ = replacements([part], [finding(0, 4, 13, "US_SSN")], BOOK.name)

    assert texts[part.pointer].replace("_", "").replace("-", "").isalnum()


BOOK = PlaceholderBook(placeholder_namer(conversation_key(Keys().digest, ["acme"])), {})


def test_one_value_has_one_placeholder_in_a_conversation() -> None:
    assert named("acme", "k", "s") == named("acme", "k", "s")
    assert named("acme", "k", "s") != named("acme", "k", "s", value="eve")


def test_no_other_conversation_tenant_key_or_entity_has_the_same_placeholder() -> None:
    names = {
        named(*scope, entity=entity)[-11:]
        for *scope, entity in [
            ("acme", "k", "s", "E"),
            ("acme", "k", "t", "E"),
            ("acme", "l", "s", "E"),
            ("other", "k", "s", "E"),
            ("acme", "k", "s", "F"),
            ("acm", "ek", "s", "E"),
            ("acme", "k", "1:s", "E"),
        ]
    }

    assert len(names) == 7


def test_a_placeholder_says_nothing_of_the_value_and_holds_no_digit() -> None:
    name = named("acme", entity="US_SSN", value="536-90-4399")

    assert name.startswith("<US_SSN_")
    assert not any(map(str.isdigit, name))


def test_an_entity_of_odd_signs_still_makes_a_plain_placeholder() -> None:
    assert named("acme", entity="OUR-PROJECT <x>").startswith("<OUR_PROJECT__x__")


def test_two_values_that_meet_in_one_nonce_get_two_placeholders() -> None:
    book = PlaceholderBook(lambda entity, value, size: f"<{entity}_{value[:1] * size}>", {})

    assert book.name("E", "ab") == "<E_aaaaa>"
    assert book.name("E", "ac") == f"<E_{'a' * 32}>"
    assert book.name("E", "ab") == "<E_aaaaa>"
    assert [o.value for o in book.originals.values()] == ["ab", "ac"]


def test_a_book_shows_no_value() -> None:
    BOOK.name("E", "a-secret-value")

    assert "a-secret-value" not in repr(BOOK)
