"""A hold as the review it opens. Pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from transire.domain.authorization import Effect, Facts, Form
from transire.domain.bundle import Bundle
from transire.domain.decision import Case, Hold
from transire.domain.ids import PersonId, PolicyId
from transire.domain.request import JsonValue
from transire.review.assertions import assertions_json
from transire.review.states import Review

__all__ = ["opened"]

_DEFAULT_MINUTES = 60
"""A queue that the catalog does not describe promises an hour."""


def opened(
    review_id: str,
    case: Case,
    hold: Hold,
    bundle: Bundle,
    *,
    holders: Iterable[PersonId],
    now: datetime,
) -> Review:
    """The review of one held case.

    Args:
        holders: People who could make requests with the requester's key.
    """
    request = case.request
    queues = {name: bundle.catalog.queues.get(name) for name in hold.queues}
    minutes = min(q.sla_minutes if q else _DEFAULT_MINUTES for q in queues.values())
    evidence = "content" if any(q and q.evidence == "content" for q in queues.values()) else "facts"
    _, asserted = case.authorization.facts[hold.candidate.pair.form]
    verdicts = [
        v
        for v in case.authorization.verdicts
        if v.effect is Effect.PERMIT and v.queues <= hold.queues
    ]
    return Review(
        id=review_id,
        decision_id=request.id,
        tenant=request.principal.tenant,
        application=request.principal.application or "",
        key_id=request.principal.key_id,
        key_holders=tuple(sorted(holders)),
        mac=request.mac.hex(),
        stakes=asserted.stakes,
        data_classes=tuple(sorted(asserted.data_classes)),
        assertions=assertions_json(request.assertions),
        facts=_shown_facts(case, hold, bundle, asserted),
        deployments=tuple(sorted({v.pair.deployment for v in verdicts})),
        queues=dict.fromkeys(sorted(hold.queues)),
        evidence=evidence,
        opened_at=now.isoformat(),
        expires_at=(now + timedelta(minutes=minutes)).isoformat(),
    )


def _shown_facts(case: Case, hold: Hold, bundle: Bundle, asserted: Facts) -> dict[str, Any]:
    """What reviewers see without looking at content."""
    policies = {PolicyId(o.policy) for o in hold.candidate.verdict.obligations if o.policy}
    return {
        "purpose": asserted.purpose,
        "stakes": asserted.stakes,
        "data_classes": sorted(asserted.data_classes),
        "failed_classes": sorted(asserted.failed_classes),
        "uncovered_classes": sorted(asserted.uncovered_classes),
        "reduced_classes": sorted(asserted.reduced_classes),
        "raised_guards": sorted(asserted.raised_guards),
        "failed_guards": sorted(asserted.failed_guards),
        "unscanned_parts": asserted.unscanned_parts,
        "redacted": hold.candidate.pair.form is Form.REDACTED,
        "tokens": case.request.body.tokens_estimate,
        "bundle": bundle.digest,
        "policies": [_described(policy, bundle) for policy in sorted(policies)],
        "would_go_to": hold.candidate.pair.deployment,
    }


def _described(policy: PolicyId, bundle: Bundle) -> dict[str, JsonValue]:
    notes = bundle.annotations.get(policy, {})
    return {
        "id": policy,
        "reason": notes.get("reason", ""),
        "regulation": notes.get("regulation", ""),
    }
