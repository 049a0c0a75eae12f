"""How the attempts of a request follow one another and end: FORMAT.md, "A request".

Nothing here reads a file; `rules.py` hands over permits and outcomes, in order.
"""

from shapes import Entry, demand

STATUSES = ("ok", "superseded", "partial", "failed", "contract_violated", "cancelled", "unknown")
FOLLOWED = ("failed", "contract_violated")  # after which a request may go on
KEPT = ("ok", "superseded", "cancelled")  # in which also ends what only escalations followed
SENT = ("ok", "superseded", "partial", "contract_violated")


class Attempts:
    """By decision: which attempts are escalations, and how each ended."""

    def __init__(self) -> None:
        self.escalates: dict[str, list[bool]] = {}
        self.ended: dict[str, dict[int, str]] = {}

    def permit(self, what: str, name: str, entry: Entry) -> None:
        is_escalation = entry["permit"].get("cause") == "escalation"
        earlier, ended = self.escalates.setdefault(name, []), self.ended.setdefault(name, {})
        is_told = is_escalation == ("escalation" in entry) and (earlier or not is_escalation)
        demand(is_told, f"{what} is an escalation of nothing, or hides that it is one")
        for status in ended.values():
            goes_on = status in FOLLOWED or (is_escalation and status == "superseded")
            demand(goes_on, f"{what} goes on with a request that had ended")
        earlier.append(is_escalation)

    def end(self, what: str, name: str, entry: Entry) -> None:
        number, status = entry["attempt"], entry["status"]
        demand(status in STATUSES, f"{what} has a status that is none")
        later, ended = self.escalates[name][int(number) :], self.ended[name]
        # Two attempts that a restart cut off are both of unknown outcome.
        may_end = not later or status in (*FOLLOWED, "unknown")
        may_end = may_end or (all(later) and status in KEPT)
        demand(may_end, f"{what} ends a request that went on")
        is_silent = entry.get("released_bytes", 0) == 0 and len(self.escalates[name]) > 1
        is_honest = status != "superseded" or is_silent
        demand(is_honest, f"{what} is superseded by nothing, or was released")
        is_first = status != "ok" or "ok" not in ended.values()
        demand(is_first, f"{what} answers a request twice")
        ended[number] = status
