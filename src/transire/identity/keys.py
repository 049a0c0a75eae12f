"""Application keys: bound to tenant, application and default purpose; created by entries.

State: `key/<id>` in the log's own state, written in the transaction of the entry that says so. A
key says who asks, and nothing more: what the application may do stands in the catalog.
"""

import json
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Final

from transire.domain.deployment import Catalog
from transire.domain.ids import ApplicationId, KeyId, PersonId, Purpose, TenantId
from transire.domain.log import Change, Condition, DecisionLog, Item
from transire.domain.ports import Clock, Keyed
from transire.domain.request import Principal
from transire.errors import AuthenticationError, ConflictError, NotFoundError, RequestError
from transire.identity.credentials import matches, mint, parse

__all__ = ["EXPIRED", "REVOKED", "SCOPES", "KeyRecord", "KeyRing", "revoked_key"]

SCOPES: Final = ("chat", "decisions")
"""What a key may be for: forwarding, and advice. The names that inference knows are for both."""

EXPIRED: Final = "this key has expired; ask an operator for a new one"
REVOKED: Final = "this key was revoked; ask an operator for a new one"
_REFUSED = "no valid key was presented; send `Authorization: Bearer tsk_…`"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """A key as stored, without its secret.

    Attributes:
        scopes: What it is for, of `SCOPES`.
        expires_at: ISO 8601 UTC; a key always expires.
        minted_by: Who created it; they and `holder` never release its requests.
    """

    id: str
    digest: str
    tenant: str
    application: str
    purpose: str
    priority: int
    scopes: tuple[str, ...]
    minted_by: str
    holder: str
    created_at: str
    expires_at: str
    revoked_at: str = ""

    def to_json(self) -> str:
        """Canonical text; conditions compare it."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "KeyRecord":
        """Read `to_json` back."""
        fields = json.loads(text)
        return cls(**{**fields, "scopes": tuple(fields["scopes"])})

    def public(self) -> dict[str, object]:
        """What may be listed."""
        fields = asdict(self)
        del fields["digest"]
        return fields


def revoked_key(key_id: str) -> str:
    """The state key that a revocation writes, for whatever is conditional on its absence."""
    return f"revoked-key/{key_id}"


class KeyRing:
    """Creates, lists, revokes and recognises application keys."""

    def __init__(
        self,
        log: DecisionLog,
        peek: Callable[[str], str | None],
        *,
        keyed: Keyed,
        clock: Clock,
        entropy: Callable[[int], bytes],
    ) -> None:
        self._log = log
        self._peek = peek
        self._keyed = keyed
        self._clock = clock
        self._entropy = entropy
        self._parsed: dict[str, KeyRecord] = {}

    async def create(
        self,
        catalog: Catalog,
        *,
        application: str,
        purpose: str | None,
        days: int,
        priority: int,
        holder: str,
        minted_by: str,
        scopes: Collection[str] = SCOPES,
    ) -> tuple[KeyRecord, str]:
        """Create a key; its text is returned once and never again.

        Raises:
            NotFoundError, RequestError: the application or purpose is not in the catalog.
        """
        known = catalog.applications.get(ApplicationId(application))
        if known is None:
            names = ", ".join(sorted(catalog.applications))
            raise NotFoundError(f"no such application; the catalog has {names}")
        chosen = purpose or known.purposes[0]
        if chosen not in known.purposes:
            raise RequestError(
                f"`purpose` must be one of {', '.join(known.purposes)}", param="purpose"
            )
        credential, now = mint("tsk", self._entropy), self._clock.now()
        record = KeyRecord(
            id=credential.id,
            digest=credential.digest(self._keyed),
            tenant=known.tenant,
            application=known.id,
            purpose=chosen,
            priority=priority,
            scopes=tuple(sorted(set(scopes))),
            minted_by=minted_by,
            holder=holder,
            created_at=now.isoformat(),
            expires_at=(now + timedelta(days=days)).isoformat(),
        )
        await self._log.append(
            Item(
                kind="access.key_created",
                fields={
                    **_named(record),
                    "scopes": list(record.scopes),
                    "expires_at": record.expires_at,
                },
                conditions=(Condition(key=f"key/{record.id}", equals=None),),
                changes=(Change(key=f"key/{record.id}", value=record.to_json()),),
            )
        )
        return record, credential.text()

    async def list(self, tenant: str | None = None) -> list[KeyRecord]:
        """All keys, revoked ones included, by creation."""
        records = [KeyRecord.from_json(text) for _, text in await self._log.scan("key/")]
        kept = [r for r in records if tenant is None or r.tenant == tenant]
        return sorted(kept, key=lambda r: r.created_at)

    async def revoke(self, key_id: str, *, by: str) -> KeyRecord:
        """Revoke at once; one person is enough."""
        record = self.get(key_id)
        if record is None:
            raise NotFoundError("no such key")
        if record.revoked_at:
            raise ConflictError("this key is revoked already")
        revoked = KeyRecord(
            **{
                **asdict(record),
                "scopes": record.scopes,
                "revoked_at": self._clock.now().isoformat(),
            }
        )
        await self._log.append(
            Item(
                kind="access.key_revoked",
                fields={**_named(record), "by": by},
                conditions=(Condition(key=f"key/{key_id}", equals=record.to_json()),),
                changes=(
                    Change(key=f"key/{key_id}", value=revoked.to_json()),
                    # Nothing is permitted to the key by an entry after this one (`record`).
                    Change(key=revoked_key(key_id), value=revoked.revoked_at),
                ),
            )
        )
        return revoked

    def get(self, key_id: str) -> KeyRecord | None:
        """A key's record as of the last commit."""
        text = self._peek(f"key/{key_id}")
        if text is None:
            return None
        record = self._parsed.get(text)
        if record is None:
            if len(self._parsed) > 10_000:
                self._parsed.clear()
            record = self._parsed[text] = KeyRecord.from_json(text)
        return record

    def authenticate(self, bearer: str, catalog: Catalog) -> Principal:
        """Who presents this key.

        Raises:
            AuthenticationError: unknown, malformed, expired, revoked, or of an application the
                active catalog does not have; one message for all but expiry and revocation.
        """
        credential = parse(bearer)
        record = self.get(credential.id) if credential and credential.prefix == "tsk" else None
        if (
            credential is None
            or record is None
            or not matches(credential, record.digest, self._keyed)
        ):
            raise AuthenticationError(_REFUSED)
        if record.revoked_at:
            raise AuthenticationError(REVOKED)
        expires_at = datetime.fromisoformat(record.expires_at)
        if expires_at <= self._clock.now():
            raise AuthenticationError(EXPIRED)
        application = catalog.applications.get(ApplicationId(record.application))
        if application is None or application.tenant != record.tenant:
            raise AuthenticationError("this key's application is not in the active catalog")
        if record.purpose not in application.purposes:
            raise AuthenticationError("this key's purpose is not in the active catalog")
        return Principal(
            kind="application",
            tenant=TenantId(record.tenant),
            key_id=KeyId(record.id),
            application=application.id,
            purpose=Purpose(record.purpose),
            priority=record.priority,
            scopes=frozenset(record.scopes),
            expires_at=expires_at,
        )

    def holders(self, key_id: str) -> frozenset[PersonId]:
        """Who could have made a request with this key."""
        record = self.get(key_id)
        return frozenset({PersonId(record.holder), PersonId(record.minted_by)} if record else ())


def _named(record: KeyRecord) -> dict[str, str]:
    return {
        "key_id": record.id,
        "tenant": record.tenant,
        "application": record.application,
        "purpose": record.purpose,
        "minted_by": record.minted_by,
        "holder": record.holder,
    }
