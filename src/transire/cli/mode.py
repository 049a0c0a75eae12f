"""`transire mode …`: solo or team, and how that changes."""

import typer

from transire.cli.session import RemoteRouter, acting, emit

__all__ = ["app", "ask_solo", "grant_solo", "show", "team"]

app = typer.Typer(help="How many people a change takes.", no_args_is_help=True)


@app.command()
@acting
def show(router: RemoteRouter) -> None:
    """Solo or team, and who asked for solo."""
    emit(router.call("GET", "/v1/policies/mode"))


@app.command()
@acting
def team(router: RemoteRouter) -> None:
    """Every change takes two people from now on; one person suffices for this one."""
    emit(router.call("POST", "/v1/policies/mode/team"))


@app.command("ask-solo")
@acting
def ask_solo(router: RemoteRouter) -> None:
    """Ask that one person may change everything; another must grant it within seven days."""
    emit(router.call("POST", "/v1/policies/mode/solo/ask"))


@app.command("grant-solo")
@acting
def grant_solo(router: RemoteRouter) -> None:
    """Grant, as a second person, what `ask-solo` asked."""
    emit(router.call("POST", "/v1/policies/mode/solo/grant"))
