"""One running installation: everything it is made of, what it does by the clock, and its end.

Nothing is built here; `bootstrap` puts it together.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from transire.bundle.acts import Act
from transire.classify.detector import EngineDetector
from transire.classify.pool import ScanPool
from transire.domain.governed import Governed
from transire.domain.ids import DeploymentId, PersonId
from transire.domain.ports import Clock
from transire.errors import GovernanceUnavailable, TransireError
from transire.following import Follower
from transire.identity.acts import Acts
from transire.identity.digests import InstallationKeys
from transire.identity.keys import KeyRing
from transire.identity.people import People
from transire.limits.admission import Admission, FailedAuthLimiter
from transire.limits.sessions import SessionMemory
from transire.limits.summaries import Summaries
from transire.observe.metrics import Metrics
from transire.outbound.client import Outbound
from transire.outbound.secrets import Secrets
from transire.recall import Recall
from transire.record.front import LogFront
from transire.record.query import Projection
from transire.record.recorder import LogRecorder
from transire.review.queue import ReviewQueue
from transire.router import Router
from transire.score.health import FleetHealth
from transire.settings import Settings
from transire.shadowing import Shadowing
from transire.spotchecks import SpotChecks
from transire.steering import Steering
from transire.storage.answers import SqliteAnswers
from transire.upkeep import Upkeep
from transire.validate.contract import ContractValidator

__all__ = ["Installation"]

_log = structlog.get_logger()
_SWEEP_S: Final = 10.0
"""Seconds between sweeps of expired reviews, counted throttles and replaced secrets."""
_CATCH_UP_S: Final = 2.0
"""Seconds between looks for acts nobody here heard of; with building it, one counts within ten."""


@dataclass(slots=True)
class Installation:
    """Everything a running router is made of."""

    settings: Settings
    clock: Clock
    log: LogFront
    projection: Projection
    keyed: InstallationKeys
    acts: Acts
    keys: KeyRing
    people: People
    reviews: ReviewQueue
    recorder: LogRecorder
    router: Router
    metrics: Metrics
    admission: Admission
    doorkeeper: FailedAuthLimiter
    sessions: SessionMemory
    summaries: Summaries
    health: FleetHealth
    steering: Steering
    outbound: Outbound
    secrets: Secrets
    pool: ScanPool
    trials: Follower
    granted: Follower
    validator: ContractValidator
    shadows: Shadowing
    spot_checks: SpotChecks
    answers: SqliteAnswers | None = None
    recall: Recall | None = None
    first_credential: Path | None = None
    _upkeep: Upkeep | None = None
    _unwell: frozenset[DeploymentId] = frozenset()

    @property
    def governed(self) -> Governed:
        """The governed state of this moment."""
        return self.steering.current()

    def missing_credentials(self) -> list[str]:
        """Names of credentials that open deployments ask for and the settings do not have."""
        names = self.governed.bundle.catalog.credentials
        return sorted(name for name in names if self.secrets.get(name) is None)

    def act(self, person: PersonId) -> Act:
        """A person's act on governed state, judged by the bundle that is active now."""
        if self.steering.compiled is None:
            raise GovernanceUnavailable("no bundle is active")
        return Act(
            person=person,
            now=self.clock.now(),
            active=self.steering.compiled,
            judge=self.governed.authorizer,
        )

    async def start(self) -> None:
        """Warm the workers and begin sweeping; call once, in the serving loop."""
        if cold := await self.pool.warm_up(self.governed.bundle.recognizers):
            _log.warning("scan.workers_cold", count=cold)
        for catch_up in (self._learn, self._recall):
            try:
                await catch_up()
            except TransireError as error:  # the next turn reads what this one could not
                _log.warning("upkeep.failed", job="start", code=error.code)
        self._upkeep = Upkeep(
            {
                "steering": (self.steering.catch_up, _CATCH_UP_S),
                "reviews": (self.reviews.sweep, _SWEEP_S),
                "summaries": (self.summaries.write, _SWEEP_S),
                "sessions": (self._sweep_sessions, _SWEEP_S),
                "secrets": (self._refresh_secrets, _SWEEP_S),
                "answers": (self._tidy, _SWEEP_S),
                "gauges": (self._gauge, _SWEEP_S),
                "trials": (self._learn, _CATCH_UP_S),
                "escalations": (self._recall, _SWEEP_S),
                "search_columns": (self.projection.keep_sound, _SWEEP_S),
            }
        )
        self._upkeep.start()

    async def close(self) -> None:
        """Stop sweeping, let outcomes become durable, then close what was opened, in that order.

        What cannot be closed is named in the operational log, and keeps nothing else open.
        """
        upkeep, recall, answers = self._upkeep, self.recall, self.answers
        steps: dict[str, Callable[[], Awaitable[None]] | None] = {
            "upkeep": upkeep.close if upkeep else None,
            "shadows": self.shadows.close,
            "spot_checks": self.spot_checks.close,
            "outcomes": self.recorder.flush,
            "outbound": self.outbound.close,
            "recall": recall.flush if recall else None,
            "answers": answers.close if answers else None,
            "validator": self.validator.close,
            "throttles": self.summaries.write,
            "log": self.log.close,
            "readers": self._close_readers,
        }
        for name, step in steps.items():
            try:
                if step is not None:
                    await step()
            except Exception as error:  # noqa: BLE001 - the log must be closed in any case
                _log.error("close.failed", job=name, error_type=type(error).__name__)

    async def _close_readers(self) -> None:
        self.projection.close()
        self.pool.close()
        detector = self.governed.detector
        if isinstance(detector, EngineDetector):
            detector.close()

    async def _learn(self) -> None:
        """Count what the log tells of experiments, where there are any."""
        if self.governed.bundle.experiments:
            await self.trials.catch_up()

    async def _recall(self) -> None:
        """Count what others escalated, where anything may be."""
        if self.governed.bundle.routing.cascades:
            await self.granted.catch_up()

    async def _sweep_sessions(self) -> None:
        self.sessions.sweep(self.governed.bundle.routing.sessions)

    async def _refresh_secrets(self) -> None:
        await asyncio.to_thread(self.secrets.refresh)

    async def _gauge(self) -> None:
        detector = self.governed.detector
        if isinstance(detector, EngineDetector):
            self.metrics.learned(detector.hints)
        unwell = self.health.unwell()
        for name in unwell - self._unwell:
            _log.warning("deployment.unwell", deployment=name)
        for name in self._unwell - unwell:
            _log.info("deployment.well", deployment=name)
        self._unwell = unwell
        self.metrics.held_reviews.set(await self.reviews.open_count())

    async def _tidy(self) -> None:
        """Forget answers that could not be given any more; none of them was, meanwhile."""
        if self.answers is None:
            return
        bundle, quarantine = self.governed.bundle, self.governed.quarantine
        serving = {
            name
            for name, one in bundle.catalog.deployments.items()
            if name not in quarantine.deployments and one.provider not in quarantine.providers
        }
        await self.answers.tidy(self.clock.now(), bundle.digest, serving, quarantine.tenants)
        self.metrics.cache_bytes.set((await self.answers.held()).size_bytes)
