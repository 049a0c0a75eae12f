"""The tutorials do what they say, word for word."""

from pathlib import Path

import pytest
from tests.conftest import REPOSITORY
from tests.docs.tutorial import commands_of, is_printed, perform

PAGES = sorted((REPOSITORY / "docs" / "tutorials").glob("*.md"))


@pytest.mark.server
@pytest.mark.slow
@pytest.mark.enable_socket
@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_every_command_of_a_tutorial_prints_what_the_page_says(page: Path, tmp_path: Path) -> None:
    text = page.read_text()
    performed = perform(text, tmp_path)

    ended = [c for c in commands_of(text) if not c.serves]
    servers = "\n".join(f.read_text()[-2_000:] for f in tmp_path.glob("server-*.txt"))
    assert len(performed) >= len(ended) - 2, servers
    for command, code, output in performed:
        assert is_printed(command.printed, output), f"{command.text}\n{output}\n{servers}"
        assert command.printed or code == 0, command.text


def test_the_readme_leads_to_every_tutorial() -> None:
    readme = (REPOSITORY / "README.md").read_text()

    assert PAGES
    assert all(f"docs/tutorials/{page.name}" in readme for page in PAGES)


@pytest.mark.parametrize(
    ("told", "output", "holds"),
    [
        (("a …",), "a b c\n", True),
        (("12 entries",), "7 entries\n", True),
        (("…", "last"), "one\ntwo\nlast\n", True),
        (("…",), "", True),
        (("rev_01M8AAS9J41YR5QTFAEN5M8T4Y",), "rev_01M8AAS58JRN99G86AVKY3H2GR\n", True),
        (("us-economy",), "eu-economy\n", False),
        (("a",), "a\nb\n", False),
        ((), "Traceback\n", False),
    ],
)
def test_what_is_printed_is_held_against_the_page(
    told: tuple[str, ...], output: str, holds: bool
) -> None:
    assert holds is is_printed(told, output)
