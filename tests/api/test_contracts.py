"""Broken JSON from a real upstream, through the real server, as the unmodified SDK meets it."""

import json
from typing import Any

import pytest
from tests.api.conftest import DIRECT, World
from tests.api.test_openai_sdk import SCHEMA, TOOLS

CANARY = "zebra-canary-5512"


def _say(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def _all(world: World, mode: str) -> None:
    for name in world.fleet:
        world.behave(name, mode)


@pytest.mark.parametrize("form", [SCHEMA, {"type": "json_object"}], ids=["schema", "json mode"])
def test_a_missing_brace_is_repaired_and_said_everywhere(world: World, form: Any) -> None:
    _all(world, "missing_brace")
    raw = world.client().chat.completions.with_raw_response.create(
        model="auto", messages=_say(f"make a ticket about {CANARY}"), response_format=form
    )
    answer: Any = raw.parse()

    repair = {"choice": 0, "at": "message.content", "rules": ["closing"], "dropped": []}
    assert json.loads(answer.choices[0].message.content)
    assert answer.transire == {"repaired": [repair]}
    assert raw.headers["x-transire-repaired"] == "closing"
    assert raw.headers["x-transire-attempts"] == "1"
    entries = world.entries(raw.headers["x-transire-decision-id"])
    assert [e.get("repaired") for e in entries if e["kind"] == "outcome"] == [["closing"]]
    assert CANARY not in json.dumps(entries)
    page = DIRECT.get(f"{world.admin_url}/metrics").text
    deployment = raw.headers["x-transire-deployment"]
    assert f'transire_repaired_answers_total{{deployment="{deployment}",rule="closing"}}' in page


def test_a_held_stream_sends_the_repaired_text_and_says_so(world: World) -> None:
    _all(world, "missing_brace")
    raw = world.client().chat.completions.with_raw_response.create(
        model="auto",
        messages=_say("make a ticket"),
        response_format=SCHEMA,  # type: ignore[call-overload]
        stream=True,
    )
    chunks: list[Any] = list(raw.parse())

    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    said = [c.transire for c in chunks if "transire" in (c.model_extra or {})]
    assert set(json.loads(text)) == {"title", "priority"}
    assert [s["repaired"][0]["rules"] for s in said] == [["closing"]]
    assert raw.headers["x-transire-repaired"] == "closing"


@pytest.mark.parametrize("stream", [False, True])
def test_arguments_of_a_call_are_repaired_too(world: World, stream: bool) -> None:
    _all(world, "missing_brace")
    asked: dict[str, Any] = {"model": "auto", "messages": _say("weather"), "tools": TOOLS}
    raw = world.client().chat.completions.with_raw_response.create(**asked, stream=stream)
    parsed: Any = raw.parse()
    if stream:
        chunks = list(parsed)
        deltas = [c.choices[0].delta for c in chunks if c.choices]
        written = [t.function.arguments for d in deltas for t in d.tool_calls or []]
        said = [c.transire for c in chunks if "transire" in (c.model_extra or {})]
    else:
        written = [c.function.arguments for c in parsed.choices[0].message.tool_calls]
        said = [parsed.transire]

    at = "message.tool_calls[0].function.arguments"
    assert [json.loads(arguments) for arguments in written] == [{"city": "text"}]
    assert [(r["at"], r["rules"]) for s in said for r in s["repaired"]] == [(at, ["closing"])]
    outcomes = [
        e for e in world.entries(raw.headers["x-transire-decision-id"]) if e["kind"] == "outcome"
    ]
    assert [e["repaired"] for e in outcomes] == [["closing"]]


def test_a_whole_answer_says_nothing_of_repairs(world: World) -> None:
    raw = world.client().chat.completions.with_raw_response.create(
        model="auto",
        messages=_say("make a ticket"),
        response_format=SCHEMA,  # type: ignore[call-overload]
    )
    answer: Any = raw.parse()

    assert "transire" not in (answer.model_extra or {})
    assert "x-transire-repaired" not in raw.headers


def test_a_wrong_type_is_no_syntax_and_the_next_attempt_is_told_where_it_was(
    world: World,
) -> None:
    _all(world, "wrong_type")  # until a note says what was wrong
    raw = world.client().chat.completions.with_raw_response.create(
        model="auto",
        messages=_say(f"make a ticket about {CANARY}"),
        response_format=SCHEMA,  # type: ignore[call-overload]
    )
    answer: Any = raw.parse()

    decision_id = raw.headers["x-transire-decision-id"]
    assert isinstance(json.loads(answer.choices[0].message.content)["priority"], int)
    assert raw.headers["x-transire-attempts"] == "2"
    first, second = _permits(world, decision_id)
    assert first["deployment"] != second["deployment"]
    asked = world.received(first["deployment"])["received"][-1]["body"]["messages"]
    told = world.received(second["deployment"])["received"][-1]["body"]["messages"]
    assert told[:-1] == asked
    assert told[-1]["role"] == "developer"
    assert "message.content#/properties/1/type" in told[-1]["content"]
    assert "about" not in told[-1]["content"]


def test_a_noted_attempt_is_recorded_as_another_content_and_replays(world: World) -> None:
    _all(world, "wrong_type")
    answer = world.chat("make a ticket", response_format=SCHEMA)

    decision_id = answer.headers["x-transire-decision-id"]
    first, second = _permits(world, decision_id)
    (attempt,) = [e for e in world.entries(decision_id) if e["kind"] == "attempt"]
    replayed = world.act("aud", "GET", f"/v1/decisions/{decision_id}/replay").json()
    assert attempt["noted"] == ["schema"]
    assert first["content"] != second["content"]
    assert first["wire"] != second["wire"]
    assert (replayed["policy_agrees"], replayed["ranking_agrees"]) == (True, True), replayed
    assert world.verify().returncode == 0


def test_an_answer_that_no_note_helps_is_422_with_every_attempt(world: World) -> None:
    _all(world, "wrong_tool")
    answer = world.chat("make a ticket", tools=TOOLS)

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (422, "contract_violated")
    assert [a["failure"] for a in error["attempts"]] == ["tool_unknown"] * 3


def _permits(world: World, decision_id: str) -> list[Any]:
    return [e["permit"] for e in world.entries(decision_id) if "permit" in e]


def test_at_the_highest_stakes_a_broken_answer_is_not_repaired(world: World) -> None:
    _all(world, "missing_brace")
    body = {"response_format": SCHEMA, "transire": {"stakes": "high"}}
    held = world.chat("make a ticket", **body)
    review = held.json()["error"]["review_id"]
    approved = world.act("rita", "POST", f"/v1/reviews/{review}/approve", {"comment": "seen"})
    assert approved.status_code == 200, approved.text

    answer = world.chat("make a ticket", **body, headers={"x-transire-review-id": review})

    assert answer.status_code == 422, answer.text
    failures = {a["failure"] for a in answer.json()["error"]["attempts"]}
    assert failures == {"not_json"}
