"""`transire login` and `transire logout`: whose credentials this account keeps, and for where."""

import getpass
from pathlib import Path
from typing import Annotated

import typer

from transire.cli.session import RemoteRouter, acting, server_root, shown
from transire.errors import GovernanceUnavailable, RequestError
from transire.identity.credentials import parse
from transire.identity.people import FIRST_CREDENTIAL_FILE
from transire.identity.store import (
    acting_person,
    credentials_file,
    forget,
    kept_credentials,
    remember,
)
from transire.outbound.caller import call

__all__ = ["login", "logout"]

_AROUND = "\"',"
"""What JSON puts around a token."""


@shown
def login(
    url: Annotated[str, typer.Argument(help="Where the router is.")],
    token_file: Annotated[
        Path | None, typer.Option(help="File with the one-use token; default asks for it.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Give up what other people keep here for it.")
    ] = False,
) -> None:
    """Trade a one-use token for a personal credential, kept in your configuration folder."""
    root = server_root(url)
    token = _token(token_file)
    # A token is good once: whatever may keep us from writing its credential down comes before.
    kept_credentials()
    credentials_file().parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    answer = call("POST", f"{root}/v1/people/redeem", credential=None, body={"token": token})
    if not {"person", "credential"} <= answer.keys():
        raise GovernanceUnavailable(f"what answers at `{root}` is not a router of ours")
    person = answer["person"]
    path = remember(root, person, answer["credential"], alone=replace)
    if token_file is not None and token_file.name == FIRST_CREDENTIAL_FILE:
        token_file.unlink(missing_ok=True)
    print(f"logged in to {root} as {person}; the credential is in {path}")
    others = sorted(kept_credentials()[root].keys() - {person})
    if others:
        print(
            f"still logged in to it from here: {', '.join(others)}; say who acts with "
            f"`--as {person}`, or `export TRANSIRE_AS={person}`"
        )


@acting
def logout(router: RemoteRouter) -> None:
    """Forget a credential that this account keeps; to void it, `transire people revoke`."""
    person = acting_person(router.root, router.person)
    path = forget(router.root, person)
    print(f"{path} no longer holds a credential of {person} for {router.root}")


def _token(file: Path | None) -> str:
    """The one token in a file as `invite` or the first start wrote it, or as it is typed."""
    try:
        text = getpass.getpass("one-use token: ") if file is None else file.read_text("utf-8")
    except (UnicodeDecodeError, EOFError):
        text = ""
    words = (parse(word.strip(_AROUND)) for word in text.split())
    tokens = [word.text() for word in words if word is not None and word.prefix == "tsi"]
    if len(tokens) != 1:
        place = "this" if file is None else f"`{file}`"
        raise RequestError(f"{place} holds no one-use token (`tsi_…`); ask an operator for one")
    return tokens[0]
