"""That nobody makes their own second person: who invites whom, as the log's entries tell. Pure.

A person who revoked somebody's credential, and invited them anew, would hold two in the end. The
rules are in audit/FORMAT.md, "Who acts".
"""

from collections.abc import Mapping
from typing import Any

from transire.errors import IntegrityError

__all__ = ["Invited"]


class Invited:
    """Who was invited, who has a credential, and who revoked whose."""

    def __init__(self) -> None:
        self._invited: set[str] = set()
        self._holding: set[str] = set()
        self._revoked_by: dict[str, str] = {}

    def hear(self, what: str, entry: Mapping[str, Any], *, is_team: bool) -> None:
        """Hear of an invitation, of a credential, or of the end of one.

        Raises:
            IntegrityError: it is of somebody who was not to have it, or by whom it may not be.
        """
        name = entry["person"]
        match entry["kind"]:
            case "access.invited":
                self._invite(what, name, entry["by"], is_team=is_team)
            case "access.credential_set":
                if name not in self._invited:
                    raise IntegrityError(f"{what} sets a credential that nobody was invited to")
                self._invited.remove(name)
                self._holding.add(name)
                self._revoked_by.pop(name, None)
            case "access.credential_revoked":
                self._holding.discard(name)
                self._revoked_by[name] = entry["by"]

    def _invite(self, what: str, name: str, by: str, *, is_team: bool) -> None:
        if name in self._holding:
            raise IntegrityError(f"{what} invites somebody who has a credential")
        if is_team and self._revoked_by.get(name) == by != name:
            raise IntegrityError(f"{what} is an invitation by who revoked the last credential")
        self._invited.add(name)
