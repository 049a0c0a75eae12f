"""Of what type the fields are that rules read: judged before any rule reads one. Pure.

The types are in audit/FORMAT.md, "Types". Past `check_types` a rule may trust them: what an entry
says can then be false, and never of another type than the rule compares.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from transire.domain.ranking import MOST_RECORDED
from transire.errors import IntegrityError
from transire.record.required import missing_in

__all__ = ["check_types", "moment_of"]

_RULED: Final = (
    *("policy.", "quarantine.", "review.", "experiment.", "shadow.", "moderation.", "judge."),
)
_RULED_KINDS: Final = frozenset(
    {"access.key_created", "access.key_revoked"}
    | {"access.invited", "access.credential_set", "access.credential_revoked"}
    | {"decision", "advice", "attempt", "outcome", "erasure", "feedback"}
)
_MOMENT: Final = re.compile(
    r"(?:19[7-9]|[2-8][0-9]{2})[0-9]-[0-9]{2}-[0-9]{2}"
    r"T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{6})?(?:Z|\+00:00)"
)
"""UTC, of the years 1970 to 8999: a minute before or after is a moment, too."""

Judge = Callable[[object], bool]


def moment_of(text: str) -> datetime:
    """The moment a field names.

    Raises:
        ValueError: it names none.
    """
    if _MOMENT.fullmatch(text) is None:
        raise ValueError("not a moment")
    return datetime.fromisoformat(text).astimezone(UTC)


def check_types(index: int, entry: Mapping[str, Any]) -> None:
    """Judge the fields of one entry; what is null counts as absent, but for a permit's own.

    Raises:
        IntegrityError: a field is of another type than the rules read, or a needed one is missing.
    """
    what = f"entry {index}"
    _need(what, entry, {"kind": _is_text, "id": _is_text, "ts": _is_moment})
    _allow(what, entry, _EVERYWHERE)
    kind = entry["kind"]
    if kind.startswith(_RULED) or kind in _RULED_KINDS:
        _allow(what, entry, _FIELDS)
        _allow(what, entry, {"quarantine": _is_kept if kind == "policy.genesis" else _is_number})
        experiment = _is_text if kind.startswith("experiment.") else _is_draw
        _allow(what, entry, {"experiment": experiment})
        _allow(what, entry, _OF_KIND.get(kind, {}))
        _need(what, entry, _NEEDED.get(kind, {}))
        if kind == "decision":
            _need(what, entry, _OF_OUTCOME.get(entry["outcome"], {}))
        if (missing := missing_in(entry)) is not None:
            raise _misfit(what, missing)


def _need(what: str, fields: Mapping[str, Any], judges: Mapping[str, Judge]) -> None:
    for name, judge in judges.items():
        if not judge(fields.get(name)):
            raise _misfit(what, name)


def _allow(what: str, fields: Mapping[str, Any], judges: Mapping[str, Judge]) -> None:
    for name, judge in judges.items():
        if fields.get(name) is not None and not judge(fields[name]):
            raise _misfit(what, name)


def _misfit(what: str, name: str) -> IntegrityError:
    return IntegrityError(f"{what} has no `{name}` of the type it must have")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return type(value) is int  # a bool is none


def _is_truth(value: object) -> bool:
    return isinstance(value, bool)


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(inner, str) for inner in value)


def _are_numbers(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_number, value))


def _are_rows(value: object) -> bool:
    return isinstance(value, list) and all(map(_are_numbers, value))


def _is_moment(value: object) -> bool:
    try:
        return isinstance(value, str) and moment_of(value) is not None
    except ValueError:
        return False


def _holds(value: object, judges: Mapping[str, Judge]) -> bool:
    """Whether it is an object, and those of these fields that it has are of their type."""
    return isinstance(value, dict) and all(
        value.get(name) is None or judge(value[name]) for name, judge in judges.items()
    )


def _is_draw(value: object) -> bool:
    is_one = _holds(value, {"state": _are_rows, "explore_permille": _is_number, "reward": _is_text})
    return is_one and _has(value, _DRAW)


def _is_reward(value: object) -> bool:
    return _has(value, _REWARD)


def _is_counted(value: object) -> bool:
    return _has(value, _COUNTED)


def _is_signals(value: object) -> bool:
    return _holds(value, {"task": _is_text})


def _has(value: object, judges: Mapping[str, Judge]) -> bool:
    return isinstance(value, dict) and all(judge(value.get(n)) for n, judge in judges.items())


def _is_request(value: object) -> bool:
    return _has(value, _REQUEST)


def _are_classes(value: object) -> bool:
    row: Mapping[str, Judge] = {"class": _is_text, "count": _is_number}
    return isinstance(value, list) and all(_has(each, row) for each in value)


def _is_pair(value: object) -> bool:
    is_one = _holds(value, {"deployment": _is_text, "form": _is_text})
    return is_one and isinstance(value, dict) and value.get("deployment") is not None


def _is_ranking(value: object) -> bool:
    """Its columns are whole, and only as many candidates are left out as an entry does not hold."""
    if not isinstance(value, dict) or not isinstance(value.get("candidates"), dict):
        return False
    ranked = value["candidates"]
    if not _are_texts(ranked.get("deployment")) or not _holds(ranked, _RANKED):
        return False
    names, form, cut = ranked["deployment"], ranked.get("form"), ranked.get("cut")
    columns = [ranked.get(name) for name in _TERMS] + ([] if form is None else [form])
    if any(len(column or ()) != len(names) for column in columns):
        return False
    return len(names) <= MOST_RECORDED and (cut is None or len(names) == MOST_RECORDED < cut)


def _are_amounts(value: object) -> bool:
    return isinstance(value, list) and all(each is None or _is_number(each) for each in value)


def _is_escalation(value: object) -> bool:
    """Its numbers are not negative, and no verdict is named twice."""
    if not isinstance(value, dict) or not _are_verdicts(value.get("verdicts")):
        return False
    bound = value.get("max_cost_micro_usd")
    numbers = [value.get(name) for name in ("over", "above", "within_ms")]
    numbers += [] if bound is None else [bound]
    return bool(value["verdicts"]) and all(type(n) is int and n >= 0 for n in numbers)


def _is_appraisal(value: object) -> bool:
    if not isinstance(value, dict) or not _are_verdicts(value.get("verdicts")):
        return False
    shares = [value[name] for name in ("confidence", "score") if value.get(name) is not None]
    is_told = value.get("failed") is None or isinstance(value["failed"], bool)
    is_told = is_told and _holds(value, {"judge": _is_text, "judgment": _is_text})
    return is_told and all(_is_number(share) and 0 <= share <= 1_000 for share in shares)


def _are_verdicts(value: object) -> bool:
    return _are_texts(value) and isinstance(value, list) and len(set(value)) == len(value)


def _is_judged(value: object) -> bool:
    is_one = _holds(value, {"point_ppm": _is_number, "share_ppm": _is_number})
    return is_one and _has(value, {"judge": _is_text, "digest": _is_text, "attempt": _is_number})


def _are_guards(value: object) -> bool:
    return _holds(value, {"raised": _are_texts, "failed": _are_texts})


def _is_moderation(value: object) -> bool:
    return _holds(value, {"asked": _are_consulted})


def _are_consulted(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(row, dict)
        and _is_text(row.get("deployment"))
        and _is_text(row.get("result"))
        and _holds(row, {"form": _is_text, "attempt": _is_number})
        for row in value
    )


def _is_kept(value: object) -> bool:
    return _holds(value, {"version": _is_number, "blocked": _are_texts})


def _is_hold(value: object) -> bool:
    is_one = _has(value, {"queues": _are_texts, "expires_at": _is_moment})
    return is_one and isinstance(value, dict) and bool(value["queues"])


def _is_permit(value: object) -> bool:
    return (
        isinstance(value, dict)
        and all(judge(value.get(name)) for name, judge in _PERMIT.items())
        and all(judge(value[name]) for name, judge in _IN_PERMIT.items() if name in value)
    )


def _are_reservations(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_reservation, value))


def _is_reservation(row: object) -> bool:
    return (
        isinstance(row, dict)
        and row.keys() == _RESERVATION.keys()
        and all(judge(row[name]) for name, judge in _RESERVATION.items())
        and row["micro_usd"] >= 0
    )


def _is_cached(value: object) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == _CACHED.keys()
        and all(judge(value[name]) for name, judge in _CACHED.items())
        and 0 <= value["ttl_s"] <= _MAX_TTL_S
    )


_MAX_TTL_S: Final = 2_592_000
"""Thirty days: more than any bundle may say."""
_CACHED: Final[Mapping[str, Judge]] = {
    "decision_id": _is_text,
    "attempt": _is_number,
    "ttl_s": _is_number,
    "policies": _are_texts,
}
_RANKED: Final[Mapping[str, Judge]] = {
    "form": _are_texts,
    "cut": _is_number,
    "quality_permille": _are_numbers,
    "latency_ms": _are_numbers,
    "cost_micro_usd": _are_amounts,
    "worst_cost_micro_usd": _are_amounts,
}
_TERMS: Final = ("quality_permille", "latency_ms", "cost_micro_usd", "worst_cost_micro_usd")
"""Columns that a ranking has unless nothing was ranked."""
_REQUEST: Final[Mapping[str, Judge]] = {
    **dict.fromkeys(("mac", "content", "asked_model"), _is_text),
    **dict.fromkeys(("bytes", "tokens", "parts", "n"), _is_number),
    "stream": _is_truth,
    **dict.fromkeys(("needs", "capabilities"), _are_texts),
}
_DRAW: Final[Mapping[str, Judge]] = {
    **dict.fromkeys(("id", "digest", "variant"), _is_text),
    **dict.fromkeys(("point_ppm", "propensity_ppm"), _is_number),
    "variants": _are_texts,
    "shares_ppm": _are_numbers,
}
_REWARD: Final[Mapping[str, Judge]] = {
    **dict.fromkeys(("digest", "variant", "task"), _is_text),
    "won": _is_number,
}
_COUNTED: Final[Mapping[str, Judge]] = {**_REWARD, "bad": _are_texts}
_RESERVATION: Final[Mapping[str, Judge]] = {
    **dict.fromkeys(("budget", "key", "period"), _is_text),
    **dict.fromkeys(("micro_usd", "limit_micro_usd"), _is_number),
}
_PERMIT: Final[Mapping[str, Judge]] = {
    **dict.fromkeys(("attempt", "quarantine"), _is_number),
    **dict.fromkeys(("deployment", "provider", "bundle"), _is_text),
    **dict.fromkeys(("content", "wire", "cause"), _is_text),
    "expires_at": _is_moment,
}
_IN_PERMIT: Final[Mapping[str, Judge]] = {
    "form": _is_text,
    "reserved": _are_reservations,
    "cached": _is_cached,
}
_EVERYWHERE: Final[Mapping[str, Judge]] = {
    "permit": _is_permit,
    "evaluation": _is_text,
    "facts": _is_text,
    "sd": _are_texts,
}
_FIELDS: Final[Mapping[str, Judge]] = {
    **dict.fromkeys(
        ("app", "application", "asked_by", "author", "bundle", "bundle_digest", "by"), _is_text
    ),
    **dict.fromkeys(("decision_id", "deployment", "holder", "key_id", "minted_by"), _is_text),
    **dict.fromkeys(("mode", "outcome", "parent", "queue", "request_bundle"), _is_text),
    **dict.fromkeys(("review_id", "status", "subject", "subject_id", "tenant", "was"), _is_text),
    **dict.fromkeys(("purpose", "detector", "code", "failure", "source", "metric"), _is_text),
    **dict.fromkeys(("attempt", "charged_micro_usd", "http_status", "version"), _is_number),
    **dict.fromkeys(("redactions", "latency_ms", "tokens_in", "tokens_out"), _is_number),
    "cost_micro_usd": _is_number,
    **dict.fromkeys(("approved_by", "erased", "noted", "reduced", "scopes"), _are_texts),
    **dict.fromkeys(("finish_reasons", "left_out"), _are_texts),
    **dict.fromkeys(("states", "limits"), _is_object),
    "memo": _is_truth,
    "evaluated_at": _is_moment,
    "classes": _are_classes,
    "expires_at": _is_moment,
    "request": _is_request,
    "chosen": _is_pair,
    "ranking": _is_ranking,
    "review": _is_object,
    "released_bytes": _is_number,
    "escalation": _is_escalation,
    "appraisal": _is_appraisal,
    "not_escalated": _is_text,
    "counted": _is_counted,
    "signals": _is_signals,
    "guards": _are_guards,
    "moderation": _is_moderation,
    **dict.fromkeys(("raised", "failed"), _are_texts),
}
_ASKED: Final[Mapping[str, Judge]] = dict.fromkeys(("tenant", "app", "key_id", "outcome"), _is_text)
_BLOCKING: Final[Mapping[str, Judge]] = {
    "version": _is_number,
    **dict.fromkeys(("subject", "subject_id", "by"), _is_text),
}
_NEEDED: Final[Mapping[str, Mapping[str, Judge]]] = {
    "policy.genesis": {"bundle_digest": _is_text, "mode": _is_text},
    "policy.proposed": {"bundle_digest": _is_text, "parent": _is_text, "by": _is_text},
    "policy.approved": {"bundle_digest": _is_text, "by": _is_text},
    "policy.activated": {"bundle_digest": _is_text, "approved_by": _are_texts},
    "policy.solo_asked": {"by": _is_text},
    "policy.mode_changed": {"was": _is_text, "mode": _is_text, "by": _is_text},
    **dict.fromkeys(("quarantine.imposed", "quarantine.ratified"), _BLOCKING),
    **dict.fromkeys(("quarantine.lift_asked", "quarantine.lifted"), _BLOCKING),
    "access.invited": {"person": _is_text, "by": _is_text},
    "access.credential_set": {"person": _is_text},
    "access.credential_revoked": {"person": _is_text, "by": _is_text},
    "access.key_created": {"key_id": _is_text, "tenant": _is_text, "application": _is_text},
    "access.key_revoked": {"key_id": _is_text},
    "decision": _ASKED,
    "advice": _ASKED,
    "attempt": {"decision_id": _is_text, "permit": _is_permit},
    "outcome": {
        **dict.fromkeys(("decision_id", "deployment", "status"), _is_text),
        "attempt": _is_number,
    },
    "review.approved": {"queue": _is_text, "by": _is_text},
    "erasure": {"erased": _are_texts},
    "experiment.rolled_back": {"digest": _is_text, "variant": _is_text},
    "feedback": {"decision_id": _is_text},
    "moderation.permitted": {
        **dict.fromkeys(("tenant", "app", "key_id", "decision_id", "evaluation"), _is_text),
        "permit": _is_permit,
        "policies": _are_texts,
    },
    "moderation.ended": {
        **dict.fromkeys(("decision_id", "deployment", "status"), _is_text),
        "attempt": _is_number,
    },
    "shadow.permitted": {
        **dict.fromkeys(("decision_id", "evaluation"), _is_text),
        "permit": _is_permit,
        "experiment": _is_draw,
        "policies": _are_texts,
    },
    "judge.permitted": {
        **dict.fromkeys(("decision_id", "evaluation"), _is_text),
        "permit": _is_permit,
        "judged": _is_judged,
        "policies": _are_texts,
    },
    "judge.ended": {
        **dict.fromkeys(("decision_id", "deployment", "status"), _is_text),
        "attempt": _is_number,
    },
    "shadow.ended": {
        **dict.fromkeys(("decision_id", "deployment", "status"), _is_text),
        "attempt": _is_number,
    },
}
_OF_KIND: Final[Mapping[str, Mapping[str, Judge]]] = {
    "judge.ended": {"score": _is_number},
    "feedback": {"reward": _is_reward, "success": _is_truth, "score_permille": _is_number},
    "experiment.rolled_back": dict.fromkeys(
        ("bad", "attempts", "control_bad", "control_attempts"), _is_number
    ),
}
_OF_OUTCOME: Final[Mapping[str, Mapping[str, Judge]]] = {
    "permitted": {"permit": _is_permit, "chosen": _is_pair, "ranking": _is_ranking},
    "review_required": {
        "review_id": _is_text,
        "review": _is_hold,
        "evaluation": _is_text,
        "chosen": _is_pair,
    },
}
