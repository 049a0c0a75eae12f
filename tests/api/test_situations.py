"""What the demo shows, asked again: escalated, cited, in the language asked for, rolled back."""

from pathlib import Path
from typing import Any

import pytest
from tests.api.conftest import World
from tests.api.terminal import terminal_of

DISPUTE = "I was charged twice for my order and want a refund."
SOURCES = "How long is the notice period? Please cite your sources."
POLISH = "Translate into Polish: Thank you for your order, it ships tomorrow."
TICKET = "Make a ticket of this: a parcel is late."


def ends(world: World, reply: Any) -> dict[int, dict[str, Any]]:
    entries = world.entries(reply.headers["x-transire-decision-id"])
    outcomes = [e for e in entries if e["kind"] == "outcome"]
    return {e["attempt"]: e for e in sorted(outcomes, key=lambda e: int(e["attempt"]))}


def test_a_dispute_that_a_small_model_answers_badly_goes_up(world: World) -> None:
    reply = world.chat(DISPUTE)
    first, second = ends(world, reply).values()

    assert reply.headers["x-transire-escalated"] == "evaluator"
    assert "opened a dispute" in reply.json()["choices"][0]["message"]["content"]
    assert (first["deployment"], first["status"]) == ("us-economy", "superseded")
    assert (second["deployment"], second["status"]) == ("eu-premium", "ok")


def test_a_small_model_that_refuses_a_dispute_goes_up_too(world: World) -> None:
    world.behave("us-economy", "refuses")

    assert world.chat(DISPUTE).headers["x-transire-escalated"] == "refusal"


def test_where_nothing_better_is_permitted_the_answer_goes_out_with_its_verdict(
    world: World,
) -> None:
    reply = world.chat(DISPUTE, "sandbox")

    assert reply.status_code == 200, reply.text
    assert reply.headers["x-transire-verdicts"] == "evaluator"
    assert reply.headers["x-transire-attempts"] == "1"


@pytest.mark.parametrize("stream", [False, True])
def test_sources_that_were_asked_for_must_be_there(world: World, stream: bool) -> None:
    cited = world.chat(SOURCES, "docs-qa", stream=stream)
    world.behave("eu-premium", "makes_up")  # none of it from any document
    broken = world.chat(SOURCES, "docs-qa")
    error = broken.json()["error"]

    assert cited.status_code == 200, cited.text
    assert cited.headers["x-transire-deployment"] == "eu-premium"
    assert ends(world, cited)[1]["received"]["policies"] == ["answers.docs-qa"]
    assert (broken.status_code, error["violations"][0]["kind"]) == (422, "withheld")
    assert "answers.citation-missing" in error["policies"]


def test_an_answer_in_another_language_is_asked_for_elsewhere(world: World) -> None:
    reply = world.chat(POLISH, "sales")
    first, second = ends(world, reply).values()

    assert reply.json()["choices"][0]["message"]["content"].startswith("Dziękujemy")
    assert first["deployment"] == "eu-economy"
    assert first["received"]["policies"] == ["answers.wrong-language"]
    assert first["released_bytes"] == 0
    assert second["deployment"] == "eu-premium"


@pytest.mark.parametrize(
    "language", ["German", "French", "Spanish", "Italian", "Portuguese", "Dutch", "English"]
)
def test_languages_that_the_small_model_knows_need_no_second_attempt(
    world: World, language: str
) -> None:
    reply = world.chat(f"Translate into {language}: the meeting is at noon.", "sales")

    assert reply.status_code == 200, reply.text
    assert reply.headers["x-transire-attempts"] == "1"


def test_the_bad_prompt_was_rolled_back_for_good_and_the_log_says_so(
    world: World, tmp_path: Path
) -> None:
    auditor = terminal_of(world, "aud", tmp_path)
    drawn = {
        world.entries(world.chat(f"{TICKET} {n}", "tickets").headers["x-transire-decision-id"])[0][
            "experiment"
        ]["variant"]
        for n in range(5)
    }
    reports = auditor.result("experiment", "report", str(world.data), "--json")
    warm = next(v for v in reports[0]["variants"] if v["variant"] == "warm")

    assert drawn == {"control"}
    assert warm["rolled_back_by"] == "contract"
    assert warm["success"]["value"] == 1.0  # what it broke, another deployment mended
    assert world.verify().returncode == 0
