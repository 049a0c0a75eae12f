"""A message in several texts is read joined too, and what lies across them is not cut in two."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.unit.classify.detectors import classify, detector_of, redact, request_of

from transire.classify.normalize import normalize
from transire.classify.seams import windows_of
from transire.domain.ids import DataClass
from transire.domain.request import JsonValue, RoutingRequest

CARD = "4111 1111 1111 1111"
DETECTOR = detector_of()
IMAGE: JsonValue = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGVsbG8="}}


def asked(*contents: str | Sequence[JsonValue]) -> RoutingRequest:
    """A request of one message for each content, which is a text or a list of texts and parts."""
    messages: list[JsonValue] = [
        {
            "role": "user",
            "content": content
            if isinstance(content, str)
            else [{"type": "text", "text": p} if isinstance(p, str) else p for p in content],
        }
        for content in contents
    ]
    document: dict[str, JsonValue] = {"model": "auto", "messages": messages}
    body = normalize(document, headers={}, unknown_fields="refuse", size_bytes=1).body
    return replace(request_of("x"), body=body)


def found(*contents: str | Sequence[JsonValue]) -> set[tuple[int, int, int, str]]:
    findings = classify(DETECTOR, asked(*contents)).findings
    return {(f.part, f.start, f.end, f.entity) for f in findings}


@pytest.mark.parametrize("at", range(1, len(CARD)))
def test_a_card_cut_anywhere_in_two_texts_is_found(at: int) -> None:
    texts = [f"card {CARD[:at]}", f"{CARD[at:]} please"]

    assert (0, 5, 5 + len(CARD), "CREDIT_CARD") in found(texts)


def test_a_card_in_many_pieces_is_found_with_an_image_between() -> None:
    assert {e for *_, e in found([*CARD[:9], IMAGE, *CARD[9:]])} >= {"CREDIT_CARD"}


def test_words_in_one_text_say_what_the_next_one_holds() -> None:
    assert found(["db password is ", "hunter2!x9 ok"]) == {(1, 0, 10, "PASSWORD")}
    assert found("db password is ", "hunter2!x9 ok") == set()


def test_such_a_value_is_redacted_in_its_own_text() -> None:
    redaction = redact(DETECTOR, asked(["db password is ", "hunter2!x9 ok"]))

    assert redaction is not None
    texts = [part.text for part in redaction.body.parts]
    assert texts[0] == "db password is "
    assert texts[1].startswith("<PASSWORD_")
    assert texts[1].endswith("> ok")


def test_a_value_in_two_texts_is_not_redacted_and_keeps_its_class() -> None:
    request = asked([f"bob@acme.com, card {CARD[:10]}", f"{CARD[10:]} please"])
    redaction = redact(DETECTOR, request)
    raw = classify(DETECTOR, request)

    assert redaction is not None
    (card,) = {f.data_class for f in raw.findings if f.entity == "CREDIT_CARD"}
    assert card in redaction.classification.found
    assert CARD[:10] in redaction.body.parts[0].text
    assert "bob@acme.com" not in redaction.body.parts[0].text


def test_what_is_whole_in_one_text_is_not_found_longer() -> None:
    texts = ["write to bob@acme.com", "Thanks a lot"]

    assert found(texts) == {(0, 9, 21, "EMAIL_ADDRESS")}
    redaction = redact(DETECTOR, asked(texts))
    assert redaction is not None
    assert DataClass("CONTACT") not in redaction.classification.found


def test_long_texts_are_read_again_around_their_border_alone() -> None:
    far = f"bob@acme.com {'word ' * 2_000}"
    texts = [far + "card 4111 1111 ", f"1111 1111 {'word ' * 2_000}", f"{'word ' * 2_000} end"]
    body = asked(texts).body
    readable = list(enumerate(part.text for part in body.parts))

    windows = windows_of(body.parts, readable)

    assert len(windows) == 2
    assert all(len(window.text) < 2_500 for window in windows)
    assert (0, len(far) + 5, len(far) + 24, "CREDIT_CARD") in found(texts)


@pytest.mark.parametrize(
    "contents",
    [["one text"], [["one text in a list"]], ["two", "messages"], [["one", IMAGE], ["two"]]],
)
def test_a_message_of_one_text_has_no_window(
    contents: list[str | list[JsonValue]],
) -> None:
    body = asked(*contents).body
    readable = [(i, part.text) for i, part in enumerate(body.parts)]

    assert windows_of(body.parts, [r for r in readable if not r[1].startswith("image/")]) == []
