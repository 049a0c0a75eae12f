"""Entries made whole: stories tell what they are about, and the rest is what is always written."""

import copy
import hashlib
from datetime import datetime, timedelta
from typing import Any

__all__ = ["DETECTOR", "FACTS", "FACTS_DIGEST", "REQUEST", "listing", "whole"]

REQUEST: dict[str, Any] = {
    "mac": "00ff",
    "content": "c0",
    "asked_model": "auto",
    "bytes": 60,
    "tokens": 2,
    "parts": 1,
    "stream": False,
    "n": 1,
    "needs": [],
    "capabilities": [],
}
DETECTOR = "d0"
FACTS = b'{"raw":{"asserted":null,"base":{}}}'
FACTS_DIGEST = hashlib.sha256(FACTS).hexdigest()
_LIFE = timedelta(seconds=5)
_QUALITY = {"b": 700, "g": 800}
_COSTS = ("cost_micro_usd", "worst_cost_micro_usd")
_NAMES, _FORMS = [*"abcdfgas"], [*["raw"] * 6, "redacted", "raw"]
_SENT = frozenset({"ok", "superseded", "partial", "contract_violated"})
_OTHERS: dict[str, dict[str, Any]] = {
    "policy.genesis": {"by": "ana"},
    "policy.approved": {"author": "ana"},
    "policy.activated": {"author": "ana", "by": "ana"},
    "policy.solo_asked": {"bundle_digest": "b0"},
    "policy.mode_changed": {"bundle_digest": "b0"},
    "access.key_revoked": {"by": "omar"},
    "feedback": {"tenant": "acme", "app": "sales", "source": "application"},
    "erasure": {"by": "omar"},
    "experiment.rolled_back": {
        "experiment": "tone",
        "metric": "failed",
        **dict.fromkeys(("bad", "attempts", "control_bad", "control_attempts"), 0),
    },
}


def whole(entry: dict[str, Any], moment: datetime) -> dict[str, Any]:
    """An entry with every field that its kind always has; what it says itself, null too, stays."""
    kind, told = entry["kind"], dict(entry)
    if isinstance(entry.get("permit"), dict):
        lives = (moment + _LIFE).isoformat()
        always = {"wire": "w0", "cause": "first", "quarantine": 0, "expires_at": lives}
        told["permit"] = {**always, **entry["permit"]}
    if kind in ("decision", "advice", "moderation.permitted"):
        told = {"purpose": "support", "request": REQUEST, **told}
    if kind == "decision" and told.get("outcome") in ("denied", "refused"):
        told.setdefault("code", "bad_request")
    if kind == "advice" or (kind == "decision" and _is_decided(entry)):
        told = {**_evaluated(told), **_CLASSIFIED, **told}
        told.setdefault("ranking", ranked(told.get("permit")))
        told["signals"] = {**_CLASSIFIED["signals"], **(told["signals"] or {})}
    elif kind == "attempt":
        own = told["permit"]["bundle"] if isinstance(told.get("permit"), dict) else "b0"
        told = {"request_bundle": own, "ranking": ranked(told.get("permit")), **told}
        told = {**_evaluated(told), **told}
    elif kind in ("shadow.permitted", "judge.permitted", "moderation.permitted"):
        told = {**_evaluated(told), **told}
    elif kind in ("outcome", "shadow.ended", "judge.ended", "moderation.ended"):
        told = _ended(told)
    elif kind in ("access.key_created", "access.invited"):
        late = (moment + timedelta(days=365)).isoformat()
        told = {"purpose": "support", "scopes": [], "expires_at": late, **told}
    elif kind.startswith("review."):
        told = {"tenant": "acme", "by": "rita", **told}
    elif kind.startswith("quarantine."):
        told = {"bundle_digest": "b0", **told}
    told = {**_OTHERS.get(kind, {}), **told}
    if kind == "policy.approved":
        told.setdefault("parent", "b0")
    if kind == "moderation.permitted":
        for name in ("detector", "memo"):
            told.pop(name, None)
    return copy.deepcopy(told)  # whoever changes one entry changes no other


def ranked(permit: Any) -> dict[str, Any]:
    """A ranking of all deployments of these stories, at what a permit reserves."""
    rows = permit.get("reserved") if isinstance(permit, dict) else None
    first = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else {}
    cost = first.get("micro_usd")
    return listing(*_NAMES, form=_FORMS, cost_micro_usd=cost if type(cost) is int else 0)


def listing(*names: str, cost_micro_usd: Any = 0, **columns: Any) -> dict[str, Any]:
    """A ranking of these deployments, with the terms that every ranking has."""
    terms: dict[str, Any] = {
        "quality_permille": [_QUALITY.get(name, 600) for name in names],
        "latency_ms": [900] * len(names),
        **{name: [cost_micro_usd] * len(names) for name in _COSTS},
    }
    return {"candidates": {"deployment": [*names], **terms, **columns}}


_CLASSIFIED: dict[str, Any] = {
    "classes": [],
    "reduced": [],
    "states": {},
    "signals": {"task": "general"},
    "limits": {},
    "redactions": 0,
}


def _is_decided(entry: dict[str, Any]) -> bool:
    return entry.get("outcome") in ("permitted", "review_required") or "evaluation" in entry


def _evaluated(entry: dict[str, Any]) -> dict[str, Any]:
    permit = entry.get("permit")
    of = permit if isinstance(permit, dict) else {}
    return {
        "bundle": of.get("bundle", "b0"),
        "quarantine": of.get("quarantine", 0),
        "evaluated_at": "2026-11-26T12:00:00.000000Z",
        "detector": DETECTOR,
        "facts": FACTS_DIGEST,
        "evaluation": FACTS_DIGEST,
        "memo": False,
    }


def _ended(entry: dict[str, Any]) -> dict[str, Any]:
    """How it ended; where budgets were charged, what that rests on."""
    status, charged = entry.get("status"), entry.get("charged_micro_usd")
    told: dict[str, Any] = {"failure": "", "latency_ms": 7}
    if entry["kind"] == "moderation.ended":
        return {**told, "raised": [], "failed": [], **entry}
    told |= {"released_bytes": 0, "finish_reasons": []}
    if status in _SENT:
        told["http_status"] = 200
        is_told = charged is not None and status != "partial"
        told |= {"cost_micro_usd": charged, "tokens_in": 2, "tokens_out": 1} if is_told else {}
    elif charged == 0:
        told["http_status"] = 500
    return {**told, **entry}
