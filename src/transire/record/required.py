"""What an entry of a kind always says, because every one that is written says it. Pure.

What could be left out would be consent: a permit of no content is a permit of any. So what the
recorder always writes is demanded, by kind, and for a decision by how far it came: a request may be
refused before anything was found in it or evaluated, and then nothing of that stands in its entry;
but a decision that has some of it has all, and one that permits or holds has it.

The lists are in audit/FORMAT.md, "Types"; what type each field has is `shape`'s to say.
"""

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["missing_in"]

_EVALUATED: Final = (
    *("bundle", "quarantine", "evaluated_at", "detector", "facts", "evaluation", "memo"),
)
_DECIDED: Final = (
    *_EVALUATED,
    *("ranking", "classes", "reduced", "states", "signals", "limits", "redactions"),
)
"""Of a request that was classified, authorized and ranked."""
_ENDED: Final = ("latency_ms", "released_bytes", "finish_reasons")
"""Of an attempt whose end was seen, and whose entry holds all that is known of it."""
_OUTCOMES: Final[Mapping[str, tuple[str, ...]]] = {
    "permitted": _DECIDED,
    "review_required": _DECIDED,
    "denied": ("code",),
    "refused": ("code",),
}
_BLOCKING: Final = ("bundle_digest",)
_REVIEWED: Final = ("review_id", "tenant", "by")
_ALWAYS: Final[Mapping[str, tuple[str, ...]]] = {
    "policy.genesis": ("by",),
    "policy.approved": ("parent", "author"),
    "policy.activated": ("parent", "author", "by"),
    "policy.solo_asked": ("bundle_digest",),
    "policy.mode_changed": ("bundle_digest",),
    **dict.fromkeys(("quarantine.imposed", "quarantine.ratified"), _BLOCKING),
    **dict.fromkeys(("quarantine.lift_asked", "quarantine.lifted"), _BLOCKING),
    "access.invited": ("expires_at",),
    "access.key_created": ("purpose", "minted_by", "holder", "scopes", "expires_at"),
    "access.key_revoked": ("by",),
    "decision": ("purpose", "request"),
    "advice": ("purpose", "request", *_DECIDED),
    "attempt": (*_EVALUATED, "ranking", "request_bundle"),
    "shadow.permitted": _EVALUATED,
    "judge.permitted": _EVALUATED,
    "moderation.permitted": (
        *("purpose", "request", "bundle", "quarantine", "evaluated_at", "facts"),
    ),
    **dict.fromkeys(("outcome", "shadow.ended", "judge.ended", "moderation.ended"), ("failure",)),
    **dict.fromkeys(("review.claimed", "review.viewed", "review.approved"), _REVIEWED),
    **dict.fromkeys(("review.denied", "review.cancelled"), _REVIEWED),
    "review.expired": ("review_id", "tenant"),
    "erasure": ("by",),
    "feedback": ("tenant", "app", "source"),
    "experiment.rolled_back": (
        *("experiment", "metric", "bad", "attempts", "control_bad", "control_attempts"),
    ),
}
_SEEN: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("outcome", "shadow.ended", "judge.ended"), _ENDED),
    "moderation.ended": ("latency_ms", "raised", "failed"),
}


def missing_in(entry: Mapping[str, Any]) -> str | None:
    """The first field that is absent, or null, and stands in every entry of this kind."""
    kind = entry["kind"]
    names = _ALWAYS.get(kind, ())
    if kind == "decision":
        names += _OUTCOMES.get(entry["outcome"], ())
        if any(entry.get(name) is not None for name in _DECIDED):
            names += _DECIDED
    elif kind == "advice" and entry["outcome"] != "denied":
        names += ("chosen",)
    elif kind in _SEEN and not _is_cut_short(entry):
        names += _SEEN[kind]
    for name in names:
        if entry.get(name) is None:
            return name
    return None


def _is_cut_short(entry: Mapping[str, Any]) -> bool:
    """Whether an end was written by the next start, or says that it leaves something out."""
    is_restart = (entry.get("status"), entry.get("failure")) == ("unknown", "restart")
    return is_restart or bool(entry.get("left_out"))
