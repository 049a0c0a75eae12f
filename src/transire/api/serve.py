"""Running the two listeners of one installation in one loop, and stopping them in order.

SIGTERM or SIGINT: stop accepting, finish what is in flight within the grace time, let outcomes
become durable, sign and close. SIGHUP reads the policies folder and says what it would propose; it
activates nothing.
"""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog
import uvicorn
from fastapi import FastAPI

from transire.api.app import FrontDoor, build_admin, build_app
from transire.api.connections import ConnectionBounds, bounded
from transire.bootstrap import open_installation
from transire.bundle.compile import compile_bundle
from transire.bundle.source import read_folder
from transire.bundle.strays import strays
from transire.bundle.unfound import unfound_classes
from transire.errors import BundleError, ConflictError, TransireError
from transire.heap import settle_heap
from transire.installation import Installation
from transire.settings import Settings

__all__ = ["Listening", "serve"]

_log = structlog.get_logger()
_GRACE_S: Final = 20
_KEEP_ALIVE_S: Final = 5
"""Seconds a connection may stay idle after an answer."""
_BACKLOG: Final = 2_048
_MAX_TOLD: Final = 20


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a started router can be reached."""

    base_url: str
    admin_url: str
    installation: Installation


async def serve(
    settings: Settings, started: Callable[[Listening], Awaitable[None]] | None = None
) -> None:
    """Open the installation and serve until told to stop.

    Args:
        started: Called once both listeners accept connections.

    Raises:
        TransireError: the installation cannot be opened.
        ConflictError: a port is taken.
    """
    server = settings.server
    public = _bind(server.host, server.port, "server.port")
    private = _bind(server.admin_host, server.admin_port, "server.admin_port")
    installation = await open_installation(settings)
    bounds = ConnectionBounds(head_s=server.head_s, most=server.max_connections)
    api = _server(build_app(installation), bounds)
    admin = _server(build_admin(installation), bounds)
    # Told by now: whoever is stopped while starting has closed its socket.
    listening = Listening(_url(public), _url(private), installation)
    tasks = [
        asyncio.create_task(api.serve(sockets=[public])),
        asyncio.create_task(admin.serve(sockets=[private])),
    ]
    stop = asyncio.Event()
    _on_signals(stop, installation)
    try:
        while not (api.started and admin.started) and not any(t.done() for t in tasks):
            await asyncio.sleep(0.01)
        settle_heap()
        if started is not None and not any(task.done() for task in tasks):
            await started(listening)
        waiting = asyncio.create_task(stop.wait())
        await asyncio.wait([*tasks, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
    finally:
        api.should_exit = admin.should_exit = True
        await asyncio.gather(*tasks, return_exceptions=True)


def _server(app: "FrontDoor | FastAPI", bounds: ConnectionBounds) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        http=bounded(bounds),
        ws="none",
        timeout_keep_alive=_KEEP_ALIVE_S,
        log_config=None,
        # Whoever is at the other end of the socket is who we count; no header says otherwise.
        proxy_headers=False,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=_GRACE_S,
        backlog=_BACKLOG,
        loop="none",
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined] # ours do it
    return server


def _bind(host: str, port: int, name: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        reason = (error.strerror or "no such address").lower()
        raise ConflictError(
            f"cannot listen on `{host}:{port}`: {reason}; set `{name}` to another port"
        ) from None
    listener.setblocking(False)  # noqa: FBT003 - the socket API
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}"


def _on_signals(stop: asyncio.Event, installation: Installation) -> None:
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    loop.add_signal_handler(
        signal.SIGHUP, lambda: loop.run_in_executor(None, _report_folder, installation)
    )


def _report_folder(installation: Installation) -> None:
    """Say what the folder would propose; a person proposes it with their own credential."""
    folder = installation.settings.governance.policies
    try:
        files = read_folder(folder)
        compiled = compile_bundle(files)
        if blind := [c for c in unfound_classes(compiled.bundle, compiled.tree) if c.is_blind]:
            raise BundleError([str(one) for one in blind])
    except BundleError as error:
        for problem in error.problems[:_MAX_TOLD]:
            _log.warning("policy.folder_refused", problem=problem)
        return
    except TransireError as error:
        _log.warning("policy.folder_unreadable", code=error.code)
        return
    for remark in [*strays(folder, files), *compiled.warnings][:_MAX_TOLD]:
        _log.warning("policy.folder_remarked", problem=remark)
    _log.info("policy.folder_read", bundle_digest=compiled.digest)
