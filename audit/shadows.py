"""A shadow copies a request that was answered, once, to nobody's ears: FORMAT.md says how.

Nothing here reads a file; `rules.py` hands over permits and ends, in order.
"""

from trees import Entry, demand

STATUSES = ("ok", "failed", "contract_violated", "cancelled", "unknown")
REASONS = ("policies", "limits", "errors")


class Shadows:
    """Which decisions were answered, and which of them were copied."""

    def __init__(self) -> None:
        self.answered: set[str] = set()
        self.copied: set[str] = set()

    def outcome(self, entry: Entry) -> None:
        if entry["status"] == "ok":
            self.answered.add(entry["decision_id"])

    def permit(self, what: str, entry: Entry, decision: Entry) -> None:
        permit, name = entry["permit"], entry["decision_id"]
        demand(name in self.answered, f"{what} copies a request that was not answered")
        demand(not decision["review_id"], f"{what} copies what a person released")
        demand(name not in self.copied, f"{what} is a second shadow of {name}")
        is_one = (permit["attempt"], permit.get("cause")) == (0, "shadow")
        demand(is_one and "cached" not in permit, f"{what} is a shadow and says that it is none")
        demand(not entry.get("noted"), f"{what} copies other content than was asked")
        demand(entry["policies"], f"{what} is a shadow that no rule permits")
        drawn = entry["experiment"]["variant"]
        is_there = drawn == permit["deployment"] != "control"
        demand(is_there, f"{what} copies to another deployment than it drew")
        is_same = permit["bundle"] == decision.get("bundle")
        demand(is_same, f"{what} is of another bundle than what it copies")
        for field in ("bundle", "quarantine"):
            is_same = entry.get(field, permit.get(field)) == permit.get(field)
            demand(is_same, f"{what} has another {field} than its permit")
        self.copied.add(name)

    def end(self, what: str, entry: Entry) -> None:
        demand(entry["status"] in STATUSES, f"{what} has a status that is none")
        is_silent = entry.get("released_bytes", 0) == 0
        demand(is_silent, f"{what} released what a shadow was answered")


def is_unsaid(row: Entry) -> bool:
    """Of a pair: nothing permits the route, and nothing says no to it."""
    return bool(row["effect"] == "forbid" and all(row.get(name) == [] for name in REASONS))
