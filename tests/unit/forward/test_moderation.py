"""What a moderation service is sent, and how strictly its answer is read."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.forward.test_forwarder import Keys
from tests.unit.score.fleets import deployment

from transire.domain.deployment import Moderator
from transire.domain.guarding import Guard
from transire.domain.request import Body, Part, PartKind
from transire.forward.moderation import HttpModeration, read_moderation

HATE, HARM = Guard("hate"), Guard("self_harm")
MODERATOR = Moderator(
    deployment=deployment("m", upstream_model="guard-1"),
    categories={"hate": HATE, "hate/threatening": HATE, "self-harm": HARM},
)
CLEAN = {"hate": False, "hate/threatening": False, "self-harm": False}


def answer(*categories: dict[str, Any], **more: Any) -> bytes:
    results = [
        {"flagged": True in each.values(), "categories": each, **more} for each in categories
    ]
    return orjson.dumps({"id": "modr-1", "model": "m", "results": results})


def test_a_guard_is_raised_by_any_of_its_categories_in_any_text() -> None:
    said = read_moderation(answer(CLEAN, {**CLEAN, "hate/threatening": True}), MODERATOR, 2)

    assert said == {HATE: True, HARM: False}


@pytest.mark.parametrize("value", [None, "yes", 1, 0.9, []])
def test_a_category_that_is_no_bool_says_nothing_and_its_guard_has_failed(value: Any) -> None:
    said = read_moderation(answer(CLEAN, {**CLEAN, "hate": value}), MODERATOR, 2)

    assert said == {HATE: None, HARM: False}


def test_what_is_raised_stays_raised_whatever_else_is_missing() -> None:
    said = read_moderation(answer({"hate/threatening": True}), MODERATOR, 1)

    assert said == {HATE: True, HARM: None}


def test_a_category_that_nobody_asked_about_changes_nothing() -> None:
    said = read_moderation(answer({**CLEAN, "illicit": True}), MODERATOR, 1)

    assert said == {HATE: False, HARM: False}


@pytest.mark.parametrize(
    "data",
    [
        b"I would rather not say",
        b"[]",
        b"null",
        b"{}",
        answer(),
        answer(CLEAN, CLEAN),
        answer(CLEAN, flagged=True),
        answer({**CLEAN, "hate": True}, flagged=False),
        answer(CLEAN, flagged=None),
        answer(CLEAN, categories=["hate"]),
        orjson.dumps({"results": [None]}),
        orjson.dumps({"results": {"0": {}}}),
    ],
)
def test_an_answer_of_another_shape_says_nothing_at_all(data: bytes) -> None:
    assert read_moderation(data, MODERATOR, 1) is None


@given(data=st.binary(max_size=200), texts=st.integers(1, 5))
def test_no_bytes_at_all_are_read_as_a_clean_bill(data: bytes, texts: int) -> None:
    said = read_moderation(data, MODERATOR, texts)

    assert said is None or False not in said.values()


def test_it_is_sent_one_text_for_each_message_and_nothing_that_is_no_text() -> None:
    def part(pointer: tuple[str | int, ...], text: str, kind: PartKind = PartKind.TEXT) -> Part:
        return Part(pointer=pointer, kind=kind, text=text, role="user")

    parts = (
        part(("messages", 0, "content"), "first"),
        part(("messages", 1, "content", 0, "text"), "sec"),
        part(("messages", 1, "content", 1, "text"), "ond"),
        part(("messages", 1, "content", 2, "image_url"), "image/png", PartKind.IMAGE),
        part(("messages", 2, "content"), "  "),
        part(("tools", 0, "function", "description"), "a tool"),
    )

    wire = service().prepare(told(parts), MODERATOR)

    assert wire is not None
    assert orjson.loads(wire.body) == {
        "model": "guard-1",
        "input": ["first", "sec\nond", "a tool"],
    }
    assert wire.digest == Keys().digest("wire", wire.body)


def test_a_request_without_text_is_nothing_to_send() -> None:
    assert service().prepare(told(()), MODERATOR) is None


def service() -> HttpModeration:
    unused: Any = None
    return HttpModeration(unused, keyed=Keys(), secret=unused, vouch=unused, clock=unused)


def told(parts: tuple[Part, ...]) -> Body:
    return Body(
        fields={},
        parts=parts,
        capabilities=frozenset(),
        needs=frozenset(),
        ignored=(),
        size_bytes=0,
        tokens_estimate=1,
    )
