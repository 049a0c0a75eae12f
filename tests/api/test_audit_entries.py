"""What an auditor is shown of the log: the tenant's own, and what governs everybody."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.api.conftest import World
from tests.api.standing import Standing, file_of, standing_on

PEOPLE = "catalog/people.yaml"
GRETA = "  greta: {name: Greta, tenant: globex, roles: [auditor]}\n"
INVITE = b"""
@id("drill.invite")
permit (principal == User::"omar", action == Action::"invite", resource == User::"greta");
"""
ROADBLOCK = {"kind": "tenant", "id": "globex", "reason": "a drill"}


@pytest.fixture(scope="module")
def standing(session_world: World) -> Iterator[Standing]:
    """With an auditor of the other tenant, who has a credential."""
    people = file_of(session_world, PEOPLE).replace("  aud:", f"{GRETA}  aud:")
    files = {PEOPLE: people.encode(), "rules/drill.cedar": INVITE}
    with standing_on(session_world, files) as there:
        session_world.people.setdefault("greta", "tsp_none")
        session_world.give_back("greta")
        yield there


def shown(world: World, person: str, **query: str) -> list[dict[str, Any]]:
    asked = "&".join(f"{name}={value}" for name, value in {"limit": "500", **query}.items())
    page = world.act(person, "GET", f"/v1/audit/entries?{asked}")
    assert page.status_code == 200, page.text
    return list(page.json()["entries"])


def test_an_auditor_is_shown_how_the_tenants_requests_ended(
    world: World, standing: Standing
) -> None:
    reply = world.chat("What are your opening hours?")
    name = reply.headers["x-transire-decision-id"]
    assert len(world.entries(name)) == 2
    mine = [e for e in shown(world, "aud") if name in (e["id"], e.get("decision_id"))]

    assert [e["kind"] for e in mine] == ["outcome", "decision"]
    assert name in {e["decision_id"] for e in shown(world, "aud", kind="outcome")}
    theirs = shown(world, "greta")
    assert not [e for e in theirs if name in (e["id"], e.get("decision_id"))]
    assert not [e for e in theirs if e.get("tenant") == "acme"]


def test_what_governs_everybody_is_shown_to_every_tenants_auditor(
    world: World, standing: Standing
) -> None:
    for person in ("aud", "greta"):
        activated = shown(world, person, kind="policy.activated")
        assert standing.digest in {e["bundle_digest"] for e in activated}


def test_whom_else_the_operator_blocked_is_that_tenants_business(
    world: World, standing: Standing
) -> None:
    imposed = world.act("omar", "POST", "/v1/policies/quarantine", ROADBLOCK)
    assert imposed.status_code == 200, imposed.text

    of_acme, of_globex = (shown(world, p, kind="quarantine.imposed") for p in ("aud", "greta"))
    assert "globex" in {e["subject_id"] for e in of_globex}
    assert "globex" not in {e["subject_id"] for e in of_acme}


def test_a_persons_credential_is_shown_to_their_own_tenants_auditor(
    world: World, standing: Standing
) -> None:
    of_acme, of_globex = (shown(world, p, kind="access.credential_set") for p in ("aud", "greta"))

    assert {e["person"] for e in of_globex} == {"greta"}
    assert "greta" not in {e["person"] for e in of_acme}
    assert "aud" in {e["person"] for e in of_acme}
    assert world.act("omar", "GET", "/v1/audit/entries").status_code == 403


def test_one_entry_with_what_was_written_is_shown_to_whom_it_belongs(
    world: World, standing: Standing
) -> None:
    world.act("omar", "POST", "/v1/policies/quarantine", ROADBLOCK)
    imposed = shown(world, "greta", kind="quarantine.imposed")[0]
    name = world.chat("What are your opening hours?").headers["x-transire-decision-id"]
    decided = world.entries(name)[0]
    block, decision = (f"/v1/audit/entries/{e['index']}" for e in (imposed, decided))

    assert world.act("greta", "GET", block).json()["disclosed"] == {"reason": "a drill"}
    assert world.act("aud", "GET", decision).json()["id"] == name
    for person, path in (("aud", block), ("greta", decision), ("aud", "/v1/audit/entries/999999")):
        assert world.act(person, "GET", path).status_code == 404
    assert world.act("omar", "GET", block).status_code == 403
    exports = shown(world, "aud", kind="export")
    assert {"by": "aud", "count": 1}.items() <= exports[1].items()


def test_an_explanation_says_who_blocked_what_and_why_while_that_stands(
    world: World, standing: Standing
) -> None:
    block = {"kind": "deployment", "id": "eu-economy", "reason": "a leak drill"}
    assert world.act("omar", "POST", "/v1/policies/quarantine", block).status_code == 200
    name = world.chat("What are your opening hours?").headers["x-transire-decision-id"]
    told = world.act("aud", "GET", f"/v1/decisions/{name}/explain").json()

    blocked = {b["what"]: (b["by"], b["reason"]) for b in told["quarantined"]}
    assert blocked["deployment/eu-economy"] == ("omar", "a leak drill")
    assert "tenant/globex" not in blocked
