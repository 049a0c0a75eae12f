"""`make bench`: what governance costs here, as ratios within one run.

The router and bare FastAPI routes, each server alone in a process with one worker, loaded in turn
and in rounds, so that the machine's drift falls on all of them. Prompts are unique: repeated ones
would measure caches.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from tests.bench.router import serve_bench

SECONDS, ROUNDS = 3.0, 3
_ASKED = {"decisions": (0.15, 0.25), "chat": (0.25, 0.35)}
"""Ratio asked in any case, and with fast detection."""


def _start(*arguments: str) -> tuple["subprocess.Popen[str]", str]:
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line:
        raise SystemExit(f"{arguments[0]} did not start")
    return process, line


def _load(url: str, key: str = "none", **options: float) -> dict[str, float]:
    flags = [f"--{name}={value:g}" for name, value in options.items()]
    command = [sys.executable, "-m", "tests.bench.load", url, "--key", key, *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    if found["errors"]:
        raise SystemExit(f"{url}: {found['errors']:.0f} of {found['requests']:.0f} failed")
    return found


def _cpu_s(process: "subprocess.Popen[str]") -> float:
    """Of the router and of its log's writer."""
    return sum(_cpu_of(pid) for pid in (process.pid, *_writers(process.pid)))


def _cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _writers(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(child) for task in tasks for child in task.read_text().split()]
    return [
        child
        for child in children
        if b"transire.record.process" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]


def _resident_mib(pid: int) -> float:
    text = Path(f"/proc/{pid}/status").read_text()
    match = re.search(r"VmRSS:\s+(\d+) kB", text)
    return int(match[1]) / 1024 if match else 0.0


def _stages(admin_url: str) -> dict[str, tuple[float, float]]:
    """Stage → (seconds, count) so far, from the router's own histogram."""
    with urllib.request.urlopen(f"{admin_url}/metrics") as reply:
        text = reply.read().decode()
    found: dict[str, list[float]] = {}
    for kind, stage, value in re.findall(
        r'transire_stage_seconds_(sum|count)\{stage="(\w+)"\} (\S+)', text
    ):
        found.setdefault(stage, [0.0, 0.0])[kind == "count"] = float(value)
    return {stage: (both[0], both[1]) for stage, both in found.items()}


def _fsync_ms(folder: Path) -> tuple[float, float]:
    took = []
    with (folder / "fsync").open("wb") as file:
        for _ in range(200):
            file.write(b"x" * 4096)
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            took.append((time.perf_counter() - began) * 1e3)
    took.sort()
    return took[100], took[197]


def _bench(report: Path | None) -> None:
    folder = Path(tempfile.mkdtemp(prefix="transire-bench-"))
    processes: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> str:
        process, line = _start(*arguments)
        processes.append(process)
        return line

    try:
        upstream = f"http://127.0.0.1:{start('tests.bench.baselines', 'static')}"
        bare_port = start("tests.bench.baselines", "fastapi", "--upstream", f"{upstream}/v1")
        bare = f"http://127.0.0.1:{bare_port}"
        ready: dict[str, Any] = json.loads(
            start("tests.bench.router", f"{upstream}/v1", "0", str(folder))
        )
        _measure(folder, ready, bare, processes[-1], report)
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


def _measure(
    folder: Path,
    ready: dict[str, Any],
    bare: str,
    router: "subprocess.Popen[str]",
    report: Path | None,
) -> None:
    base, key = ready["base_url"], ready["api_key"]
    print(
        f"{ready['deployments']} deployments, {ready['policies']} policies, 16 connections, "
        f"unique 150-character prompts, {ROUNDS} rounds of {SECONDS:.0f} s each, in turn\n"
    )
    targets = {
        "lean echo": (f"{bare}/lean/echo", "none"),
        "plain echo": (f"{bare}/plain/echo", "none"),
        "decisions": (f"{base}/decisions", key),
        "lean relay": (f"{bare}/lean/relay", "none"),
        "plain relay": (f"{bare}/plain/relay", "none"),
        "chat": (f"{base}/chat/completions", key),
    }
    rates: dict[str, list[float]] = {name: [] for name in targets}
    for url, who in targets.values():
        _load(url, who, seconds=1.0)
    log = folder / "data" / "log.sqlite"
    before, bytes_before = _stages(ready["admin_url"]), log.stat().st_size
    requests, cpu_s = dict.fromkeys(targets, 0.0), dict.fromkeys(targets, 0.0)
    for _ in range(ROUNDS):
        for name, (url, who) in targets.items():
            idle_s = _cpu_s(router)
            found = _load(url, who, seconds=SECONDS)
            rates[name].append(found["per_s"])
            requests[name] += found["requests"]
            cpu_s[name] += _cpu_s(router) - idle_s
    after, total = _stages(ready["admin_url"]), requests["decisions"] + requests["chat"]
    middle = {name: statistics.median(values) for name, values in rates.items()}
    for name, values in rates.items():
        print(f"  {name:14} {middle[name]:7.0f} req/s   ({min(values):.0f}–{max(values):.0f})")
    ratios = _ratios(middle)
    print(
        "\nof a bare FastAPI route, as its manual writes one (plain), and past its bodies (lean):"
    )
    for (route, baseline), ratio in ratios.items():
        least, wanted = _ASKED[route]
        print(
            f"  {route + ' / ' + baseline:24} {ratio:.3f}   (asked: {_asked(ratio, least, wanted)})"
        )
    each_us = {name: cpu_s[name] / requests[name] * 1e6 for name in ("decisions", "chat")}
    print(
        f"\nCPU of router and writer: {each_us['decisions']:.0f} µs a decision, "
        f"{each_us['chat']:.0f} µs a chat call; by stage:"
    )
    for stage, (seconds, count) in sorted(after.items()):
        old_seconds, old_count = before.get(stage, (0.0, 0.0))
        if count > old_count:
            each = (seconds - old_seconds) / (count - old_count) * 1e6
            print(f"  {stage:10} {each:7.0f} µs elapsed (record waits for the disk)")
    print("\nchat latency and what it adds to the relay's, ms:")
    print("  characters  connections     p50      p99   added p50  added p99")
    for chars in (150, 2_000, 10_000, 50_000):
        for connections in (1, 16):
            size, many = float(chars), float(connections)
            relayed = _load(f"{bare}/lean/relay", chars=size, connections=many, seconds=2.0)
            ours = _load(f"{base}/chat/completions", key, chars=size, connections=many, seconds=2.0)
            added = (ours[p] - relayed[p] for p in ("p50_ms", "p99_ms"))
            print(
                f"  {chars:10} {connections:12} {ours['p50_ms']:8.2f} {ours['p99_ms']:8.2f}"
                + "".join(f" {ms:10.2f}" for ms in added)
            )
    p50, p99 = _fsync_ms(folder)
    grown = log.stat().st_size - bytes_before
    print(f"\nthis disk's fsync of 4 KiB: p50 {p50:.2f} ms, p99 {p99:.2f} ms")
    writers = sum(map(_resident_mib, _writers(router.pid)))
    print(f"resident memory: router {_resident_mib(router.pid):.0f} MiB, writer {writers:.0f} MiB")
    print(f"log growth: about {grown / max(total, 1):.0f} bytes a request (file, WAL not counted)")
    if report is not None:
        report.write_text(
            json.dumps({"rates": rates, "ratios": {f"{a}/{b}": r for (a, b), r in ratios.items()}})
        )


def _ratios(middle: dict[str, float]) -> dict[tuple[str, str], float]:
    pairs = [
        (ours, f"{way} {bare}")
        for ours, bare in (("decisions", "echo"), ("chat", "relay"))
        for way in ("plain", "lean")
    ]
    return {(ours, bare): middle[ours] / middle[bare] for ours, bare in pairs}


def _asked(ratio: float, least: float, wanted: float) -> str:
    """What is asked in any case, and what with detection as fast as it is by now."""
    told = (f"{asked:.2f} {_met(ratio, asked)}" for asked in (least, wanted))
    return ", with fast detection ".join(told)


def _met(ratio: float, asked: float) -> str:
    return "met" if ratio >= asked else "MISSED"


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", action="store_true", help="serve this configuration and wait")
    parser.add_argument("--upstream", default="http://127.0.0.1:9101/v1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--json", type=Path, help="write the ratios there too")
    given = parser.parse_args()
    if given.serve:
        data = given.data or Path(tempfile.mkdtemp(prefix="transire-bench-"))
        serve_bench(given.upstream.rstrip("/"), given.port, data.resolve())
    else:
        _bench(given.json)
        print(flush=True)
        subprocess.run([sys.executable, "-m", "tests.bench.scoring"], check=True)
        print("\ndetection beside stock Presidio, CPU time of one thread:\n", flush=True)
        subprocess.run([sys.executable, "-m", "tests.bench.detection"], check=True)
        if "TRANSIRE_DEV_DATA" in os.environ:
            print("\nwhat is found of known identifiers, overlap:\n", flush=True)
            subprocess.run([sys.executable, "-m", "tests.bench.accuracy"], check=True)


if __name__ == "__main__":
    _main()
