"""A stream that cannot be begun gives back what it holds."""

from typing import Any

import pytest

from transire.api import chat
from transire.api.chat import ChatEndpoint


class Held:
    """A place and a relay in one, and what was given back of them."""

    def __init__(self) -> None:
        self.given_back: list[str] = []

    def leave(self) -> None:
        self.given_back.append("place")

    async def cancel(self) -> None:
        self.given_back.append("relay")


async def test_a_stream_that_cannot_be_begun_gives_its_place_and_its_upstream_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unable(*_: Any) -> None:
        raise UnicodeEncodeError("latin-1", "\N{SNOWMAN}", 0, 1, "ordinal not in range")

    monkeypatch.setattr(chat, "_RelayResponse", unable)
    held: Any = Held()
    endpoint = ChatEndpoint(held)
    with pytest.raises(UnicodeEncodeError):
        await endpoint._relayed(held, held, held)

    assert sorted(held.given_back) == ["place", "relay"]
