"""`transire keys …` and `transire people …`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from transire.bundle.source import read_folder
from transire.bundle.yamlread import read_yaml
from transire.cli.session import RemoteRouter, acting, emit, named, shown
from transire.domain.ids import ID_PATTERN
from transire.errors import ConflictError, NotFoundError, RequestError

__all__ = [
    "add",
    "create",
    "first",
    "invite",
    "keys",
    "list_keys",
    "list_people",
    "me",
    "people",
    "revoke",
    "revoke_person",
]

keys = typer.Typer(help="Application keys.", no_args_is_help=True)
people = typer.Typer(help="People and their own credentials.", no_args_is_help=True)


@keys.command()
@acting
def create(
    router: RemoteRouter,
    application: Annotated[str, typer.Argument(help="Application of the catalog.")],
    purpose: Annotated[str | None, typer.Option(help="Default purpose of the key.")] = None,
    days: Annotated[int, typer.Option(help="Days until it expires.")] = 90,
    holder: Annotated[str | None, typer.Option(help="Person who holds it; default you.")] = None,
    scope: Annotated[
        list[str] | None, typer.Option(help="`chat` or `decisions`, repeatable; default both.")
    ] = None,
) -> None:
    """Create a key; it is shown once."""
    body: dict[str, object] = {"application": application, "purpose": purpose}
    body |= {"days": days, "holder": holder}
    if scope:
        body["scopes"] = scope
    emit(router.call("POST", "/v1/keys", body))


@keys.command("list")
@acting
def list_keys(router: RemoteRouter) -> None:
    """The tenant's keys, without secrets."""
    emit(router.call("GET", "/v1/keys"))


@keys.command()
@acting
def revoke(
    router: RemoteRouter, key_id: Annotated[str, typer.Argument(help="The key's id.")]
) -> None:
    """Revoke a key at once."""
    emit(router.call("DELETE", f"/v1/keys/{named(key_id)}"))


@people.command()
@acting
def invite(
    router: RemoteRouter,
    person: Annotated[str, typer.Argument(help="Person of the active catalog.")],
) -> None:
    """A one-use token for them; hand it over in person."""
    emit(router.call("POST", f"/v1/people/{named(person)}/invite"))


@people.command("revoke")
@acting
def revoke_person(
    router: RemoteRouter, person: Annotated[str, typer.Argument(help="Whose credential.")]
) -> None:
    """Void a credential at once."""
    emit(router.call("DELETE", f"/v1/people/{named(person)}/credential"))


@people.command()
@acting
def me(router: RemoteRouter) -> None:
    """Who the kept credential belongs to."""
    emit(router.call("GET", "/v1/people/me"))


@people.command("list")
@acting
def list_people(
    router: RemoteRouter,
    as_json: Annotated[bool, typer.Option("--json", help="The same as JSON.")] = False,
) -> None:
    """The people of your tenant, their roles, and who has a credential."""
    told = router.call("GET", "/v1/people")
    if as_json:
        emit(told)
        return
    row = "{:16} {:24} {:10} {}".format
    print(row("person", "name", "credential", "roles"))
    for one in told["people"]:
        roles = ", ".join(one["roles"])
        print(row(one["person"], one["name"], one["credential"], roles))


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
    _demand_known(folder, tenant, role)
    fields = {"name": name, "tenant": tenant, "roles": role}
    target.write_text(f"people:\n  {person}: {json.dumps(fields)}\n")
    print(
        f"wrote {target}; next:\n  transire bundle propose {folder}\n"
        "then another person approves and activates it, and an operator runs\n"
        f"  transire people invite {person}"
    )


def _demand_known(folder: Path, tenant: str, roles: list[str]) -> None:
    """Refuse a tenant or a role that the folder does not name, even where it does not compile."""
    files = read_folder(folder)
    at = read_yaml("taxonomy.yaml", files["taxonomy.yaml"])
    catalogs = [read_yaml(n, data) for n, data in files.items() if n.startswith("catalog/")]
    tenants = sorted({name for c in catalogs for name in c.value.get("tenants") or ()})
    if tenant not in tenants:
        raise RequestError(f"no tenant `{tenant}` in the catalog; it has {', '.join(tenants)}")
    known = list(map(str, at.value.get("roles") or ()))
    for role in roles:
        if role not in known:
            raise RequestError(f"no role `{role}` in taxonomy.yaml; it has {', '.join(known)}")


@people.command()
@shown
def first(
    data: Annotated[Path, typer.Option(help="The data folder; the server must be stopped.")],
    policies: Annotated[Path, typer.Option(help="The policies folder.")] = Path("policies"),
) -> None:
    """Void and reissue the first person's token, until it is used."""
    import asyncio

    from transire.bootstrap import open_installation
    from transire.identity.people import owner_of
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

    path = asyncio.run(reissue())
    print(f"{path} holds a new one-use token of {owner_of(path)}, good for 24 hours")
