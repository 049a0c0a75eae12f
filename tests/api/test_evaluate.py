"""`transire evaluate` against the running router: asked, recorded, resumed, proposed."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.api.conftest import World
from tests.api.terminal import Terminal, terminal_of

HOURS: list[dict[str, Any]] = [
    {
        "id": f"hours-{i}",
        "task": "faq",
        "prompt": f"What are your opening hours on day {i}?",
        "checks": [{"contains": "from nine to six"}],
    }
    for i in range(24)
]
SOURCES = {
    "id": "sources",
    "task": "citation",
    "prompt": "How long is the notice period? Please cite your sources.",
    "checks": [{"contains": "[1]"}],
}
GRADED = {
    "id": "graded",
    "prompt": "Say something short.",
    "checks": [{"judge": {"criteria": "short", "model": "eu-premium"}}],
}


@pytest.fixture
def author(world: World, tmp_path: Path) -> Terminal:
    return terminal_of(world, "ana", tmp_path / "home")


@pytest.fixture
def key(world: World, tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(world.keys["support-triage"] + "\n")
    return path


def suite(folder: Path, *cases: dict[str, Any]) -> str:
    path = folder / "suite.jsonl"
    path.write_text("\n".join(map(json.dumps, cases)))
    return str(path)


def asking(cases: str, key: Path, *more: str) -> list[str]:
    return ["evaluate", cases, "--key-file", str(key), "--format", "json", *more]


def test_each_case_is_an_ordinary_request_of_the_key_and_stands_in_the_log(
    world: World, author: Terminal, key: Path, tmp_path: Path
) -> None:
    out = tmp_path / "results.jsonl"
    command = asking(suite(tmp_path, HOURS[0], SOURCES), key, "--deployment", "eu-economy")

    told = author.result(*command, "--out", str(out))

    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(row["case"], row["outcome"]) for row in rows] == [
        ("hours-0", "passed"),
        ("sources", "denied"),  # it lacks what the task needs, and is below its floor
    ]
    decision = world.entries(rows[0]["decision_id"])[0]
    assert decision["app"] == "support-triage"
    assert decision["request"]["asked_model"] == "eu-economy"
    assert decision["signals"]["task_by"] == "cue"
    assert told["cost_micro_usd"] == sum(row["cost_micro_usd"] for row in rows) > 0
    assert "opening hours" not in out.read_text()


def test_a_second_run_asks_only_what_the_first_did_not_settle(
    world: World, author: Terminal, key: Path, tmp_path: Path
) -> None:
    out = tmp_path / "results.jsonl"
    command = asking(suite(tmp_path, HOURS[0], HOURS[1]), key, "--deployment", "eu-economy")
    command += ["--out", str(out)]
    world.behave("eu-economy", "error_400")
    first = author.result(*command)
    world.behave("eu-economy", "ok")

    second, before = author.result(*command), world.all_received()
    third = author.result(*command)

    assert first["shares"][0]["others"] == {"unanswered": 2}
    assert (second["shares"][0]["passed"], second["shares"][0]["others"]) == (2, {})
    assert third["shares"] == second["shares"]
    assert world.all_received() == before


def test_a_judge_that_answers_prose_is_a_failure_of_its_own_and_no_score(
    world: World, author: Terminal, key: Path, tmp_path: Path
) -> None:
    world.behave("eu-premium", "echo")

    told = author.result(*asking(suite(tmp_path, GRADED), key, "--deployment", "eu-economy"))

    (share,) = told["shares"]
    assert (share["judged"], share["others"]) == (0, {"unjudged": 1})


def test_a_run_stops_before_it_could_cost_more_than_it_may(
    world: World, author: Terminal, key: Path, tmp_path: Path
) -> None:
    command = asking(suite(tmp_path, *HOURS), key, "--deployment", "eu-premium")
    before = world.all_received()

    done = author.run(*command, "--max-cost-usd", "0.0001")

    told = json.loads(done.stdout)
    assert done.exit_code == 1
    assert told["stopped"].startswith("too little may be spent")
    assert told["cost_micro_usd"] == 0
    assert world.all_received() == before


def test_what_was_measured_becomes_a_proposal_and_nothing_more(
    world: World, author: Terminal, key: Path, tmp_path: Path
) -> None:
    active = author.result("bundle", "list")["active"]
    command = asking(suite(tmp_path, *HOURS[:22]), key, "--deployment", "eu-economy")

    told = author.result(*command, "--propose")

    proposed = told["proposed"]
    listed = author.result("bundle", "list")
    diff = author.run("bundle", "diff", "active", proposed["digest"]).stdout
    assert proposed["changes"] == [
        {"deployment": "eu-economy", "task": "faq", "before": 720, "after": 1000}
    ]
    assert listed["active"] == active
    assert [p["state"] for p in listed["proposals"] if p["digest"] == proposed["digest"]] == [
        "open"
    ]
    assert "+    quality_permille: {default: 600, faq: 1000," in diff
    assert diff.count("\n+ ") == 1


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ([], "say which deployments"),
        (["--deployment", "nowhere"], "the router refuses every case"),
    ],
)
def test_what_cannot_be_asked_is_said_in_one_line(
    author: Terminal, key: Path, tmp_path: Path, more: list[str], says: str
) -> None:
    code, line = author.refusal(*asking(suite(tmp_path, HOURS[0]), key, *more))

    assert code == 64
    assert says in line


def test_a_key_is_needed_and_not_repeated(author: Terminal, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_text("\n")

    code, line = author.refusal(
        *asking(suite(tmp_path, HOURS[0]), empty, "--deployment", "eu-economy")
    )

    assert (code, "--key-file" in line) == (64, True)
