"""The types of an entry's fields: FORMAT.md, "Types", written as data; and which fields there are.

A shape is a name from LEAVES, `[shape]` for a list of it, or a dict of a field's name → shape. A
field that is absent or null has every shape, unless its name ends in `!`.
"""

import datetime as dt
from typing import Any

from trees import Entry

LEAVES = {"text": str, "number": int, "object": dict, "flag": bool, "amount": int}

ROW = {"budget!": "text", "key!": "text", "period!": "text"}
ROW |= {"micro_usd!": "number", "limit_micro_usd!": "number"}

CACHED: dict[str, Any] = {"decision_id!": "text", "attempt!": "number", "ttl_s!": "number"}
CACHED |= {"policies!": ["text"]}
MAX_TTL_S = 2_592_000  # 30 days

PERMIT = {
    "attempt!": "number",
    "deployment!": "text",
    "provider!": "text",
    "bundle!": "text",
    "form": "text",
    "content!": "text",
    "wire!": "text",
    "cause!": "text",
    "quarantine!": "number",
    "expires_at!": "moment",
    "reserved": [ROW],
    "cached": CACHED,
}

ANY_KIND: dict[str, Any] = {"kind!": "text", "id!": "text", "ts!": "moment"}
ANY_KIND |= {"permit": PERMIT, "evaluation": "text", "facts": "text", "sd": ["text"]}

WORDS = """app application asked_by author bundle bundle_digest by decision_id deployment holder
key_id minted_by mode outcome parent queue request_bundle review_id status subject subject_id tenant
was purpose detector code failure source metric"""
NUMBERS = """attempt charged_micro_usd cost_micro_usd http_status latency_ms redactions tokens_in
tokens_out version"""

PAIR = {"deployment!": "text", "form": "text"}
PAIRS = {"deployment!": ["text"], "form": ["text"], "cut": "number"}
PAIRS |= {"quality_permille": ["number"], "latency_ms": ["number"]}
PAIRS |= {"cost_micro_usd": ["amount"], "worst_cost_micro_usd": ["amount"]}
TERMS = ("quality_permille", "latency_ms", "cost_micro_usd", "worst_cost_micro_usd")
MOST = 128  # candidates that a ranking lists
ESCALATION: dict[str, Any] = {"verdicts!": ["text"], "max_cost_micro_usd": "number"}
ESCALATION |= dict.fromkeys(("over!", "above!", "within_ms!"), "number")
APPRAISAL = {"verdicts!": ["text"], "failed": "flag", "confidence": "number", "score": "number"}
APPRAISAL |= {"judge": "text", "judgment": "text"}
DRAW: dict[str, Any] = {"id!": "text", "digest!": "text", "variant!": "text"}
DRAW |= {"variants!": ["text"]}
DRAW |= {"point_ppm!": "number", "propensity_ppm!": "number", "shares_ppm!": ["number"]}
DRAW |= {"state": [["number"]], "explore_permille": "number", "reward": "text"}
REWARD = {"digest!": "text", "variant!": "text", "task!": "text", "won!": "number"}
COUNTED = {**REWARD, "bad!": ["text"]}

CONSULTED = {"deployment!": "text", "result!": "text", "form": "text", "attempt": "number"}

REQUEST: dict[str, Any] = dict.fromkeys(("mac!", "content!", "asked_model!"), "text")
REQUEST |= dict.fromkeys(("bytes!", "tokens!", "parts!", "n!"), "number")
REQUEST |= {"stream!": "flag", "needs!": ["text"], "capabilities!": ["text"]}

RULED: dict[str, Any] = {
    "experiment": DRAW,
    **dict.fromkeys(WORDS.split(), "text"),
    **dict.fromkeys(NUMBERS.split(), "number"),
    **{name: ["text"] for name in ("approved_by", "erased", "noted")},
    "expires_at": "moment",
    "request": REQUEST,
    "chosen": PAIR,
    "ranking": {"candidates!": PAIRS},
    "review": "object",
    "signals": {"task": "text"},
    "classes": [{"class!": "text", "count!": "number"}],
    **{name: ["text"] for name in ("reduced", "scopes", "finish_reasons", "left_out")},
    **dict.fromkeys(("states", "limits"), "object"),
    "memo": "flag",
    "evaluated_at": "moment",
    "quarantine": "number",
    "released_bytes": "number",
    "escalation": ESCALATION,
    "appraisal": APPRAISAL,
    "not_escalated": "text",
    "counted": COUNTED,
    "guards": {"raised": ["text"], "failed": ["text"]},
    "moderation": {"asked": [CONSULTED]},
    **{name: ["text"] for name in ("raised", "failed")},
}

JUDGED_ANSWER = {"judge!": "text", "digest!": "text", "attempt!": "number"}
JUDGED_ANSWER |= {"point_ppm": "number", "share_ppm": "number"}
ASKED = dict.fromkeys(("tenant!", "app!", "key_id!", "outcome!"), "text")
ROLLED_BACK = {"digest!": "text", "variant!": "text", "experiment": "text"}
ROLLED_BACK |= dict.fromkeys(("bad", "attempts", "control_bad", "control_attempts"), "number")
BLOCKING = {"version!": "number", **dict.fromkeys(("subject!", "subject_id!", "by!"), "text")}
BY_KIND: dict[str, dict[str, Any]] = {
    "policy.genesis": {
        **dict.fromkeys(("bundle_digest!", "mode!"), "text"),
        "quarantine": {"version": "number", "blocked": ["text"]},
    },
    "policy.proposed": dict.fromkeys(("bundle_digest!", "parent!", "by!"), "text"),
    "policy.approved": dict.fromkeys(("bundle_digest!", "by!"), "text"),
    "policy.activated": {"bundle_digest!": "text", "approved_by!": ["text"]},
    "policy.solo_asked": {"by!": "text"},
    "policy.mode_changed": dict.fromkeys(("was!", "mode!", "by!"), "text"),
    "quarantine.imposed": BLOCKING,
    "quarantine.ratified": BLOCKING,
    "quarantine.lift_asked": BLOCKING,
    "quarantine.lifted": BLOCKING,
    "access.key_created": dict.fromkeys(("key_id!", "tenant!", "application!"), "text"),
    "access.key_revoked": {"key_id!": "text"},
    "access.invited": {"person!": "text", "by!": "text"},
    "access.credential_set": {"person!": "text"},
    "access.credential_revoked": {"person!": "text", "by!": "text"},
    "decision": ASKED,
    "advice": ASKED,
    "attempt": {"decision_id!": "text", "permit!": PERMIT},
    "outcome": {
        **dict.fromkeys(("decision_id!", "deployment!", "status!"), "text"),
        "attempt!": "number",
    },
    "review.approved": {"queue!": "text", "by!": "text"},
    "erasure": {"erased!": ["text"]},
    "experiment.rolled_back": ROLLED_BACK,
    "feedback": {
        "decision_id!": "text",
        "reward": REWARD,
        "success": "flag",
        "score_permille": "number",
    },
    "moderation.permitted": {
        **dict.fromkeys(("tenant!", "app!", "key_id!", "decision_id!", "evaluation!"), "text"),
        "permit!": PERMIT,
        "policies!": ["text"],
    },
    "moderation.ended": {
        **dict.fromkeys(("decision_id!", "deployment!", "status!"), "text"),
        "attempt!": "number",
    },
    "shadow.permitted": {
        **dict.fromkeys(("decision_id!", "evaluation!"), "text"),
        "permit!": PERMIT,
        "experiment!": DRAW,
        "policies!": ["text"],
    },
    "judge.permitted": {
        **dict.fromkeys(("decision_id!", "evaluation!"), "text"),
        "permit!": PERMIT,
        "judged!": JUDGED_ANSWER,
        "policies!": ["text"],
    },
    "judge.ended": {
        **dict.fromkeys(("decision_id!", "deployment!", "status!"), "text"),
        "attempt!": "number",
        "score": "number",
    },
    "shadow.ended": {
        **dict.fromkeys(("decision_id!", "deployment!", "status!"), "text"),
        "attempt!": "number",
    },
}

BY_OUTCOME: dict[str, dict[str, Any]] = {
    "permitted": {"permit!": PERMIT, "chosen!": PAIR, "ranking!": {"candidates!": PAIRS}},
    "review_required": {
        "review_id!": "text",
        "review!": {"queues!": ["text"], "expires_at!": "moment"},
        "evaluation!": "text",
        "chosen!": PAIR,
    },
}


# What else stands in every entry of a kind: left out, it would be consent.
EVALUATED = "bundle quarantine evaluated_at detector facts evaluation memo"
DECIDED = f"{EVALUATED} ranking classes reduced states signals limits redactions".split()
ENDED = "latency_ms released_bytes finish_reasons"
ALWAYS = {
    kind: names.split()
    for kind, names in {
        "policy.genesis": "by",
        "policy.approved": "parent author",
        "policy.activated": "parent author by",
        "policy.solo_asked": "bundle_digest",
        "policy.mode_changed": "bundle_digest",
        "quarantine.imposed": "bundle_digest",
        "quarantine.ratified": "bundle_digest",
        "quarantine.lift_asked": "bundle_digest",
        "quarantine.lifted": "bundle_digest",
        "access.invited": "expires_at",
        "access.key_created": "purpose minted_by holder scopes expires_at",
        "access.key_revoked": "by",
        "decision": "purpose request",
        "advice": f"purpose request {' '.join(DECIDED)}",
        "attempt": f"{EVALUATED} ranking request_bundle",
        "shadow.permitted": EVALUATED,
        "judge.permitted": EVALUATED,
        "moderation.permitted": "purpose request bundle quarantine evaluated_at facts",
        "outcome": "failure",
        "shadow.ended": "failure",
        "judge.ended": "failure",
        "moderation.ended": "failure",
        "review.claimed": "review_id tenant by",
        "review.viewed": "review_id tenant by",
        "review.approved": "review_id tenant by",
        "review.denied": "review_id tenant by",
        "review.cancelled": "review_id tenant by",
        "review.expired": "review_id tenant",
        "erasure": "by",
        "feedback": "tenant app source",
        "experiment.rolled_back": "experiment metric bad attempts control_bad control_attempts",
    }.items()
}
# Of an end, unless the next start wrote it, or the log could not take the whole of it.
SEEN = {
    "outcome": ENDED.split(),
    "shadow.ended": ENDED.split(),
    "judge.ended": ENDED.split(),
    "moderation.ended": ["latency_ms", "raised", "failed"],
}

TOPICS = ("policy", "quarantine", "review", "experiment", "shadow", "moderation", "judge")
RULED_TOPICS = tuple(f"{topic}." for topic in TOPICS)


def misfit(entry: dict[str, Any]) -> str | None:
    """The first field that has another shape, or None."""
    found = _misfit(entry, ANY_KIND)
    kind = entry.get("kind")
    if found or not isinstance(kind, str):
        return found
    if kind in BY_KIND or kind.split(".")[0] + "." in RULED_TOPICS:
        own = BY_KIND.get(kind, {})
        covered = {name.rstrip("!") for name in own}
        ruled = {name: shape for name, shape in RULED.items() if name not in covered}
        found = _misfit(entry, {**ruled, **own})
        if not found and kind == "decision":
            found = _misfit(entry, BY_OUTCOME.get(entry["outcome"], {}))
            if not found and entry["outcome"] == "review_required":
                found = None if entry["review"]["queues"] else "review"
        found = found or _misjudged(entry) or _misranked(entry) or _missing(entry)
    permit = entry.get("permit")
    if not found and permit:
        # In a permit null is a value, and no field may have it.
        null = [name for name in ("reserved", *PERMIT) if permit.get(name, "") is None]
        rows = permit.get("reserved", [])
        odd = any(len(row) != len(ROW) or row["micro_usd"] < 0 for row in rows or [])
        cached = permit.get("cached")
        if cached is not None:
            odd = odd or len(cached) != len(CACHED) or not 0 <= cached["ttl_s"] <= MAX_TTL_S
        found = "permit" if null or odd else None
    return found


def _misjudged(entry: dict[str, Any]) -> str | None:
    """An escalation or appraisal of the right types, whose numbers or verdicts can be none."""
    for name, numbers, most in (
        ("escalation", ("over", "above", "within_ms", "max_cost_micro_usd"), None),
        ("appraisal", ("confidence", "score"), 1_000),
    ):
        told = entry.get(name)
        if told is None:
            continue
        given = [told[each] for each in numbers if told.get(each) is not None]
        is_odd = any(each < 0 or (most is not None and each > most) for each in given)
        is_odd = is_odd or len(set(told["verdicts"])) < len(told["verdicts"])
        if is_odd or (name == "escalation" and not told["verdicts"]):
            return name
    return None


def _misranked(entry: dict[str, Any]) -> str | None:
    """A ranking whose columns are not whole, or that leaves out what an entry has room for."""
    ranked = (entry.get("ranking") or {}).get("candidates")
    if ranked is None:
        return None
    listed, cut = len(ranked["deployment"]), ranked.get("cut")
    columns = [ranked.get(name) or [] for name in TERMS]
    columns += [] if ranked.get("form") is None else [ranked["form"]]
    is_whole = all(len(column) == listed for column in columns) and listed <= MOST
    is_whole = is_whole and (cut is None or (listed == MOST and cut > MOST))
    return None if is_whole else "ranking"


def _missing(entry: dict[str, Any]) -> str | None:
    """The first field that is not there and stands in every entry of this kind."""
    kind, outcome = entry["kind"], entry.get("outcome")
    names = list(ALWAYS.get(kind, []))
    if kind == "decision":
        names += ["code"] if outcome in ("denied", "refused") else []
        if outcome in BY_OUTCOME or any(entry.get(name) is not None for name in DECIDED):
            names += DECIDED
    if kind == "advice" and outcome != "denied":
        names.append("chosen")
    is_restart = (entry.get("status"), entry.get("failure")) == ("unknown", "restart")
    if not is_restart and not entry.get("left_out"):
        names += SEEN.get(kind, [])
    return next((name for name in names if entry.get(name) is None), None)


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
        return isinstance(value, str) and moment(value) is not None
    if shape == "amount" and value is None:
        return True
    is_flag = isinstance(value, bool)
    return isinstance(value, LEAVES[shape]) and is_flag == (shape == "flag")


def moment(text: str) -> dt.datetime | None:
    """A moment, or None: UTC, `Z` or `+00:00`, years 1970 to 8999, with microseconds or without."""
    body = text[:-1] if text.endswith("Z") else text.removesuffix("+00:00")
    plain = body.translate(str.maketrans("123456789", "000000000"))
    known = {"0000-00-00T00:00:00": "", "0000-00-00T00:00:00.000000": ".%f"}
    if body == text or plain not in known or not "1970" <= body[:4] <= "8999":
        return None
    try:
        return dt.datetime.strptime(body + "+0000", f"%Y-%m-%dT%H:%M:%S{known[plain]}%z")
    except ValueError:
        return None


# --- what this page knows: FORMAT.md, "Entries"; anything else is named, and not judged ----------

JUDGED = """bundle quarantine evaluated_at detector facts evaluation memo ranking session prompt
experiment"""
REQUESTED = """tenant app key_id purpose request classes guards moderation reduced states signals
limits redactions outcome code chosen review_id ignored"""
OWNED = "key_id tenant application purpose minted_by holder"
KNOWN = {
    kind: frozenset(f"v kind id ts salt replica boot state sd {fields}".split())
    for kind, fields in {
        "policy.genesis": "bundle_digest mode by continues quarantine",
        "policy.proposed": "bundle_digest parent by at",
        "policy.approved": "bundle_digest parent author by at",
        "policy.activated": "bundle_digest parent author approved_by by",
        "policy.mode_changed": "was mode by bundle_digest asked_by",
        "policy.solo_asked": "by bundle_digest",
        "quarantine.imposed": "subject subject_id by version bundle_digest reason",
        "quarantine.ratified": "subject subject_id by version bundle_digest",
        "quarantine.lift_asked": "subject subject_id by version bundle_digest",
        "quarantine.lifted": "subject subject_id by version bundle_digest asked_by",
        "access.key_created": f"{OWNED} scopes expires_at",
        "access.key_revoked": f"{OWNED} by",
        "access.invited": "person tenant by expires_at",
        "access.credential_set": "person tenant credential_id",
        "access.credential_revoked": "person tenant by",
        "decision": f"{JUDGED} {REQUESTED} permit review",
        "advice": f"{JUDGED} {REQUESTED}",
        "attempt": f"{JUDGED} decision_id request_bundle noted permit review_id escalation",
        "outcome": """decision_id attempt deployment status failure http_status latency_ms
            first_byte_ms first_token_ms tokens_in tokens_out cost_micro_usd charged_micro_usd
            released_bytes finish_reasons repaired received restored placeholders_kept
            contradicts saved_micro_usd appraisal not_escalated counted left_out""",
        "moderation.permitted": """tenant app key_id purpose request bundle quarantine
            evaluated_at facts evaluation decision_id policies permit""",
        "moderation.ended": """decision_id attempt deployment status failure http_status latency_ms
            raised failed left_out""",
        "judge.permitted": """bundle quarantine evaluated_at detector facts evaluation memo session
            prompt noted decision_id policies permit judged""",
        "judge.ended": """decision_id attempt deployment status failure http_status latency_ms
            first_byte_ms tokens_in tokens_out cost_micro_usd charged_micro_usd released_bytes
            finish_reasons contradicts score left_out""",
        "shadow.permitted": """bundle quarantine evaluated_at detector facts evaluation memo session
            prompt experiment decision_id policies permit""",
        "shadow.ended": """decision_id attempt deployment status failure http_status latency_ms
            first_byte_ms tokens_in tokens_out cost_micro_usd charged_micro_usd released_bytes
            finish_reasons contradicts appraisal primary left_out""",
        "review.claimed": "review_id tenant by",
        "review.viewed": "review_id tenant by",
        "review.approved": "review_id tenant by queue saw_content",
        "review.denied": "review_id tenant by",
        "review.cancelled": "review_id tenant by",
        "review.expired": "review_id tenant",
        "throttled": "key_id tenant limit count",
        "feedback": """decision_id tenant app source score_permille success reason comment
            comment_chars reward""",
        "cache.purged": "by tenant app count",
        "export": "by tenant count",
        "erasure": "by tenant decisions entries erased",
        "experiment.rolled_back": """experiment digest variant metric bad attempts control_bad
            control_attempts margin_permille alpha_ppm""",
    }.items()
}


def unknown(entry: Entry) -> list[str]:
    """What of an entry no rule here can have judged: its kind, or fields of it or its permit."""
    kind = entry["kind"]
    if kind not in KNOWN:
        return [f"kind {kind}"]
    named = sorted(entry.keys() - KNOWN[kind])
    permit = entry.get("permit") or {}
    named += [f"permit.{name}" for name in sorted(permit.keys() - {n.rstrip("!") for n in PERMIT})]
    return [f"{kind}.{name}" for name in named]
