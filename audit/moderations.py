"""A moderation shows a request's texts to a service before it is decided: FORMAT.md says how.

Nothing here reads a file; `rules.py` hands over permits, ends and decisions, in order.
"""

from typing import Any

from trees import Entry, demand

STATUSES = ("ok", "failed", "cancelled", "unknown")


class Moderations:
    """Which requests were shown to moderators, what these said, and what decisions made of it."""

    def __init__(self) -> None:
        self.whose: dict[str, tuple[Any, ...]] = {}
        self.permits: dict[str, list[tuple[str, str]]] = {}
        self.ended: dict[tuple[str, int], Entry] = {}
        self.relied: dict[tuple[str, int], tuple[str, Entry]] = {}

    def permit(self, what: str, entry: Entry) -> None:
        permit, name = entry["permit"], entry["decision_id"]
        is_same = self.whose.setdefault(name, whose(entry)) == whose(entry)
        demand(is_same, f"{what} moderates another request of the same name")
        rows = self.permits.setdefault(name, [])
        is_next = permit["attempt"] == -1 - len(rows)
        demand(is_next, f"{what} numbers its moderation wrongly")
        is_one = permit.get("cause") == "moderation" and not {"cached", "reserved"} & set(permit)
        demand(is_one, f"{what} is a moderation and says that it is none")
        demand(entry["policies"], f"{what} is a moderation that no rule permits")
        for field in ("bundle", "quarantine"):
            is_same = entry.get(field, permit.get(field)) == permit.get(field)
            demand(is_same, f"{what} has another {field} than its permit")
        rows.append((permit["deployment"], permit.get("form") or "raw"))

    def decide(self, what: str, entry: Entry) -> None:
        name = entry["id"]
        is_same = self.whose.get(name, whose(entry)) == whose(entry)
        demand(is_same, f"{what} is another request than was moderated")
        rows = self.permits.get(name, [])
        for row in (entry.get("moderation") or {}).get("asked") or []:
            number = row.get("attempt")
            if number is None:
                continue
            is_there = -len(rows) <= number < 0
            is_there = is_there and rows[-1 - number] == (
                row["deployment"],
                row.get("form") or "raw",
            )
            demand(is_there, f"{what} relies on a moderation that nothing permitted")
            self.relied[(name, number)] = (row["result"], entry.get("guards") or {})
            self.compare(what, (name, number))

    def end(self, what: str, entry: Entry) -> None:
        demand(entry["status"] in STATUSES, f"{what} has a status that is none")
        named = (entry["decision_id"], entry["attempt"])
        self.ended[named] = entry
        self.compare(what, named)

    def compare(self, what: str, named: tuple[str, int]) -> None:
        """What a moderator said stands among the guards of the decision that relies on it."""
        if named not in self.relied or named not in self.ended:
            return
        (result, guards), ended = self.relied[named], self.ended[named]
        if ended["status"] == "unknown":
            return
        is_same = (result == "ok") == (ended["status"] == "ok")
        demand(is_same, f"{what}: a moderation ended otherwise than its decision says")
        for state in ("raised", "failed"):
            is_there = set(ended.get(state) or []) <= set(guards.get(state) or [])
            demand(is_there, f"{what}: a decision leaves out what a moderator said")


def whose(entry: Entry) -> tuple[Any, ...]:
    asked = entry.get("request") or {}
    named = (entry["tenant"], entry["app"], entry["key_id"])
    return (*named, asked.get("mac"), asked.get("content"))
