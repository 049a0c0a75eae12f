"""Kinds of entries and their fields that the rules of this version know. Pure.

What is not here is no lie (fields are added, and kinds): it is named, as no rule has judged it.
"""

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["unknown_in"]

_ALWAYS: Final = frozenset({"v", "kind", "id", "ts", "salt", "replica", "boot", "state", "sd"})
_ASKED: Final = frozenset({"tenant", "app", "key_id", "purpose", "request"})
_JUDGED: Final = frozenset(
    {"bundle", "quarantine", "evaluated_at", "detector", "facts", "evaluation", "memo", "ranking"}
    | {"session", "prompt", "experiment"}
)
_DECIDED: Final = (
    _ASKED
    | _JUDGED
    | {"classes", "guards", "moderation", "reduced", "states", "signals", "limits", "redactions"}
    | {"outcome", "code", "chosen", "review_id", "ignored"}
)
_BLOCKED: Final = frozenset({"subject", "subject_id", "by", "version", "bundle_digest"})
_OWNED: Final = frozenset({"key_id", "tenant", "application", "purpose", "minted_by", "holder"})
_REVIEWED: Final = frozenset({"review_id", "tenant", "by"})
_ENDED: Final = frozenset(
    {"decision_id", "attempt", "deployment", "status", "failure", "http_status", "latency_ms"}
    | {"first_byte_ms", "tokens_in", "tokens_out", "cost_micro_usd", "charged_micro_usd"}
    | {"released_bytes", "finish_reasons", "contradicts", "left_out"}
)

_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "policy.genesis": frozenset({"bundle_digest", "mode", "by", "continues", "quarantine"}),
    "policy.proposed": frozenset({"bundle_digest", "parent", "by", "at"}),
    "policy.approved": frozenset({"bundle_digest", "parent", "author", "by", "at"}),
    "policy.activated": frozenset({"bundle_digest", "parent", "author", "approved_by", "by"}),
    "policy.solo_asked": frozenset({"by", "bundle_digest"}),
    "policy.mode_changed": frozenset({"was", "mode", "by", "bundle_digest", "asked_by"}),
    "quarantine.imposed": _BLOCKED | {"reason"},
    "quarantine.ratified": _BLOCKED,
    "quarantine.lift_asked": _BLOCKED,
    "quarantine.lifted": _BLOCKED | {"asked_by"},
    "access.key_created": _OWNED | {"scopes", "expires_at"},
    "access.key_revoked": _OWNED | {"by"},
    "access.invited": frozenset({"person", "tenant", "by", "expires_at"}),
    "access.credential_set": frozenset({"person", "tenant", "credential_id"}),
    "access.credential_revoked": frozenset({"person", "tenant", "by"}),
    "decision": _DECIDED | {"permit", "review"},
    "advice": _DECIDED,
    "attempt": _JUDGED
    | {"decision_id", "request_bundle", "noted", "permit", "review_id", "escalation"},
    "outcome": _ENDED
    | {"first_token_ms", "repaired", "received", "restored", "placeholders_kept"}
    | {"saved_micro_usd", "appraisal", "not_escalated", "counted"},
    "shadow.permitted": (_JUDGED - {"ranking"}) | {"decision_id", "policies", "permit"},
    "moderation.permitted": _ASKED
    | {"bundle", "quarantine", "evaluated_at", "facts", "evaluation"}
    | {"decision_id", "policies", "permit"},
    "moderation.ended": frozenset(
        {"decision_id", "attempt", "deployment", "status", "failure", "http_status"}
        | {"latency_ms", "raised", "failed", "left_out"}
    ),
    "judge.permitted": (_JUDGED - {"ranking", "experiment"})
    | {"decision_id", "noted", "policies", "permit", "judged"},
    "judge.ended": _ENDED | {"score"},
    "shadow.ended": _ENDED | {"appraisal", "primary"},
    "experiment.rolled_back": frozenset(
        {"experiment", "digest", "variant", "metric", "bad", "attempts"}
        | {"control_bad", "control_attempts", "margin_permille", "alpha_ppm"}
    ),
    "review.claimed": _REVIEWED,
    "review.viewed": _REVIEWED,
    "review.approved": _REVIEWED | {"queue", "saw_content"},
    "review.denied": _REVIEWED,
    "review.cancelled": _REVIEWED,
    "review.expired": frozenset({"review_id", "tenant"}),
    "cache.purged": frozenset({"by", "tenant", "app", "count"}),
    "feedback": frozenset(
        {"decision_id", "tenant", "app", "source", "score_permille", "success", "reason"}
        | {"comment", "comment_chars", "reward"}
    ),
    "throttled": frozenset({"key_id", "tenant", "limit", "count"}),
    "export": frozenset({"by", "tenant", "count"}),
    "erasure": frozenset({"by", "tenant", "decisions", "entries", "erased"}),
}
_PERMIT: Final = frozenset(
    {"attempt", "cause", "deployment", "form", "content", "wire", "bundle", "quarantine"}
    | {"expires_at", "provider", "reserved", "cached"}
)


def unknown_in(entry: Mapping[str, Any]) -> set[str]:
    """The kind, or the fields of an entry or its permit, that no rule here knows."""
    kind = entry["kind"]
    if kind not in _FIELDS:
        return {f"kind {kind}"}
    named = {f"{kind}.{name}" for name in entry.keys() - _FIELDS[kind] - _ALWAYS}
    permit = entry.get("permit")
    return named | {f"{kind}.permit.{name}" for name in (permit or {}).keys() - _PERMIT}
