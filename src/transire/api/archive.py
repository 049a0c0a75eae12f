"""What entries name by digest or version, looked up where replay needs it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from transire.authorize.cedar import CedarAuthorizer
from transire.bundle.compiled import CompiledBundle
from transire.bundle.lifecycle import load_bundle
from transire.bundle.quarantine import quarantine_at
from transire.domain.bundle import Bundle, Quarantine, RoutingRules
from transire.domain.ids import BundleDigest, DeploymentId
from transire.domain.ports import Keyed
from transire.errors import NotFoundError
from transire.installation import Installation
from transire.picks import Approved
from transire.record.erasing import is_kept
from transire.review.states import Review

__all__ = ["Approval", "Archive", "LogArchive"]


class Archive(Protocol):
    """What entries name by digest or version."""

    async def authorizer(self, digest: str) -> CedarAuthorizer:
        """Of a bundle.

        Raises:
            NotFoundError, IntegrityError, BundleError: it is not there, or does not compile.
        """

    async def routing(self, digest: str) -> RoutingRules:
        """What a bundle says of attempts and escalations; raises as `authorizer`."""

    async def bundle(self, digest: str) -> Bundle:
        """A bundle; raises as `authorizer`."""

    @property
    def keyed(self) -> Keyed:
        """The installation's keyed digests."""

    async def facts(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """The facts an entry names; empty for a request nobody got to read.

        Raises:
            NotFoundError: they are named and not there.
        """

    async def keeps(self, entry: Mapping[str, Any]) -> bool:
        """Whether nothing that an entry disclosed was erased."""

    async def quarantine(self, version: int) -> Quarantine:
        """What was blocked at a version.

        Raises:
            NotFoundError: there was no such version.
        """

    async def approved(self, review_id: str) -> Approved:
        """What a review that was spent let go out.

        Raises:
            NotFoundError: there is no such review.
        """


@dataclass(frozen=True, slots=True)
class Approval:
    """What a review lets go out; implements `picks.Approved`."""

    deployments: frozenset[DeploymentId]
    queues: frozenset[str]
    is_redacted: bool


class LogArchive:
    """The archive that a running installation's log is; bundles are compiled once per replay."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._authorizers: dict[str, CedarAuthorizer] = {}

    async def authorizer(self, digest: str) -> CedarAuthorizer:
        """See `Archive`."""
        if digest not in self._authorizers:
            self._authorizers[digest] = CedarAuthorizer(await self.compiled(digest))
        return self._authorizers[digest]

    async def routing(self, digest: str) -> RoutingRules:
        """See `Archive`."""
        return (await self.compiled(digest)).bundle.routing

    async def compiled(self, digest: str) -> CompiledBundle:
        """A bundle by digest, as `authorizer`."""
        steering = self._installation.steering
        if steering.compiled is not None and steering.compiled.digest == digest:
            return steering.compiled
        return await load_bundle(
            self._installation.log, BundleDigest(digest), must_hold_limits=False
        )

    async def bundle(self, digest: str) -> Bundle:
        """See `Archive`."""
        return (await self.compiled(digest)).bundle

    @property
    def keyed(self) -> Keyed:
        """See `Archive`."""
        return self._installation.keyed

    async def facts(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """See `Archive`."""
        if not entry.get("facts"):
            return {}
        blob = await self._installation.log.blob(entry["facts"])
        if blob is None:
            raise NotFoundError("the log does not hold this decision's facts")
        found: dict[str, Any] = orjson.loads(blob)
        return found

    async def keeps(self, entry: Mapping[str, Any]) -> bool:
        """See `Archive`."""
        return await is_kept(self._installation.log, entry)

    async def quarantine(self, version: int) -> Quarantine:
        """See `Archive`."""
        current = self._installation.governed.quarantine
        if version == current.version:
            return current
        return await quarantine_at(self._installation.log, version)

    async def approved(self, review_id: str) -> Approval:
        """See `Archive`."""
        stored = await self._installation.log.get(f"review/{review_id}")
        if stored is None:
            raise NotFoundError("the log does not hold this decision's review")
        review = Review.from_json(stored)
        return Approval(
            deployments=frozenset(map(DeploymentId, review.deployments)),
            queues=frozenset(review.queues),
            is_redacted=bool(review.facts["redacted"]),
        )
