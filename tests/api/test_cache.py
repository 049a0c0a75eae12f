"""Answers given again, through the real server, as the unmodified SDK and an auditor see them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.api.conftest import DIRECT, World
from tests.api.standing import Standing, file_of, standing_on

RULES = """
@id("cache.support")
permit (principal == Application::"support-triage", action == Action::"cache", resource)
when { context.dataClasses.isEmpty() };

@id("cache.sales")
permit (principal == Application::"sales", action == Action::"cache", resource);
"""
TIMES = "\ncache:\n  ttl_s: 600\n"
QUESTION = "How are you today?"


def keeping(world: World, times: str = TIMES) -> dict[str, bytes]:
    """What the active bundle needs to have answers kept."""
    routing = file_of(world, "routing.yaml") + times
    return {"rules/cache.cedar": RULES.encode(), "routing.yaml": routing.encode()}


@pytest.fixture(scope="module")
def standing(session_world: World) -> Iterator[Standing]:
    """One bundle for all of these tests; only what changes it is taken back between them."""
    with standing_on(session_world, keeping(session_world)) as found:
        yield found


@pytest.fixture(autouse=True)
def _empty(world: World) -> None:
    assert world.act("omar", "POST", "/v1/cache/purge", {}).status_code == 200


def ask(
    world: World, text: str = QUESTION, application: str = "support-triage", **more: Any
) -> Any:
    fields = {"temperature": 0, **more}
    reply = world.chat(text, application, **fields)
    assert reply.status_code == 200, reply.text
    return reply


def settle(world: World, reply: Any) -> list[dict[str, Any]]:
    """The entries of an answer; once its outcome is there, so is what was kept of it."""
    found = world.entries(reply.headers["x-transire-decision-id"])
    for _ in range(500):
        if state(reply) == "off" or world.act("omar", "GET", "/v1/cache").json()["answers"]:
            return found
    raise AssertionError("an answer was not kept")


def state(reply: Any) -> str:
    return str(reply.headers["x-transire-cache"])


def test_the_same_question_is_answered_again_without_asking_the_fleet(world: World) -> None:
    first = ask(world)
    kept = settle(world, first)
    asked = world.all_received()

    again = ask(world)
    entries = settle(world, again)

    assert (state(first), state(again)) == ("miss", "hit")
    assert again.json()["choices"] == first.json()["choices"]
    assert again.json()["transire"]["cache"]["decision_id"] == kept[0]["id"]
    assert again.headers["x-transire-cost-micro-usd"] == "0"
    assert world.all_received() == asked
    permit = entries[0]["permit"]
    assert permit["cause"] == "cache_hit"
    assert permit["cached"] == {
        "decision_id": kept[0]["id"],
        "attempt": 1,
        "ttl_s": 600,
        "policies": ["cache.support"],
    }
    outcome = next(e for e in entries if e["kind"] == "outcome")
    cost = next(e for e in kept if e["kind"] == "outcome")["cost_micro_usd"]
    assert (outcome["status"], outcome["cost_micro_usd"]) == ("ok", 0)
    assert outcome["saved_micro_usd"] == cost
    assert first.json()["choices"][0]["message"]["content"] not in json.dumps(entries)


def test_streams_and_whole_answers_are_kept_for_one_another(world: World) -> None:
    def streamed(client: Any) -> tuple[str, str]:
        raw = client.chat.completions.with_raw_response.create(
            model="auto",
            messages=[{"role": "user", "content": QUESTION}],
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        )
        pieces = [c.choices[0].delta.content or "" for c in raw.parse() if c.choices]
        return raw.headers["x-transire-cache"], "".join(pieces)

    client = world.client(max_retries=0)
    first = streamed(client)
    for _ in range(200):
        if world.act("omar", "GET", "/v1/cache").json()["answers"]:
            break
    asked = world.all_received()

    second, whole = streamed(client), ask(world)

    assert (first[0], second[0], state(whole)) == ("miss", "hit", "hit")
    assert first[1] == second[1] == whole.json()["choices"][0]["message"]["content"]
    assert world.all_received() == asked


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 7},
        {"max_tokens": 50},
        {"stop": ["x"]},
        {"presence_penalty": 0.5},
        {"n": 2},
        {"text": QUESTION + " "},
        {"application": "sales"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_question_is_another_answer(world: World, change: dict[str, Any]) -> None:
    settle(world, ask(world))

    other = ask(world, **change)

    assert state(other) == "miss"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"temperature": 0.7}, "it asks to be sampled"),
        ({"transire": {"cache": "off"}}, "its caller wants none"),
        ({"headers": {"cache-control": "no-store"}}, "its caller wants none"),
        ({"headers": {"x-transire-cache": "off"}}, "its caller wants none"),
        ({"text": "Write to dora@example.org, please"}, "policy permits it for no contact data"),
        ({"application": "clinical-claims"}, "no rule is about its application"),
    ],
    ids=["sampled", "asked", "no-store", "header", "classes", "application"],
)
def test_what_is_not_to_be_kept_neither_asks_nor_leaves_an_answer(
    world: World, fields: dict[str, Any], why: str
) -> None:
    fields = dict(fields)
    if fields.get("application", "support-triage") not in world.keys:
        pytest.skip("the demo has no such application")
    replies = [ask(world, **fields) for _ in range(2)]
    for reply in replies:
        settle(world, reply)

    assert {state(reply) for reply in replies} == {"off"}, why
    assert world.act("omar", "GET", "/v1/cache").json()["answers"] == 0


def test_another_bundle_starts_empty(world: World) -> None:
    settle(world, ask(world))
    with standing_on(world, keeping(world, "\n# the same, of another digest\n")):
        assert state(ask(world)) == "miss"


def test_a_purge_is_recorded_and_empties(world: World) -> None:
    settle(world, ask(world))

    other = world.act("omar", "POST", "/v1/cache/purge", {"application": "sales"})
    refused = world.act("ana", "POST", "/v1/cache/purge", {})
    purged = world.act("omar", "POST", "/v1/cache/purge", {"application": "support-triage"})

    assert other.json() == {"purged": 0}
    assert refused.status_code == 403
    assert purged.json() == {"purged": 1}
    assert state(ask(world)) == "miss"
    foreign = world.act("omar", "POST", "/v1/cache/purge", {"application": "nobody"})
    assert foreign.status_code == 404


def test_another_key_of_the_same_application_is_another_principal(world: World) -> None:
    settle(world, ask(world))
    body = {"application": "support-triage", "holder": "omar"}
    key = world.act("omar", "POST", "/v1/keys", body).json()
    world.keys = {**world.keys, "support-triage": key["key"]}

    assert state(ask(world)) == "miss"


def test_replay_and_both_verifiers_agree_about_hits(world: World) -> None:
    settle(world, ask(world))
    hit = ask(world)
    settle(world, hit)
    assert state(hit) == "hit"

    name = hit.headers["x-transire-decision-id"]
    replayed = world.act("aud", "GET", f"/v1/decisions/{name}/replay").json()
    checked = world.verify()

    assert replayed["agrees"] is True
    assert replayed["cache_agrees"] is True
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_metrics_count_what_was_found_and_saved(world: World) -> None:

    settle(world, ask(world))
    settle(world, ask(world))
    told = DIRECT.get(f"{world.admin_url}/metrics").text

    assert 'transire_cache_lookups_total{result="hit"}' in told
    assert 'transire_cache_lookups_total{result="miss"}' in told
    assert "transire_cache_saved_micro_usd_total" in told


def test_what_the_deployment_is_not_sent_still_makes_another_question(world: World) -> None:
    settle(world, ask(world, top_k=3))

    other = ask(world, top_k=9)

    assert state(other) == "miss"
    settle(world, other)
    assert state(ask(world, top_k=3)) == "hit"
    assert world.verify().returncode == 0


def test_an_answer_whose_time_has_run_out_is_asked_for_again(world: World) -> None:
    """What is kept for a second is given again within it, at most, and then is a miss."""
    short = file_of(world, "routing.yaml").replace(TIMES, TIMES.replace("600", "1"))
    with standing_on(world, {"routing.yaml": short.encode()}):
        first = ask(world)
        settle(world, first)
        asked = world.all_received()
        later = ask(world)
        hits = 0
        while state(later) == "hit" and hits < 2_000:
            hits += 1
            later = ask(world)
        entries = settle(world, later)

    assert state(first) == state(later) == "miss"
    assert world.all_received() == asked + 1
    assert entries[0]["permit"]["cause"] == "first"
    assert world.verify().returncode == 0
