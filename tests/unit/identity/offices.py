"""The starter pack's people and applications over a log in memory."""

import hashlib
from dataclasses import replace
from itertools import count
from typing import Any

from tests.conftest import FakeClock
from tests.fakes import MemoryLog
from tests.unit.authorize.worlds import pack

from transire.domain.deployment import Catalog
from transire.domain.ids import ApplicationId, PersonId, TenantId
from transire.identity.keys import KeyRecord, KeyRing
from transire.identity.people import People

__all__ = ["Keys", "Office"]

APPLICATION = ApplicationId("docs-qa")


class Keys:
    """Keyed digests without a key."""

    def digest(self, purpose: str, data: bytes) -> bytes:
        return hashlib.sha256(purpose.encode() + b"/" + data).digest()


class Office:
    """Keys and people of one installation."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.log = MemoryLog()
        self.solo = False
        self.catalog: Catalog = pack().bundle.catalog
        drawn = count()
        parts: dict[str, Any] = {
            "keyed": Keys(),
            "clock": clock,
            "entropy": lambda size: hashlib.shake_256(str(next(drawn)).encode()).digest(size),
        }
        self.keys = KeyRing(self.log, self.log.peek, **parts)
        self.people = People(self.log, self.log.peek, is_solo=lambda: self.solo, **parts)

    async def key(self, **changes: Any) -> tuple[KeyRecord, str]:
        fields: dict[str, Any] = {
            "application": "docs-qa",
            "purpose": None,
            "days": 30,
            "priority": 5,
            "holder": "hal",
            "minted_by": "omar",
        }
        return await self.keys.create(self.catalog, **{**fields, **changes})

    async def credential(self, person: str = "rita", *, by: str = "omar") -> str:
        """A person who has logged in."""
        token = await self.people.invite(self.catalog, person, by=by)
        _, text = await self.people.redeem(token, self.catalog)
        return text

    def without_person(self, person: str) -> Catalog:
        people = {k: v for k, v in self.catalog.people.items() if k != PersonId(person)}
        return replace(self.catalog, people=people)

    def with_application(self, **changes: Any) -> Catalog:
        changed = replace(self.catalog.applications[APPLICATION], **changes)
        applications = {**self.catalog.applications, APPLICATION: changed}
        return replace(self.catalog, applications=applications)

    def without_application(self) -> Catalog:
        applications = {k: v for k, v in self.catalog.applications.items() if k != APPLICATION}
        return replace(self.catalog, applications=applications)

    @property
    def other_tenant(self) -> TenantId:
        return TenantId("other")
