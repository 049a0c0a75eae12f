"""`transire report` as an operator runs it, on a log that its writer still has open."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from transire.cli.main import app
from transire.clock import SystemClock
from transire.domain.log import Item
from transire.domain.request import JsonValue
from transire.record.opening import create_log, open_log

VERDICTS = b'[{"deployment":"large","effect":"forbid","limits":[],"policies":["residency.eu"]}]'
DIGEST = hashlib.sha256(VERDICTS).hexdigest()


def run(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["report", *arguments])
    return done.exit_code, done.stdout, done.stderr


async def told(*arguments: str) -> tuple[int, str, str]:
    return await asyncio.to_thread(run, *arguments)


def decision(number: int, outcome: str, **more: JsonValue) -> Item:
    fields: dict[str, JsonValue] = {
        "id": f"dec_{number}",
        "tenant": "acme",
        "app": "support",
        "outcome": outcome,
        "signals": {"task": "faq"},
        "evaluation": DIGEST,
        **more,
    }
    return Item(kind="decision", fields=fields, blobs={DIGEST: VERDICTS})


ENTRIES = [
    decision(
        1,
        "permitted",
        chosen={"deployment": "small"},
        permit={"deployment": "small", "attempt": 1, "cause": "first"},
    ),
    Item(
        kind="outcome",
        fields={
            "decision_id": "dec_1",
            "attempt": 1,
            "deployment": "small",
            "status": "ok",
            "latency_ms": 90,
            "cost_micro_usd": 12,
        },
    ),
    decision(2, "denied", code="policy_denied"),
]


async def on_an_open_log(
    tmp_path: Path,
    act: Callable[[str], Awaitable[tuple[int, str, str]]],
    entries: Sequence[Item] = ENTRIES,
) -> tuple[int, str, str]:
    create_log(tmp_path / "data", origin="log.example/test")
    log = open_log(tmp_path / "data", clock=SystemClock(), replica="r1")
    try:
        for item in entries:
            await log.append(item)
        return await act(str(tmp_path / "data"))
    finally:
        await log.close()


async def test_a_log_in_use_is_read_beside_its_writer(tmp_path: Path) -> None:
    async def act(data: str) -> tuple[int, str, str]:
        return await told(data, "--format", "json")

    code, out, error = await on_an_open_log(tmp_path, act)

    found: dict[str, Any] = json.loads(out)
    assert (code, error) == (0, "")
    assert found["total"]["decisions"] == 2
    assert found["tasks"]["faq"]["cost_per_success_micro_usd"] == 12
    assert found["denied_by_policy"] == {"residency.eu": 1}
    assert found["deployments"]["large"]["forbidden"] == 2


async def test_the_page_and_the_plots_are_of_the_same_numbers(tmp_path: Path) -> None:
    svg = tmp_path / "traffic.svg"

    async def act(data: str) -> tuple[int, str, str]:
        return await told("traffic", data, "--svg", str(svg), "--tenant", "acme")

    code, out, _ = await on_an_open_log(tmp_path, act)

    assert code == 0
    assert "$0.000012 per successful answer" in out
    assert "small: $" not in svg.read_text()
    assert "faq: $0.000012" in svg.read_text()


async def test_another_tenants_window_is_empty_and_says_so(tmp_path: Path) -> None:
    async def act(data: str) -> tuple[int, str, str]:
        return await told(data, "--tenant", "umbra")

    assert (await on_an_open_log(tmp_path, act))[1] == "no decisions in this window\n"


async def test_pins_say_what_they_cannot_judge(tmp_path: Path) -> None:
    async def act(data: str) -> tuple[int, str, str]:
        return await told("pins", data)

    code, out, _ = await on_an_open_log(tmp_path, act)

    assert code == 0
    assert "fewer than 30 answers, so nothing is said of: faq" in out


async def test_stable_tasks_of_high_stakes_are_listed_where_asked_for(tmp_path: Path) -> None:
    facts = b'{"raw":{"base":{"stakes":"high"}}}'
    digest = hashlib.sha256(facts).hexdigest()

    async def act(data: str) -> tuple[int, str, str]:
        few = ("pins", data, "--least", "10")
        return 0, (await told(*few))[1], (await told(*few, "--high-stakes"))[1]

    entries = list[Item]()
    for n in range(10):
        chosen = {"deployment": "small"}
        permit: JsonValue = {"deployment": "small", "attempt": 1, "cause": "first"}
        asked_for = {"asked_model": "auto"}
        decided = decision(
            n, "permitted", chosen=chosen, permit=permit, facts=digest, request=asked_for
        )
        fields = {**ENTRIES[1].fields, "decision_id": f"dec_{n}"}
        entries += [
            Item(kind="decision", fields=decided.fields, blobs={**decided.blobs, digest: facts}),
            Item(kind="outcome", fields=fields),
        ]
    _, plain, all_of_them = await on_an_open_log(tmp_path, act, entries)

    assert "high_stakes" not in plain
    assert "faq: better pinned to small (high_stakes)" in all_of_them


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--since", "yesterday"], "`--since` takes a moment"),
        (["--until", "0001-01-01T00:00:00+14:00"], "`--until` takes a moment"),
        (["--since", "2026-02-01", "--until", "2026-02-01"], "is not before"),
    ],
)
def test_a_window_that_is_none_is_refused(arguments: list[str], why: str) -> None:
    code, out, error = run("anywhere", *arguments)

    assert code != 0
    assert out == ""
    assert why in error


def test_a_folder_without_a_log_is_named(tmp_path: Path) -> None:
    code, _, error = run(str(tmp_path))

    assert code != 0
    assert "no log at" in error


def test_a_file_that_is_no_log_is_not_quoted(tmp_path: Path) -> None:
    file = tmp_path / "log.sqlite"
    file.write_text("SECRET-TEXT " * 100)

    code, out, error = run(str(file))

    assert code != 0
    assert "SECRET" not in out + error
    assert "no readable log" in error
