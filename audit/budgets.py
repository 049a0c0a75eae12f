"""What budgets reserve and spend across entries: FORMAT.md, "Rules across entries"."""

import datetime as dt

from attempts import SENT
from shapes import moment
from trees import Entry, demand

LATE = dt.timedelta(minutes=1)  # from a permit's making to its entry, for what it may reserve of

NOT_SENT = ("connect", "no_credential", "not_sent", "stale")  # failures before a byte has left
WHOLE = ("ok", "superseded", "contract_violated")  # of answers that were read to their end


class Budgets:
    """What was spent of each budget, and what open attempts have reserved."""

    def __init__(self) -> None:
        self.spent: dict[str, tuple[str, int]] = {}
        self.reserved: dict[tuple[str, int], list[Entry]] = {}
        self.terms: dict[tuple[str, str], tuple[int, str, bool]] = {}
        self.asked: dict[tuple[str, str, str], list[str]] = {}

    def reserve(self, what: str, entry: Entry, decision: Entry) -> None:
        """Every reservation is of its bundle's budgets, and fits into what its period has left."""
        permit = entry["permit"]
        rows, days = permit.get("reserved", []), _days(entry, permit)
        whose = (permit["bundle"], decision["tenant"], decision["app"])
        names = [row["budget"] for row in rows]
        own = ""
        if entry["kind"] == "shadow.permitted":
            own = "shadow/" + entry["experiment"]["id"]
        elif entry["kind"] == "judge.permitted":
            own = "judge/" + entry["judged"]["judge"]
        is_own = not own or (bool(names) and names.pop() == own)
        demand(is_own, f"{what} does not reserve of the budget that is its own")
        is_other = not any(name.startswith(("shadow/", "judge/")) for name in names)
        demand(is_other, f"{what} is neither shadow nor judgment and reserves as one")
        is_same = "cached" in permit or self.asked.setdefault(whose, names) == names
        demand(is_same, f"{what} reserves of other budgets than its bundle asks of it")
        is_one = len({row["micro_usd"] for row in rows}) <= 1
        demand(is_one, f"{what} reserves different amounts for one attempt")
        if rows and "cached" not in permit:
            self._enough(what, rows[0]["micro_usd"], entry)
        for row in rows:
            budget, key, period = row["budget"], row["key"], row["period"]
            demand(
                any(period in (each, each[:7]) for each in days),
                f"{what} reserves of another day or month",
            )
            own = f"budget/{budget}/{'day' if len(period) == 10 else 'month'}"
            is_own = key in (own, f"{own}/{decision['key_id']}")
            demand(is_own, f"{what} reserves under a key that is not its budget's")
            terms = (row["limit_micro_usd"], own, key == own)
            is_same = self.terms.setdefault((permit["bundle"], budget), terms) == terms
            demand(is_same, f"{what} reserves of {budget} on other terms than its bundle's")
            last, spent = self.spent.get(key, (period, 0))
            demand(period >= last, f"{what} reserves of a period that is over")
            spent = row["micro_usd"] + (spent if last == period else 0)
            demand(spent <= terms[0], f"{what} permits beyond the budget {budget}")
            self.spent[key] = (period, spent)
        if rows:
            name = entry["id"] if entry["kind"] == "decision" else entry["decision_id"]
            self.reserved[(name, permit["attempt"])] = rows

    def _enough(self, what: str, reserved: int, entry: Entry) -> None:
        """What is ranked reserves at least what its ranking says that it costs at most."""
        ranked = (entry.get("ranking") or {"candidates": {"deployment": []}})["candidates"]
        names, permit = ranked["deployment"], entry["permit"]
        pairs = list(zip(names, ranked.get("form") or ["raw"] * len(names), strict=True))
        pair = (permit["deployment"], permit.get("form") or "raw")
        if pair in pairs:
            worst = ranked["worst_cost_micro_usd"][pairs.index(pair)]
            is_enough = worst is not None and reserved >= worst
            demand(is_enough, f"{what} reserves less than it can cost")

    def charge(self, what: str, attempt: tuple[str, int], entry: Entry) -> None:
        """An outcome puts what was charged in the place of what was reserved."""
        rows, charged = self.reserved.pop(attempt, []), entry.get("charged_micro_usd")
        is_charge = charged is None or (rows and charged >= 0)
        demand(is_charge, f"{what} is charged what was not reserved, or no amount")
        if rows:
            is_due = charged == _due(what, entry)
            demand(is_due, f"{what} is charged another amount than its end says")
        if charged is None:
            return
        for row in rows:
            period, spent = self.spent[row["key"]]
            if period == row["period"]:
                self.spent[row["key"]] = (period, max(0, spent + charged - row["micro_usd"]))


def _due(what: str, entry: Entry) -> int | None:
    """What an attempt is charged that ended so; None where nobody knows."""
    status, http = entry["status"], entry.get("http_status")
    is_unsent = entry["failure"] in NOT_SENT
    is_answer = http == 200 and not is_unsent
    is_odd = status in SENT and not is_answer
    demand(not is_odd, f"{what} is an answer, and says that there was none")
    if is_unsent or http not in (None, 200):
        return 0
    # A count of tokens that the log could not take was one, all the same.
    is_counted = entry.get("tokens_out") or "tokens_out" in (entry.get("left_out") or [])
    cost: int | None = entry.get("cost_micro_usd")
    return cost if status in WHOLE and is_counted else None


def _days(entry: Entry, permit: Entry) -> list[str]:
    """The days in which a permit may have been made: a moment before its entry, or its end."""
    written, ends = moment(entry["ts"]), moment(str(permit.get("expires_at", entry["ts"])))
    at = min(each for each in (written, ends) if each is not None)
    return [each.strftime("%Y-%m-%d") for each in (at, at - LATE)]
