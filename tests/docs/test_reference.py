"""The reference pages name everything there is, and nothing that there is not."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel
from tests.conftest import REPOSITORY

import transire.errors
from transire.classify.fields import LEVELS
from transire.cli.main import app
from transire.domain.log import KINDS
from transire.errors import TransireError
from transire.forward import fallback
from transire.score import health
from transire.settings import Settings

DOCS = REPOSITORY / "docs"
REFERENCE = DOCS / "reference"
PAGES = sorted(
    [*DOCS.rglob("*.md"), REPOSITORY / "README.md", *(REPOSITORY / "audit").glob("*.md")]
)


def settings(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from settings(inner, f"{prefix}{name}.")
        else:
            yield prefix + name, str(field.description)


def commands(command: Any, path: str = "transire") -> Iterator[tuple[str, Any]]:
    """Every command by its whole name; typer brings its own copy of click, hence no types."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
        return
    for name, following in inner.items():
        yield from commands(following, f"{path} {name}")


def is_argument(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "argument")


COMMANDS = dict(commands(typer.main.get_command(app)))
SECTIONS = dict(
    re.findall(
        r"^## ([^\n]+)\n(.*?)(?=^## |\Z)",
        (REFERENCE / "cli.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )
)


def test_every_field_of_a_request_is_documented_at_its_level() -> None:
    page = (REFERENCE / "fields.md").read_text()
    sections = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))

    for level, fields in LEVELS.items():
        rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*) \|$", sections[level], re.MULTILINE)
        assert rows == [(name, row.kind, row.expects) for name, row in fields.items()]


def test_every_setting_is_documented_with_its_own_words() -> None:
    page = (REFERENCE / "settings.md").read_text()
    known = dict(settings(Settings))

    rows = dict(re.findall(r"^\| `([\w.]+)` \| `[^`]*` \| (.*) \|$", page, re.MULTILINE))

    assert rows == known


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_and_option_is_documented(name: str) -> None:
    command = COMMANDS[name]
    arguments = [p.name.upper() for p in command.params if is_argument(p)]
    section = SECTIONS[" ".join([name, *arguments])]

    for parameter in command.params:
        labels = [parameter.name.upper()] if is_argument(parameter) else parameter.opts
        assert all(f"`{label}`" in section for label in labels), labels
    assert str(command.help).splitlines()[0] in section


def test_no_documented_command_is_gone() -> None:
    documented = {re.sub(r" [A-Z_]+", "", title) for title in SECTIONS}

    assert documented == set(COMMANDS)


def test_every_error_code_is_documented() -> None:
    page = (REFERENCE / "api.md").read_text()
    codes = {
        kind.code
        for kind in vars(transire.errors).values()
        if isinstance(kind, type) and issubclass(kind, TransireError) and kind != TransireError
    }

    assert [code for code in sorted(codes) if f"`{code}`" not in page] == []


def test_every_route_is_documented() -> None:
    page = (REFERENCE / "api.md").read_text()
    document: dict[str, Any] = json.loads((REPOSITORY / "schemas" / "openapi.json").read_text())
    spelled = page.replace("…", "")

    for path in document["paths"]:
        stem = re.sub(r"\{\w+(:path)?\}", "", path).rstrip("/").split("//")[0]
        assert stem in spelled or f"/{stem.rsplit('/', 1)[-1]}" in spelled, path


def test_every_response_header_is_documented() -> None:
    page = (REFERENCE / "api.md").read_text()
    source = "\n".join(
        path.read_text() for path in (REPOSITORY / "src" / "transire" / "api").glob("*.py")
    )
    headers = set(re.findall(r'"x-transire((?:-[a-z]+)+)"', source))

    assert [name for name in sorted(headers) if f"{name}`" not in page] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_no_link_is_dead(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())

    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_command_in_a_page_exists(page: Path) -> None:
    spelled = re.findall(r"(?:^\$ |`)transire ([a-z][^`\n#|&]*)", page.read_text(), re.MULTILINE)
    known = [name.removeprefix("transire ") for name in COMMANDS]
    groups = {name.split(" ")[0] for name in known}

    for command in spelled:
        words = command.split()
        assert words[0] in groups, command
        if words[0] == "detect" and words[1:2] not in (
            ["scan"],
            ["evaluate"],
            ["lint"],
            ["register"],
        ):
            words.insert(1, "scan")  # what `transire detect FILE` is short for
        if words[0] == "report" and words[1:2] not in (["traffic"], ["pins"]):
            words.insert(1, "traffic")  # what `transire report DATA` is short for
        if len(words) > 1 and "…" not in command:
            assert any(words[: len(name.split())] == name.split() for name in known), command


def test_the_format_names_every_kind_of_entry() -> None:
    page = (REPOSITORY / "audit" / "FORMAT.md").read_text(encoding="utf-8")
    table = page.split("| kind | says |")[1].split("\n\n")[0]
    firsts = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]

    assert {name for first in firsts for name in re.findall(r"`([a-z._]+)`", first)} == KINDS


FAILING = (
    r'"failure": "([a-z_0-9]+)"',
    r'failure="([a-z_0-9]+)"',
    r'_failed\("([a-z_0-9]+)"',
    r'OutboundError\("([a-z_0-9]+)"',
    r'Violation\(kind="([a-z_0-9]+)"',
    r'failure = "([a-z_0-9]+)" if',
    r'failure = "[a-z_0-9]+" if .* else "([a-z_0-9]+)"',
)
"""How the source spells a class of failures."""


def test_every_failure_is_in_the_table_with_what_follows_it_and_whether_it_counts() -> None:
    rows = {
        row[0].strip("`"): row
        for line in (REFERENCE / "failures.md").read_text().splitlines()
        if line.startswith("| `") and len(row := [c.strip() for c in line.split("|")[1:-1]]) == 5
    }
    source = "\n".join(path.read_text() for path in (REPOSITORY / "src").rglob("*.py"))
    used = {name for spelled in FAILING for name in re.findall(spelled, source)}

    assert used <= rows.keys() | {"contradicts_catalog"}  # of a metric alone
    assert fallback._RETRIABLE_HERE == {name for name, row in rows.items() if row[3] == "same"}
    assert {name for name, row in rows.items() if row[3] == "–"} >= fallback._TERMINAL
    assert health._FAULTS == {name for name, row in rows.items() if row[4] == "yes"}


BESIDE = {"__init__", "clock", "entropy", "errors", "heap", "settings"}
"""Modules at the top of the house that no request meets."""


def test_the_walk_through_the_house_meets_every_module_that_stands_at_its_top() -> None:
    walk = (DOCS / "explanation" / "walk.md").read_text()
    top = {path.stem for path in (REPOSITORY / "src" / "transire").glob("*.py")} - BESIDE

    assert top <= set(re.findall(r"\[`([a-z]+)`\]", walk))
