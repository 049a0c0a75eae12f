"""The governed state of a running router: what it runs is what the log says is active.

One reference holds it. A bundle is loaded from the log, its stages are built beside the running
ones, and the reference is rebound; a request in flight keeps what it started with (I9). What the
log says is its own key → value state: committed, sealed by every entry and compared with the seal
whenever a writer opens the files. A projection is never asked.

Whoever acts calls `follow` once the act's entry is durable. An act whose author was told that the
log did not answer may have been written all the same; nobody calls for that one, so `catch_up`
looks for it. Until it is followed, no permit is given: each names the bundle and the quarantine
version that it was judged under, and the log refuses what names others (I3, I4).
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog

from transire.bundle.compiled import CompiledBundle
from transire.bundle.lifecycle import active_digest, load_bundle
from transire.bundle.quarantine import VERSION_KEY, read_quarantine
from transire.domain.governed import Governed
from transire.domain.log import DecisionLog
from transire.domain.pack import Pack
from transire.errors import GovernanceUnavailable
from transire.prompting import fill_shelf

__all__ = ["Steering"]

_log = structlog.get_logger()


class Steering:
    """Holds the governed state and follows the log's `bundle/active` and `quarantine`.

    Args:
        build: Makes the stages of a bundle; takes its time, runs in a thread.
        log: Where the acts are.
        warm_up: Lets the scan workers know a bundle's recognizers before it takes over.

    Attributes:
        compiled: The bundle that runs, or None before the first was followed.
    """

    def __init__(
        self,
        build: Callable[[CompiledBundle], Governed],
        log: DecisionLog,
        warm_up: Callable[[Pack], Awaitable[object]],
    ) -> None:
        self._build = build
        self._log = log
        self._warm_up = warm_up
        self._current: Governed | None = None
        self._prepared: Governed | None = None
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

    async def prepare(self, compiled: CompiledBundle) -> None:
        """Build a bundle that is about to be activated, beside the one that runs.

        Between the entry and its following no permit is given, so what takes time is done before.
        A bundle that cannot be built is not activated: what this raises, the act raises.
        """
        self._prepared = await self._built(compiled)

    async def follow(self, compiled: CompiledBundle | None = None) -> None:
        """Rebind to what the log says is active; a failed load keeps the last valid state.

        What is blocked counts at once, not behind a bundle that takes its time to build: running
        streams stop by it.

        Args:
            compiled: The bundle that was activated, to spare compiling it again; taken only where
                the log names its digest.
        """
        if self._current is not None:
            quarantine = await read_quarantine(self._log)
            self._current = replace(self._current, quarantine=quarantine)
        async with self._one_at_a_time:
            await self._follow(compiled)

    async def catch_up(self) -> None:
        """Follow acts that are in the log although nobody here was told so.

        Costs two look-ups where there are none. What fails changes nothing and is tried again by
        the next call; meanwhile the log gives no permit.

        Raises:
            IntegrityError: what the log holds cannot be read.
            BundleError: the active bundle does not compile under this version.
            LogUnavailable: the log cannot be read.
        """
        if self._current is None or self.compiled is None:
            return
        version = str(self._current.quarantine.version)
        is_behind = await self._log.get(VERSION_KEY) != version
        if not self._one_at_a_time.locked():  # else somebody follows an activation already
            is_behind |= await active_digest(self._log) != self.compiled.digest
        if is_behind:
            _log.warning("policy.fell_behind")
            await self.follow()

    async def _follow(self, compiled: CompiledBundle | None) -> None:
        digest = await active_digest(self._log)
        if digest is None:
            return
        loaded = compiled if compiled and compiled.digest == digest else None
        if loaded is None and self.compiled is not None and self.compiled.digest == digest:
            loaded = self.compiled
        if loaded is None:
            loaded = await load_bundle(self._log, digest)
        built = await self._built(loaded)
        # Read after the build, which takes long: a quarantine that came meanwhile counts.
        quarantine = await read_quarantine(self._log)
        self._current, self._prepared = replace(built, quarantine=quarantine), None
        self.compiled = loaded
        _log.info("policy.bundle_followed", bundle_digest=loaded.digest)

    async def _built(self, loaded: CompiledBundle) -> Governed:
        """The stages of a bundle: those that run, those that were prepared, or new ones."""
        for made in (self._current, self._prepared):
            if made is not None and made.bundle.digest == loaded.digest:
                return made
        # Building loads models and compiles patterns: not on the event loop.
        built = await asyncio.to_thread(self._build, loaded)
        shelf = await fill_shelf(loaded.bundle, built.detector)
        built = built if shelf is None else replace(built, prompts=shelf)
        if self._current is not None:  # the workers serve already
            await self._warm_up(loaded.bundle.recognizers)
        return built
