"""What the path's entries say: fields from values. Pure.

An entry holds ids, keyed digests, classes, counts, sizes, policies. It never holds content, names
of tools or files, an end user's name, or an upstream's words (I6). What is long or repeats itself,
the verdicts and the facts, is side data that the entry names by digest.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import orjson

from transire.domain.authorization import Authorization, Facts, Form, Pair
from transire.domain.decision import Case
from transire.domain.ids import DeploymentId
from transire.domain.permit import Outcome, Permit
from transire.domain.ranking import MOST_RECORDED
from transire.domain.request import JsonValue, RoutingRequest
from transire.errors import PolicyDenied

__all__ = [
    "attempt_fields",
    "bare_outcome",
    "decision_fields",
    "evaluation_rows",
    "moderation_fields",
    "outcome_fields",
    "pair_fields",
    "permit_fields",
    "refusal_fields",
    "request_fields",
]

_MAX_INTEGER: Final = 2**53
"""Integers of an entry are below it (audit/FORMAT.md)."""
_NAME: Final = re.compile(r"[a-z0-9_]{0,64}", re.ASCII)


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
    """What a decision's entry says, and the side data it names by digest (I8)."""
    request, classification = case.request, case.classification
    signals = classification.signals
    classes = _counted(f.data_class for f in classification.findings)
    judged, blobs = _judged(case)
    fields = {
        **request_fields(request),
        **judged,
        "classes": [{"class": name, "count": count} for name, count in classes.items()],
        "reduced": sorted(classification.reduced),
        "states": _counted(state.value for state in classification.states),
        "signals": {
            "language": signals.language,
            "task": signals.task,
            "task_by": signals.task_by,
            "cues": list(signals.cues),
            "quality_floor": signals.quality_floor_permille,
            "stakes": signals.stakes,
            "needs": sorted(signals.needs),
        },
        "limits": _asserted_limits(request),
        "redactions": case.redaction.count if case.redaction else 0,
    }
    guards = {"raised": classification.raised_guards, "failed": classification.failed_guards}
    if any(guards.values()):
        fields["guards"] = {name: sorted(said) for name, said in guards.items()}
    if case.moderation is not None:
        stood, more = moderation_fields(case.moderation.authorization)
        fields["moderation"] = {
            **{name: stood[name] for name in ("evaluated_at", "facts", "evaluation")},
            "asked": [one.to_json() for one in case.moderation.consulted],
        }
        blobs |= more
    return fields, blobs


def moderation_fields(
    authorization: Authorization,
) -> tuple[dict[str, JsonValue], dict[str, bytes]]:
    """What asking moderators stood on, and the side data this names by digest (I8)."""
    forms = tuple((form, *both) for form, both in authorization.facts.items())
    facts_digest, facts = _facts_blob(forms)
    fields: dict[str, JsonValue] = {
        "bundle": authorization.bundle_digest,
        "quarantine": authorization.quarantine_version,
        "evaluated_at": _moment(authorization.evaluated_at),
        "facts": facts_digest,
        "evaluation": authorization.evaluation_digest,
    }
    return fields, {authorization.evaluation_digest: authorization.evaluation, facts_digest: facts}


def attempt_fields(case: Case) -> tuple[dict[str, JsonValue], dict[str, bytes]]:
    """What a later attempt stood on: what narrowed the set once more, and how it was ranked (I3).

    The set is the decision's own, narrowed by the evaluation of every attempt up to this one.
    """
    fields, blobs = _judged(case)
    authorization = case.authorization
    decided_under = authorization.request_bundle or authorization.bundle_digest
    if case.request.noted:
        fields["noted"] = list(case.request.noted)
    return {**fields, "decision_id": case.request.id, "request_bundle": decided_under}, blobs


def _judged(case: Case) -> tuple[dict[str, JsonValue], dict[str, bytes]]:
    """What policy and scorer saw and said: replay starts here (I8).

    The side data are the verdicts of all candidates and the facts Cedar saw; both are stored once.
    """
    authorization = case.authorization
    forms = tuple((form, *both) for form, both in authorization.facts.items())
    facts_digest, facts = _facts_blob(forms)
    classification = case.reclassified or case.classification
    fields: dict[str, JsonValue] = {
        "bundle": authorization.bundle_digest,
        "quarantine": authorization.quarantine_version,
        "evaluated_at": _moment(authorization.evaluated_at),
        "detector": classification.detector_digest,
        "facts": facts_digest,
        "evaluation": authorization.evaluation_digest,
        "memo": authorization.is_memo_hit,
        "ranking": case.ranking.to_json(),
        **_session(case.request),
    }
    if case.request.prompt is not None:
        fields["prompt"] = case.request.prompt.to_json()
    if case.request.trial is not None:
        fields["experiment"] = case.request.trial.to_json()
    return fields, {authorization.evaluation_digest: authorization.evaluation, facts_digest: facts}


def refusal_fields(
    case: Case | None, request: RoutingRequest, code: str
) -> tuple[dict[str, JsonValue], dict[str, bytes]]:
    """A decision that nothing was forwarded; without a case, about a request nobody judged.

    Args:
        code: The error's code; only policy's own is a denial, everything else a refusal.
    """
    fields, blobs = (request_fields(request), {}) if case is None else decision_fields(case)
    outcome = "denied" if code == PolicyDenied.code else "refused"
    return {**fields, "id": request.id, "outcome": outcome, "code": code}, blobs


def pair_fields(pair: Pair) -> dict[str, JsonValue]:
    """What was chosen: the deployment, and the form where it is not the raw one."""
    if pair.form is Form.RAW:
        return {"deployment": pair.deployment}
    return {"deployment": pair.deployment, "form": str(pair.form)}


def permit_fields(permit: Permit, provider: str) -> dict[str, JsonValue]:
    """A permit as its entry carries it, with whom the bytes go to."""
    fields: dict[str, JsonValue] = {
        "attempt": permit.attempt,
        "cause": permit.cause,
        **pair_fields(permit.pair),
        "content": permit.content_digest.hex(),
        "wire": permit.wire_digest.hex(),
        "bundle": permit.bundle_digest,
        "quarantine": permit.quarantine_version,
        "expires_at": _moment(permit.expires_at),
        "provider": provider,
    }
    if permit.cached is not None:
        fields["cached"] = {
            "decision_id": permit.cached.decision_id,
            "attempt": permit.cached.attempt,
            "ttl_s": permit.cached.ttl_s,
            "policies": list(permit.cached.policies),
        }
    if permit.spends:
        fields["reserved"] = [
            {
                "budget": spend.budget,
                "key": spend.key,
                "period": spend.period,
                "micro_usd": spend.micro_usd,
                "limit_micro_usd": spend.limit_micro_usd,
            }
            for spend in permit.spends
        ]
    return fields


def outcome_fields(permit: Permit, outcome: Outcome) -> dict[str, JsonValue]:
    """An outcome entry; names its decision and attempt."""
    charged = {"charged_micro_usd": outcome.charged_micro_usd} if permit.spends else {}
    return {
        "decision_id": permit.decision_id,
        "attempt": permit.attempt,
        "deployment": permit.pair.deployment,
        "status": str(outcome.status),
        "failure": outcome.failure,
        "http_status": outcome.http_status,
        "latency_ms": outcome.latency_ms,
        "first_byte_ms": outcome.first_byte_ms,
        **_known("first_token_ms", outcome.first_token_ms),
        "tokens_in": outcome.tokens_in,
        "tokens_out": outcome.tokens_out,
        "cost_micro_usd": outcome.cost_micro_usd,
        "released_bytes": outcome.released_bytes,
        "finish_reasons": list(outcome.finish_reasons),
        **({"repaired": list(outcome.repaired)} if outcome.repaired else {}),
        **charged,
        **outcome.facts,
    }


def bare_outcome(
    fields: Mapping[str, JsonValue],
) -> tuple[int | None, dict[str, JsonValue]]:
    """What stands in for an outcome that the log could not take: its charge, and its fields.

    How it ended, plain names and numbers stay. Lists and objects, of which one was too much, are
    left out, and the entry says which (`left_out`): no permit goes without an outcome for them.
    """
    kept = {name: fields[name] for name in ("decision_id", "attempt", "deployment", "status")}
    for name, value in fields.items():
        if name not in kept and (value is None or _is_plain(value)):
            kept[name] = value
    left_out = sorted(fields.keys() - kept.keys())
    charged = kept.get("charged_micro_usd")
    if "charged_micro_usd" in left_out:
        kept["charged_micro_usd"] = None
    told: dict[str, JsonValue] = {"failure": "", "finish_reasons": [], "left_out": left_out}
    return charged if isinstance(charged, int) else None, {**told, **kept}


def _is_plain(value: JsonValue) -> bool:
    """A number that an entry takes, or a name of ours (a class of failures)."""
    if isinstance(value, str):
        return _NAME.fullmatch(value) is not None
    return type(value) is int and abs(value) < _MAX_INTEGER


def _known(name: str, value: int | None) -> dict[str, JsonValue]:
    return {} if value is None else {name: value}


def evaluation_rows(data: bytes) -> list[dict[str, Any]]:
    """The verdicts an evaluation blob holds."""
    rows: list[dict[str, Any]] = orjson.loads(data)
    return rows


@lru_cache(maxsize=1_024)
def _facts_blob(forms: tuple[tuple[Form, Facts, Facts], ...]) -> tuple[str, bytes]:
    """Per form, the facts without and, where they differ, with the caller's assertions.

    Remembered with their digest, because most requests of an application have the same.
    """
    told = {
        form.value: {
            "base": base.to_json(),
            "asserted": None if asserted == base else asserted.to_json(),
        }
        for form, base, asserted in forms
    }
    data = orjson.dumps(told, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(data).hexdigest(), data


def _session(request: RoutingRequest) -> dict[str, JsonValue]:
    """What the session it names added to the asserted facts, by form; never the caller's id."""
    session = request.session
    if session is None:
        return {}
    raw, redacted = session.raw.to_json(), session.redacted.to_json()
    return {"session": {"mac": session.digest, "raw": raw, "redacted": redacted}}


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
