"""Sessions on the real server: what one turn held, the next ones of the session are kept to."""

import re
import uuid
from typing import Any

import openai
import pytest
from tests.api.conftest import World
from tests.api.test_replay import FAQ

HEALTH = "The patient was diagnosed with type 2 diabetes and takes metformin 500 mg twice a day."
CREDENTIAL = "My key is AKIAIOSFODNN7EXAMPLE, secret wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY."


@pytest.fixture
def session() -> str:
    return f"conversation-{uuid.uuid4().hex}"


def ask(world: World, text: str, session: str | None = None, **options: Any) -> Any:
    """One turn through the SDK, its headers included."""
    named = {"extra_body": {"transire": {"session_id": session}}} if session else {}
    application = options.pop("application", "support-triage")
    return world.client(application).chat.completions.with_raw_response.create(
        model="auto", messages=[{"role": "user", "content": text}], **named, **options
    )


def went_to(reply: Any) -> str:
    return str(reply.headers["x-transire-deployment"])


def decision(world: World, reply: Any) -> dict[str, Any]:
    return world.entries(reply.headers["x-transire-decision-id"])[0]


@pytest.mark.parametrize("stream", [False, True])
def test_a_harmless_turn_stays_where_the_health_text_before_it_could_go(
    world: World, session: str, stream: bool
) -> None:
    free = ask(world, FAQ)
    first = ask(world, HEALTH, session, stream=stream)
    first.parse().close() if stream else first.parse()
    second = ask(world, FAQ, session, stream=stream)
    if stream:
        assert list(second.parse())
    third = ask(world, FAQ, f"{session}-another")

    assert went_to(free) == went_to(third) == "us-economy"
    assert not went_to(first).startswith("us-")
    assert not went_to(second).startswith("us-")


def test_the_entry_says_what_came_from_the_session_and_replays(world: World, session: str) -> None:
    first = ask(world, HEALTH, session)
    reply = ask(world, FAQ, session)
    opening, entry = decision(world, first), decision(world, reply)
    replayed = world.act("aud", "GET", f"/v1/decisions/{entry['id']}/replay").json()

    assert opening["session"] == {"mac": entry["session"]["mac"], "raw": {}, "redacted": {}}
    assert re.fullmatch("[0-9a-f]{64}", entry["session"]["mac"])
    assert "HEALTH" in entry["session"]["raw"]["found"]
    assert entry["classes"] == []
    assert entry["ranking"]["sticky"] == went_to(first)
    assert "sticky" not in opening["ranking"]
    assert replayed["replayable"] is replayed["agrees"] is True
    assert world.verify().returncode == 0


def test_a_credential_in_one_turn_is_denied_in_the_next_and_the_denial_says_why(
    world: World, session: str
) -> None:
    for text in (CREDENTIAL, FAQ):
        world.forget()
        with pytest.raises(openai.PermissionDeniedError) as refused:
            ask(world, text, session)

        assert world.all_received() == 0

    assert "another `session_id`" in str(refused.value)
    assert ask(world, FAQ).parse().choices


def test_the_header_names_the_same_session_as_the_body(world: World, session: str) -> None:
    ask(world, HEALTH, extra_headers={"x-transire-session-id": session})

    assert not went_to(ask(world, FAQ, session)).startswith("us-")


def test_the_same_name_is_another_session_for_another_application(
    world: World, session: str
) -> None:
    with pytest.raises(openai.PermissionDeniedError):
        ask(world, CREDENTIAL, session)
    other = ask(world, FAQ, session, application="docs-qa")
    entry = decision(world, other)

    assert entry["session"]["raw"] == {}
    assert entry["chosen"]["deployment"] == went_to(ask(world, FAQ, application="docs-qa"))


def test_advice_counts_the_session_too(world: World, session: str) -> None:
    with pytest.raises(openai.PermissionDeniedError):
        ask(world, CREDENTIAL, session)
    body = {"model": "auto", "messages": [{"role": "user", "content": FAQ}]}
    advice = world.post("/v1/decisions", {**body, "transire": {"session_id": session}}).json()

    assert advice["outcome"] == "denied"
    assert world.post("/v1/decisions", body).json()["outcome"] == "permitted"


def test_what_was_redacted_in_one_turn_may_be_redacted_in_the_next(
    world: World, session: str
) -> None:
    """Redaction is what opens a deployment to both, and a session takes nothing from it."""
    text = "Please write to berta.kowalski@nordlicht.example about the invoice."
    options: dict[str, Any] = {
        "application": "docs-qa",
        "extra_body": {"transire": {"session_id": session, "redaction": "require"}},
    }
    turns = [ask(world, text, **options) for _ in range(3)]

    assert len({went_to(turn) for turn in turns}) == 1
    assert {decision(world, turn)["chosen"]["form"] for turn in turns} == {"redacted"}


def test_a_session_is_never_written_down_under_its_name(world: World, session: str) -> None:
    ask(world, FAQ, session)
    held = world.chat(FAQ, transire={"session_id": session, "stakes": "high"})
    files = [path for path in world.data.rglob("*") if path.is_file()]
    texts = [world.stderr.read_bytes(), *(path.read_bytes() for path in files)]

    assert held.json()["error"]["code"] == "review_required"
    assert session not in held.text
    assert len(files) > 3
    assert not any(session.encode() in text for text in texts)
