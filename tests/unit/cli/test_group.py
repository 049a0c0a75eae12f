"""A group whose first word may be an argument of its default command."""

from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from transire.cli.group import group_with

app = typer.Typer(cls=group_with("read"), help="The group's own words.", no_args_is_help=True)


@app.command()
def read(
    file: Annotated[str, typer.Argument()], loud: Annotated[bool, typer.Option("--loud")] = False
) -> None:
    typer.echo(f"read {file} {loud}")


@app.command()
def lint() -> None:
    typer.echo("lint")


def run(*arguments: str) -> str:
    return CliRunner().invoke(app, list(arguments)).stdout.strip()


@pytest.mark.parametrize(
    ("arguments", "did"),
    [
        (("letter.txt",), "read letter.txt False"),
        (("--loud", "letter.txt"), "read letter.txt True"),
        (("-",), "read - False"),
        (("read", "letter.txt"), "read letter.txt False"),
        (("lint",), "lint"),
        (("./lint",), "read ./lint False"),
    ],
)
def test_the_default_runs_where_no_command_is_named(arguments: tuple[str, ...], did: str) -> None:
    assert run(*arguments) == did


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_help_is_the_groups(arguments: tuple[str, ...]) -> None:
    assert "The group's own words." in run(*arguments)


def test_groups_do_not_share_their_default() -> None:
    other = typer.Typer(cls=group_with("lint"))
    other.command()(read)
    other.command()(lint)

    assert CliRunner().invoke(other, ["--help"]).exit_code == 0
    assert CliRunner().invoke(other, ["letter.txt"]).exit_code == 2
    assert run("letter.txt") == "read letter.txt False"
