"""A real fleet and a real router on loopback, in processes of their own, as users meet them."""

import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from tests.api.standing import Standing

from transire.score.outlier import ANSWERS_TO_RETURN

REPOSITORY = Path(__file__).resolve().parents[2]
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Everything here is plain HTTP; reading all authorities' certificates costs more than a call."""
DIRECT = httpx.Client(
    trust_env=False, timeout=300, verify=_NO_TLS, limits=httpx.Limits(max_keepalive_connections=0)
)
"""For calls that need no SDK; each has a connection of its own, so that no restart breaks one."""
HARMLESS = {"ok", "echo", "echo_signs", "makes_up", "refuses", "missing_brace", "wrong_type"}
"""Modes of a whole answer: what is wrong with that counts against nobody's health."""


@dataclass
class World:
    """One running demo: the starter pack's catalog over a simulated fleet."""

    base_url: str
    admin_url: str
    keys: dict[str, str]
    people: dict[str, str]
    data: Path
    fleet: dict[str, str]
    log_public_key: str
    stderr: Path
    process: "subprocess.Popen[str]" = field(repr=False)
    touched: set[str] = field(default_factory=set)
    hurt: set[str] = field(default_factory=set)
    given_up: set[str] = field(default_factory=set)
    clients: list[openai.OpenAI] = field(default_factory=list, repr=False)

    @property
    def root(self) -> str:
        return self.base_url.removesuffix("/v1")

    def client(self, application: str = "support-triage", **options: Any) -> openai.OpenAI:
        """An SDK client with the application's key; closed when the test ends."""
        options = {
            "api_key": self.keys[application],
            "http_client": openai.DefaultHttpxClient(verify=_NO_TLS),
            **options,
        }
        client = openai.OpenAI(base_url=self.base_url, **options)
        self.clients.append(client)
        return client

    def post(self, path: str, body: Any, application: str = "support-triage", **more: Any) -> Any:
        headers = {
            "authorization": f"Bearer {self.keys[application]}",
            "content-type": "application/json",
            **more.pop("headers", {}),
        }
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return DIRECT.post(f"{self.root}{path}", content=content, headers=headers)

    def chat(self, text: str, application: str = "support-triage", **fields: Any) -> Any:
        headers = fields.pop("headers", {})
        body = {"model": "auto", "messages": [{"role": "user", "content": text}], **fields}
        return self.post("/v1/chat/completions", body, application, headers=headers)

    def act(self, person: str, method: str, path: str, body: Any = None) -> Any:
        headers = {"authorization": f"Bearer {self.people[person]}"}
        return DIRECT.request(method, f"{self.root}{path}", json=body, headers=headers)

    def give_back(self, person: str) -> None:
        """Lets somebody whose credential was given up in a test log in again."""
        if self.act(person, "GET", "/v1/people/me").status_code == 200:
            return
        invited = self.act("omar", "POST", f"/v1/people/{person}/invite")
        assert invited.status_code == 200, invited.text
        token = {"token": invited.json()["token"]}
        self.people[person] = self.act("omar", "POST", "/v1/people/redeem", token).json()[
            "credential"
        ]

    def behave(self, deployment: str, mode: str) -> None:
        self.touched.add(deployment)
        if mode not in HARMLESS:
            self.hurt.add(deployment)
        DIRECT.post(f"{self.fleet[deployment]}/_behave", json={"mode": mode})

    def received(self, deployment: str) -> dict[str, Any]:
        found: dict[str, Any] = DIRECT.get(f"{self.fleet[deployment]}/_received").json()
        return found

    def forget(self) -> None:
        for address in self.fleet.values():
            DIRECT.delete(f"{address}/_received")

    def all_received(self) -> int:
        return sum(self.received(name)["count"] for name in self.fleet)

    def entries(self, decision_id: str) -> list[dict[str, Any]]:
        """The decision's entries, once every permit among them has its outcome."""
        for _ in range(500):
            found = self.act("aud", "GET", f"/v1/decisions/{decision_id}").json()["entries"]
            outcomes = [e for e in found if e["kind"] in ("outcome", "shadow.ended")]
            if len(outcomes) >= sum("permit" in e for e in found):
                return list(found)
            time.sleep(0.01)
        raise AssertionError("an outcome was not written")

    def verify(self) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, str(REPOSITORY / "audit" / "verify.py"), str(self.data)]
        return subprocess.run(command, capture_output=True, text=True, check=False)


def start_world(folder: Path) -> World:
    """Start `transire demo`, wait for its JSON line."""
    stderr = folder / "stderr.txt"
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "COLUMNS": "160"}
    log = stderr.open("w")
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from transire.cli.main import app; app()",
            "demo",
            "--json",
            "--data",
            str(folder / "demo"),
        ],
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        env=environment,
    )
    log.close()
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, stderr.read_text()
    told = json.loads(line)
    return World(
        base_url=told["base_url"],
        admin_url=told["admin_url"],
        keys=told["api_keys"],
        people=told["people"],
        data=Path(told["data"]),
        fleet=told["fleet"],
        log_public_key=told["log_public_key"],
        stderr=stderr,
        process=process,
    )


def stop(world: World) -> None:
    """SIGTERM, as an operator stops it."""
    world.process.terminate()
    world.process.wait(timeout=30)
    if world.process.stdout is not None:
        world.process.stdout.close()


@pytest.fixture(scope="session")
def session_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    started = start_world(tmp_path_factory.mktemp("world"))
    yield started
    stop(started)


@pytest.fixture(scope="session")
def standing(session_world: World) -> Standing:
    return Standing.of(session_world)


@pytest.fixture
def world(session_world: World, standing: Standing) -> Iterator[World]:
    session_world.forget()
    keys = dict(session_world.keys)
    with ExitStack() as after:  # last in, first out; what fails there keeps nothing else back
        after.callback(_heal, session_world)
        after.callback(standing.give_back, session_world)
        after.callback(_give_all_back, session_world)
        after.callback(setattr, session_world, "keys", keys)
        after.callback(_close_clients, session_world)
        yield session_world


def _close_clients(world: World) -> None:
    """An unclosed client would be found by the garbage collector in the middle of another test."""
    while world.clients:
        world.clients.pop().close()


def _give_all_back(world: World) -> None:
    for person in sorted(world.given_up):
        world.give_back(person)
        world.given_up.discard(person)


def _heal(world: World) -> None:
    for name in sorted(world.touched):
        world.behave(name, "ok")
    for name in sorted(world.hurt):
        _until_well(world, name)
    world.touched.clear()
    world.hurt.clear()


def _until_well(world: World, name: str) -> None:
    """Quotas run out, one success closes a breaker, and a few end an outlier's rest."""
    well = 0
    for _ in range(100):
        if world.chat("hello", model=name).status_code == 200:
            well += 1
        else:
            time.sleep(0.1)
        if well == ANSWERS_TO_RETURN:
            return
    raise AssertionError(f"{name} did not recover")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = str(Path(__file__).parent)
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.enable_socket)
            item.add_marker(pytest.mark.server)
