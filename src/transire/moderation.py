"""What moderators say of a request, before it is decided: asked where policy permits it.

INVARIANT (I1): the only call of `ModerationService.ask` stands in `_Call.hear`, behind a recorded
permit.
INVARIANT (I4): a guard whose moderator is not heard, for whatever reason, has failed; none is ever
silently unraised. What keeps the log from recording refuses the request, as everywhere.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from transire.account import Account
from transire.domain.authorization import Authorization, Form, Verdict
from transire.domain.classification import Classification, Redaction
from transire.domain.deployment import Moderator
from transire.domain.failures import retry_after_of
from transire.domain.governed import Governed
from transire.domain.guarding import NOTHING_GUARDED, Guard, Guarded
from transire.domain.moderation import (
    Consulted,
    Moderated,
    ModerationObserver,
    ModerationRecorder,
    ModerationService,
)
from transire.domain.outward import Health, Wire
from transire.domain.permit import Outcome, OutcomeStatus, Permit, Recorded
from transire.domain.ports import Clock, Sessions
from transire.domain.request import RoutingRequest
from transire.errors import IntegrityError, StaleError, UpstreamError
from transire.picks import seed_of

__all__ = ["Moderation", "with_verdicts"]

_SHARE: Final = 0.25
"""Of the time that is left, what moderators may take: answering takes longer than judging."""


def with_verdicts(classification: Classification, said: Guarded) -> Classification:
    """The classification with what moderators said beside what its own guards did."""
    return replace(
        classification,
        raised_guards=classification.raised_guards | said.raised,
        failed_guards=classification.failed_guards | said.failed,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Moderation:
    """Asks moderators; every collaborator is a port."""

    service: ModerationService
    recorder: ModerationRecorder
    sessions: Sessions
    health: Health
    observer: ModerationObserver
    clock: Clock

    async def judged(
        self,
        request: RoutingRequest,
        classification: Classification,
        redaction: Redaction | None,
        governed: Governed,
        account: Account,
    ) -> Moderated | None:
        """What the moderators say whose guards this bundle runs; None where there is none.

        Raises:
            StaleError: governed state moved meanwhile; begin anew.
            LogUnavailable: nothing could be recorded.
            TransireError: whatever else policy or the log raise; nothing is decided then.
        """
        bundle = governed.bundle
        asked = [m for m in bundle.catalog.moderators.values() if m.guards & bundle.guards]
        if not asked:
            return None
        authorization = governed.authorizer.moderation(
            self.sessions.recalled(request, bundle.routing.sessions),
            classification,
            redaction,
            quarantine=governed.quarantine,
            now=self.clock.now(),
        )
        calls = [
            _Call(self, request, redaction, authorization, m, account, m.guards & bundle.guards)
            for m in asked
        ]
        try:
            await _all(calls)
        finally:
            # They are heard side by side; what their permits wait for the log is our own time.
            account.upstream_s += max(call.heard_s for call in calls)
        for call in calls:
            self.observer.moderated(call.consulted.moderator, call.consulted.result)
        raised = frozenset[Guard]().union(*(call.said.raised for call in calls))
        failed = frozenset[Guard]().union(*(call.said.failed for call in calls))
        return Moderated(
            authorization=authorization,
            consulted=tuple(call.consulted for call in calls),
            guarded=Guarded(raised=raised, failed=failed),
        )


async def _all(calls: "Iterable[_Call]") -> None:
    """Permit one after the other, which keeps their numbers in the log's order; hear all at once.

    The first error of ours ends the others; every permit has its end when this returns.
    """
    calls, tasks = list(calls), list[asyncio.Task[None]]()
    try:
        for call in calls:
            if await call.obtain_permit():
                tasks.append(asyncio.ensure_future(call.hear()))
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for call in calls:
            call.close()


class _Call:
    """One moderator asked about one request.

    Attributes:
        consulted: What became of it so far.
        said: What its guards say: all have failed, until it is heard.
        heard_s: Seconds from the request to it until its answer, or its failure.
    """

    def __init__(
        self,
        of: Moderation,
        request: RoutingRequest,
        redaction: Redaction | None,
        authorization: Authorization,
        moderator: Moderator,
        account: Account,
        guards: frozenset[Guard],
    ) -> None:
        self._of = of
        self._request = request
        self._redaction = redaction
        self._authorization = authorization
        self._moderator = moderator
        self._account = account
        self._open: tuple[Recorded[Permit], Wire] | None = None
        self.consulted = Consulted(moderator=moderator.deployment.id, result="denied")
        self._guards = guards
        self.said = Guarded(failed=guards)
        self.heard_s = 0.0

    async def obtain_permit(self) -> bool:
        """Claim the moderator and record the permit; False where policy or health gives none.

        Raises:
            StaleError, LogUnavailable: nothing is recorded, and nothing claimed any more.
        """
        verdict = self._verdict()
        if verdict is None:
            return False
        self.consulted = replace(self.consulted, form=verdict.pair.form)
        redacted = self._redaction if verdict.pair.form is Form.REDACTED else None
        body = self._request.body if redacted is None else redacted.body
        digest = self._request.content_digest if redacted is None else redacted.content_digest
        wire = self._of.service.prepare(body, self._moderator)
        if wire is None:
            self.said = NOTHING_GUARDED
            return self._is_left("nothing")
        if len(wire.body) > self._moderator.max_bytes:
            return self._is_left("too_large")
        deployment, holder = self._moderator.deployment, seed_of(self._request)
        if (taken := self._of.health.claim(deployment, holder, 0)) is not None:
            return self._is_left(taken)
        attempt = -1 - self._account.moderations
        try:
            recorded = await self._of.recorder.permit(
                self._request, digest, verdict, self._authorization, wire, attempt=attempt
            )
        except BaseException:  # also where the caller left: nothing will be sent
            self._of.health.forgo(deployment, holder, 0)
            raise
        self._account.moderations += 1
        self._of.health.started(deployment.id)
        self._open = recorded, wire
        self.consulted = replace(self.consulted, attempt=attempt, result="cancelled")
        return True

    async def hear(self) -> None:
        """Send the texts, and take what is said; a moderator that fails has only failed.

        Raises:
            StaleError, IntegrityError: the permit was no longer good; nothing was sent.
        """
        started = self._of.clock.monotonic()
        left_s = self._account.remaining_s(started) * _SHARE
        timeout_s = max(min(self._moderator.timeout_ms / 1_000, left_s), 0.001)
        assert self._open is not None  # set with the permit
        recorded, wire = self._open
        error: Exception | None = None
        try:
            guards = await self._of.service.ask(
                recorded, wire, self._moderator, timeout_s=timeout_s
            )
            # Guards that the bundle does not run stand in no decision, and so in no entry.
            self.said = Guarded(
                raised=self._guards & {g for g, is_raised in guards.items() if is_raised},
                failed=self._guards & {g for g, is_raised in guards.items() if is_raised is None},
            )
        except (UpstreamError, StaleError, IntegrityError) as raised:
            error = raised
        finally:
            self.heard_s = self._of.clock.monotonic() - started
        latency_ms = round(self.heard_s * 1_000)
        if error is None:
            outcome = Outcome(status=OutcomeStatus.OK, http_status=200, latency_ms=latency_ms)
        else:
            outcome = Outcome.unopened(error, latency_ms)
        self._end(outcome, error)
        if error is not None and not isinstance(error, UpstreamError):
            raise error

    def close(self) -> None:
        """End what was permitted and not heard to its end: it was late, or the caller left."""
        if self._open is not None:
            late = self._account.late()
            self._end(Outcome.unopened(late, round(self.heard_s * 1_000)), late)

    def _verdict(self) -> Verdict | None:
        """The pair that may be asked: raw before redacted, as of routes."""
        name = self._moderator.deployment.id
        forms = {
            verdict.pair.form: verdict
            for verdict in self._authorization.permitted
            if verdict.pair.deployment == name
        }
        return forms.get(Form.RAW) or forms.get(Form.REDACTED)

    def _is_left(self, result: str) -> bool:
        self.consulted = replace(self.consulted, result=result)
        return False

    def _end(self, outcome: Outcome, error: Exception | None) -> None:
        """Runs once for each permit."""
        assert self._open is not None
        (recorded, _), self._open = self._open, None
        result = "ok" if outcome.status is OutcomeStatus.OK else outcome.failure
        self.consulted = replace(self.consulted, result=result)
        self._of.recorder.ended(recorded, outcome, self.said)
        self._of.health.finished(
            self._moderator.deployment.id,
            failure=outcome.failure,
            latency_ms=outcome.latency_ms,
            retry_after_s=None if error is None else retry_after_of(error),
        )
