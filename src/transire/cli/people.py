"""`transire keys …`, `transire people …` and `transire login`."""

import getpass
import json
from pathlib import Path
from typing import Annotated

import typer

from transire.cli.session import Url, api, emit, named, server_root, shown
from transire.domain.ids import ID_PATTERN
from transire.errors import ConflictError, GovernanceUnavailable, NotFoundError, RequestError
from transire.identity.credentials import parse
from transire.identity.store import credentials_file, kept_credentials, remember
from transire.outbound.caller import call

__all__ = [
    "add",
    "create",
    "first",
    "invite",
    "keys",
    "list_keys",
    "login",
    "me",
    "people",
    "revoke",
    "revoke_person",
]

keys = typer.Typer(help="Application keys.", no_args_is_help=True)
people = typer.Typer(help="People and their own credentials.", no_args_is_help=True)
_LOCAL = "http://127.0.0.1:8080"
_AROUND = "\"',"
"""What JSON puts around a token."""


@keys.command()
@shown
def create(
    application: Annotated[str, typer.Argument(help="Application of the catalog.")],
    purpose: Annotated[str | None, typer.Option(help="Default purpose of the key.")] = None,
    days: Annotated[int, typer.Option(help="Days until it expires.")] = 90,
    holder: Annotated[str | None, typer.Option(help="Person who holds it; default you.")] = None,
    url: Url = _LOCAL,
) -> None:
    """Create a key; it is shown once."""
    body = {"application": application, "purpose": purpose, "days": days, "holder": holder}
    emit(api(url, "POST", "/v1/keys", body))


@keys.command("list")
@shown
def list_keys(url: Url = _LOCAL) -> None:
    """The tenant's keys, without secrets."""
    emit(api(url, "GET", "/v1/keys"))


@keys.command()
@shown
def revoke(key_id: Annotated[str, typer.Argument(help="The key's id.")], url: Url = _LOCAL) -> None:
    """Revoke a key at once."""
    emit(api(url, "DELETE", f"/v1/keys/{named(key_id)}"))


@people.command()
@shown
def invite(
    person: Annotated[str, typer.Argument(help="Person of the active catalog.")],
    url: Url = _LOCAL,
) -> None:
    """A one-use token for them; hand it over in person."""
    emit(api(url, "POST", f"/v1/people/{named(person)}/invite"))


@people.command("revoke")
@shown
def revoke_person(
    person: Annotated[str, typer.Argument(help="Whose credential.")], url: Url = _LOCAL
) -> None:
    """Void a credential at once."""
    emit(api(url, "DELETE", f"/v1/people/{named(person)}/credential"))


@people.command()
@shown
def me(url: Url = _LOCAL) -> None:
    """Who the kept credential belongs to."""
    emit(api(url, "GET", "/v1/people/me"))


@people.command()
@shown
def add(
    person: Annotated[str, typer.Argument(help="Id of the new person.")],
    tenant: Annotated[str, typer.Option(help="Their tenant.")],
    role: Annotated[list[str], typer.Option(help="A role; may be repeated.")],
    name: Annotated[str, typer.Option(help="Their name.")] = "",
    folder: Annotated[Path, typer.Option(help="The policies folder.")] = Path("policies"),
) -> None:
    """Write a proposal: the person is added to the folder, and exists once it is activated."""
    if ID_PATTERN.fullmatch(person) is None:
        raise RequestError(f"a person's id is `{ID_PATTERN.pattern}`")
    target = folder / "catalog" / f"people-{person}.yaml"
    if not (folder / "catalog").is_dir():
        raise RequestError(f"no catalog in `{folder}`")
    if target.exists():
        raise ConflictError(f"`{target}` exists already")
    fields = {"name": name, "tenant": tenant, "roles": role}
    target.write_text(f"people:\n  {person}: {json.dumps(fields)}\n")
    print(
        f"wrote {target}; next:\n  transire bundle propose {folder}\n"
        "then another person approves and activates it, and an operator runs\n"
        f"  transire people invite {person}"
    )


@people.command()
@shown
def first(
    data: Annotated[Path, typer.Option(help="The data folder; the server must be stopped.")],
    policies: Annotated[Path, typer.Option(help="The policies folder.")] = Path("policies"),
) -> None:
    """Void and reissue the first person's token, until it is used."""
    import asyncio

    from transire.bootstrap import open_installation
    from transire.record.opening import has_log
    from transire.settings import load_settings

    if not has_log(data):
        # Opening would found a new installation there.
        raise NotFoundError(f"no log in `{data}`; `transire serve` founds one")

    async def reissue() -> Path:
        settings = load_settings(None, data=data, governance={"policies": policies})
        installation = await open_installation(settings)
        try:
            if await installation.log.scan("person/"):
                raise ConflictError("a person has set a credential already; ask them to invite you")
            invites = await installation.log.scan("invite/")
            person = json.loads(invites[0][1])["person"] if invites else ""
            catalog = installation.governed.bundle.catalog
            return await installation.people.write_first(data, catalog, person)
        finally:
            await installation.close()

    print(asyncio.run(reissue()))


@shown
def login(
    url: Annotated[str, typer.Argument(help="Where the router is.")],
    token_file: Annotated[
        Path | None, typer.Option(help="File with the one-use token; default asks for it.")
    ] = None,
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
    path = remember(root, answer["person"], answer["credential"])
    if token_file is not None and token_file.name == "first-credential":
        token_file.unlink(missing_ok=True)
    print(f"logged in to {root} as {answer['person']}; the credential is in {path}")


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
