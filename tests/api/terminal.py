"""The command line as people at a terminal use it, each with a home of their own."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.api.conftest import World
from typer.testing import CliRunner

from transire.cli.main import app

_SECRET = re.compile(r"(?:tsk|tsp|tsi)_[a-z2-7]{16}_[A-Za-z0-9_-]{43}")


@dataclass
class Terminal:
    """Runs commands; every failure must be one sentence without traceback or secret."""

    home: Path
    url: str
    credential: str = field(default="", repr=False)

    def run(self, *arguments: str, text: str | None = None, **environment: str) -> Any:
        names = {
            "XDG_CONFIG_HOME": str(self.home),
            "TRANSIRE_URL": self.url,
            "TRANSIRE_CREDENTIAL": self.credential,
            **environment,
        }
        done = CliRunner().invoke(app, list(arguments), input=text, env=names)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        assert "Traceback" not in done.output
        assert _SECRET.search(done.stderr) is None
        return done

    def result(self, *arguments: str) -> Any:
        """What a command that must succeed prints."""
        done = self.run(*arguments)
        assert done.exit_code == 0, done.stderr
        assert done.stderr == ""
        return json.loads(done.stdout)

    def refusal(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """Exit code and the one line of a command that must fail and print no result."""
        done = self.run(*arguments, **environment)
        assert done.exit_code != 0, done.stdout
        assert done.stdout == ""
        line = done.stderr.strip()
        assert line
        assert "\n" not in line
        return done.exit_code, line


def terminal_of(world: World, person: str, home: Path) -> Terminal:
    """A terminal whose environment holds the person's credential."""
    return Terminal(home, world.root, world.people[person])
