"""`make demo`: a fleet, a router, requests, a review, a canary, an independent verification.

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
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from rich.console import Console

from transire.api.serve import Listening, serve
from transire.bundle.limits import pack_folder
from transire.demo.canary import canary_files, play_canary
from transire.demo.scene import Scene
from transire.demo.situations import SITUATIONS, Case
from transire.demo.table import WIDTH, Row, print_head, print_legend, print_row
from transire.observe.logging import configure_logging
from transire.outbound.caller import Answer
from transire.settings import Settings, load_settings

__all__ = ["run_demo"]

_KNOWN: Final = "demo.json"
"""In `--data`: who is who, for the next run."""
_VERIFIER: Final = Path(__file__).resolve().parents[3] / "audit" / "verify.py"


async def run_demo(*, once: bool, data: Path | None, port: int, as_json: bool) -> int:
    """Run the demo; returns the exit code.

    Args:
        data: Keep all state there, or go on with what an earlier demo has kept there; otherwise a
            temporary folder goes away at the end.
        as_json: The last line printed before serving is one JSON object.
    """
    configure_logging(level="warning")
    console = Console(stderr=as_json, highlight=False)
    console.width = max(console.width, WIDTH + 1)  # a narrower table would be unreadable
    own = tempfile.TemporaryDirectory(prefix="transire-demo-") if data is None else None
    folder = Path(own.name) if own else (data or Path()).resolve()
    scene = Scene(console, folder / "data", is_kept=own is None)
    if (folder / "data" / "log.sqlite").exists():
        try:
            scene.recall(folder / _KNOWN)
        except (OSError, ValueError):
            told = f"[red]{folder} holds a log, but no demo's: choose another --data[/]"
            console.print(told, soft_wrap=True)
            return 1
    failed: list[BaseException] = []
    fleet = None
    try:
        fleet, scene.fleet = _start_fleet(scene.fleet)
        _write_policies(folder / "policies", scene.fleet)

        async def started(listening: Listening) -> None:
            try:
                await _play(scene, listening, folder / _KNOWN)
                _say_how_to_go_on(scene, listening, as_json=as_json, once=once)
            except BaseException as error:  # noqa: BLE001 - reported as the exit code
                failed.append(error)
            if once or failed:
                signal.raise_signal(signal.SIGTERM)

        await serve(_settings(folder, port), started)
        if not scene.base:
            raise RuntimeError("it was stopped while it started")
    except RuntimeError as error:
        failed.append(error)
    finally:
        if fleet is not None:
            fleet.terminate()
            fleet.wait(timeout=10)
        if own is not None:
            own.cleanup()
    if failed:
        console.print(f"[red]the demo failed:[/red] {failed[0]}")
        return 1
    return 0


def _settings(folder: Path, port: int) -> Settings:
    return load_settings(
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


def _start_fleet(known: dict[str, str]) -> tuple["subprocess.Popen[str]", dict[str, str]]:
    """Start the simulated deployments; where a bundle names their addresses already, on those.

    Raises:
        RuntimeError: they did not start.
    """
    ports = ",".join(str(urlsplit(url).port) for url in known.values())
    fleet = subprocess.Popen(  # noqa: S603 - a module of ours, and numbers
        [sys.executable, "-m", "transire.demo.fleet", "--ports", ports],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert fleet.stdout is not None  # it was asked for
    line = fleet.stdout.readline()
    if not line:
        fleet.wait(timeout=10)
        raise RuntimeError(
            "the simulated fleet did not start; does another demo run on this folder?"
        )
    return fleet, json.loads(line)


def _write_policies(folder: Path, addresses: dict[str, str]) -> None:
    """The starter pack with the fleet's addresses and a canary; other changes are kept."""
    if not folder.exists():
        shutil.copytree(pack_folder(), folder)
    for name, data in canary_files().items():
        (folder / name).parent.mkdir(exist_ok=True)
        if not (folder / name).exists():
            (folder / name).write_bytes(data)
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


async def _play(scene: Scene, listening: Listening, known: Path) -> None:
    scene.base = listening.base_url
    scene.console.print(f"transire at [bold]{scene.base}[/bold], log in {scene.data}\n")
    if not scene.people:
        first = listening.installation.first_credential
        if first is None:
            raise RuntimeError(f"{scene.data} was founded by somebody else; choose another --data")
        await scene.found(first.read_text().split()[1])
        first.unlink()
        if scene.is_kept:
            scene.keep(known)
    print_legend(scene.console)
    shown = ""
    for case in SITUATIONS:
        if case.situation != shown:
            shown = case.situation
            print_head(scene.console, shown, list(scene.fleet))
        await _ask(scene, case)
    await play_canary(scene, listening)
    await listening.installation.recorder.flush()
    await _verify(scene)


async def _ask(scene: Scene, case: Case) -> None:
    """Send one request and show what came of it.

    Raises:
        RuntimeError: not what the demo is there to show.
    """
    answer = await scene.chat(case.application, case.prompt, case.body)
    await _show(scene, case, answer)
    if case.expects == "held" and answer.status == 403:
        await _release(scene, case, answer)
        return
    expected = {"ok": 200, "denied": 403, "held": 403}[case.expects]
    if answer.status != expected:
        raise RuntimeError(f"{case.shows}: expected {expected}, got {answer.status}")
    for name, value in case.told.items():
        if answer.headers.get(name) != value:
            raise RuntimeError(f"{case.shows}: expected `{name}: {value}`")


async def _release(scene: Scene, case: Case, held: Answer) -> None:
    """Rita looks, approves, and the application sends the same request again."""
    review_id = held.document["error"]["review_id"]
    await scene.act("rita", "GET", f"/v1/reviews/{review_id}/content")
    body = {"comment": "wording agrees with the approved leaflet"}
    await scene.act("rita", "POST", f"/v1/reviews/{review_id}/approve", body)
    again = {"x-transire-review-id": review_id}
    answer = await scene.chat(case.application, case.prompt, case.body, again)
    await _show(scene, case, answer, shows="released by rita")
    if answer.status != 200:
        raise RuntimeError(f"the release failed: {answer.status}")


async def _show(scene: Scene, case: Case, answer: Answer, shows: str = "") -> None:
    decision_id = answer.headers["x-transire-decision-id"]
    entries = await scene.entries(decision_id)
    explained = await scene.act("aud", "GET", f"/v1/decisions/{decision_id}/explain")
    asked = [entry["deployment"] for entry in entries if entry["kind"] == "outcome"]
    said = await scene.said(asked) if case.is_quoted else {}
    row = Row.of(case, answer, explained, entries, said, shows=shows)
    print_row(scene.console, row, list(scene.fleet))


async def _verify(scene: Scene) -> None:
    """Run the auditor's own program, which shares no code with the router."""
    if not _VERIFIER.is_file():
        scene.console.print("the auditor's kit is not part of this installation (see audit/)")
        return
    command = [sys.executable, str(_VERIFIER), str(scene.data)]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, check=False
    )
    told = f"\n$ python audit/verify.py {scene.data}\n{done.stdout.strip()}"
    scene.console.print(told, soft_wrap=True)
    if not scene.is_kept:
        scene.console.print("that log is removed when the demo ends; --data DIR keeps it")
    if done.returncode != 0:
        raise RuntimeError(f"the log does not verify: {done.stderr.strip()}")


def _say_how_to_go_on(scene: Scene, listening: Listening, *, as_json: bool, once: bool) -> None:
    key = scene.keys["support-triage"]
    if once:
        scene.console.print("\nthat was all; without --once, `make demo` serves until Ctrl-C")
    else:
        scene.console.print(
            f"\nbase URL  {scene.base}/v1\nkey       {key}   (support-triage)\n\n"
            f"curl -s {scene.base}/v1/chat/completions -H 'authorization: Bearer {key}' \\\n"
            "  -H 'content-type: application/json' \\\n"
            '  -d \'{"model": "auto", "messages": [{"role": "user", "content": "hello"}]}\'\n'
            f"\nthe other keys and the people are in {scene.data.parent / _KNOWN}\n",
            soft_wrap=True,
        )
        scene.console.print("serving until Ctrl-C")
    if as_json:  # last, whoever reads both streams as one
        document = {
            "base_url": f"{scene.base}/v1",
            "admin_url": listening.admin_url,
            "api_keys": scene.keys,
            "people": scene.people,
            "data": str(scene.data),
            "fleet": scene.fleet,
            "log_public_key": listening.installation.log.public_key,
        }
        print(json.dumps(document), flush=True)
