"""Answers that are kept to be given again: for whom, for how long, and by what key.

An answer is kept for exactly one principal (tenant, application, key and verified user), one set of
facts, one bundle, one deployment and one content in raw form. What of that differs is another key,
so that there is nothing to be compared and nothing to be forgotten in a comparison. It is what the
deployment said: nothing was put back into it, repaired or replaced.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from transire.domain.answer import Completion
from transire.domain.ids import (
    ApplicationId,
    BundleDigest,
    DecisionId,
    DeploymentId,
    PolicyId,
    TenantId,
)

__all__ = [
    "AnswerStore",
    "CacheObserver",
    "CacheRules",
    "Cached",
    "Held",
    "Kept",
    "Place",
    "Purge",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheRules:
    """The governed part: how long answers may be kept. Policy says whether.

    Attributes:
        ttl_s: Seconds for every task and application that is not named; 0 keeps nothing.
        tasks: Task → seconds.
        applications: Application → seconds; where both are named, the shorter counts.
        sampled: Requests that ask for sampling (any but `temperature: 0`) count too.
    """

    ttl_s: int = 0
    tasks: Mapping[str, int] = field(default_factory=dict)
    applications: Mapping[ApplicationId, int] = field(default_factory=dict)
    sampled: bool = False

    def ttl_of(self, application: ApplicationId | None, task: str) -> int:
        """Seconds an answer to this task of this application may be kept; 0 is not at all."""
        named = [self.tasks[task]] if task in self.tasks else []
        if application is not None and application in self.applications:
            named.append(self.applications[application])
        return min(named, default=self.ttl_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one answer is kept.

    Attributes:
        digest: Keyed digest over everything that makes the question this one.
    """

    digest: bytes
    tenant: TenantId
    application: ApplicationId
    bundle: BundleDigest
    deployment: DeploymentId


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One answer with where it came from.

    Attributes:
        attempt: The attempt of `decision_id` that it answered.
        answered_at: When; `ttl_s` counts from then.
        cost_micro_usd: What it cost then; None is unknown.
    """

    answer: Completion = field(repr=False)
    decision_id: DecisionId
    attempt: int
    answered_at: datetime
    cost_micro_usd: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cached:
    """What a permit to give an answer again says of it.

    Attributes:
        decision_id: The decision that the answer was given to first; with its `attempt`.
        ttl_s: How old it may be.
        policies: The rules of `cache` that permit it, sorted.
    """

    decision_id: DecisionId
    attempt: int
    ttl_s: int
    policies: tuple[PolicyId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """How much a store holds; of one tenant where it was asked about one."""

    answers: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Purge:
    """What to forget: of one tenant, and of one application where it is named."""

    tenant: TenantId
    application: ApplicationId | None = None


class AnswerStore(Protocol):
    """Keeps answers, encrypted, for a while. Losing any of them is no error, only a miss.

    Nothing here raises: what cannot be read, written or decrypted is not there.
    """

    async def recall(self, place: Place) -> Kept | None:
        """The answer kept at exactly this place, not yet over; None where there is none."""

    async def keep(self, place: Place, kept: Kept, *, ttl_s: int) -> bool:
        """Keep an answer, others going where there is no room; False where it is not kept."""

    async def forget(self, purge: Purge) -> int:
        """Forget these; how many there were."""

    async def tidy(
        self,
        now: datetime,
        bundle: BundleDigest,
        deployments: Collection[DeploymentId],
        tenants: Collection[TenantId],
    ) -> None:
        """Forget what is over, of another bundle, of another deployment, or of these tenants.

        Args:
            deployments: The ones that may serve now.
            tenants: The ones that are quarantined.
        """

    async def held(self, tenant: TenantId | None = None) -> Held:
        """How much there is."""


class CacheObserver(Protocol):
    """Measurements of the cache; never content."""

    def looked_up(self, result: str) -> None:
        """A request looked for its answer: `hit`, `miss`, or `unfit` (there, but not for it)."""

    def saved(self, micro_usd: int) -> None:
        """An answer was given again that had cost this much."""
