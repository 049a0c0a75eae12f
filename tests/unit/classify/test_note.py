"""What the next attempt is told of a broken answer, and what it is not."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.classify.detectors import Keys
from tests.unit.validate.answers import request_of, with_schema

from transire.classify.digest import content_digest
from transire.classify.note import Notes
from transire.domain.ports import Violation
from transire.domain.request import RoutingRequest
from transire.refusals import refuse_answer

KEYED = Keys()
ASKED = {"role": "user", "content": "make a ticket"}
PLACE = "message.content#/properties/1/type"


def asked(**changes: Any) -> RoutingRequest:
    return request_of({"messages": [ASKED], **with_schema({})}, **changes)


async def noted(request: RoutingRequest, *kinds: str) -> RoutingRequest:
    error = refuse_answer([Violation(kind=kind, path=PLACE) for kind in kinds])
    return await Notes(KEYED).noted(request, error)


@pytest.mark.parametrize("size_bytes", [10, 1_000_000])
async def test_a_note_is_one_message_at_the_end_and_a_part_to_be_classified(
    size_bytes: int,
) -> None:
    request = asked(size_bytes=size_bytes)

    made = await noted(request, "schema")

    messages: Any = made.body.fields["messages"]
    (part,) = made.body.parts
    assert messages[0] == ASKED
    assert messages[1]["role"] == "developer"
    assert PLACE in messages[1]["content"]
    assert (part.pointer, part.text) == (("messages", 1, "content"), messages[1]["content"])
    assert made.noted == ("schema",)
    assert made.content_digest == content_digest(KEYED, made.body)
    assert made.content_digest != content_digest(KEYED, request.body)


async def test_a_note_changes_nothing_else() -> None:
    request = asked()

    made = await noted(request, "schema")

    assert made.body.size_bytes > request.body.size_bytes  # it costs more to read
    assert made.body.tokens_estimate > request.body.tokens_estimate
    body = replace(
        made.body,
        fields=request.body.fields,
        parts=request.body.parts,
        size_bytes=request.body.size_bytes,
        tokens_estimate=request.body.tokens_estimate,
    )
    assert replace(made, body=body, content_digest=b"", noted=()) == request


async def test_a_request_is_noted_once() -> None:
    first = await noted(asked(), "schema")

    assert await noted(first, "not_json") is first


@pytest.mark.parametrize("kind", ["truncated", "deadline", "token_limit", "empty"])
async def test_what_another_try_cannot_heed_is_not_noted(kind: str) -> None:
    request = asked()

    assert await noted(request, kind) is request


async def test_a_note_names_a_few_violations_and_is_short() -> None:
    made = await noted(asked(), *(["schema"] * 20))

    messages: Any = made.body.fields["messages"]
    assert messages[1]["content"].count(PLACE) == 5
