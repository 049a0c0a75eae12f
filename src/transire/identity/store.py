"""The command line's own credential file: one personal credential per server (0600)."""

import json
import os
from pathlib import Path

__all__ = ["credential_for", "credentials_file", "remember"]


def credentials_file() -> Path:
    """`$XDG_CONFIG_HOME/transire/credentials.json`, or under `~/.config`."""
    home = os.environ.get("XDG_CONFIG_HOME")
    folder = Path(home) if home else Path.home() / ".config"
    return folder / "transire" / "credentials.json"


def remember(url: str, person: str, credential: str) -> Path:
    """Keep a credential for one server, replacing an earlier one."""
    path = credentials_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    known = json.loads(path.read_text()) if path.exists() else {}
    known[url.rstrip("/")] = {"person": person, "credential": credential}
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(known, file, indent=2)
    temporary.replace(path)
    return path


def credential_for(url: str) -> str | None:
    """The credential kept for a server; `TRANSIRE_CREDENTIAL` wins."""
    if given := os.environ.get("TRANSIRE_CREDENTIAL"):
        return given
    path = credentials_file()
    if not path.exists():
        return None
    found = json.loads(path.read_text()).get(url.rstrip("/"))
    return found["credential"] if found else None
