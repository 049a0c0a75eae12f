"""A moderation's entries: its permit before a byte of the texts leaves, and what came of it.

They are kinds of their own, and come before the decision that they are about: each says by itself
whose request it is.
"""

from datetime import timedelta

from transire.domain.authorization import Authorization, Verdict
from transire.domain.guarding import NOTHING_GUARDED, Guarded
from transire.domain.log import Item
from transire.domain.moderation import MODERATION
from transire.domain.outward import Wire
from transire.domain.permit import Outcome, OutcomeStatus, Permit, Recorded
from transire.domain.ports import Clock
from transire.domain.request import JsonValue, RoutingRequest
from transire.errors import TransireError
from transire.record.fields import moderation_fields, permit_fields, request_fields
from transire.record.recorder import PERMIT_S, LogRecorder, standing, until

__all__ = ["LogModerationRecorder"]


class LogModerationRecorder:
    """Implements `domain.moderation.ModerationRecorder` over the recorder of the path."""

    def __init__(self, recorder: LogRecorder, clock: Clock) -> None:
        self._recorder = recorder
        self._clock = clock

    async def permit(
        self,
        request: RoutingRequest,
        content_digest: bytes,
        verdict: Verdict,
        authorization: Authorization,
        wire: Wire,
        *,
        attempt: int,
    ) -> Recorded[Permit]:
        """See `domain.moderation.ModerationRecorder`."""
        now = self._clock.now()
        permit = Permit(
            decision_id=request.id,
            attempt=attempt,
            cause=MODERATION,
            pair=verdict.pair,
            content_digest=content_digest,
            wire_digest=wire.digest,
            bundle_digest=authorization.bundle_digest,
            quarantine_version=authorization.quarantine_version,
            expires_at=now + timedelta(seconds=PERMIT_S),
        )
        fields, blobs = moderation_fields(authorization)
        item = Item(
            kind="moderation.permitted",
            fields={
                **request_fields(request),
                **fields,
                "decision_id": request.id,
                "policies": list(verdict.policies),
                "permit": permit_fields(permit, wire.deployment.provider),
            },
            conditions=standing(authorization, request),
            blobs=blobs,
            since=now,
            until=until(request.principal),
        )
        return await self._recorder.issue(item, permit, self._abandoned)

    def ended(self, permit: Recorded[Permit], outcome: Outcome, said: Guarded) -> None:
        """See `domain.moderation.ModerationRecorder`."""
        value = permit.value
        fields: dict[str, JsonValue] = {
            "decision_id": value.decision_id,
            "attempt": value.attempt,
            "deployment": value.pair.deployment,
            "status": str(outcome.status),
            "failure": outcome.failure,
            "http_status": outcome.http_status,
            "latency_ms": outcome.latency_ms,
            "raised": sorted(said.raised),
            "failed": sorted(said.failed),
        }
        self._recorder.end(permit, outcome, kind="moderation.ended", fields=fields)

    def _abandoned(self, end: Recorded[Permit] | TransireError) -> None:
        """Whoever waited for the permit has gone: nothing was sent, and nothing will be."""
        if isinstance(end, Recorded):
            unsent = Outcome(status=OutcomeStatus.CANCELLED, failure="not_sent")
            self.ended(end, unsent, NOTHING_GUARDED)
