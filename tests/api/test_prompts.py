"""Versioned prompts on the real server: proposed, given, recorded, taken back."""

import base64
import json
from typing import Any

import pytest
from tests.api.conftest import World
from tests.api.test_replay import FAQ

FIRST, SECOND = b"text: Answer in one sentence.\n", b"text: Answer at length.\n"


def give(world: World, ref: str, **prompts: bytes) -> str:
    """Activate a bundle in which support-triage is given this prompt."""
    files = dict(world.act("ana", "GET", "/v1/policies/bundles/active").json()["files"])
    catalog = base64.b64decode(files["catalog/tenants.yaml"]).decode()
    head = "support-triage: {"
    start = catalog.index(head) + len(head)
    rest = catalog[start:]
    if rest.startswith("prompt:"):
        rest = rest.partition(", ")[2]
    changed = f"{catalog[:start]}prompt: {ref}, {rest}".encode()
    files["catalog/tenants.yaml"] = base64.b64encode(changed).decode()
    for name, data in prompts.items():
        files[f"prompts/{name.replace('_', '@')}.yaml"] = base64.b64encode(data).decode()
    proposed = world.act("ana", "POST", "/v1/policies/bundles", {"files": files})
    assert proposed.status_code in (201, 409), proposed.text
    digest = str(proposed.json()["digest"])
    for act in ("approve", "activate"):
        done = world.act("ben", "POST", f"/v1/policies/bundles/{digest}/{act}")
        assert done.status_code == 200, done.text
    return digest


def ask(world: World, **more: Any) -> Any:
    return world.client().chat.completions.with_raw_response.create(
        model="auto", messages=[{"role": "user", "content": FAQ}], **more
    )


def entry(world: World, reply: Any) -> dict[str, Any]:
    return world.entries(reply.headers["x-transire-decision-id"])[0]


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_goes_before_the_messages_and_stands_in_the_record(
    world: World, stream: bool
) -> None:
    plain = entry(world, ask(world))
    give(world, "support@1", support_1=FIRST)
    world.forget()
    reply = ask(world, stream=stream)
    if stream:
        assert list(reply.parse())
    told = entry(world, reply)
    arrived = world.received(reply.headers["x-transire-deployment"])["received"]
    sent = arrived[-1]["body"]["messages"]
    replayed = world.act("aud", "GET", f"/v1/decisions/{told['id']}/replay").json()

    assert sent[0] == {"role": "system", "content": "Answer in one sentence."}
    assert sent[1]["content"] == FAQ
    assert told["prompt"]["ref"] == "support@1"
    assert "prompt" not in plain
    assert told["request"]["content"] == plain["request"]["content"]
    assert told["permit"]["wire"] != plain["permit"]["wire"]
    assert "Answer in one sentence" not in json.dumps(told)
    assert replayed["replayable"] is replayed["agrees"] is True
    assert world.verify().returncode == 0


def test_a_version_is_replaced_and_taken_back_by_its_binding(world: World) -> None:
    give(world, "support@1", support_1=FIRST)
    first = entry(world, ask(world))
    give(world, "support@2", support_2=SECOND)
    second = entry(world, ask(world))
    files = world.act("ana", "GET", "/v1/policies/bundles/active").json()["files"]
    rewritten = {**files, "prompts/support@2.yaml": base64.b64encode(FIRST).decode()}
    refused = world.act("ana", "POST", "/v1/policies/bundles", {"files": rewritten})
    give(world, "support@1")
    third = entry(world, ask(world))

    assert [e["prompt"]["ref"] for e in (first, second, third)] == [
        "support@1",
        "support@2",
        "support@1",
    ]
    assert third["prompt"] == first["prompt"] != second["prompt"]
    assert refused.status_code == 422
    assert "support@2.yaml" in refused.text
