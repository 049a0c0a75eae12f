"""The next test meets what the first one met, whatever this one leaves behind."""

import pytest
from tests.api.conftest import World
from tests.api.standing import Standing


def _block(world: World) -> None:
    for kind, name in (("provider", "atlantic"), ("deployment", "eu-premium")):
        body = {"kind": kind, "id": name, "reason": "a test that fails here"}
        world.act("omar", "POST", "/v1/policies/quarantine", body)
    world.act("omar", "DELETE", "/v1/policies/quarantine/provider/atlantic")
    world.act("ben", "DELETE", "/v1/policies/quarantine/deployment/eu-premium")


def _ask_for_solo(world: World) -> None:
    world.act("ben", "POST", "/v1/policies/mode/solo/ask")


def _become_solo(world: World) -> None:
    world.act("ana", "POST", "/v1/policies/mode/solo/ask")
    world.act("ben", "POST", "/v1/policies/mode/solo/grant")


LEAVINGS = {
    "a quarantine": _block,
    "a wish for solo": _ask_for_solo,
    "solo": _become_solo,
}


def _governs(world: World) -> tuple[object, ...]:
    ready = world.act("ana", "GET", "/readyz").json()
    return (
        ready["bundle"],
        world.act("ana", "GET", "/v1/policies/mode").json(),
        world.act("ana", "GET", "/v1/policies/quarantine").json()["quarantined"],
    )


@pytest.mark.parametrize("leaving", LEAVINGS)
def test_what_a_test_leaves_behind_is_given_back(
    world: World, standing: Standing, leaving: str
) -> None:
    before = _governs(world)
    LEAVINGS[leaving](world)
    left = _governs(world)
    standing.give_back(world)

    assert left != before
    assert _governs(world) == before
    assert before[0] == standing.digest
