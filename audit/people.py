"""Who has a credential, and who may give whom one: FORMAT.md, "Who acts".

Nothing here reads a file; `rules.py` hands over entries about people's credentials, in order.
"""

from trees import Entry, demand

CREDENTIALS = ("access.invited", "access.credential_set", "access.credential_revoked")


class People:
    """Who was invited, who has a credential, and who revoked whose."""

    def __init__(self) -> None:
        self.invited: set[str] = set()
        self.holding: set[str] = set()
        self.revoked_by: dict[str, str] = {}

    def hear(self, what: str, entry: Entry, *, is_team: bool) -> None:
        name = entry["person"]
        if entry["kind"] == "access.invited":
            demand(name not in self.holding, f"{what} invites somebody who has a credential")
            by = self.revoked_by.get(name)
            is_own = is_team and by == entry["by"] != name
            demand(not is_own, f"{what} is an invitation by who revoked the last credential")
            self.invited.add(name)
        elif entry["kind"] == "access.credential_set":
            demand(name in self.invited, f"{what} sets a credential that nobody was invited to")
            self.invited.remove(name)
            self.holding.add(name)
            self.revoked_by.pop(name, None)
        else:
            self.holding.discard(name)
            self.revoked_by[name] = entry["by"]
