"""`make demo`: a fleet, a router, twelve requests, a review, an independent verification.

Everything is real but the models: the router is the product as `transire serve` runs it, the log is
on disk, people redeem one-use tokens, and the last step runs the auditor's program on the log.
"""

import asyncio
import json
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from transire.api.serve import Listening, serve
from transire.bundle.limits import pack_folder
from transire.demo.situations import SITUATIONS, Case
from transire.demo.table import Row, print_rows
from transire.observe.logging import configure_logging
from transire.outbound.caller import Answer, call, exchange
from transire.settings import load_settings

__all__ = [
    "Demo",
    "run_demo",
]

_PEOPLE: Final = ("omar", "ana", "ben", "rita", "aud", "priya")
_LEAST_COLUMNS: Final = 140
"""A narrower table would be unreadable; terminals wrap or scroll it."""
_APPLICATIONS: Final = ("support-triage", "docs-qa", "copilot", "sales", "sandbox")
_VERIFIER: Final = Path(__file__).resolve().parents[3] / "audit" / "verify.py"


@dataclass(slots=True)
class Demo:
    """What the demo knows while it runs."""

    console: Console
    data: Path
    base: str = ""
    people: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    fleet: dict[str, str] = field(default_factory=dict)
    is_kept: bool = True


async def run_demo(*, once: bool, data: Path | None, port: int, as_json: bool) -> int:
    """Run the demo; returns the exit code.

    Args:
        data: Keep all state there; otherwise a temporary folder goes away at the end.
        as_json: The last line printed before serving is one JSON object.
    """
    configure_logging(level="warning")
    console = Console(stderr=as_json)
    console.width = max(console.width, _LEAST_COLUMNS)
    if data is not None and (data / "data" / "log.sqlite").exists():
        console.print(f"[red]the demo founds a log, and {data} holds one: choose another --data[/]")
        return 1
    own = tempfile.TemporaryDirectory(prefix="transire-demo-") if data is None else None
    folder = Path(own.name) if own else (data or Path()).resolve()
    fleet, addresses = _start_fleet()
    failed: list[BaseException] = []
    try:
        _write_policies(folder / "policies", addresses)
        settings = load_settings(
            None,
            data=folder / "data",
            server={"port": port, "admin_port": 0},
            log={"origin": "demo.transire.local/log"},
            governance={
                "policies": folder / "policies",
                "mode": "team",
                "first_person": "omar",
            },
            limits={"rate_per_s": 5_000, "burst": 10_000, "per_key": 512, "in_flight": 2_048},
        )
        demo = Demo(console, folder / "data", fleet=addresses, is_kept=own is None)

        async def started(listening: Listening) -> None:
            try:
                await _play(demo, listening, as_json=as_json, once=once)
            except BaseException as error:  # noqa: BLE001 - reported as the exit code
                failed.append(error)
            if once or failed:
                signal.raise_signal(signal.SIGTERM)

        await serve(settings, started)
    finally:
        fleet.terminate()
        fleet.wait(timeout=10)
        if own is not None:
            own.cleanup()
    if failed:
        console.print(f"[red]the demo failed:[/red] {failed[0]}")
        return 1
    return 0


def _start_fleet() -> tuple["subprocess.Popen[str]", dict[str, str]]:
    fleet = subprocess.Popen(
        [sys.executable, "-m", "transire.demo.fleet"], stdout=subprocess.PIPE, text=True
    )
    assert fleet.stdout is not None  # it was asked for
    line = fleet.stdout.readline()
    if not line:
        raise RuntimeError("the simulated fleet did not start")
    return fleet, json.loads(line)


def _write_policies(folder: Path, addresses: dict[str, str]) -> None:
    """The starter pack with the fleet's addresses; an existing folder keeps its other changes."""
    if not folder.exists():
        shutil.copytree(pack_folder(), folder)
    file = folder / "catalog" / "deployments.yaml"
    lines, current = [], ""
    for line in file.read_text().splitlines():
        name = line.strip().removesuffix(":")
        if name in addresses:
            current = name
        if line.strip().startswith("address:") and current:
            line = f"    address: {addresses[current]}/v1"  # noqa: PLW2901 - rewritten on purpose
        lines.append(line)
    file.write_text("\n".join(lines) + "\n")


async def _play(demo: Demo, listening: Listening, *, as_json: bool, once: bool) -> None:
    demo.base = listening.base_url
    demo.console.print(f"transire at [bold]{demo.base}[/bold], log in {demo.data}\n")
    await _found(demo, listening)
    for case in SITUATIONS:
        await _ask(demo, case)
    print_rows(demo.console, demo.rows)
    await listening.installation.recorder.flush()
    await _verify(demo)
    _say_how_to_go_on(demo, listening, as_json=as_json, once=once)


async def _found(demo: Demo, listening: Listening) -> None:
    """People trade one-use tokens for credentials; an operator mints a key per application."""
    first = listening.installation.first_credential
    if first is None:
        raise RuntimeError(f"{demo.data} was founded by an earlier run; choose another --data")
    token = first.read_text().split()[1]
    demo.people["omar"] = await _redeem(demo, token)
    first.unlink()
    for person in _PEOPLE[1:]:
        invited = await _as(demo, "omar", "POST", f"/v1/people/{person}/invite")
        demo.people[person] = await _redeem(demo, invited["token"])
    for application in _APPLICATIONS:
        body = {"application": application, "days": 30}
        demo.keys[application] = (await _as(demo, "omar", "POST", "/v1/keys", body))["key"]


async def _ask(demo: Demo, case: Case) -> None:
    for deployment, mode in case.faults.items():
        await _behave(demo, deployment, mode)
    answer = await _chat(demo, case)
    for deployment in case.faults:
        await _behave(demo, deployment, "ok")
    row = await _row(demo, case, answer)
    demo.rows.append(row)
    if case.expects == "held" and answer.status == 403:
        demo.rows.append(await _release(demo, case, answer))
        return
    expected = {"ok": 200, "denied": 403, "held": 403}[case.expects]
    if answer.status != expected:
        raise RuntimeError(f"{case.shows}: expected {expected}, got {answer.status}")
    for name, value in case.told.items():
        if answer.headers.get(name) != value:
            raise RuntimeError(f"{case.shows}: expected `{name}: {value}`")


async def _behave(demo: Demo, deployment: str, mode: str) -> None:
    url = f"{demo.fleet[deployment]}/_behave"
    await asyncio.to_thread(call, "POST", url, credential=None, body={"mode": mode})


async def _release(demo: Demo, case: Case, held: Answer) -> Row:
    """Rita looks, approves, and the application sends the same request again."""
    review_id = held.document["error"]["review_id"]
    await _as(demo, "rita", "GET", f"/v1/reviews/{review_id}/content")
    body = {"comment": "wording agrees with the approved leaflet"}
    await _as(demo, "rita", "POST", f"/v1/reviews/{review_id}/approve", body)
    answer = await _chat(demo, case, {"x-transire-review-id": review_id})
    row = await _row(demo, case, answer)
    row.shows = "released by rita, who saw the content, and sent again"
    if answer.status != 200:
        raise RuntimeError(f"the release failed: {answer.status}")
    return row


async def _chat(demo: Demo, case: Case, headers: dict[str, str] | None = None) -> Answer:
    body = {"model": "auto", "messages": [{"role": "user", "content": case.prompt}], **case.body}
    return await asyncio.to_thread(
        exchange,
        "POST",
        f"{demo.base}/v1/chat/completions",
        credential=demo.keys[case.application],
        body=body,
        headers=headers,
    )


async def _row(demo: Demo, case: Case, answer: Answer) -> Row:
    decision_id = answer.headers["x-transire-decision-id"]
    explained = await _as(demo, "aud", "GET", f"/v1/decisions/{decision_id}/explain")
    return Row.of(case, answer, explained)


async def _redeem(demo: Demo, token: str) -> str:
    url = f"{demo.base}/v1/people/redeem"
    answer = await asyncio.to_thread(call, "POST", url, credential=None, body={"token": token})
    return str(answer["credential"])


async def _as(
    demo: Demo, person: str, method: str, path: str, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    return await asyncio.to_thread(
        call, method, f"{demo.base}{path}", credential=demo.people[person], body=body
    )


async def _verify(demo: Demo) -> None:
    """Run the auditor's own program, which shares no code with the router."""
    if not _VERIFIER.is_file():
        demo.console.print("the auditor's kit is not part of this installation (see audit/)")
        return
    command = [sys.executable, str(_VERIFIER), str(demo.data)]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, check=False
    )
    demo.console.print(f"\n$ python audit/verify.py {demo.data}\n{done.stdout.strip()}")
    if not demo.is_kept:
        demo.console.print("that log is removed when the demo ends; --data DIR keeps it")
    if done.returncode != 0:
        raise RuntimeError(f"the log does not verify: {done.stderr.strip()}")


def _say_how_to_go_on(demo: Demo, listening: Listening, *, as_json: bool, once: bool) -> None:
    key = demo.keys["support-triage"]
    if once:
        demo.console.print("\nthat was all; without --once, `make demo` serves until Ctrl-C")
    else:
        demo.console.print(
            f"\nbase URL  {demo.base}/v1\nkey       {key}   (support-triage)\n\n"
            f"curl -s {demo.base}/v1/chat/completions -H 'authorization: Bearer {key}' \\\n"
            "  -H 'content-type: application/json' \\\n"
            '  -d \'{"model": "auto", "messages": [{"role": "user", "content": "hello"}]}\'\n',
            highlight=False,
            soft_wrap=True,
        )
    if as_json:
        document = {
            "base_url": f"{demo.base}/v1",
            "admin_url": listening.admin_url,
            "api_keys": demo.keys,
            "people": demo.people,
            "data": str(demo.data),
            "fleet": demo.fleet,
            "log_public_key": listening.installation.log.public_key,
        }
        print(json.dumps(document), flush=True)
    if not once:
        demo.console.print("serving until Ctrl-C")
