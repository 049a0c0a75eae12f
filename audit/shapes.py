"""What the fields of an entry must be before any rule compares them: FORMAT.md, "Types".

A shape is written as data: a name from LEAVES, `[shape]` for a list of it, or a dict of a field's
name → shape. A field that is absent or null has every shape, unless its name ends in `!`.
"""

import datetime as dt
from typing import Any

LEAVES = {"text": str, "number": int, "object": dict}

ROW = {"budget!": "text", "key!": "text", "period!": "text"}
ROW |= {"micro_usd!": "number", "limit_micro_usd!": "number"}

PERMIT = {
    "attempt!": "number",
    "deployment!": "text",
    "provider!": "text",
    "bundle!": "text",
    "form": "text",
    "content": "text",
    "wire": "text",
    "cause": "text",
    "quarantine": "number",
    "expires_at": "moment",
    "reserved": [ROW],
}

ANY_KIND: dict[str, Any] = {"kind!": "text", "id!": "text", "ts!": "moment"}
ANY_KIND |= {"permit": PERMIT, "evaluation": "text", "facts": "text", "sd": ["text"]}

WORDS = """app author bundle bundle_digest by decision_id deployment holder key_id minted_by mode
outcome parent queue request_bundle review_id status subject subject_id tenant"""

RULED: dict[str, Any] = {
    **dict.fromkeys(WORDS.split(), "text"),
    **dict.fromkeys(("attempt", "charged_micro_usd", "http_status", "version"), "number"),
    **{name: ["text"] for name in ("approved_by", "erased", "noted")},
    "request": {"mac": "text", "content": "text"},
    "chosen": {"deployment": "text", "form": "text"},
    "review": "object",
    "quarantine": "number",
}

BLOCKING = {"version!": "number", "subject!": "text", "subject_id!": "text"}
BY_KIND: dict[str, dict[str, Any]] = {
    "policy.genesis": {
        "bundle_digest!": "text",
        "quarantine": {"version": "number", "blocked": ["text"]},
    },
    "policy.activated": {"bundle_digest!": "text"},
    "quarantine.imposed": BLOCKING,
    "quarantine.lifted": BLOCKING,
    "access.key_created": {"key_id!": "text"},
    "decision": {},
    "attempt": {"decision_id!": "text", "permit!": PERMIT},
    "outcome": {"decision_id!": "text", "attempt!": "number", "deployment!": "text"},
    "review.approved": {"queue!": "text", "by!": "text"},
    "erasure": {"erased!": ["text"]},
}

HOLD = {"review_id!": "text", "review!": {"queues!": ["text"], "expires_at": "moment"}}


def misfit(entry: dict[str, Any]) -> str | None:
    """The first field that has another shape, or None."""
    found = _misfit(entry, ANY_KIND)
    kind = entry.get("kind")
    if found or not isinstance(kind, str):
        return found
    if kind in BY_KIND or kind.split(".")[0] + "." in ("policy.", "quarantine.", "review."):
        own = BY_KIND.get(kind, {})
        covered = {name.rstrip("!") for name in own}
        ruled = {name: shape for name, shape in RULED.items() if name not in covered}
        found = _misfit(entry, {**ruled, **own})
        if not found and kind == "decision" and entry.get("outcome") == "review_required":
            found = _misfit(entry, HOLD)
            if not found and not entry["review"]["queues"]:
                found = "review.queues"
    permit = entry.get("permit")
    if not found and permit:
        # In a permit null is a value, and no field may have it.
        null = [name for name in ("reserved", *PERMIT) if permit.get(name, "") is None]
        rows = permit.get("reserved", [])
        odd = any(len(row) != len(ROW) or row["micro_usd"] < 0 for row in rows or [])
        found = "permit." + null[0] if null else "permit.reserved" if odd else None
    return found


def _misfit(fields: dict[str, Any], shapes: dict[str, Any]) -> str | None:
    for spelled, shape in shapes.items():
        name = spelled.rstrip("!")
        if fields.get(name) is None:
            if spelled.endswith("!"):
                return name
        elif not _fits(fields[name], shape):
            return name
    return None


def _fits(value: Any, shape: Any) -> bool:
    if isinstance(shape, list):
        return isinstance(value, list) and all(_fits(each, shape[0]) for each in value)
    if isinstance(shape, dict):
        return isinstance(value, dict) and _misfit(value, shape) is None
    if shape == "moment":
        return isinstance(value, str) and seconds(value) is not None
    return isinstance(value, LEAVES[shape]) and not isinstance(value, bool)


def seconds(moment: str) -> float | None:
    """A moment in seconds since 1970, or None: UTC, `Z` or `+00:00`, years 1970 to 8999."""
    body = moment[:-1] if moment.endswith("Z") else moment.removesuffix("+00:00")
    plain = body.translate(str.maketrans("123456789", "000000000"))
    known = {"0000-00-00T00:00:00": "", "0000-00-00T00:00:00.000000": ".%f"}
    if body == moment or plain not in known or not "1970" <= body[:4] <= "8999":
        return None
    try:
        read = dt.datetime.strptime(body + "+0000", f"%Y-%m-%dT%H:%M:%S{known[plain]}%z")
    except ValueError:
        return None
    return read.timestamp()


def day(at: float) -> str:
    """The UTC day of a moment in seconds."""
    return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%d")
