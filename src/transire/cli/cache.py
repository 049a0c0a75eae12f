"""`transire cache …`."""

from typing import Annotated

import typer

from transire.cli.session import RemoteRouter, acting, emit

__all__ = ["cache", "purge", "status"]

cache = typer.Typer(help="Answers that are kept to be given again.", no_args_is_help=True)


@cache.command()
@acting
def status(router: RemoteRouter) -> None:
    """How many answers of your tenant are kept, and their size."""
    emit(router.call("GET", "/v1/cache"))


@cache.command()
@acting
def purge(
    router: RemoteRouter,
    application: Annotated[
        str | None, typer.Option(help="Only this application's; default all of your tenant.")
    ] = None,
) -> None:
    """Forget kept answers at once; who may quarantine may do it."""
    emit(router.call("POST", "/v1/cache/purge", {"application": application}))
