"""The published description of the API is the one the server gives."""

import json

from tests.api.conftest import DIRECT, REPOSITORY, World


def test_the_published_description_is_the_one_served(world: World) -> None:
    served = DIRECT.get(f"{world.root}/openapi.json").json()

    published = json.loads((REPOSITORY / "schemas" / "openapi.json").read_text())

    assert served == published


def test_every_call_says_what_it_does_and_how_it_fails(world: World) -> None:
    served = DIRECT.get(f"{world.root}/openapi.json").json()

    for path, methods in served["paths"].items():
        for method, call in methods.items():
            assert call.get("summary") or call.get("description"), (method, path)
            assert call["responses"], (method, path)
