"""`transire experiment` on shadows: what a bundle copies, and what a log says came of it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.bundle.bundles import pack_files
from tests.unit.workbench.test_shadow_report import ended, outcome, permitted
from typer.testing import CliRunner

from transire.cli.main import app
from transire.clock import SystemClock
from transire.domain.log import Item
from transire.record.opening import create_log, open_log

SHADOW = """\
shadows:
  try:
    applications: [sales]
    targets: {eu-premium: 100000}
    daily_micro_usd: 1000
"""


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    for name, data in {**pack_files(), "experiments.yaml": SHADOW.encode()}.items():
        path = tmp_path / "policies" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "policies"


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["experiment", *arguments])


def test_a_shadow_is_listed_with_what_it_copies_and_where_to(policies: Path) -> None:
    [told] = json.loads(run("list", str(policies)).stdout)

    assert told == {
        "experiment": "try",
        "kind": "shadow",
        "applications": ["sales"],
        "tasks": "all",
        "stakes": ["limited", "minimal"],
        "unit": "request",
        "targets_ppm": {"eu-premium": 100_000},
    }


def test_a_shadow_is_shown_with_its_budget(policies: Path) -> None:
    told = json.loads(run("show", "try", str(policies)).stdout)

    assert (told["kind"], told["daily_micro_usd"], len(told["digest"])) == ("shadow", 1000, 64)


def test_what_is_neither_is_refused_with_what_there_is(policies: Path) -> None:
    done = run("show", "other", str(policies))

    assert done.exit_code != 0
    assert "it holds try" in done.stderr


async def test_the_report_sets_targets_beside_answers(tmp_path: Path) -> None:
    create_log(tmp_path / "data", origin="log.example/shadows")
    log = open_log(tmp_path / "data", clock=SystemClock(), replica="r1")
    for entry in (outcome(1), permitted(1), ended(1)):
        fields = {name: value for name, value in entry.items() if name != "kind"}
        await log.append(Item(kind=entry["kind"], fields=fields))
    await log.close()

    said = await asyncio.to_thread(run, "report", str(tmp_path / "data"))
    told = await asyncio.to_thread(run, "report", str(tmp_path / "data"), "--json")
    none = await asyncio.to_thread(run, "report", str(tmp_path / "data"), "--experiment", "no")

    assert said.stdout.splitlines()[0] == "shadow try (d) → eu-premium: 1 ok"
    assert json.loads(told.stdout)[0]["latency_ms"]["difference"]["value"] == 150
    assert none.stdout == "no decision of this log took part in an experiment\n"
