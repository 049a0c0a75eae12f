"""What governs the shared server: noted before the first test, given back after each.

Whatever a test activates, blocks or changes the mode to, failing or not, the next one meets the
bundle, the mode and the absence of quarantines that the first one met.
"""

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = ["Governable", "Standing", "activate", "file_of", "standing_on"]

_LIFTERS = ("ben", "priya", "omar")


class Governable(Protocol):
    """A running router, and people who may change what governs it."""

    def act(self, person: str, method: str, path: str, body: Any = None) -> Any:
        """One call as this person."""


@dataclass(frozen=True)
class Standing:
    """A bundle, in team mode, with nothing blocked and nothing asked for."""

    digest: str
    files: dict[str, str] = field(repr=False)

    @classmethod
    def of(cls, world: Governable) -> "Standing":
        active = world.act("ana", "GET", "/v1/policies/bundles/active").json()
        return cls(active["digest"], active["files"])

    def give_back(self, world: Governable) -> None:
        """Undo, by the acts that people have for it."""
        _lift_all(world)
        _be_a_team(world)
        if world.act("ana", "GET", "/readyz").json()["bundle"] != self.digest:
            self._activate(world)

    def _activate(self, world: Governable) -> None:
        proposed = world.act("ana", "POST", "/v1/policies/bundles", {"files": self.files})
        assert proposed.status_code in (201, 409), proposed.text  # 409: it is proposed already
        for act in ("approve", "activate"):
            done = world.act("ben", "POST", f"/v1/policies/bundles/{self.digest}/{act}")
            assert done.status_code == 200, done.text


def _lift_all(world: Governable) -> None:
    def blocked() -> list[dict[str, str]]:
        found = world.act("omar", "GET", "/v1/policies/quarantine").json()["quarantined"]
        return list(found)

    for item in blocked():
        for person in _LIFTERS:
            world.act(person, "DELETE", f"/v1/policies/quarantine/{item['kind']}/{item['id']}")
    assert blocked() == []


def _be_a_team(world: Governable) -> None:
    def mode() -> dict[str, Any]:
        found: dict[str, Any] = world.act("ben", "GET", "/v1/policies/mode").json()
        return found

    if (asker := mode()["solo_asked_by"]) is not None:
        # What was asked cannot be taken back; granted and undone, it is spent.
        world.act("ana" if asker == "ben" else "ben", "POST", "/v1/policies/mode/solo/grant")
    if mode()["mode"] == "solo":
        world.act("ben", "POST", "/v1/policies/mode/team")
    assert mode() == {"mode": "team", "solo_asked_by": None}


@contextmanager
def standing_on(world: Governable, files: Mapping[str, bytes]) -> Iterator[Standing]:
    """What a module's tests stand on: the bundle with these files; taken back afterwards.

    A module overrides the fixture `standing` with it, so that no test of it activates anything.
    """
    before = Standing.of(world)
    activate(world, files)
    try:
        yield Standing.of(world)
    finally:
        before.give_back(world)


def activate(world: Governable, changed: Mapping[str, bytes | None]) -> str:
    """Let two people put the active bundle with these files in force; None leaves one out.

    Returns:
        The digest that is active then.
    """
    files = world.act("ana", "GET", "/v1/policies/bundles/active").json()["files"]
    files |= {name: base64.b64encode(data or b"").decode() for name, data in changed.items()}
    kept = {name: text for name, text in files.items() if changed.get(name, b"") is not None}
    proposed = world.act("ana", "POST", "/v1/policies/bundles", {"files": kept})
    assert proposed.status_code == 201, proposed.text
    digest = str(proposed.json()["digest"])
    for act in ("approve", "activate"):
        done = world.act("ben", "POST", f"/v1/policies/bundles/{digest}/{act}")
        assert done.status_code == 200, done.text
    return digest


def file_of(world: Governable, name: str) -> str:
    """A file of the active bundle."""
    files = world.act("ana", "GET", "/v1/policies/bundles/active").json()["files"]
    return base64.b64decode(files[name]).decode()
