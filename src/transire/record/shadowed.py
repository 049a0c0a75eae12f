"""What entries say of shadows: copies that came after an answer, and went to nobody. Pure.

The rules are in audit/FORMAT.md, "Rules across entries"; those that every permit is held to are
asked elsewhere.
"""

from collections.abc import Mapping
from typing import Any, Final

from transire.domain.shadow import SHADOW
from transire.domain.trial import CONTROL
from transire.errors import IntegrityError
from transire.record.attempts import Attempts

__all__ = ["Shadowed"]

_STATUSES: Final = frozenset({"ok", "failed", "contract_violated", "cancelled", "unknown"})


class Shadowed:
    """Which decisions have been copied, at a place in the log."""

    def __init__(self) -> None:
        self._copied: set[str] = set()

    def permit(self, what: str, entry: Mapping[str, Any], attempts: Attempts, review: str) -> None:
        """Hear a shadow's permit.

        Args:
            attempts: Of the decision that it copies.
            review: The review that released that decision; empty where none did.

        Raises:
            IntegrityError: what it copies was not answered, was released by a person, or was
                copied before; or it is not where it was drawn to go, or no rule let it.
        """
        permit, name = entry["permit"], entry["decision_id"]
        if not attempts.is_answered:
            raise IntegrityError(f"{what} copies a request that was not answered")
        if review:
            raise IntegrityError(f"{what} copies what a person released")
        if name in self._copied:
            raise IntegrityError(f"{what} is a second shadow of {name}")
        if permit["attempt"] != SHADOW or permit.get("cause") != "shadow" or "cached" in permit:
            raise IntegrityError(f"{what} is a shadow and says that it is none")
        if entry.get("noted"):
            raise IntegrityError(f"{what} copies other content than was asked")
        if not entry["policies"]:
            raise IntegrityError(f"{what} is a shadow that no rule permits")
        if (
            entry["experiment"]["variant"] != permit["deployment"]
            or permit["deployment"] == CONTROL
        ):
            raise IntegrityError(f"{what} copies to another deployment than it drew")
        self._copied.add(name)

    def end(self, what: str, entry: Mapping[str, Any]) -> None:
        """Hear how a shadow ended.

        Raises:
            IntegrityError: it cannot have ended so, or something of it was released.
        """
        if entry["status"] not in _STATUSES:
            raise IntegrityError(f"{what} has a status that is none")
        if entry.get("released_bytes", 0) != 0:
            raise IntegrityError(f"{what} released what a shadow was answered")
