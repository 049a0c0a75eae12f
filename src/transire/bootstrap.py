"""The only wiring: settings in, one running installation out.

Everything below gets its clock, randomness and adapters from here. The governed state is one
reference: a bundle is loaded from the log, its stages are built beside the running ones, and the
reference is rebound; a request in flight keeps what it started with (I9).
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import structlog

from transire.authorize.cedar import CedarAuthorizer
from transire.bundle.acts import ACTIVE_KEY, MODE_KEY, Act
from transire.bundle.compile import compile_bundle
from transire.bundle.compiled import CompiledBundle
from transire.bundle.labels import region_contradicts
from transire.bundle.lifecycle import active_digest, genesis, load_bundle
from transire.bundle.quarantine import read_quarantine
from transire.bundle.source import read_folder
from transire.classify.detector import EngineDetector
from transire.classify.names.finder import NameFinder
from transire.classify.pool import ScanPool
from transire.clock import SystemClock
from transire.domain.bundle import Bundle, Quarantine
from transire.domain.ids import PersonId
from transire.domain.log import Item
from transire.domain.pack import Pack
from transire.domain.ports import Clock, Governed
from transire.errors import BundleError, GovernanceUnavailable, TransireError
from transire.forward.fallback import AttemptPlan
from transire.forward.forwarder import OpenAIForwarder
from transire.identity.acts import Acts
from transire.identity.digests import INSTALL_KEY_FILE, InstallationKeys
from transire.identity.keys import KeyRing
from transire.identity.people import People
from transire.limits.admission import Admission, AdmissionLimits, PreAuthLimiter
from transire.limits.bucket import Rate
from transire.limits.summaries import Summaries
from transire.observe.metrics import Metrics
from transire.outbound.client import Bounds, Outbound
from transire.outbound.secrets import Secrets
from transire.record.draft import Names
from transire.record.front import LogFront
from transire.record.opening import create_log, has_log, open_log
from transire.record.query import Projection
from transire.record.recorder import LogRecorder
from transire.record.remote import WriterOptions, open_remote_log
from transire.record.renewal import read_predecessor
from transire.review.openings import Places
from transire.review.queue import ReviewQueue
from transire.router import Router
from transire.score.health import FleetHealth
from transire.score.scorer import BundleScorer
from transire.settings import Settings
from transire.validate.contract import ContractValidator

__all__ = [
    "Installation",
    "Steering",
    "open_installation",
]

_log = structlog.get_logger()
_SWEEP_S: Final = 10.0
"""Seconds between sweeps of expired reviews, counted throttles and replaced secrets."""


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
    doorkeeper: PreAuthLimiter
    summaries: Summaries
    health: FleetHealth
    steering: "Steering"
    outbound: Outbound
    secrets: Secrets
    pool: ScanPool
    validator: ContractValidator
    first_credential: Path | None = None
    _sweeper: asyncio.Task[None] | None = None

    @property
    def governed(self) -> Governed:
        """The governed state of this moment."""
        return self.steering.current()

    def missing_credentials(self) -> list[str]:
        """Names of credentials that open deployments ask for and the settings do not have."""
        names = _credentials(self.governed.bundle)
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
        await self.pool.warm_up(self.governed.bundle.recognizers)
        self._sweeper = asyncio.create_task(self._sweep())

    async def close(self) -> None:
        """Stop sweeping, let outcomes become durable, then close what was opened, in that order."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        await self.recorder.flush()
        await self.outbound.close()
        await self.validator.close()
        try:
            await self.summaries.write()
        except TransireError as error:
            _log.warning("throttles.unwritten", code=error.code)
        await self.log.close()
        self.projection.close()
        self.pool.close()
        detector = self.governed.detector
        if isinstance(detector, EngineDetector):
            detector.close()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            for task in (self.reviews.sweep, self.summaries.write, self._look):
                try:
                    await task()
                except TransireError as error:
                    _log.warning("sweep.failed", code=error.code)
                except Exception as error:  # noqa: BLE001 - the others must go on, whatever broke
                    _log.error("sweep.failed", error_type=type(error).__name__)

    async def _look(self) -> None:
        await asyncio.to_thread(self.secrets.refresh)
        self.metrics.held_reviews.set(await self.reviews.open_count())


class Steering:
    """Holds the governed state and follows the log's `bundle/active` and `quarantine`."""

    def __init__(
        self,
        build: Callable[[CompiledBundle], Governed],
        log: LogFront,
        warm_up: Callable[[Pack], Awaitable[None]],
    ) -> None:
        self._build = build
        self._log = log
        self._warm_up = warm_up
        self._current: Governed | None = None
        self._one_at_a_time = asyncio.Lock()
        self.compiled: CompiledBundle | None = None

    def current(self) -> Governed:
        """The state of this moment.

        Raises:
            GovernanceUnavailable: nothing was activated yet.
        """
        if self._current is None:
            raise GovernanceUnavailable("no bundle is active")
        return self._current

    async def follow(self, compiled: CompiledBundle | None = None) -> None:
        """Rebind to what the log says is active; a failed load keeps the last valid state.

        What is blocked counts at once, not behind a bundle that takes its time to build: running
        streams stop by it.
        """
        if self._current is not None:
            self._current = replace(self._current, quarantine=await read_quarantine(self._log))
        async with self._one_at_a_time:
            await self._follow(compiled)

    async def _follow(self, compiled: CompiledBundle | None) -> None:
        digest = await active_digest(self._log)
        if digest is None:
            return
        loaded = compiled if compiled and compiled.digest == digest else None
        if loaded is None and self.compiled is not None and self.compiled.digest == digest:
            loaded = self.compiled
        if loaded is None:
            loaded = await load_bundle(self._log, digest)
        if self.compiled is None or loaded.digest != self.compiled.digest:
            # Building loads models and compiles patterns: not on the event loop.
            built = await asyncio.to_thread(self._build, loaded)
            if self._current is not None:  # the workers serve already
                await self._warm_up(loaded.bundle.recognizers)
        else:
            built = self.current()
        # Read after the build, which takes long: a quarantine that came meanwhile counts.
        self._current = Governed(
            bundle=built.bundle,
            quarantine=await read_quarantine(self._log),
            detector=built.detector,
            authorizer=built.authorizer,
            scorer=built.scorer,
        )
        self.compiled = loaded
        _log.info("policy.bundle_followed", bundle_digest=loaded.digest)


async def open_installation(
    settings: Settings,
    *,
    clock: Clock | None = None,
    entropy: Callable[[int], bytes] = os.urandom,
) -> Installation:
    """Open what `settings.data` holds, founding it where it is empty.

    Raises:
        IntegrityError: the log is not the one this folder last held; says what to do.
        BundleError: genesis is refused, with every located problem.
    """
    clock = clock or SystemClock()
    keyed = _open_files(settings, entropy)
    log = await _open_log(settings, clock, entropy)
    try:
        return await _wire(settings, clock, entropy, keyed, log)
    except BaseException:
        await log.close()
        raise


async def _open_log(settings: Settings, clock: Clock, entropy: Callable[[int], bytes]) -> LogFront:
    bounds = settings.log
    if bounds.writer == "process":
        return await open_remote_log(
            WriterOptions(
                directory=settings.data,
                names=Names(replica=bounds.replica, boot=entropy(8).hex()),
                queue_size=bounds.queue_size,
                commit_timeout_s=bounds.commit_timeout_s,
                linger_s=bounds.linger_ms / 1_000,
                level=settings.observe.level,
            ),
            clock=clock,
            entropy=entropy,
        )
    return open_log(
        settings.data,
        clock=clock,
        replica=bounds.replica,
        entropy=entropy,
        queue_size=bounds.queue_size,
        commit_timeout_s=bounds.commit_timeout_s,
        linger_s=bounds.linger_ms / 1_000,
    )


def _open_files(settings: Settings, entropy: Callable[[int], bytes]) -> InstallationKeys:
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not has_log(settings.data) and not (settings.data / INSTALL_KEY_FILE).exists():
        # A bundle that does not compile must not leave half an installation behind.
        compile_bundle(read_folder(settings.governance.policies))
        create_log(settings.data, origin=settings.log.origin, entropy=entropy)
        return InstallationKeys.create(settings.data, entropy(32))
    return InstallationKeys.load(settings.data)


async def _wire(
    settings: Settings,
    clock: Clock,
    entropy: Callable[[int], bytes],
    keyed: InstallationKeys,
    log: LogFront,
) -> Installation:
    metrics, health = Metrics(), FleetHealth(clock)
    pool = ScanPool(workers=settings.detection.workers, queue=settings.detection.queue)
    recorder = LogRecorder(log, clock)

    secrets = Secrets(
        {name: value.get_secret_value() for name, value in settings.upstream.secrets.items()},
        settings.upstream.secrets_dir,
    )

    def build(compiled: CompiledBundle) -> Governed:
        secrets.load(_credentials(compiled.bundle))
        return Governed(
            bundle=compiled.bundle,
            quarantine=steering.current().quarantine if steering.compiled else Quarantine(),
            detector=EngineDetector(
                compiled.bundle,
                keyed=keyed,
                clock=clock,
                pool=pool,
                inline_max_chars=settings.detection.inline_max_chars,
                names=NameFinder.load(
                    compiled.bundle.detector.names,
                    clock.monotonic,
                    threads=settings.detection.name_threads,
                    queue=settings.detection.name_queue,
                ),
            ),
            authorizer=CedarAuthorizer(compiled),
            scorer=BundleScorer(compiled.bundle, health),
        )

    acts = Acts(
        lambda: steering.current().authorizer,
        lambda: log.peek(MODE_KEY) == "solo",
        clock,
    )
    steering = Steering(build, log, pool.warm_up)
    validator = ContractValidator()
    keys = KeyRing(log, log.peek, keyed=keyed, clock=clock, entropy=entropy)
    people = People(
        log,
        log.peek,
        keyed=keyed,
        clock=clock,
        entropy=entropy,
        is_solo=lambda: log.peek(MODE_KEY) == "solo",
    )
    reviews = ReviewQueue(
        log,
        recorder,
        holders=keys.holders,
        places=Places(
            per_key=settings.limits.reviews_per_key, per_tenant=settings.limits.reviews_per_tenant
        ),
        clock=clock,
        entropy=entropy,
    )
    outbound = Outbound(
        Bounds(
            connect_s=settings.upstream.connect_s,
            idle_s=settings.upstream.idle_s,
            max_bytes=settings.upstream.max_bytes,
        )
    )
    admission = Admission(
        clock=clock,
        limits=AdmissionLimits(
            in_flight=settings.limits.in_flight,
            per_principal=settings.limits.per_key,
            rate=Rate(per_s=settings.limits.rate_per_s, burst=settings.limits.burst),
        ),
    )
    doorkeeper = PreAuthLimiter(clock, Rate(per_s=settings.limits.failures_per_s, burst=20))
    installation = Installation(
        settings=settings,
        clock=clock,
        log=log,
        projection=Projection(settings.data, log),
        keyed=keyed,
        acts=acts,
        keys=keys,
        people=people,
        reviews=reviews,
        recorder=recorder,
        router=Router(
            governed=steering.current,
            recorder=recorder,
            reviews=reviews,
            forwarder=OpenAIForwarder(
                outbound, keyed=keyed, secret=secrets.get, vouch=recorder.vouch, clock=clock
            ),
            validator=validator,
            attempts=AttemptPlan(),
            health=health,
            observer=metrics,
            contradicts=region_contradicts,
            clock=clock,
        ),
        metrics=metrics,
        admission=admission,
        doorkeeper=doorkeeper,
        summaries=Summaries(
            log,
            (admission.drain_counts, doorkeeper.drain_counts),
            admission.tally,
            replica=settings.log.replica,
        ),
        health=health,
        steering=steering,
        outbound=outbound,
        secrets=secrets,
        pool=pool,
        validator=validator,
    )
    await _found(installation)
    await steering.follow()
    await _close_open_permits(installation)
    for name in installation.missing_credentials():
        _log.warning("upstream.credential_missing", credential=name)
    return installation


async def _found(installation: Installation) -> None:
    """Genesis on an empty log, and the first person's token."""
    governance = installation.settings.governance
    if installation.log.peek(ACTIVE_KEY) is not None:
        return
    files = read_folder(governance.policies)
    continues = read_predecessor(installation.settings.data)
    mode = governance.mode
    if continues is not None:  # a lost log's mode is kept, whatever the settings say now
        mode = "solo" if continues.mode == "solo" else "team"
    first = governance.first_person or _founder(files, solo=mode == "solo")
    compiled = await genesis(
        installation.log,
        files,
        mode=mode,
        by=PersonId(first),
        now=installation.clock.now(),
        continues=continues,
    )
    await installation.steering.follow(compiled)
    installation.first_credential = await installation.people.write_first(
        installation.settings.data, compiled.bundle.catalog, first
    )


def _founder(files: Mapping[str, bytes], *, solo: bool) -> str:
    """The first person, by name, whom the bundle lets invite others."""
    compiled = compile_bundle(files)
    authorizer, now = CedarAuthorizer(compiled), SystemClock().now()
    people = sorted(compiled.bundle.catalog.people)
    may = (
        p
        for p in people
        if authorizer.allows(p, "invite", {"type": "User", "id": p}, now=now, solo=solo)
    )
    found = next(may, None)
    if found is None:
        raise BundleError(["catalog: nobody under `people` may invite others; add an operator"])
    return found


def _credentials(bundle: Bundle) -> frozenset[str]:
    """Names that deployments ask for."""
    deployments = bundle.catalog.deployments.values()
    return frozenset(d.credential for d in deployments if d.credential is not None)


async def _close_open_permits(installation: Installation) -> None:
    """Permits of this replica's earlier boots without outcome end as `unknown`."""
    names = installation.log.names
    for open_permit in await installation.projection.open_permits(names.replica, names.boot):
        await installation.log.append(
            Item(
                kind="outcome",
                fields={
                    "decision_id": open_permit.decision_id,
                    "attempt": open_permit.attempt,
                    "deployment": open_permit.deployment,
                    "status": "unknown",
                    "failure": "restart",
                },
            )
        )
