"""The data folder and the keys in it: who may read them, and whether they belong together."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from transire.cli.checkup.result import Check, Status, fail, ok, warn
from transire.errors import TransireError
from transire.identity.digests import INSTALL_KEY_FILE, InstallationKeys
from transire.identity.people import FIRST_CREDENTIAL_FILE
from transire.record.note import VerifierKey
from transire.record.opening import has_log
from transire.record.signer import KEY_FILE, PUBLIC_FILE, Signer
from transire.settings import Settings

__all__ = ["check_data", "check_keys", "check_settings_file"]

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def check_settings_file(file: Path | None, settings: Settings) -> Check:
    """Where the settings came from, and whether a secret in them is open to others."""
    if file is None:
        return warn(
            "settings",
            "no transire.yaml here; defaults and environment",
            "name one with `--config`, or write one with `transire init DIR`",
        )
    if settings.upstream.secrets and _open_to_others(file):
        return warn("settings", f"{file} holds secrets that others may read", f"chmod 600 {file}")
    return ok("settings", str(file))


def check_data(settings: Settings) -> Iterator[Check]:
    """The folder: there, ours, and closed to others."""
    folder = settings.data
    if not folder.is_dir():
        yield warn("data", f"{folder} does not exist", "`transire serve` founds the log there")
        return
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield fail(
            "data", f"{folder} is closed to this account", f"chown it, or chmod 700 {folder}"
        )
        return
    if _open_to_others(folder):
        yield warn("data", f"others may read {folder}", f"chmod 700 {folder}")
    else:
        yield ok("data", str(folder))
    token = folder / FIRST_CREDENTIAL_FILE
    if token.exists():
        yield warn(
            "first person",
            f"{token} still holds a one-use token",
            f"`transire login URL --token-file {token}`; it is good for 24 hours, and `transire "
            "people first` makes a new one",
        )


def check_keys(settings: Settings) -> Iterator[Check]:
    """Signing key, its public half and the installation key: present, ours alone, one pair."""
    folder = settings.data
    if not has_log(folder) and not (folder / INSTALL_KEY_FILE).exists():
        return
    signing = _check_key(folder / KEY_FILE)
    yield signing
    yield _check_key(folder / INSTALL_KEY_FILE)
    if signing.status is Status.OK:
        yield _check_pair(folder)


def _check_key(path: Path) -> Check:
    if not path.is_file():
        return fail(path.name, "missing", "restore it from a backup; see docs/how-to/lost-log.md")
    if _open_to_others(path):
        mode = stat.S_IMODE(path.stat().st_mode)
        return fail(path.name, f"others may read it (mode {mode:o})", f"chmod 600 {path}")
    try:
        if path.name == KEY_FILE:
            Signer.load(path.parent)
        else:
            InstallationKeys.load(path.parent)
    except (TransireError, OSError, UnicodeDecodeError):
        return fail(path.name, "cannot be read as a key", "restore it from a backup")
    return ok(path.name, "present, readable by its owner alone")


def _check_pair(folder: Path) -> Check:
    public = folder / PUBLIC_FILE
    try:
        signer = Signer.load(folder)
        known = [VerifierKey.parse(line) for line in public.read_text("utf-8").split()]
    except (TransireError, OSError, UnicodeDecodeError):
        return warn(
            PUBLIC_FILE, "cannot be held against the signing key", "restore it from a backup"
        )
    if signer.key not in known:
        return fail(
            PUBLIC_FILE, "is not the signing key's other half", "restore both from a backup"
        )
    return ok(PUBLIC_FILE, f"the signing key's other half, of {signer.key.name}")


def _open_to_others(path: Path) -> bool:
    return bool(path.stat().st_mode & _OTHERS)
