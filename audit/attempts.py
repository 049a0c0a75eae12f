"""How the attempts of a request follow one another and end: FORMAT.md, "A request", "Escalations".

Nothing here reads a file; `rules.py` hands over permits and outcomes, in order.
"""

from trees import Entry, demand

STATUSES = ("ok", "superseded", "partial", "failed", "contract_violated", "cancelled", "unknown")
FOLLOWED = ("failed", "contract_violated")  # after which a request may go on
KEPT = ("ok", "superseded", "cancelled")  # in which also ends what only escalations followed
SENT = ("ok", "superseded", "partial", "contract_violated")

Verdicts = list[str]


class Asked:
    """What one decision's attempts have said so far."""

    def __init__(self) -> None:
        self.escalates: list[bool] = []
        self.ended: dict[int, str] = {}
        self.terms: list[dict[str, int | None]] = []
        self.over, self.above = 1, 0
        self.claimed: dict[int, Verdicts] = {}
        self.judged: dict[int, Verdicts] = {}


class Attempts:
    """By decision: its attempts, which of them are escalations, and how each ended."""

    def __init__(self) -> None:
        self.asked: dict[str, Asked] = {}

    def permit(self, what: str, name: str, entry: Entry) -> None:
        is_escalation = entry["permit"].get("cause") == "escalation"
        asked, wanted = self.asked.setdefault(name, Asked()), entry.get("escalation")
        is_told = is_escalation == (wanted is not None)
        is_told = is_told and bool(asked.escalates or not is_escalation)
        demand(is_told, f"{what} is an escalation of nothing, or hides that it is one")
        for status in asked.ended.values():
            goes_on = status in FOLLOWED or (is_escalation and status == "superseded")
            demand(goes_on, f"{what} goes on with a request that had ended")
        asked.escalates.append(is_escalation)
        asked.terms.append(terms_of(entry))
        if wanted is not None:
            self._escalate(what, asked, wanted)

    def _escalate(self, what: str, asked: Asked, wanted: Entry) -> None:
        over, above = wanted["over"], wanted["above"]
        is_before = asked.over <= over < len(asked.terms) and above >= asked.above
        demand(is_before, f"{what} escalates over what was not before it, or over less")
        had = asked.terms[over - 1]["quality_permille"]
        is_more = had is None or had <= above
        demand(is_more, f"{what} asks for less than the answer had that it is to replace")
        terms, bound = asked.terms[-1], wanted.get("max_cost_micro_usd")
        quality, worst = terms["quality_permille"], terms["worst_cost_micro_usd"]
        if quality is not None:
            is_paid = bound is None or (worst is not None and worst <= bound)
            is_within = quality > above and (terms["latency_ms"] or 0) <= wanted["within_ms"]
            demand(is_within and is_paid, f"{what} escalates past its own bounds")
        asked.over, asked.above = over, above
        judged = asked.judged.get(over, wanted["verdicts"])
        is_same = judged == wanted["verdicts"]
        demand(is_same, f"{what} tells of other verdicts on attempt {over}")
        asked.claimed[over] = wanted["verdicts"]

    def end(self, what: str, name: str, entry: Entry) -> None:
        number, status, asked = entry["attempt"], entry["status"], self.asked[name]
        demand(status in STATUSES, f"{what} has a status that is none")
        later, ended = asked.escalates[int(number) :], asked.ended
        # Two attempts that a restart cut off are both of unknown outcome.
        may_end = not later or status in (*FOLLOWED, "unknown")
        may_end = may_end or (all(later) and status in KEPT)
        demand(may_end, f"{what} ends a request that went on")
        is_silent = entry.get("released_bytes", 0) == 0 and len(asked.escalates) > 1
        is_honest = status != "superseded" or is_silent
        demand(is_honest, f"{what} is superseded by nothing, or was released")
        is_first = status != "ok" or "ok" not in ended.values()
        demand(is_first, f"{what} answers a request twice")
        self._appraised(what, asked, entry)
        ended[number] = status

    def _appraised(self, what: str, asked: Asked, entry: Entry) -> None:
        number, status = entry["attempt"], entry["status"]
        said: Verdicts = (entry.get("appraisal") or {"verdicts": []})["verdicts"]
        is_told = entry.get("not_escalated") is not None
        is_odd = (is_told and not said) or (status == "ok" and is_told != bool(said))
        demand(not is_odd, f"{what} says why an answer was not escalated, or does not")
        is_odd = status == "superseded" and not said
        demand(not is_odd, f"{what} is superseded and had no verdict")
        judged = ["contract"] if status == "contract_violated" else said
        if status != "unknown":
            is_same = asked.claimed.get(number, judged) == judged
            demand(is_same, f"{what} tells of other verdicts on attempt {number}")
            asked.judged[number] = judged


def terms_of(entry: Entry) -> dict[str, int | None]:
    """What the ranking says of the pick; nothing where it does not list it, or was not kept."""
    permit, ranked = entry["permit"], (entry.get("ranking") or {}).get("candidates") or {}
    names = ranked.get("deployment") or []
    pairs = list(zip(names, ranked.get("form") or ["raw"] * len(names), strict=False))
    pair = (permit["deployment"], permit.get("form") or "raw")
    at = pairs.index(pair) if pair in pairs else None
    found: dict[str, int | None] = {}
    for name in ("quality_permille", "latency_ms", "worst_cost_micro_usd"):
        column = ranked.get(name) or []
        found[name] = column[at] if at is not None and at < len(column) else None
    return found
