"""A credential in disguise goes to nobody, wherever in the body it stands."""

import base64
from typing import Any

import pytest
from tests.api.conftest import World

SECRET = "ghp_" + "2E4Q7RT3XYZWUVKLh5jN8pQ0sV2xZ4bD6fG1"
ENCODED = base64.b64encode(SECRET.encode()).decode()
WIDE = "".join(chr(ord(c) + 0xFEE0) for c in SECRET)
CALL = {"id": "call_1", "type": "function"}


def _user(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


BODIES: dict[str, list[dict[str, Any]]] = {
    "content in base64": _user(f"what is {ENCODED}?"),
    "content in full width": _user(f"what is {WIDE}?"),
    "content with zero widths": _user("\u200b".join(SECRET)),
    "content with a control": _user(SECRET[:9] + "\x01" + SECRET[9:]),
    "content in two texts": [
        {
            "role": "user",
            "content": [{"type": "text", "text": SECRET[:9]}, {"type": "text", "text": SECRET[9:]}],
        }
    ],
    "tool arguments": [
        *_user("go on"),
        {
            "role": "assistant",
            "tool_calls": [{**CALL, "function": {"name": "f", "arguments": f'{{"{ENCODED}": 1}}'}}],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "ok"},
    ],
    "a tool's result": [
        *_user("go on"),
        {
            "role": "assistant",
            "tool_calls": [{**CALL, "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": f"data: {SECRET.encode().hex()}"},
    ],
}


@pytest.mark.parametrize("name", BODIES)
def test_a_disguised_credential_is_refused_and_nothing_leaves(world: World, name: str) -> None:
    before = world.all_received()

    reply = world.post("/v1/chat/completions", {"model": "auto", "messages": BODIES[name]})

    assert reply.status_code == 403
    assert reply.json()["error"]["code"] == "policy_denied"
    assert world.all_received() == before


def test_prose_in_base64_is_answered(world: World) -> None:
    text = base64.b64encode(b"The river bends where the old mill stands.").decode()

    reply = world.post("/v1/chat/completions", {"model": "auto", "messages": _user(text)})

    assert reply.status_code == 200
