"""The command line's own credential file: one personal credential per server (0600).

The file is ours, but people edit and synchronise it: whatever else stands in it is refused with its
path, never quoted and never overwritten, since it may hold credentials for other servers.
"""

import json
import os
from pathlib import Path

from transire.errors import AuthenticationError, RequestError
from transire.identity.credentials import parse

__all__ = ["credential_for", "credentials_file", "kept_credentials", "remember"]


def credentials_file() -> Path:
    """`$XDG_CONFIG_HOME/transire/credentials.json`, or under `~/.config`."""
    home = os.environ.get("XDG_CONFIG_HOME")
    folder = Path(home) if home else Path.home() / ".config"
    return folder / "transire" / "credentials.json"


def kept_credentials() -> dict[str, dict[str, str]]:
    """Server → `{"person", "credential"}`; empty where nobody has logged in yet.

    Raises:
        RequestError: the file is not what `remember` writes.
    """
    path = credentials_file()
    if not path.exists():
        return {}
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        return {
            str(url): {name: str(kept[name]) for name in ("person", "credential")}
            for url, kept in known.items()
        }
    except (ValueError, AttributeError, KeyError, TypeError):
        # The text holds secrets, and so may the parser's words about it.
        raise RequestError(
            f"`{path}` is not a file of credentials; move it away and run `transire login`"
        ) from None


def remember(url: str, person: str, credential: str) -> Path:
    """Keep a credential for one server, replacing an earlier one.

    Raises:
        RequestError: the file is not ours to rewrite.
        OSError: it cannot be written.
    """
    path = credentials_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    known = {**kept_credentials(), url: {"person": person, "credential": credential}}
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(known, file, indent=2)
    temporary.replace(path)
    return path


def credential_for(url: str) -> str:
    """The credential kept for a server; `TRANSIRE_CREDENTIAL` wins.

    Raises:
        AuthenticationError: there is none, or it is no personal credential at all.
        RequestError: the file cannot be read as one of ours.
    """
    given = os.environ.get("TRANSIRE_CREDENTIAL")
    if given:
        return _personal(given, "`TRANSIRE_CREDENTIAL`")
    known = kept_credentials()
    if url in known:
        return _personal(known[url]["credential"], f"`{credentials_file()}`")
    elsewhere = f"; `--url` may name {', '.join(sorted(known))}" if known else ""
    raise AuthenticationError(
        f"not logged in to `{url}`: run `transire login {url}` with a one-use token{elsewhere}"
    )


def _personal(text: str, place: str) -> str:
    credential = parse(text)
    if credential is None or credential.prefix != "tsp":
        raise AuthenticationError(
            f"{place} holds no personal credential (`tsp_…`); `transire login` sets one"
        )
    return text
