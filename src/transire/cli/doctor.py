"""`transire doctor`: is this machine, this folder and this router fit to serve."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer

from transire.cli.checkup.evidence import look_at_log
from transire.cli.checkup.folder import check_data, check_keys, check_settings_file
from transire.cli.checkup.governed import (
    check_bundle,
    check_detector,
    check_expiries,
    check_secrets,
    check_upstreams,
)
from transire.cli.checkup.machine import check_clock, check_disk, check_fsync, check_versions
from transire.cli.checkup.result import Check, Status, fail, worst
from transire.cli.checkup.server import check_ports, check_router
from transire.cli.session import emit, server_root, shown
from transire.clock import SystemClock
from transire.errors import RequestError
from transire.settings import Settings, load_settings

__all__ = ["doctor"]

_HERE: Final = Path("transire.yaml")
_LINE: Final = "{:4}  {:24} {}"


@shown
def doctor(
    config_file: Annotated[
        Path | None, typer.Option("--config", "-c", help="transire.yaml; default ./transire.yaml.")
    ] = None,
    url: Annotated[
        str | None, typer.Option("--url", help="Ask a router elsewhere how it is, and no more.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings fail, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The same as JSON.")] = False,
) -> None:
    """Check machine, settings, keys, bundle, detector, upstreams, log and ports; changes nothing.

    Needs no credential; a router may be running or not.
    """
    checks = list(check_router(server_root(url)) if url else _examine(config_file))
    status = worst(checks)
    if as_json:
        emit({"status": status, "checks": [check.document() for check in checks]})
    else:
        for line in _lines(checks):
            print(line)
    if status is Status.FAIL or (strict and status is Status.WARN):
        raise typer.Exit(1)


def _examine(config_file: Path | None) -> Iterator[Check]:
    yield from check_versions()
    file = config_file or (_HERE if _HERE.is_file() else None)
    try:
        settings = load_settings(file)
    except RequestError as refused:
        yield fail("settings", refused.message, "mend it; nothing that rests on it was looked at")
        return
    yield check_settings_file(file, settings)
    yield from _installed(settings)


def _installed(settings: Settings) -> Iterator[Check]:
    now = SystemClock().now()
    yield from check_data(settings)
    yield check_disk(settings.data)
    yield check_fsync(settings.data, settings.log.commit_timeout_s)
    yield from check_keys(settings)
    log = look_at_log(settings.data)
    if log.check is not None:
        yield log.check
    yield check_clock(now, log.newest)
    compiled, checks = check_bundle(settings, log.files, now, mode=log.mode)
    yield from checks
    if compiled is not None:
        yield from check_secrets(settings, compiled.bundle)
        yield from check_expiries(compiled.bundle, now)
        yield from check_detector(compiled.bundle, now)
        yield from check_upstreams(compiled.bundle)
    yield from check_ports(settings)


def _lines(checks: list[Check]) -> Iterator[str]:
    for check in checks:
        yield _LINE.format(check.status, check.name, check.found)
        if check.do:
            yield _LINE.format("", "", f"→ {check.do}")
    counts = {status: sum(check.status is status for check in checks) for status in Status}
    told = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    yield f"{worst(checks)}: {told}"
