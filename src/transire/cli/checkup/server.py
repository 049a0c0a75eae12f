"""The ports, and the router behind them if there is one."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from transire.cli.checkup.result import Check, fail, ok, warn
from transire.errors import TransireError
from transire.outbound.caller import exchange, page
from transire.record.signer import PUBLIC_FILE
from transire.settings import Settings

__all__ = ["check_ports", "check_router"]

_ANSWER_S: Final = 5.0


def check_ports(settings: Settings) -> Iterator[Check]:
    """Each port: free for `transire serve`, served by it, or taken by somebody else."""
    server = settings.server
    for name, host, port in (
        ("port", server.host, server.port),
        ("admin port", server.admin_host, server.admin_port),
    ):
        if port == 0:
            yield ok(name, f"any free one of {host}")
            continue
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        why = _bind_failure(host, port)
        if not why:
            yield ok(name, f"{shown} is free; no router serves there")
        elif name == "port" and _readyz(f"http://{shown}") is not None:
            yield from _check_whose(f"http://{shown}", shown, settings.data)
        elif name == "admin port" and _has_metrics(f"http://{shown}"):
            yield ok(name, f"{shown} is served by a router of ours")
        else:
            do = f"free it, or set `server.{name.replace(' ', '_')}`"
            yield fail(name, f"{shown}: {why}", do)


def _check_whose(root: str, shown: str, folder: Path) -> Iterator[Check]:
    """A router answers there: this installation's, or another one's, by the key of its log."""
    served, ours = _log_key(root), _own_key(folder)
    if served == ours:
        yield ok("port", f"{shown} is served by this installation's router")
        yield from check_router(root)
        return
    yield fail(
        "port",
        f"{shown} is served by the router of another log than the one in {folder}",
        "stop that router, set `server.port`, or name its settings with `--config`",
    )


def _log_key(root: str) -> str | None:
    try:
        told = exchange("GET", f"{root}/v1/audit/keys", credential=None, timeout_s=_ANSWER_S)
    except TransireError:
        return None
    keys = told.document.get("keys")
    return str(keys[0]) if isinstance(keys, list) and keys else None


def _own_key(folder: Path) -> str:
    """The newest key of the log in this folder; empty where there is none."""
    try:
        lines = (folder / PUBLIC_FILE).read_text("utf-8").split()
    except (OSError, UnicodeDecodeError):
        return ""
    return lines[-1] if lines else ""


def check_router(root: str) -> Iterator[Check]:
    """A running router's own word about itself (`/readyz`)."""
    told = _readyz(root)
    if told is None:
        yield fail("router", f"no router of ours answers at {root}", "is `transire serve` running?")
        return
    found = f"{told['status']}, bundle {str(told['bundle'])[:16]}, mode {told['mode']}"
    if told["problems"]:
        do = f"it refuses requests: look at its {', '.join(told['problems'])}"
        yield fail("router", found, do)
    elif told["status"] != "ok":
        gaps = [*told["uncovered_classes"], *told["missing_credentials"]]
        if told.get("index_complete_to") is not None:
            gaps.append(f"search columns of entries from {told['index_complete_to']} on")
        if unwritten := told.get("unwritten_entries"):
            gaps.append(f"parts of {unwritten} outcomes, which the log could not take")
        yield warn("router", found, f"it serves without {', '.join(gaps)}")
    else:
        yield ok("router", found)


def _readyz(root: str) -> dict[str, Any] | None:
    """What `/readyz` says; None where no router of ours says it."""
    try:
        told = exchange("GET", f"{root}/readyz", credential=None, timeout_s=_ANSWER_S).document
    except TransireError:
        return None
    expected = {"status", "problems", "bundle", "mode", "uncovered_classes", "missing_credentials"}
    return told if expected <= told.keys() else None


def _has_metrics(root: str) -> bool:
    return "transire_" in page(f"{root}/metrics", timeout_s=_ANSWER_S)


def _bind_failure(host: str, port: int) -> str:
    """Why `transire serve` could not listen there; empty where it could."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            return (error.strerror or "no such address").lower()
    return ""
