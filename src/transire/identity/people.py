"""People's own credentials: granted by the bundle, set by their owner through a one-use token.

A person exists because the active catalog says so. A credential exists because its owner redeemed
a token that somebody else handed over; whoever writes or approves bundles cannot hand tokens out
(`people.invite.apart` in the pack), so nobody makes their own second person.
State: `person/<id>` (the credential's digest), `invite/<id>` (a token's digest and expiry),
`revoked/<id>` (who revoked the last one).
"""

import json
import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from transire.domain.deployment import Catalog
from transire.domain.ids import KeyId, PersonId
from transire.domain.log import Change, Condition, DecisionLog, Item
from transire.domain.ports import Clock, Keyed
from transire.domain.request import JsonValue, Principal
from transire.errors import AccessError, AuthenticationError, ConflictError, NotFoundError
from transire.identity.credentials import Credential, matches, mint, parse

__all__ = ["FIRST_CREDENTIAL_FILE", "People", "owner_of"]

FIRST_CREDENTIAL_FILE: Final = "first-credential"
_TOKEN_HOURS: Final = 24
_MODE_KEY: Final = "bundle/mode"
"""As `bundle.acts` names it, which stands above this."""
_REFUSED: Final = "no valid personal credential was presented; `transire login` sets one"


class People:
    """Invites, redeems, revokes and recognises."""

    def __init__(
        self,
        log: DecisionLog,
        peek: Callable[[str], str | None],
        *,
        keyed: Keyed,
        clock: Clock,
        entropy: Callable[[int], bytes],
        is_solo: Callable[[], bool] = lambda: False,
    ) -> None:
        self._is_solo = is_solo
        self._log = log
        self._peek = peek
        self._keyed = keyed
        self._clock = clock
        self._entropy = entropy

    async def invite(self, catalog: Catalog, person: str, *, by: str) -> str:
        """A one-use token with which `person` sets their credential, good for 24 hours.

        An earlier token of the same person is void from now on. Somebody who has a credential is
        not invited: whoever redeemed that token would be them, and no longer one person.

        Raises:
            ConflictError: they have a credential.
            AccessError: the inviter is who revoked it; that would be one person again.
        """
        apart = self._demand_vacant(person, by)
        if PersonId(person) not in catalog.people:
            raise NotFoundError(
                "no such person in the active catalog; `transire people add` proposes one"
            )
        token = mint("tsi", self._entropy)
        expires = (self._clock.now() + timedelta(hours=_TOKEN_HOURS)).isoformat()
        value = json.dumps(
            {"digest": token.digest(self._keyed), "person": person, "expires_at": expires},
            sort_keys=True,
        )
        void = [Change(key=key, value=None) for key, _ in await self._invites_of(person)]
        await self._log.append(
            Item(
                kind="access.invited",
                fields={"person": person, "by": by, "expires_at": expires, **_of(catalog, person)},
                conditions=(Condition(key=f"person/{person}", equals=None), *apart),
                changes=(*void, Change(key=f"invite/{token.id}", value=value)),
            )
        )
        return token.text()

    async def redeem(self, text: str, catalog: Catalog) -> tuple[str, str]:
        """(person, credential) for a token; the token is spent in the same transaction.

        Raises:
            AuthenticationError: unknown, spent or expired token, or a person without a place in
                the active catalog.
            ConflictError: somebody was faster, or this person has a credential.
        """
        token = parse(text)
        stored = self._peek(f"invite/{token.id}") if token and token.prefix == "tsi" else None
        if token is None or stored is None:
            raise AuthenticationError("this token is unknown or spent; ask for a new one")
        invite = json.loads(stored)
        if not matches(token, invite["digest"], self._keyed):
            raise AuthenticationError("this token is unknown or spent; ask for a new one")
        if datetime.fromisoformat(invite["expires_at"]) <= self._clock.now():
            raise AuthenticationError("this token has expired; ask for a new one")
        person = invite["person"]
        if PersonId(person) not in catalog.people:
            raise AuthenticationError("this person is not in the active catalog")
        credential = mint("tsp", self._entropy)
        await self._log.append(
            Item(
                kind="access.credential_set",
                fields={
                    "person": person,
                    "credential_id": credential.id,
                    **_of(catalog, person),
                },
                # Nobody is invited who has a credential, and no token ever replaces one.
                conditions=(
                    Condition(key=f"invite/{token.id}", equals=stored),
                    Condition(key=f"person/{person}", equals=None),
                ),
                changes=(
                    Change(key=f"invite/{token.id}", value=None),
                    Change(key=f"person/{person}", value=self._record(person, credential)),
                    Change(key=f"revoked/{person}", value=None),
                    Change(key=f"credential/{credential.id}", value=person),
                ),
            )
        )
        return person, credential.text()

    async def revoke(self, catalog: Catalog, person: str, *, by: str) -> None:
        """Void a person's credential at once; one person is enough.

        Whoever revokes one that somebody else has revoked already confirms it: the first of the
        two may then invite that person anew.
        """
        stored = self._peek(f"person/{person}")
        if stored is None and self._peek(f"revoked/{person}") in (None, by):
            raise NotFoundError("this person has no credential")
        await self._log.append(
            Item(
                kind="access.credential_revoked",
                fields={"person": person, "by": by, **_of(catalog, person)},
                conditions=(Condition(key=f"person/{person}", equals=stored),),
                changes=(
                    Change(key=f"person/{person}", value=None),
                    Change(key=f"revoked/{person}", value=by),
                    *self._dropped(person),
                ),
            )
        )

    def _demand_vacant(self, person: str, by: str) -> tuple[Condition, ...]:
        """That somebody may be invited by this person, and what must still hold in the entry."""
        if self._peek(f"person/{person}") is not None:
            raise ConflictError(
                "this person has a credential; it must be revoked first, by themselves or by "
                "another person than the one who invites (`transire people revoke`)"
            )
        revoked_by = self._peek(f"revoked/{person}")
        if revoked_by != by or by == person:
            return (Condition(key=f"revoked/{person}", equals=revoked_by),)
        if not self._is_solo():
            raise AccessError(
                "another person must invite whom you revoked, or confirm it by revoking them too"
            )
        return (Condition(key=_MODE_KEY, equals="solo"),)

    async def credential_state(self, person: str) -> str:
        """`set`, `invited` (a token waits for them), `expired` (it waited too long) or `none`."""
        if self._peek(f"person/{person}") is not None:
            return "set"
        waiting = [json.loads(text)["expires_at"] for _, text in await self._invites_of(person)]
        if not waiting:
            return "none"
        is_good = max(map(datetime.fromisoformat, waiting)) > self._clock.now()
        return "invited" if is_good else "expired"

    async def write_first(self, directory: Path, catalog: Catalog, person: str) -> Path:
        """Void and reissue the first person's token into `DATA/first-credential` (0600).

        The file holds `PERSON TOKEN`.
        """
        token = await self.invite(catalog, person, by="genesis")
        path = directory / FIRST_CREDENTIAL_FILE
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{person} {token}\n")
        return path

    def authenticate(self, bearer: str, catalog: Catalog) -> Principal:
        """Who presents this personal credential.

        Raises:
            AuthenticationError: unknown, revoked, or not in the active catalog; one message.
        """
        credential = parse(bearer)
        person = (
            self._peek(f"credential/{credential.id}")
            if credential and credential.prefix == "tsp"
            else None
        )
        stored = self._peek(f"person/{person}") if person else None
        if credential is None or person is None or stored is None:
            raise AuthenticationError(_REFUSED)
        known = catalog.people.get(PersonId(person))
        if known is None or not matches(credential, json.loads(stored)["digest"], self._keyed):
            raise AuthenticationError(_REFUSED)
        return Principal(
            kind="person", tenant=known.tenant, key_id=KeyId(credential.id), person=known.id
        )

    async def _invites_of(self, person: str) -> list[tuple[str, str]]:
        invites = await self._log.scan("invite/")
        return [(key, text) for key, text in invites if json.loads(text)["person"] == person]

    def _record(self, person: str, credential: Credential) -> str:
        return json.dumps(
            {
                "digest": credential.digest(self._keyed),
                "person": person,
                "credential_id": credential.id,
                "set_at": self._clock.now().isoformat(),
            },
            sort_keys=True,
        )

    def _dropped(self, person: str) -> list[Change]:
        """The pointer of the credential that ends."""
        stored = self._peek(f"person/{person}")
        if stored is None:
            return []
        return [Change(key=f"credential/{json.loads(stored)['credential_id']}", value=None)]


def _of(catalog: Catalog, person: str) -> dict[str, JsonValue]:
    """Whose auditors see it: the person's tenant's; nobody's, once they left the catalog."""
    known = catalog.people.get(PersonId(person))
    return {} if known is None else {"tenant": known.tenant}


def owner_of(first_credential: Path) -> str:
    """Whose token a first-credential file holds."""
    return first_credential.read_text("utf-8").split()[0]
