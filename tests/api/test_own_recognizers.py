"""Operators' recognizers through the real server: proposed, approved, and then in force."""

import base64
from typing import Any

from tests.api.conftest import World

RULE = """
@id("projects.europe-only")
@reason("Unannounced projects stay in the European Union")
forbid (principal, action in Action::"dispatch", resource)
when { context.dataClasses.contains(DataClass::"SECRET_PROJECT") }
unless { resource in Jurisdiction::"EU" };
"""
RECOGNIZERS = """
terms:
  codenames:
    entity: PROJECT_CODENAME
    terms: [Wolpertinger, Project Nightjar]
"""
HARMLESS = "What are your opening hours?"
SECRET = "What are the opening hours of project nightjar?"


def _bundle(world: World, recognizers: str) -> dict[str, str]:
    files: dict[str, str] = world.act("ana", "GET", "/v1/policies/bundles/active").json()["files"]
    taxonomy = base64.b64decode(files["taxonomy.yaml"]).decode()
    taxonomy = taxonomy.replace("data_classes:\n", "data_classes:\n  SECRET_PROJECT: {}\n", 1)
    taxonomy = taxonomy.replace(
        "\nentities:\n", "\nentities:\n  PROJECT_CODENAME: {class: SECRET_PROJECT}\n", 1
    )
    changed = {
        "taxonomy.yaml": taxonomy,
        "rules/projects.cedar": RULE,
        "recognizers.yaml": recognizers,
    }
    return files | {n: base64.b64encode(t.encode()).decode() for n, t in changed.items()}


def _propose(world: World, files: dict[str, str]) -> Any:
    return world.act("ana", "POST", "/v1/policies/bundles", {"files": files})


def _activate(world: World, files: dict[str, str]) -> None:
    digest = _propose(world, files).json()["digest"]
    for act in ("approve", "activate"):
        reply = world.act("ben", "POST", f"/v1/policies/bundles/{digest}/{act}")
        assert reply.status_code == 200, reply.text


def test_a_project_codename_is_kept_from_deployments_outside_the_union(world: World) -> None:
    unguarded = world.chat(SECRET)
    _activate(world, _bundle(world, RECOGNIZERS))
    world.forget()
    harmless, secret = world.chat(HARMLESS), world.chat(SECRET)
    long = world.chat("An ordinary sentence about nothing. " * 300 + SECRET)
    abroad = world.chat(SECRET, model="us-economy")
    decision = world.entries(secret.headers["x-transire-decision-id"])[0]
    american = world.received("us-economy")["count"] + world.received("us-premium")["count"]

    assert unguarded.headers["x-transire-deployment"] == "us-economy"
    assert harmless.headers["x-transire-deployment"] == "us-economy"
    assert secret.status_code == long.status_code == 200
    assert secret.headers["x-transire-deployment"].startswith("eu-")
    assert long.headers["x-transire-deployment"].startswith("eu-")
    assert "SECRET_PROJECT" in str(decision)
    assert "nightjar" not in str(decision).lower()
    assert abroad.status_code == 403
    assert "projects.europe-only" in abroad.text
    assert american == 1  # the harmless one


def test_a_recognizer_that_misses_its_own_example_is_refused_when_it_is_proposed(
    world: World,
) -> None:
    blind = (
        "patterns:\n  ticket:\n    entity: PROJECT_CODENAME\n"
        "    regex: 'ZEPH-[0-9]{4}'\n    examples: [see ZEPH-12]\n"
    )
    reply = _propose(world, _bundle(world, blind))

    assert reply.status_code == 422
    assert any(
        p.startswith("recognizers.yaml:5") and "own example 1" in p
        for p in reply.json()["problems"]
    ), reply.text


def test_a_class_that_nothing_looks_for_cannot_be_proposed(world: World) -> None:
    files = _bundle(world, RECOGNIZERS)
    del files["recognizers.yaml"]
    reply = _propose(world, files)

    assert reply.status_code == 422, reply.text
    assert "`projects.europe-only` reads SECRET_PROJECT" in reply.text
    assert "no recognizer finds `PROJECT_CODENAME`" in reply.text
