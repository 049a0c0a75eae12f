"""What budgets reserve and spend across entries: FORMAT.md, "Rules across entries"."""

import datetime as dt

from shapes import moment
from trees import Entry, demand

LATE = dt.timedelta(minutes=1)  # from a permit's making to its entry, for what it may reserve of


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

    def charge(self, what: str, attempt: tuple[str, int], entry: Entry) -> None:
        """An outcome puts what was charged in the place of what was reserved."""
        rows, charged = self.reserved.pop(attempt, []), entry.get("charged_micro_usd")
        if charged is None:
            return
        is_charge = rows and charged >= 0
        demand(is_charge, f"{what} is charged what was not reserved, or no amount")
        for row in rows:
            period, spent = self.spent[row["key"]]
            if period == row["period"]:
                self.spent[row["key"]] = (period, max(0, spent + charged - row["micro_usd"]))


def _days(entry: Entry, permit: Entry) -> list[str]:
    """The days in which a permit may have been made: a moment before its entry, or its end."""
    written, ends = moment(entry["ts"]), moment(str(permit.get("expires_at", entry["ts"])))
    at = min(each for each in (written, ends) if each is not None)
    return [each.strftime("%Y-%m-%d") for each in (at, at - LATE)]
