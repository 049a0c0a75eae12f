"""Who asks: one spelling of a credential, and guessing that is slow."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.unit.api.test_intake import SOMEBODY, sent

from transire.api.asker import bearer_of, guarded
from transire.domain.request import Principal
from transire.errors import AuthenticationError, ThrottledError


@pytest.mark.parametrize(
    ("value", "token"),
    [("Bearer tsk_x", "tsk_x"), ("bearer tsk_x", "tsk_x"), ("BEARER  tsk_x ", "tsk_x")],
)
def test_a_credential_comes_as_a_bearer(value: str, token: str) -> None:
    assert bearer_of(sent(("authorization", value))) == token


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer ", "Basic tsk_x", "tsk_x"])
def test_anything_else_is_no_credential(value: str) -> None:
    with pytest.raises(AuthenticationError):
        bearer_of(sent(("authorization", value)))
    with pytest.raises(AuthenticationError):
        bearer_of(sent())


@dataclass
class Doorkeeper:
    """Counts failures by address; has had enough of some."""

    failures: list[str] = field(default_factory=list)
    tired_of: str = ""

    def check(self, address: str) -> None:
        if address == self.tired_of:
            raise ThrottledError("too many failures", retry_after_s=1)

    def failed(self, address: str) -> None:
        self.failures.append(address)


class Place:
    """What of an installation is asked before anybody is known."""

    def __init__(self, doorkeeper: Doorkeeper) -> None:
        self.doorkeeper = doorkeeper
        self.governed: Any = type("G", (), {"bundle": type("B", (), {"catalog": "catalog"})})


def known(bearer: str, catalog: Any) -> Principal:
    assert catalog == "catalog"
    if bearer != "right":
        raise AuthenticationError("no")
    return SOMEBODY


def ask(doorkeeper: Doorkeeper, bearer: str, client: Any = ("192.0.2.1", 1)) -> Principal:
    place: Any = Place(doorkeeper)
    return guarded(place, sent(("authorization", f"Bearer {bearer}"), client=client), known)


def test_a_right_credential_gets_in_whatever_its_address_did() -> None:
    doorkeeper = Doorkeeper(tired_of="192.0.2.1")

    assert ask(doorkeeper, "right") is SOMEBODY
    assert doorkeeper.failures == []


def test_a_wrong_one_is_counted_for_its_address_and_then_slowed_down() -> None:
    doorkeeper = Doorkeeper()
    for client in (("192.0.2.1", 1), None):
        with pytest.raises(AuthenticationError):
            ask(doorkeeper, "wrong", client)
    doorkeeper.tired_of = "192.0.2.1"
    with pytest.raises(ThrottledError):
        ask(doorkeeper, "wrong")

    assert doorkeeper.failures == ["192.0.2.1", "unknown"]
