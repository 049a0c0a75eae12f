"""Acts: only a person's, only where Cedar allows them now, and the refusal says who may."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest
from tests.conftest import FakeClock

from transire.domain.ids import KeyId, PersonId, TenantId
from transire.domain.request import Principal
from transire.errors import AccessError
from transire.identity.acts import Acts

BUNDLE = {"type": "PolicyBundle", "id": "b"}


class Asked:
    """An authorizer that notes what it is asked and answers as told."""

    def __init__(self, *, says: bool) -> None:
        self.says = says
        self.asked: list[tuple[str, str, Mapping[str, Any], datetime, bool]] = []

    def allows(
        self,
        person: str,
        action: str,
        resource: Mapping[str, Any],
        *,
        now: datetime,
        solo: bool = False,
    ) -> bool:
        self.asked.append((person, action, resource, now, solo))
        return self.says


def who(person: str | None) -> Principal:
    return Principal(
        kind="application" if person is None else "person",
        tenant=TenantId("acme"),
        key_id=KeyId("k"),
        person=None if person is None else PersonId(person),
    )


def acts(asked: Asked, clock: FakeClock, *, solo: bool = False) -> Acts:
    authorizer: Any = asked
    return Acts(lambda: authorizer, lambda: solo, clock)


@pytest.mark.parametrize("solo", [True, False])
def test_cedar_is_asked_as_of_now_in_the_mode_of_now(clock: FakeClock, solo: bool) -> None:
    asked = Asked(says=True)
    clock.advance(7)

    assert acts(asked, clock, solo=solo).require(who("ana"), "propose", BUNDLE) == "ana"
    assert asked.asked == [("ana", "propose", BUNDLE, clock.now(), solo)]


def test_an_application_key_acts_for_nobody_and_cedar_is_not_asked(clock: FakeClock) -> None:
    asked = Asked(says=True)

    with pytest.raises(AccessError, match="own credential"):
        acts(asked, clock).require(who(None), "propose", BUNDLE)
    assert asked.asked == []


@pytest.mark.parametrize(
    ("action", "told"),
    [
        ("approve", "transire people add"),
        ("mint_key", "an operator"),
        ("something_new", "someone else"),
    ],
)
def test_a_refusal_says_who_usually_may(clock: FakeClock, action: str, told: str) -> None:
    with pytest.raises(AccessError, match=told) as caught:
        acts(Asked(says=False), clock).require(who("ana"), action, BUNDLE)

    assert ("people add" in str(caught.value)) == (action == "approve")


def test_may_is_cedars_answer(clock: FakeClock) -> None:
    assert acts(Asked(says=True), clock).may("ana", "propose", BUNDLE)
    assert not acts(Asked(says=False), clock).may("ana", "propose", BUNDLE)
