"""Runs a tutorial as its reader does: the shell lines of a page, in order, in one folder.

A fence ```` ```console ```` holds commands after `$ ` (a here-document goes on to its end) and what
they print; ```` ```console server ```` is a terminal of its own, running until the page ends.
In what is printed, `…` stands for anything, a line `…` for any lines, and ids, digests and numbers
for any of their kind.
"""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.conftest import REPOSITORY

__all__ = ["Command", "commands_of", "is_printed", "perform"]

_FENCE: Final = re.compile(r"^```console( server)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_VOLATILE: Final = re.compile(r"\\…|…|(?:dec|rev)_[0-9A-Z]{26}|\d+")
_INSTALLED: Final = ("make install", "source .venv/bin/activate")
"""What the environment of the tests has done already."""
_PORTS: Final = ("8080", "9090", "9101", "9102", "9103", "9104", "9105", "9106")
_PAGE_S: Final = 300
_READY_TRIES: Final = 1_200
"""Tenths of a second a server may take: the demo sends twelve requests first."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command, what the page says it prints, and whether it serves."""

    text: str
    printed: tuple[str, ...]
    serves: bool


def commands_of(page: str) -> list[Command]:
    """Every command of a page, in order."""
    found = []
    for serves, block in _FENCE.findall(page):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = part.splitlines()
            last = 0
            if "<<'END'" in lines[0]:
                last = lines.index("END")
            found.append(
                Command("\n".join(lines[: last + 1]), tuple(lines[last + 1 :]), bool(serves))
            )
    return found


def is_printed(told: tuple[str, ...], output: str) -> bool:
    """Whether a command printed what the page says."""
    pattern = "".join(
        r"(?:.*\n)*?" if line == "…" else _VOLATILE.sub(_anything, re.escape(line)) + r"[ ]*\n"
        for line in told
    )
    return re.fullmatch(pattern, output) is not None


def _anything(match: re.Match[str]) -> str:
    found = match.group()
    if "…" in found:
        return ".*"
    return r"\d+" if found.isdigit() else rf"{found[:4]}[0-9A-Z]{{26}}"


def perform(page: str, folder: Path) -> list[tuple[Command, int, str]]:
    """Run a page in a folder; returns each command that ended, its exit code and its output.

    Ports are replaced by free ones, in the page and in the catalog that `init` writes.
    """
    free = dict(zip(_PORTS, _free_ports(len(_PORTS)), strict=True))
    for port, other in free.items():
        page = re.sub(rf"\b{port}\b", other, page)
    (folder / "audit").symlink_to(REPOSITORY / "audit")
    run = [c for c in commands_of(page) if c.text not in _INSTALLED]
    script = folder / "page.sh"
    script.write_text("".join(_scripted(c, number, free) for number, c in enumerate(run)))
    output = _bash(script, folder, free)
    pieces = re.split(r"\x1e(\d+)\x1e", output)
    ended = [c for c in run if not c.serves]
    return [
        (command, int(code), text)
        for command, code, text in zip(ended, pieces[1::2], pieces[0::2], strict=False)
    ]


def _scripted(command: Command, number: int, ports: dict[str, str]) -> str:
    if not command.serves:
        moved = "".join(
            f"sed -i s/:{port}/:{other}/ gateway/policies/catalog/deployments.yaml\n"
            for port, other in ports.items()
            if command.text.startswith("transire init")
        )
        return f"{command.text}\nprintf '\\036%d\\036' $?\n{moved}"
    ready = [told for line in command.printed if (told := line.split("…")[0])][-1]
    return (
        # Made here, or `grep` may look for it before the server's shell has opened it.
        f": >server-{number}.txt\n({command.text}) >server-{number}.txt 2>&1 &\n"
        f"for _ in $(seq {_READY_TRIES}); do\n"
        f"  grep -qF {shlex.quote(ready)} server-{number}.txt && break; sleep 0.1\ndone\n"
    )


def _bash(script: Path, folder: Path, ports: dict[str, str]) -> str:
    mine = {k: v for k, v in os.environ.items() if not k.startswith(("TRANSIRE_", "OPENAI_"))}
    environment = {
        **mine,
        "PATH": f"{Path(sys.executable).parent}:{mine['PATH']}",
        "PYTHONPATH": str(REPOSITORY / "src"),
        "TRANSIRE_SERVER__PORT": ports["8080"],
        "TRANSIRE_SERVER__ADMIN_PORT": ports["9090"],
    }
    process = subprocess.Popen(
        ["bash", str(script)],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=_PAGE_S)
    finally:
        # The servers of the page are in the same group and have no other end.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()
    return output


def _free_ports(count: int) -> list[str]:
    """Ports nobody listens on; bound together, so that none is given twice."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [str(listener.getsockname()[1]) for listener in listeners]
