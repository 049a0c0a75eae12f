"""The command line's own credential file: personal credentials by server and person (0600).

Several people may share one account of a machine, as on a jump host or in a trial of four eyes by
one person. Nobody's credential is overwritten by somebody else's, and where several are kept for a
server none of them is a default: whoever acts says so.

The file is ours, but people edit and synchronise it: whatever else stands in it is refused with its
path, never quoted and never overwritten, since it may hold credentials for other servers.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transire.errors import AuthenticationError, NotFoundError, RequestError
from transire.identity.credentials import parse

__all__ = [
    "acting_person",
    "credential_for",
    "credentials_file",
    "forget",
    "kept_credentials",
    "remember",
]


def credentials_file() -> Path:
    """`$XDG_CONFIG_HOME/transire/credentials.json`, or under `~/.config`."""
    home = os.environ.get("XDG_CONFIG_HOME")
    folder = Path(home) if home else Path.home() / ".config"
    return folder / "transire" / "credentials.json"


def kept_credentials() -> dict[str, dict[str, str]]:
    """Server → person → credential; empty where nobody has logged in yet.

    Raises:
        RequestError: the file is not what `remember` writes.
    """
    path = credentials_file()
    if not path.exists():
        return {}
    try:
        return {
            str(url): {str(kept["person"]): str(kept["credential"]) for kept in _listed(people)}
            for url, people in json.loads(path.read_text(encoding="utf-8")).items()
        }
    except (ValueError, AttributeError, KeyError, TypeError):
        # The text holds secrets, and so may the parser's words about it.
        raise RequestError(
            f"`{path}` is not a file of credentials; move it away and run `transire login`"
        ) from None


def remember(url: str, person: str, credential: str, *, alone: bool = False) -> Path:
    """Keep a person's credential for one server, replacing an earlier one of theirs.

    Args:
        alone: Give up what other people have kept for that server.

    Raises:
        RequestError: the file is not ours to rewrite.
        OSError: it cannot be written.
    """
    known = kept_credentials()
    others = {} if alone else known.get(url, {})
    return _write({**known, url: {**others, person: credential}})


def forget(url: str, person: str) -> Path:
    """Give up one kept credential; the server still knows it until somebody revokes it.

    Raises:
        NotFoundError: none is kept.
        RequestError: the file is not ours to rewrite.
    """
    known = kept_credentials()
    if known.get(url, {}).pop(person, None) is None:
        raise NotFoundError(f"no credential of `{person}` for `{url}` is kept here")
    return _write({place: people for place, people in known.items() if people})


def credential_for(url: str, person: str | None = None) -> str:
    """The credential a call to a server is made with.

    Args:
        person: Who acts; None takes `TRANSIRE_CREDENTIAL`, or the only one who is logged in there.

    Raises:
        AuthenticationError: there is none, it is no personal credential at all, or several people
            are logged in and none is named.
        RequestError: the file cannot be read as one of ours.
    """
    given = os.environ.get("TRANSIRE_CREDENTIAL")
    if given and person is None:
        return _personal(given, "`TRANSIRE_CREDENTIAL`")
    who = acting_person(url, person)
    return _personal(kept_credentials()[url][who], f"`{credentials_file()}`")


def acting_person(url: str, person: str | None = None) -> str:
    """Whose kept credential is meant: the person named, or the only one logged in to a server.

    Raises:
        AuthenticationError: nobody is, that person is not, or several are and none is named.
        RequestError: the file cannot be read as one of ours.
    """
    known = kept_credentials()
    people = known.get(url, {})
    if person is None and len(people) > 1:
        raise AuthenticationError(
            f"several people are logged in to `{url}` from here: say who acts with `--as`, or set "
            f"`TRANSIRE_AS`, to one of {', '.join(sorted(people))}"
        )
    if person is None and people:
        return next(iter(people))
    if person in people:
        return person
    raise AuthenticationError(_not_logged_in(url, person, people, known))


def _not_logged_in(
    url: str, person: str | None, people: Mapping[str, str], known: Mapping[str, object]
) -> str:
    who = f" as `{person}`" if person else ""
    option, names = ("--as", sorted(people)) if people else ("--url", sorted(known))
    rather = f"; `{option}` may name {', '.join(names)}" if names else ""
    return f"not logged in to `{url}`{who}: run `transire login {url}` with a one-use token{rather}"


def _listed(people: Any) -> list[Any]:
    """What one server's value holds; a single object is how earlier versions wrote it."""
    return people if isinstance(people, list) else [people]


def _write(known: Mapping[str, Mapping[str, str]]) -> Path:
    path = credentials_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    document = {
        url: [{"person": name, "credential": text} for name, text in people.items()]
        for url, people in known.items()
    }
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(document, file, indent=2)
    temporary.replace(path)
    return path


def _personal(text: str, place: str) -> str:
    credential = parse(text)
    if credential is None or credential.prefix != "tsp":
        raise AuthenticationError(
            f"{place} holds no personal credential (`tsp_…`); `transire login` sets one"
        )
    return text
