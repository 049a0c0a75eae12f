"""`transire mode …`: solo or team, and how that changes."""

import typer

from transire.cli.session import Url, api, emit, shown

__all__ = ["app", "ask_solo", "grant_solo", "show", "team"]

app = typer.Typer(help="How many people a change takes.", no_args_is_help=True)
_LOCAL = "http://127.0.0.1:8080"


@app.command()
@shown
def show(url: Url = _LOCAL) -> None:
    """Solo or team, and who asked for solo."""
    emit(api(url, "GET", "/v1/policies/mode"))


@app.command()
@shown
def team(url: Url = _LOCAL) -> None:
    """Every change takes two people from now on; one person suffices for this one."""
    emit(api(url, "POST", "/v1/policies/mode/team"))


@app.command("ask-solo")
@shown
def ask_solo(url: Url = _LOCAL) -> None:
    """Ask that one person may change everything; another must grant it within seven days."""
    emit(api(url, "POST", "/v1/policies/mode/solo/ask"))


@app.command("grant-solo")
@shown
def grant_solo(url: Url = _LOCAL) -> None:
    """Grant, as a second person, what `ask-solo` asked."""
    emit(api(url, "POST", "/v1/policies/mode/solo/grant"))
