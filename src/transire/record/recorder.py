"""From a case to its entries; the only maker of `Recorded` (I1, I3).

What an entry holds: ids, keyed digests, classes, counts, sizes, policies. What it never holds:
content, names of tools or files, an end user's name, an upstream's words (I6).
"""

import asyncio
import hashlib
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from transire.bundle.acts import ACTIVE_KEY
from transire.bundle.quarantine import VERSION_KEY
from transire.domain.decision import MOST_RECORDED, Case, Choice, Form, Hold, Pair
from transire.domain.ids import DeploymentId
from transire.domain.log import Change, Condition, Item, Receipt
from transire.domain.permit import Outcome, OutcomeStatus, Permit, Recorded
from transire.domain.ports import Clock, Release, Wire
from transire.domain.request import JsonValue, RoutingRequest
from transire.errors import (
    IntegrityError,
    LogUnavailable,
    PolicyDenied,
    StaleError,
    TransireError,
)
from transire.record.front import LogFront

__all__ = [
    "PERMIT_S",
    "LogRecorder",
    "decision_fields",
    "evaluation_rows",
    "outcome_fields",
    "request_fields",
]

PERMIT_S: Final = 5.0
"""A permit's life: from its entry to the first byte (ADR 2)."""
_MAX_ISSUED: Final = 100_000


class LogRecorder:
    """Implements `domain.ports.Recorder` over the log."""

    def __init__(self, log: LogFront, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._issued: dict[str, Recorded[Permit]] = {}
        self._waiting: set[asyncio.Future[Receipt]] = set()

    async def permit(
        self,
        case: Case,
        choice: Choice,
        wire: Wire,
        *,
        attempt: int,
        cause: str,
        release: Release | None,
    ) -> Recorded[Permit]:
        """See `domain.ports.Recorder`."""
        authorization, pair = case.authorization, choice.candidate.pair
        _, content_digest = case.body(pair.form)
        expires_at = self._clock.now() + timedelta(seconds=PERMIT_S)
        permit = Permit(
            decision_id=case.request.id,
            attempt=attempt,
            cause=cause,
            pair=pair,
            content_digest=content_digest,
            wire_digest=wire.digest,
            bundle_digest=authorization.bundle_digest,
            quarantine_version=authorization.quarantine_version,
            expires_at=expires_at,
        )
        is_first = attempt == 1
        fields: dict[str, JsonValue] = {}
        blobs = {authorization.evaluation_digest: authorization.evaluation}
        if is_first:
            fields, blobs = decision_fields(case)
            fields |= {"id": case.request.id, "outcome": "permitted"}
            fields["chosen"] = _pair_fields(choice.candidate.pair)
            if wire.ignored or case.request.body.ignored:
                fields["ignored"] = [*case.request.body.ignored, *wire.ignored][:64]
        else:
            fields["decision_id"] = case.request.id
            fields["evaluation"] = authorization.evaluation_digest
        fields["permit"] = {**_permit_fields(permit), "provider": wire.deployment.provider}
        if release is not None:
            fields["review_id"] = release.review_id
        item = Item(
            kind="decision" if is_first else "attempt",
            fields=fields,
            conditions=(*_currency(case), *(release.conditions if release and is_first else ())),
            changes=release.changes if release and is_first else (),
            blobs=blobs,
        )
        receipt = await self._log.append(
            item, abandoned=lambda end: self._abandoned(case, permit, end)
        )
        # INVARIANT: the entry is durable here; nothing else makes a Recorded[Permit].
        recorded = Recorded(value=permit, receipt=receipt)
        self._remember(recorded)
        return recorded

    def _abandoned(self, case: Case, permit: Permit, end: Receipt | TransireError) -> None:
        """A permit's caller has gone: close it unused, or say that it was never written."""
        if isinstance(end, Receipt):
            recorded = Recorded(value=permit, receipt=end)
            self.outcome(recorded, Outcome(status=OutcomeStatus.CANCELLED, failure="not_sent"))
        elif permit.attempt == 1:
            self._later(_refusal(case, case.request, end.code))

    async def refusal(
        self, case: Case | None, request: RoutingRequest, error: TransireError
    ) -> None:
        """See `domain.ports.Recorder`."""
        item = _refusal(case, request, error.code)
        await self._log.append(item, abandoned=lambda end: self._unless_written(item, end))

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
        """
        fields, blobs = decision_fields(case)
        return await self._log.append(
            Item(
                kind="decision",
                fields={
                    **fields,
                    "id": case.request.id,
                    "outcome": "review_required",
                    "chosen": _pair_fields(hold.candidate.pair),
                    "review_id": review_id,
                    "review": review_fields,
                },
                conditions=_currency(case),
                changes=changes,
                blobs=blobs,
            ),
            abandoned=lambda end: self._unless_held(case, end),
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
            fields["chosen"] = _pair_fields(choice.candidate.pair)
        return await self._log.append(
            Item(
                kind="advice",
                fields={**fields, "id": case.request.id, "outcome": outcome},
                blobs=blobs,
            )
        )

    def outcome(self, permit: Recorded[Permit], outcome: Outcome) -> None:
        """See `domain.ports.Recorder`."""
        self._issued.pop(permit.receipt.entry_id, None)
        self._later(Item(kind="outcome", fields=outcome_fields(permit.value, outcome)))

    def _later(self, item: Item) -> None:
        """Write without waiting.

        The writer keeps what it has accepted; only a closing log, or one that has had a failing
        disk for ten thousand of these, refuses. For a permit without an outcome, the sweep of the
        next start then writes `unknown`.
        """
        with suppress(LogUnavailable):
            future = self._log.enqueue(item, linger=True).future
            self._waiting.add(future)
            future.add_done_callback(self._waiting.discard)

    async def flush(self) -> None:
        """Wait until every outcome queued so far is durable."""
        if self._waiting:
            await asyncio.gather(*self._waiting, return_exceptions=True)

    def vouch(self, permit: Recorded[Permit]) -> None:
        """See `domain.ports.Recorder`."""
        if self._issued.get(permit.receipt.entry_id) is not permit:
            raise IntegrityError("this permit was not issued by this log")
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


def _refusal(case: Case | None, request: RoutingRequest, code: str) -> Item:
    """A decision that nothing was forwarded; without a case, about a request nobody judged."""
    fields, blobs = (request_fields(request), {}) if case is None else decision_fields(case)
    outcome = {PolicyDenied.code: "denied"}.get(code, "refused")
    fields |= {"id": request.id, "outcome": outcome, "code": code}
    return Item(kind="decision", fields=fields, blobs=blobs)


def _currency(case: Case) -> tuple[Condition, ...]:
    """Bundle and quarantine must still be those the case was evaluated under (ADR 2)."""
    version = case.authorization.quarantine_version
    return (
        Condition(key=ACTIVE_KEY, equals=case.authorization.bundle_digest, stale=True),
        Condition(key=VERSION_KEY, equals=str(version), stale=True),
    )


def request_fields(request: RoutingRequest) -> dict[str, JsonValue]:
    """What an entry says about a request, whatever became of it."""
    principal, body = request.principal, request.body
    return {
        "tenant": principal.tenant,
        "app": principal.application or "",
        "key_id": principal.key_id,
        "purpose": principal.purpose or "",
        "request": {
            "mac": request.mac.hex(),
            "content": request.content_digest.hex(),
            "asked_model": request.asked_model,
            "bytes": body.size_bytes,
            "tokens": body.tokens_estimate,
            "parts": len(body.parts),
            "stream": request.is_stream,
            "n": body.n,
            "needs": sorted(body.needs)[:32],
            "capabilities": sorted(body.capabilities),
        },
    }


def decision_fields(case: Case) -> tuple[dict[str, JsonValue], dict[str, bytes]]:
    """What a decision's entry says, and the side data it names by digest (I8).

    The side data are the verdicts of all candidates and the facts Cedar saw: replay starts there.
    """
    request, classification = case.request, case.classification
    authorization, signals = case.authorization, case.classification.signals
    classes = _counted(f.data_class for f in classification.findings)
    facts = _facts_blob(case)
    facts_digest = hashlib.sha256(facts).hexdigest()
    fields = {
        **request_fields(request),
        "bundle": authorization.bundle_digest,
        "quarantine": authorization.quarantine_version,
        "evaluated_at": _moment(authorization.evaluated_at),
        "detector": classification.detector_digest,
        "classes": [{"class": name, "count": count} for name, count in classes.items()],
        "reduced": sorted(classification.reduced),
        "states": _counted(state.value for state in classification.states),
        "signals": {
            "language": signals.language,
            "task": signals.task,
            "cues": list(signals.cues),
            "quality_floor": signals.quality_floor_permille,
            "stakes": signals.stakes,
            "needs": sorted(signals.needs),
        },
        "facts": facts_digest,
        "limits": _asserted_limits(request),
        "redactions": case.redaction.count if case.redaction else 0,
        "evaluation": authorization.evaluation_digest,
        "memo": authorization.is_memo_hit,
        "ranking": case.ranking.to_json(),
    }
    return fields, {authorization.evaluation_digest: authorization.evaluation, facts_digest: facts}


def _facts_blob(case: Case) -> bytes:
    """Per form, the facts without and, where they differ, with the caller's assertions."""
    forms = {
        form.value: {
            "base": base.to_json(),
            "asserted": None if asserted == base else asserted.to_json(),
        }
        for form, (base, asserted) in case.authorization.facts.items()
    }
    return orjson.dumps(forms, option=orjson.OPT_SORT_KEYS)


def _counted(names: Iterable[str]) -> dict[str, JsonValue]:
    """Name → how often, sorted by name."""
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items()))


def _moment(moment: datetime) -> str:
    """RFC 3339 in UTC, to the microsecond; `strftime` costs four times as much."""
    return f"{moment.isoformat(timespec='microseconds')[:26]}Z"


def _asserted_limits(request: RoutingRequest) -> dict[str, JsonValue]:
    a = request.assertions
    return {
        **_models(a.models),
        "jurisdictions": sorted(a.jurisdictions),
        "redaction": a.redaction,
        "max_cost_micro_usd": a.max_cost_micro_usd,
        "max_latency_ms": a.max_latency_ms,
        "min_quality": a.min_quality_permille,
    }


def _models(models: frozenset[DeploymentId] | None) -> dict[str, JsonValue]:
    """The deployments a request narrowed itself to; cut, and said to be, beyond what fits."""
    if models is None or len(models) <= MOST_RECORDED:
        return {"models": None if models is None else sorted(models)}
    return {"models": sorted(models)[:MOST_RECORDED], "cut": len(models)}


def _pair_fields(pair: Pair) -> dict[str, JsonValue]:
    if pair.form is Form.RAW:
        return {"deployment": pair.deployment}
    return {"deployment": pair.deployment, "form": str(pair.form)}


def _permit_fields(permit: Permit) -> dict[str, JsonValue]:
    return {
        "attempt": permit.attempt,
        "cause": permit.cause,
        **_pair_fields(permit.pair),
        "content": permit.content_digest.hex(),
        "wire": permit.wire_digest.hex(),
        "bundle": permit.bundle_digest,
        "quarantine": permit.quarantine_version,
        "expires_at": _moment(permit.expires_at),
    }


def outcome_fields(permit: Permit, outcome: Outcome) -> dict[str, JsonValue]:
    """An outcome entry; names its decision and attempt."""
    return {
        "decision_id": permit.decision_id,
        "attempt": permit.attempt,
        "deployment": permit.pair.deployment,
        "status": str(outcome.status),
        "failure": outcome.failure,
        "http_status": outcome.http_status,
        "latency_ms": outcome.latency_ms,
        "first_byte_ms": outcome.first_byte_ms,
        "tokens_in": outcome.tokens_in,
        "tokens_out": outcome.tokens_out,
        "cost_micro_usd": outcome.cost_micro_usd,
        "released_bytes": outcome.released_bytes,
        "finish_reasons": list(outcome.finish_reasons),
        **outcome.facts,
    }


def evaluation_rows(data: bytes) -> list[dict[str, Any]]:
    """The verdicts an evaluation blob holds."""
    rows: list[dict[str, Any]] = orjson.loads(data)
    return rows
