"""Fitted models in a running router: proposed like any change, used as recorded, refused else."""

import base64
import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pytest
from tests.api.conftest import World
from tests.api.terminal import Terminal, terminal_of

SUM = "w33 prove the sum"
WEATHER = "w33 will it rain?"


@pytest.fixture
def author(world: World, tmp_path: Path) -> Terminal:
    return terminal_of(world, "ana", tmp_path / "home")


@pytest.fixture
def quality(author: Terminal, tmp_path: Path) -> dict[str, str]:
    """A predictor by the command line: the economy model fails at sums."""
    draw, rows = random.Random(4), list[str]()
    for _ in range(600):
        is_sum = draw.random() < 0.5
        small = int(draw.random() < (0.1 if is_sum else 0.9))
        large = int(draw.random() < (0.9 if is_sum else 0.6))
        prompt = f"w{draw.randrange(10, 70)} {'prove the sum' if is_sum else 'will it rain?'}"
        outcomes = {"us-economy": small, "onprem-general": large}
        rows.append(json.dumps({"prompt": prompt, "outcomes": outcomes}))
    return trained(author, tmp_path, "train", rows)


@pytest.fixture
def tasks(author: Terminal, tmp_path: Path) -> dict[str, str]:
    """A classifier by the command line."""
    draw, rows = random.Random(4), list[str]()
    for _ in range(400):
        is_code = draw.random() < 0.5
        prompt = f"w{draw.randrange(10, 70)} {'mend the parser' if is_code else 'will it rain?'}"
        rows.append(json.dumps({"prompt": prompt, "task": "code_edit" if is_code else "faq"}))
    return trained(author, tmp_path, "train-tasks", rows)


def trained(author: Terminal, folder: Path, command: str, rows: list[str]) -> dict[str, str]:
    data, out = folder / f"{command}.jsonl", folder / f"{command}.json"
    data.write_text("\n".join(rows))
    told = author.result("quality", command, str(data), "--out", str(out), "--format", "json")
    assert told["activates"] is True
    return {"model": str(out), "sha256": told["digest"]}


def proposed(world: World, **models: dict[str, Any]) -> str:
    """A bundle that names these models, proposed and approved; its digest."""
    files = dict(world.act("ana", "GET", "/v1/policies/bundles/active").json()["files"])
    routing = base64.b64decode(files["routing.yaml"]).decode()
    routing = routing.replace(
        "quality_floor_permille: 500, latency_target_ms: 8000",
        "quality_floor_permille: 500, quality_target_permille: 650, latency_target_ms: 8000",
    )
    routing += "".join(f"\n{name}: {json.dumps(model)}" for name, model in models.items()) + "\n"
    files["routing.yaml"] = base64.b64encode(routing.encode()).decode()
    made = world.act("ana", "POST", "/v1/policies/bundles", {"files": files})
    assert made.status_code == 201, made.text
    digest = str(made.json()["digest"])
    assert world.act("ben", "POST", f"/v1/policies/bundles/{digest}/approve").status_code == 200
    return digest


def activated(world: World, **models: dict[str, Any]) -> Any:
    digest = proposed(world, **models)
    return world.act("ben", "POST", f"/v1/policies/bundles/{digest}/activate")


def asked(world: World, text: str) -> tuple[str, dict[str, Any]]:
    """Who answered, and the decision's entry."""
    answer = world.chat(text, max_tokens=50)
    assert answer.status_code == 200, answer.text
    entry = world.entries(answer.headers["x-transire-decision-id"])[0]
    return answer.headers["x-transire-deployment"], entry


def test_a_prompt_goes_where_it_is_expected_to_be_answered_well_and_replays(
    world: World, quality: dict[str, str]
) -> None:
    assert asked(world, SUM)[0] == "us-economy"
    assert activated(world, quality=quality).status_code == 200

    (hard, moved), (easy, kept) = asked(world, SUM), asked(world, WEATHER)
    foreign = asked(world, "Quelle est la capitale de l'Australie, et pourquoi ?")[1]

    assert (hard, easy) == ("onprem-general", "us-economy")
    assert moved["ranking"]["reason"] == "predicted_quality"
    assert moved["ranking"]["quality_target_permille"] == 650
    candidates = moved["ranking"]["candidates"]
    columns = zip(candidates["deployment"], candidates["predicted_permille"], strict=True)
    predicted = dict(columns)
    assert predicted["us-economy"] < 650 <= predicted["onprem-general"]
    assert "predicted_permille" in kept["ranking"]["candidates"]
    assert "predicted_permille" not in foreign["ranking"]["candidates"]
    for entry in (moved, kept, foreign):
        again = world.act("aud", "GET", f"/v1/decisions/{entry['id']}/replay").json()
        assert (again["replayable"], again["ranking_agrees"]) == (True, True)
    assert "prove" not in json.dumps(moved)
    assert world.verify().returncode == 0


def test_prompts_that_beg_for_the_dear_model_spend_their_keys_share_and_no_more(
    world: World, quality: dict[str, str]
) -> None:
    assert activated(world, quality={**quality, "dearer_permille": 100}).status_code == 200

    answered = [asked(world, f"w{i} prove the sum")[0] for i in range(10, 40)]
    held = next(entry for by, entry in (asked(world, SUM) for _ in range(2)) if by == "us-economy")

    assert 6 <= answered.count("onprem-general") <= 8  # five to start with, a tenth of thirty
    assert "quality_target_permille" not in held["ranking"]
    assert "predicted_permille" in held["ranking"]["candidates"]
    again = world.act("aud", "GET", f"/v1/decisions/{held['id']}/replay").json()
    assert again["ranking_agrees"] is True


def test_a_task_nobody_named_is_learned_and_the_record_says_so(
    world: World, tasks: dict[str, str]
) -> None:
    assert activated(world, task_model=tasks).status_code == 200

    learned = asked(world, "w12 mend the parser")[1]["signals"]
    cued = asked(world, "w12 rename the parser")[1]["signals"]
    unknown = asked(world, "Zwölf Boxkämpfer jagen Viktor über den Deich")[1]["signals"]

    assert (learned["task"], learned["task_by"]) == ("code_edit", "learned")
    assert (cued["task"], cued["task_by"]) == ("code_edit", "cue")
    assert (unknown["task"], unknown["task_by"]) == ("default", "default")


def test_a_model_that_is_not_the_bundles_own_is_not_activated_and_what_runs_goes_on(
    world: World, quality: dict[str, str]
) -> None:
    before = world.act("ana", "GET", "/readyz").json()["bundle"]
    path = Path(quality["model"])
    path.write_bytes(path.read_bytes().replace(b'"penalty"', b'"Penalty"'))

    refused = activated(world, quality=quality)

    assert refused.status_code == 422
    assert "it has sha256 " in refused.text
    assert world.act("ana", "GET", "/readyz").json()["bundle"] == before
    assert asked(world, SUM)[0] == "us-economy"


def test_a_model_that_did_not_earn_its_place_is_refused_whatever_its_flag_says(
    world: World, quality: dict[str, str]
) -> None:
    path = Path(quality["model"])
    document = json.loads(path.read_bytes())
    document["facts"]["held_out"]["over_best_single"]["low"] = -0.001
    path.write_text(json.dumps(document))
    named = {"model": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}

    refused = activated(world, quality=named)

    assert refused.status_code == 422
    assert "do not answer better than the best single model" in refused.text
