"""A judgment's entries: its permit before a byte leaves, and how it ended.

They are kinds of their own, so that whoever reads attempts and outcomes reads what a request was
answered with, and nothing else.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

from transire.domain.budget import Budget
from transire.domain.judge import number_of
from transire.domain.judgment import JUDGMENT, Judgment, judge_spend
from transire.domain.log import Item
from transire.domain.outward import Wire
from transire.domain.permit import Outcome, OutcomeStatus, Permit, Recorded
from transire.domain.ports import Clock
from transire.errors import TransireError
from transire.record.fields import attempt_fields, outcome_fields, permit_fields
from transire.record.recorder import PERMIT_S, LogRecorder, current, reserved, until, worst_cost
from transire.record.sparing import demand_room

__all__ = ["LogJudgeRecorder"]


class LogJudgeRecorder:
    """Implements `domain.judgment.JudgeRecorder` over the recorder of the path.

    Args:
        peek: State key → committed value, from memory.
    """

    def __init__(
        self, recorder: LogRecorder, clock: Clock, peek: Callable[[str], str | None]
    ) -> None:
        self._recorder = recorder
        self._clock = clock
        self._peek = peek

    async def permit(
        self, judgment: Judgment, wire: Wire, *, budgets: Mapping[str, Budget]
    ) -> Recorded[Permit]:
        """See `domain.judgment.JudgeRecorder`."""
        case, pair, now = judgment.case, judgment.pair, self._clock.now()
        _, content_digest = case.body(pair.form)
        own = judge_spend(judgment.rules, now, worst_cost(case, pair.form, wire))
        shared = reserved(case, pair.form, wire, budgets, now)
        demand_room(shared, self._peek)
        permit = Permit(
            decision_id=case.request.id,
            attempt=number_of(judgment.attempt),
            cause=JUDGMENT,
            pair=pair,
            content_digest=content_digest,
            wire_digest=wire.digest,
            bundle_digest=case.authorization.bundle_digest,
            quarantine_version=case.authorization.quarantine_version,
            expires_at=now + timedelta(seconds=PERMIT_S),
            spends=(*shared, own),
        )
        fields, blobs = attempt_fields(case)
        # Nothing was ranked for it, and it is of its request's own bundle or is not made.
        del fields["ranking"], fields["request_bundle"]
        fields |= {
            "policies": list(judgment.policies),
            "judged": judgment.to_json(),
            "permit": permit_fields(permit, wire.deployment.provider),
        }
        item = Item(
            kind="judge.permitted",
            fields=fields,
            conditions=current(case),
            blobs=blobs,
            spends=permit.spends,
            since=now,
            until=until(case.request.principal),
        )
        return await self._recorder.issue(item, permit, self._abandoned)

    def ended(self, permit: Recorded[Permit], outcome: Outcome, score_permille: int | None) -> None:
        """See `domain.judgment.JudgeRecorder`."""
        if score_permille is not None:
            outcome = replace(outcome, facts={**outcome.facts, "score": score_permille})
        outcome = replace(outcome, released_bytes=0, repaired=())
        fields = outcome_fields(permit.value, outcome)
        self._recorder.end(permit, outcome, kind="judge.ended", fields=fields)

    def _abandoned(self, end: Recorded[Permit] | TransireError) -> None:
        """Whoever waited for the permit has gone: nothing was sent, and nothing will be."""
        if isinstance(end, Recorded):
            self.ended(end, Outcome(status=OutcomeStatus.CANCELLED, failure="not_sent"), None)
