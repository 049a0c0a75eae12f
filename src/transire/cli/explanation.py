"""A decision's explanation as text, from what the API tells an auditor. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

__all__ = ["explained", "said_by_guards", "said_by_people"]

_CONFLICTS: Final = {
    "conflict": (
        "the review named is of another request (content, model or token bounds differ), or what "
        "it stood on moved meanwhile"
    ),
    "review_spent": "the approval of this review was used already, by another decision",
}
_LIMITS: Final = {
    "asserted.model": "the caller asked for other deployments",
    "asserted.jurisdiction": "the caller asked for jurisdictions it does not lie in",
    "asserted.redaction": "the caller's `redaction` leaves this form out",
    "quarantine": "quarantined",
    "state": "its catalog entry says that it takes no traffic",
    "not_permitted_now": "an earlier attempt's evaluation no longer permitted it",
}
"""What closes a pair besides Cedar: the names of `Verdict.limits`."""

_UNSEEN: Final = {
    "uncovered": "no recognizer looks for it in this text, so that it cannot be found",
    "failed": "looked for, and nobody can say whether it is there",
}


def explained(told: Mapping[str, Any]) -> Iterator[str]:
    """Who was chosen, what was found per form, what closed each pair, and what each name means."""
    chosen = (told.get("chosen") or {}).get("deployment")
    reason = str((told.get("ranking") or {}).get("reason", "")).replace("_", " ")
    who = f"{chosen} ({reason})" if chosen else told.get("code") or "nobody"
    yield f"{told['outcome']}: {who}"
    if told.get("code") in _CONFLICTS:
        yield f"{told['code']}: {_CONFLICTS[told['code']]}"
    yield from _reviewed(told)
    yield from _found(told.get("facts") or {})
    limits = set[str]()
    shown = set[str]()
    for row in told["candidates"]:
        because = row["because"]
        limits.update(row["limits"])
        shown.update(because)
        what = f"{row['effect']:7} {row['deployment']:16} {row['form']:9}"
        yield f"{what} {', '.join(because) or 'no grant covers it'}".rstrip()
    for out in told.get("filtered") or ():
        form = "" if out["form"] == "raw" else f" ({out['form']})"
        yield f"out: {out['deployment']}{form}: {out['told']}"
    for name in sorted(limits):
        yield f"{name}: {_LIMITS.get(name, 'no reason given')}"
    for block in told.get("quarantined") or ():
        yield f"quarantine: {block['what']} by {block['by']} at {block['at']}: {block['reason']}"
    for policy, notes in sorted(told["policies"].items()):
        if policy in shown:
            law = f" ({notes['regulation']})" if "regulation" in notes else ""
            yield f"{policy}: {notes.get('reason', 'no reason given')}{law}"


def _found(forms: Mapping[str, Any]) -> Iterator[str]:
    """The classes of each form; a redacted one keeps what redacting it left."""
    unread: Mapping[str, Any] = {"raw": {}}
    for form, facts in (forms or unread).items():
        classes = ", ".join(sorted((facts.get("base") or {}).get("data_classes", ())))
        where = "" if form == "raw" else f", {form}"
        yield f"found{where}: {classes or 'nothing'}"
    base = ((forms or unread).get("raw") or {}).get("base") or {}
    for state in ("uncovered", "failed"):
        if missed := sorted(base.get(f"{state}_classes", ())):
            yield f"{state}: {', '.join(missed)} ({_UNSEEN[state]})"
    for said in said_by_guards({s: base.get(f"{s}_guards", ()) for s in ("raised", "failed")}):
        yield f"guards {said}"


def _reviewed(told: Mapping[str, Any]) -> Iterator[str]:
    """Which rule held the request, for which queue, and what people did about it since."""
    if not told.get("review_id"):
        return
    yield f"review: {told['review_id']}"
    held = {
        (o["queue"], o["policy"]): None
        for row in told["candidates"]
        for o in row.get("obligations") or ()
        if o["kind"] == "review"
        and row["deployment"] == (told.get("chosen") or {}).get("deployment")
    }
    for queue, policy in held:
        reason = (told["policies"].get(policy) or {}).get("reason", "no reason given")
        why = f"{policy}: {reason}" if policy else "no rule permits it without a person"
        yield f"held for {queue}: {why}"
    for act in told.get("review") or ():
        queue = f" in {act['queue']}" if act.get("queue") else ""
        said = "".join(f": {words}" for words in said_by_people(act))
        yield f"{act['kind']} by {act['by']}{queue} at {act['ts']}{said}"


def said_by_people(entry: Mapping[str, Any]) -> list[str]:
    """What was written beside an entry, and how much of it was erased."""
    erased = int(entry.get("erased") or 0)
    words = [str(value) for _, value in sorted((entry.get("disclosed") or {}).items())]
    return words + (["what was written is erased"] if erased else [])


def said_by_guards(guards: Mapping[str, Sequence[str]]) -> list[str]:
    """`raised jailbreak, self_harm` and `failed violence`; nothing where none said anything."""
    return [f"{state} {', '.join(names)}" for state, names in guards.items() if names]
