"""From a case to its durable entries; the only maker of `Recorded` (I1, I3).

What the entries say is `fields`; here is when they are written, what they depend on, and what
becomes of one whose caller has gone.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from transire.bundle.acts import ACTIVE_KEY
from transire.bundle.quarantine import VERSION_KEY
from transire.domain.authorization import Authorization, Form, Pair
from transire.domain.budget import Budget, Spend, applying, spend_of
from transire.domain.cache import Cached
from transire.domain.decision import Case, Choice, Hold
from transire.domain.log import Change, Condition, Item, Receipt
from transire.domain.outward import Wire
from transire.domain.permit import Outcome, OutcomeStatus, Permit, Recorded
from transire.domain.ports import Clock, Release
from transire.domain.request import JsonValue, Principal, RoutingRequest
from transire.domain.trial import rollback_key
from transire.errors import (
    AuthenticationError,
    BudgetExceeded,
    ConflictError,
    IntegrityError,
    LogUnavailable,
    LogUncertain,
    StaleError,
    TransireError,
)
from transire.identity.keys import EXPIRED, REVOKED, revoked_key
from transire.record.fields import (
    attempt_fields,
    bare_outcome,
    decision_fields,
    outcome_fields,
    pair_fields,
    permit_fields,
    refusal_fields,
)
from transire.record.front import LogFront

__all__ = [
    "PERMIT_S",
    "LogRecorder",
    "current",
    "reserved",
    "standing",
    "until",
    "worst_cost",
]

PERMIT_S: Final = 5.0
"""A permit's life: from its entry to the first byte (ADR 2)."""
_MAX_ISSUED: Final = 100_000


class LogRecorder:
    """Implements `domain.ports.Recorder` over the log.

    Attributes:
        unwritten: Entries nobody waits for (outcomes) that the log could not take as they were.
    """

    def __init__(self, log: LogFront, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._issued: dict[str, Recorded[Permit]] = {}
        self._waiting: set[asyncio.Future[Receipt]] = set()
        self.unwritten = 0

    async def permit(
        self,
        case: Case,
        choice: Choice,
        wire: Wire,
        *,
        attempt: int,
        cause: str,
        release: Release | None,
        budgets: Mapping[str, Budget],
        cached: Cached | None = None,
    ) -> Recorded[Permit]:
        """See `domain.ports.Recorder`."""
        authorization, pair = case.authorization, choice.candidate.pair
        _, content_digest = case.body(pair.form)
        now = self._clock.now()
        permit = Permit(
            decision_id=case.request.id,
            attempt=attempt,
            cause=cause,
            pair=pair,
            content_digest=content_digest,
            wire_digest=wire.digest,
            bundle_digest=authorization.bundle_digest,
            quarantine_version=authorization.quarantine_version,
            expires_at=now + timedelta(seconds=PERMIT_S),
            spends=reserved(case, pair.form, wire, budgets, now, _ranked_cost(case, pair)),
            cached=cached,
        )
        is_first = attempt == 1
        fields, blobs = decision_fields(case) if is_first else attempt_fields(case)
        if is_first:
            fields |= {"id": case.request.id, "outcome": "permitted"}
            fields["chosen"] = pair_fields(choice.candidate.pair)
            if wire.ignored or case.request.body.ignored:
                fields["ignored"] = [*case.request.body.ignored, *wire.ignored][:64]
        fields |= {"permit": permit_fields(permit, wire.deployment.provider), **_escalated(choice)}
        if release is not None:
            fields["review_id"] = release.review_id
        spending = release if is_first else None
        item = Item(
            kind="decision" if is_first else "attempt",
            fields=fields,
            conditions=(
                *current(case),
                *_drawn(case, is_first),
                *(spending.conditions if spending else ()),
            ),
            changes=spending.changes if spending else (),
            blobs=blobs,
            spends=permit.spends,
            since=now,  # an entry that were older than its permit would let it live longer
            until=until(case.request.principal, spending),
        )
        return await self.issue(item, permit, lambda end: self._abandoned(case, permit, end))

    async def issue(
        self,
        item: Item,
        permit: Permit,
        abandoned: Callable[[Recorded[Permit] | TransireError], None],
    ) -> Recorded[Permit]:
        """Write the entry of a permit, which is then one.

        Args:
            abandoned: Told what became of it where whoever waits here has gone meanwhile; see
                `LogFront.append`.
        """

        def tell(end: Receipt | TransireError) -> None:
            if isinstance(end, TransireError):
                abandoned(end)
            else:
                abandoned(Recorded(value=permit, receipt=end))

        receipt = await self._append(item, tell)
        # INVARIANT: the entry is durable here; nothing else makes a Recorded[Permit].
        recorded = Recorded(value=permit, receipt=receipt)
        self._remember(recorded)
        return recorded

    async def _append(
        self, item: Item, abandoned: Callable[[Receipt | TransireError], None]
    ) -> Receipt:
        """Write what permits or holds; says so where the requester's key has ended meanwhile."""
        try:
            return await self._log.append(item, abandoned=abandoned)
        except ConflictError as error:
            if str(error.facts.get("key", "")).startswith(revoked_key("")):
                raise AuthenticationError(REVOKED) from None
            # Where a release is spent, which of the two is over is not told: look at both.
            is_release = "review_id" in item.fields and item.fields.get("outcome") == "permitted"
            if error.facts.get("is_over") and not is_release:
                raise AuthenticationError(EXPIRED) from None
            raise

    def _abandoned(self, case: Case, permit: Permit, end: Recorded[Permit] | TransireError) -> None:
        """A permit's caller has gone: close it unused, or say that it was never written."""
        if isinstance(end, Recorded):
            self.outcome(end, Outcome(status=OutcomeStatus.CANCELLED, failure="not_sent"))
        elif permit.attempt == 1:
            self._later(_refusal(case, case.request, end.code))

    async def refusal(
        self, case: Case | None, request: RoutingRequest, error: TransireError
    ) -> Receipt:
        """See `domain.ports.Recorder`."""
        item = _refusal(case, request, error.code)
        return await self._log.append(item, abandoned=lambda end: self._unless_written(item, end))

    def gave_up(self, case: Case | None, request: RoutingRequest) -> None:
        """See `domain.ports.Recorder`."""
        self._later(_refusal(case, request, "cancelled"))

    def _unless_written(self, item: Item, end: Receipt | TransireError) -> None:
        if isinstance(end, TransireError):
            self._later(item)

    async def held(
        self,
        case: Case,
        hold: Hold,
        *,
        review_id: str,
        review_fields: dict[str, JsonValue],
        changes: tuple[Change, ...],
    ) -> Receipt:
        """Record a hold and open its review in one entry.

        Raises:
            StaleError: governed state moved since the case was authorized.
            AuthenticationError: the requester's key was revoked meanwhile.
        """
        fields, blobs = decision_fields(case)
        return await self._append(
            Item(
                kind="decision",
                fields={
                    **fields,
                    "id": case.request.id,
                    "outcome": "review_required",
                    "chosen": pair_fields(hold.candidate.pair),
                    "review_id": review_id,
                    "review": review_fields,
                },
                conditions=current(case),
                changes=changes,
                blobs=blobs,
                until=until(case.request.principal),
            ),
            lambda end: self._unless_held(case, end),
        )

    def _unless_held(self, case: Case, end: Receipt | TransireError) -> None:
        if isinstance(end, TransireError):
            self._later(_refusal(case, case.request, end.code))

    async def advice(self, case: Case, choice: Choice | Hold | None) -> Receipt:
        """See `domain.ports.Recorder`."""
        outcome = "denied"
        fields, blobs = decision_fields(case)
        if choice is not None:
            outcome = "review_required" if isinstance(choice, Hold) else "permitted"
            fields["chosen"] = pair_fields(choice.candidate.pair)
        if isinstance(choice, Choice) and choice.released_by:
            fields["review_id"] = choice.released_by
        return await self._log.append(
            Item(
                kind="advice",
                fields={**fields, "id": case.request.id, "outcome": outcome},
                blobs=blobs,
            )
        )

    def outcome(self, permit: Recorded[Permit], outcome: Outcome) -> asyncio.Future[Receipt] | None:
        """See `domain.ports.Recorder`."""
        fields = outcome_fields(permit.value, outcome)
        return self.end(permit, outcome, kind="outcome", fields=fields)

    def end(
        self,
        permit: Recorded[Permit],
        outcome: Outcome,
        *,
        kind: str,
        fields: Mapping[str, JsonValue],
    ) -> asyncio.Future[Receipt] | None:
        """Queue the entry that closes a permit, and settle what it had reserved."""
        self._issued.pop(permit.receipt.entry_id, None)
        charge = outcome.charged_micro_usd
        return self._later(
            _ending(permit.value, kind, charge, fields),
            lambda: _ending(permit.value, kind, *bare_outcome(fields)),
        )

    def _later(
        self, item: Item, instead: Callable[[], Item] | None = None
    ) -> asyncio.Future[Receipt] | None:
        """Write without waiting.

        Args:
            instead: Makes what is written, once, where the log cannot take this item as it is.

        The writer keeps what it has accepted; only a closing log, or one that has had a failing
        disk for ten thousand of these, refuses. For a permit without an outcome, the sweep of the
        next start then writes `unknown`.
        """
        with suppress(LogUnavailable):
            future = self._log.enqueue(item, linger=True).future
            self._waiting.add(future)
            future.add_done_callback(partial(self._written, instead))
            return future
        return None

    def _written(self, instead: Callable[[], Item] | None, ended: asyncio.Future[Receipt]) -> None:
        self._waiting.discard(ended)
        error = None if ended.cancelled() else ended.exception()
        # Uncertain is what a closing log has not heard of: the next start looks.
        if error is None or isinstance(error, LogUncertain):
            return
        self.unwritten += 1
        if instead is not None:
            self._later(instead())

    async def flush(self) -> None:
        """Wait until every outcome queued so far is durable."""
        while self._waiting:
            await asyncio.gather(*self._waiting, return_exceptions=True)

    def vouch(self, permit: Recorded[Permit]) -> None:
        """See `domain.ports.Recorder`."""
        if self._issued.get(permit.receipt.entry_id) is not permit:
            raise IntegrityError("this permit was not issued by this log")
        if not self._log.is_current:
            raise StaleError("what governs cannot be told until the log's writer is back")
        value = permit.value
        if self._log.peek(ACTIVE_KEY) != value.bundle_digest:
            raise StaleError("another bundle was activated since this permit was recorded")
        if self._log.peek(VERSION_KEY) != str(value.quarantine_version):
            raise StaleError("the quarantine changed since this permit was recorded")

    def _remember(self, recorded: Recorded[Permit]) -> None:
        if len(self._issued) >= _MAX_ISSUED:
            now = self._clock.now()
            self._issued = {k: r for k, r in self._issued.items() if r.value.expires_at > now}
        self._issued[recorded.receipt.entry_id] = recorded


def _ending(
    permit: Permit, kind: str, charged: int | None, fields: Mapping[str, JsonValue]
) -> Item:
    # Where nobody knows what it cost, the reservation stays: no guess opens a budget.
    spends = () if charged is None else tuple(s.settled(charged) for s in permit.spends)
    return Item(kind=kind, fields=fields, spends=spends)


def until(principal: Principal, release: Release | None = None) -> datetime | None:
    """Before when an entry for this principal must be written: its key ends, or its approval."""
    if release is None or principal.expires_at is None:
        return principal.expires_at if release is None else release.until
    return min(principal.expires_at, release.until)


def _escalated(choice: Choice) -> dict[str, JsonValue]:
    """Why an attempt is an escalation; nothing of any other."""
    return {} if choice.escalation is None else {"escalation": choice.escalation.to_json()}


def _refusal(case: Case | None, request: RoutingRequest, code: str) -> Item:
    fields, blobs = refusal_fields(case, request, code)
    return Item(kind="decision", fields=fields, blobs=blobs)


def reserved(
    case: Case,
    form: Form,
    wire: Wire,
    budgets: Mapping[str, Budget],
    now: datetime,
    least: int = 0,
) -> tuple[Spend, ...]:
    """The most that sending this can cost, of every budget that counts its principal.

    Args:
        least: Reserved even where what leaves costs less.

    Raises:
        BudgetExceeded: nobody knows what it can cost.
    """
    principal = case.request.principal
    counting = applying(budgets, principal)
    if not counting:
        return ()
    most = max(worst_cost(case, form, wire), least)
    return tuple(spend_of(budget, principal, now, most) for budget in counting)


def _ranked_cost(case: Case, pair: Pair) -> int:
    """What the ranking says that this pair costs at most, in micro-USD; 0 where it says nothing.

    It is by the bytes that were asked with, of which not all need leave. No permit reserves less,
    so that whoever reads its entry can tell that it reserves enough.
    """
    worst = (c.terms.worst_cost_micro_usd for c in case.ranking.candidates if c.pair == pair)
    return next(worst, None) or 0


def worst_cost(case: Case, form: Form, wire: Wire) -> int:
    """The most that sending this can cost, in micro-USD.

    By the bytes that leave: a placeholder is longer than many a value, and a note is more to read.

    Raises:
        BudgetExceeded: nobody knows.
    """
    body, _ = case.body(form)
    bound, choices = body.max_output_tokens, max(1, body.n)
    size = len(wire.body) if body.is_all_text else None
    most = wire.deployment.worst_cost_micro_usd(size, bound, choices)
    if most is None:
        raise BudgetExceeded("a budget counts this request, and the deployment has no known price")
    return most


def _drawn(case: Case, is_first: bool) -> tuple[Condition, ...]:
    """The drawn variant must not have been rolled back; later attempts keep what was drawn."""
    trial = case.request.trial
    if trial is None or trial.kind != "canary" or not is_first:
        return ()
    return (Condition(key=rollback_key(trial.digest, trial.variant), equals=None, stale=True),)


def current(case: Case) -> tuple[Condition, ...]:
    """Bundle and quarantine must still be those the case was evaluated under (ADR 2).

    And the requester's key one that nobody has revoked: a request in flight ends there.
    """
    return standing(case.authorization, case.request)


def standing(authorization: Authorization, request: RoutingRequest) -> tuple[Condition, ...]:
    """The same of what was evaluated, and who asks."""
    version = authorization.quarantine_version
    return (
        Condition(key=ACTIVE_KEY, equals=authorization.bundle_digest, stale=True),
        Condition(key=VERSION_KEY, equals=str(version), stale=True),
        Condition(key=revoked_key(request.principal.key_id), equals=None),
    )
