"""What leaves is built from known fields, under the deployment's own names, and digested."""

import json
from typing import Any

import pytest
from tests.unit.forward.test_forwarder import Keys
from tests.unit.score.fleets import deployment, request_of

from transire.domain.deployment import Deployment
from transire.domain.outward import Wire
from transire.forward.wire import build_wire

PLAIN = {"role": "user", "content": "b"}


def messages() -> list[dict[str, str]]:
    return [{"role": "assistant", "content": "a", "reasoning_content": "because"}, dict(PLAIN)]


def built(place: Deployment, *, is_stream: bool = False, **body: Any) -> Wire:
    return build_wire(request_of(**body).body, place, Keys(), is_stream=is_stream)


def sent(wire: Wire) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(wire.body)
    return fields


def test_the_deployments_own_model_name_is_sent() -> None:
    wire = built(deployment("a", upstream_model="its-own"), fields={"messages": messages()})

    assert sent(wire) == {"messages": messages(), "model": "its-own"}


def test_the_digest_is_keyed_and_of_exactly_the_bytes_sent() -> None:
    wire = built(deployment("a"), fields={"messages": []})

    assert wire.digest == Keys().digest("wire", wire.body)
    assert wire.digest != Keys().digest("content", wire.body)


def test_a_stream_always_asks_for_usage_and_a_whole_answer_says_nothing_of_streams() -> None:
    streamed = sent(built(deployment("a"), is_stream=True, fields={}))

    assert streamed["stream"] is True
    assert streamed["stream_options"] == {"include_usage": True}
    assert sent(built(deployment("a"), fields={})).keys() == {"model"}


@pytest.mark.parametrize(
    ("capabilities", "name"),
    [(frozenset({"max_completion_tokens"}), "max_completion_tokens"), (frozenset(), "max_tokens")],
)
def test_the_token_bound_has_the_deployments_spelling(
    capabilities: frozenset[str], name: str
) -> None:
    place = deployment("a", capabilities=capabilities)

    assert sent(built(place, fields={"max_tokens": 5})) == {"model": "m", name: 5}


def test_a_body_without_a_token_bound_gets_none() -> None:
    place = deployment("a", capabilities=frozenset({"max_completion_tokens"}))

    assert sent(built(place, fields={})) == {"model": "m"}


CARRIED = (
    (("messages", 0, "reasoning_content"), "reasoning_content"),
    (("top_k",), "top_k"),
)


def test_what_the_deployment_does_not_list_is_left_out_and_named() -> None:
    place = deployment("a", capabilities=frozenset({"top_k"}))
    wire = built(place, fields={"messages": messages(), "top_k": 3}, carried=CARRIED)

    assert wire.ignored == ("messages[0].reasoning_content",)
    assert sent(wire) == {
        "messages": [{"role": "assistant", "content": "a"}, PLAIN],
        "top_k": 3,
        "model": "m",
    }


def test_what_the_deployment_lists_is_carried() -> None:
    place = deployment("a", capabilities=frozenset({"top_k", "reasoning_content"}))
    wire = built(place, fields={"messages": messages(), "top_k": 3}, carried=CARRIED)

    assert wire.ignored == ()
    assert sent(wire)["messages"] == messages()


def test_the_body_is_the_same_after_it_was_built_for_another_deployment() -> None:
    fields = {"messages": messages(), "top_k": 3, "max_tokens": 5}
    built(deployment("a", capabilities=frozenset()), is_stream=True, fields=fields, carried=CARRIED)

    assert fields == {"messages": messages(), "top_k": 3, "max_tokens": 5}
