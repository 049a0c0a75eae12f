"""A key is for the routes it was made for, and a busy router sheds whoever asks to be shed."""

from typing import Any

import httpx
import pytest
from tests.api.conftest import World

BODY = {"model": "auto", "messages": [{"role": "user", "content": "What are your hours?"}]}
ROUTES = {"chat": "/v1/chat/completions", "decisions": "/v1/decisions"}


@pytest.mark.parametrize(("scope", "other"), [("chat", "decisions"), ("decisions", "chat")])
def test_a_key_opens_its_own_route_and_no_other(world: World, scope: str, other: str) -> None:
    fields = {"application": "support-triage", "scopes": [scope]}
    made = world.act("omar", "POST", "/v1/keys", fields).json()

    def post(route: str) -> Any:
        return httpx.post(
            f"{world.root}{ROUTES[route]}",
            json=BODY,
            headers={"authorization": f"Bearer {made['key']}"},
            trust_env=False,
            timeout=30,
        )

    allowed, refused = post(scope), post(other)
    entry = world.entries(refused.headers["x-transire-decision-id"])[0]

    assert allowed.status_code == 200
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "access_denied")
    assert (entry["outcome"], entry["code"]) == ("refused", "access_denied")


@pytest.mark.parametrize("scopes", [[], ["chat", "everything"]])
def test_a_scope_that_there_is_not_is_refused(world: World, scopes: list[str]) -> None:
    fields = {"application": "support-triage", "scopes": scopes}

    assert world.act("omar", "POST", "/v1/keys", fields).status_code == 400


def test_a_lower_priority_is_no_harm_where_nobody_is_busy(world: World) -> None:
    reply = world.post("/v1/decisions", {**BODY, "transire": {"priority": 0}})

    assert reply.status_code == 200
