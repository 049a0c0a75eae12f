"""Answers with values that a model made up, through the real server, as the unmodified SDK sees."""

import json
from typing import Any

import openai
import pytest
from tests.api.conftest import World
from tests.api.standing import activate

from transire.demo.upstream import MADE_UP

KEY = "AKIA2E4Q7RT3XYZWUVKL"
MAIL = "dora.lindqvist@made-up.example"
TOOL = {
    "type": "function",
    "function": {
        "name": "note",
        "parameters": {"type": "object", "properties": {"text": {"type": "string"}}},
    },
}
REDACTING = """
@id("answers.sales")
permit (principal == Application::"sales", action == Action::"receive", resource);

@id("answers.none")
@reason("No value that a model makes up is received")
forbid (principal == Application::"sales", action == Action::"receive", resource)
when {
  context.dataClasses.contains(DataClass::"CREDENTIAL") ||
  context.dataClasses.contains(DataClass::"CONTACT")
};

@id("answers.redact")
permit (principal == Application::"sales", action == Action::"receive_redacted", resource);
"""


@pytest.fixture(autouse=True)
def _inventing(world: World) -> None:
    for name in world.fleet:
        world.behave(name, "makes_up")


def ask(world: World, application: str = "sales", **fields: Any) -> Any:
    return world.client(application, max_retries=0).chat.completions.with_raw_response.create(
        model="auto", messages=[{"role": "user", "content": "What is new?"}], **fields
    )


def judge_answers(world: World, rules: str) -> None:
    """The active bundle with other rules for answers."""
    activate(world, {"rules/answers.cedar": rules.encode(), "tests/answers_test.yaml": None})


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_credential_in_an_answer_is_withheld_and_the_error_says_by_which_rule(
    world: World, stream: bool
) -> None:
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        ask(world, stream=stream)

    error: Any = caught.value.body
    assert error["code"] == "contract_violated"
    assert error["policies"] == ["answers.credential-found"]
    assert error["violations"] == [{"kind": "withheld", "path": ""}]
    assert {a["failure"] for a in error["attempts"]} == {"withheld"}
    assert "AKIA" not in caught.value.response.text
    assert "x-should-retry" in caught.value.response.headers


def test_the_record_has_classes_and_counts_and_both_verifiers_agree(world: World) -> None:
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        ask(world)
    entries = world.entries(caught.value.response.headers["x-transire-decision-id"])
    checked = world.verify()

    received = [e["received"] for e in entries if e["kind"] == "outcome"]
    assert {"class": "CREDENTIAL", "count": 1} in received[0]["classes"]
    assert {r["effect"] for r in received} == {"withheld"}
    assert received[0]["policies"] == ["answers.credential-found"]
    assert received[0]["bundle"] == entries[0]["bundle"]
    assert KEY not in json.dumps(entries)
    assert MAIL not in json.dumps(entries)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_another_deployment_mends_it(world: World) -> None:
    first = ask(world, "support-triage").headers["x-transire-deployment"]
    for name in world.fleet:
        world.behave(name, "ok")
    plain = ask(world)
    world.behave(plain.headers["x-transire-deployment"], "makes_up")
    mended = ask(world)

    assert first
    assert mended.headers["x-transire-attempts"] == "2"
    assert mended.headers["x-transire-deployment"] != plain.headers["x-transire-deployment"]
    assert "AKIA" not in mended.parse().choices[0].message.content


def test_applications_that_no_rule_is_about_stream_as_ever(world: World) -> None:
    with world.client("support-triage").chat.completions.create(
        model="auto", messages=[{"role": "user", "content": "What is new?"}], stream=True
    ) as stream:
        pieces = [c.choices[0].delta.content or "" for c in stream if c.choices]

    assert "".join(pieces) == MADE_UP
    assert len(pieces) > 20


def test_where_policy_lets_values_be_replaced_the_rest_is_received(world: World) -> None:
    judge_answers(world, REDACTING)
    shown = MADE_UP.replace(KEY, "[SECRET]").replace(MAIL, "[EMAIL_ADDRESS]")
    whole = ask(world)
    with world.client("sales").chat.completions.create(
        model="auto", messages=[{"role": "user", "content": "What is new?"}], stream=True
    ) as stream:
        pieces = [c.choices[0].delta.content or "" for c in stream if c.choices]
    called = ask(world, tools=[TOOL]).parse().choices[0].message.tool_calls[0]
    as_json = ask(world, response_format={"type": "json_object"}).parse()
    outcome = world.entries(whole.headers["x-transire-decision-id"])[-1]

    assert whole.parse().choices[0].message.content == shown
    assert "".join(pieces) == shown
    assert json.loads(called.function.arguments) == {"text": shown}
    assert json.loads(as_json.choices[0].message.content) == {"answer": shown}
    assert outcome["received"]["effect"] == "redacted"
    assert outcome["received"]["redactions"] == 2


def test_a_callers_own_redacted_values_come_back_beside_what_is_replaced(world: World) -> None:
    rules = REDACTING.replace("sales", "docs-qa")
    judge_answers(world, rules)
    for name in world.fleet:
        world.behave(name, "echo")
    own = "berta.kowalski@nordlicht.example"
    answer = world.client("docs-qa").chat.completions.create(
        model="auto",
        messages=[{"role": "user", "content": f"Write to {own}."}],
        extra_body={"transire": {"redaction": "require"}},
    )

    assert answer.choices[0].message.content == f"Write to {own}."
