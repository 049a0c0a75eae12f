"""The machine: versions, room on the disk, how long a commit takes, and what time it is."""

import os
import platform
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from transire.cli.checkup.result import Check, fail, ok, warn

__all__ = ["check_clock", "check_disk", "check_fsync", "check_versions"]

_PYTHON: Final = (3, 11)
_SQLITE: Final = (3, 24, 0)
"""The first that can insert or else update, which the log's head and state do."""
_PACKAGES: Final = ("onnxruntime", "cedarpy", "presidio-analyzer", "cryptography")
_LOW_BYTES: Final = 1 << 30
"""About a million entries: a day's warning at ten requests a second."""
_FULL_BYTES: Final = 64 << 20
_SYNCS: Final = 9
_SYNC_BYTES: Final = 4_096
_SLOW_SYNC_S: Final = 0.05
"""A spinning disk's; each decision waits for one, so that 20 a second is then the most."""
_SKEW: Final = timedelta(seconds=2)


def check_versions() -> Iterator[Check]:
    """Interpreter, SQLite and the libraries that the path stands on."""
    python = platform.python_version()
    if sys.version_info < _PYTHON:
        yield fail("python", python, "install Python 3.11 or newer")
    else:
        yield ok("python", python)
    if sqlite3.sqlite_version_info < _SQLITE:
        yield fail("sqlite", sqlite3.sqlite_version, "use a Python with SQLite 3.24 or newer")
    else:
        yield ok("sqlite", sqlite3.sqlite_version)
    for name in _PACKAGES:
        try:
            yield ok(name, version(name))
        except PackageNotFoundError:
            yield fail(name, "not installed", "install with `pip install -r requirements.lock`")


def check_disk(folder: Path) -> Check:
    """Room for the log; a full disk is a denial of every request."""
    free = shutil.disk_usage(_existing(folder)).free
    told = f"{free / (1 << 30):.1f} GiB free"
    if free < _FULL_BYTES:
        return fail("disk", told, f"make room on the disk of `{folder}`: no record, no route")
    if free < _LOW_BYTES:
        return warn("disk", told, f"make room on the disk of `{folder}` soon")
    return ok("disk", told)


def check_fsync(folder: Path, commit_timeout_s: float) -> Check:
    """How long a durable write takes here, in a file of its own that is deleted again."""
    place = _existing(folder)
    try:
        median = _median_sync_s(place)
    except OSError as error:
        reason = (error.strerror or "it failed").lower()
        return fail("fsync", f"`{place}`: {reason}", f"let this account write to `{place}`")
    told = f"{median * 1e3:.1f} ms"
    if median >= commit_timeout_s:
        return fail(
            "fsync", told, "slower than `log.commit_timeout_s`: move `data` to another disk"
        )
    if median > _SLOW_SYNC_S:
        return warn("fsync", told, "every request waits for one: move `data` to a faster disk")
    return ok("fsync", told)


def check_clock(now: datetime, newest: datetime | None) -> Check:
    """Time never runs backwards in a log; expiries and contracts are judged by this clock."""
    told = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    if newest is None:
        return ok("clock", told)
    if newest - now > _SKEW:
        behind = round((newest - now).total_seconds())
        return fail(
            "clock", f"{told}, {behind} s behind the log's newest entry", "set the clock (NTP)"
        )
    return ok("clock", f"{told}, after the log's newest entry")


def _median_sync_s(place: Path) -> float:
    taken = []
    with tempfile.TemporaryFile(dir=place) as file:
        for _ in range(_SYNCS):
            file.write(os.urandom(_SYNC_BYTES))
            file.flush()
            started = time.perf_counter()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    place = folder.absolute()
    while not place.is_dir():
        place = place.parent
    return place
