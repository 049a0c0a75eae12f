"""The ports, and the router behind them if there is one."""

import socket
from collections.abc import Iterator
from typing import Any, Final

from transire.cli.checkup.result import Check, fail, ok, warn
from transire.errors import TransireError
from transire.outbound.caller import exchange, page
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
            yield ok(name, f"{shown} is served by a router of ours")
            yield from check_router(f"http://{shown}")
        elif name == "admin port" and _has_metrics(f"http://{shown}"):
            yield ok(name, f"{shown} is served by a router of ours")
        else:
            do = f"free it, or set `server.{name.replace(' ', '_')}`"
            yield fail(name, f"{shown}: {why}", do)


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
