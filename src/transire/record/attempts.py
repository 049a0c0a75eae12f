"""What may follow an attempt, and how one may end that others followed. Pure.

The rules are in audit/FORMAT.md, "Rules across entries": after a failure a request may go on; an
answer that is kept for a better one may end in any way that leaves one answer at most. What an
escalation says of itself is `escalated`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from transire.errors import IntegrityError
from transire.record.escalated import Escalated

__all__ = ["SENT", "Attempts"]

_STATUSES: Final = frozenset(
    {"ok", "superseded", "partial", "failed", "contract_violated", "cancelled", "unknown"}
)
_FOLLOWED: Final = frozenset({"failed", "contract_violated"})
"""How an attempt ended after which its request may go on."""
_KEPT: Final = frozenset({"ok", "superseded", "cancelled"})
"""How else one may end that only escalations followed."""
SENT: Final = frozenset({"ok", "superseded", "partial", "contract_violated"})
"""How one ended whose permit was used."""


@dataclass(slots=True)
class Attempts:
    """The attempts of one decision, in order.

    Attributes:
        count: How many were permitted.
    """

    count: int = 0
    _last_plain: int = 1
    _ended: dict[int, str] = field(default_factory=dict)
    _escalated: Escalated = field(default_factory=Escalated)

    @property
    def is_answered(self) -> bool:
        """Whether one of them ended as an answer that was whole and went out."""
        return "ok" in self._ended.values()

    def ended(self, attempt: int) -> str | None:
        """How an attempt ended; None while it has not."""
        return self._ended.get(attempt)

    def permit(self, what: str, entry: Mapping[str, Any]) -> None:
        """Hear the next permit.

        Raises:
            IntegrityError: the request had ended, a decision is its own escalation, or an
                escalation contradicts what was before it.
        """
        is_escalation = entry["permit"].get("cause") == "escalation"
        is_told = entry.get("escalation") is not None
        if is_escalation != is_told or (is_escalation and not self.count):
            raise IntegrityError(f"{what} is an escalation of nothing, or hides that it is one")
        allowed = _FOLLOWED | {"superseded"} if is_escalation else _FOLLOWED
        if not allowed.issuperset(self._ended.values()):
            raise IntegrityError(f"{what} goes on with a request that had ended")
        self.count += 1
        if not is_escalation:
            self._last_plain = self.count
        self._escalated.permit(what, self.count, entry)

    def end(self, what: str, entry: Mapping[str, Any]) -> None:
        """Hear the outcome of one that is permitted and open.

        Raises:
            IntegrityError: it cannot have ended so.
        """
        attempt, status = entry["attempt"], entry["status"]
        if status not in _STATUSES:
            raise IntegrityError(f"{what} has a status that is none")
        # A restart leaves two attempts of unknown outcome where it cut off the first one's.
        may_end = attempt == self.count or status in _FOLLOWED | {"unknown"}
        if not may_end and not (attempt >= self._last_plain and status in _KEPT):
            raise IntegrityError(f"{what} ends a request that went on")
        if status == "superseded" and (self.count == 1 or entry.get("released_bytes", 0) != 0):
            raise IntegrityError(f"{what} is superseded by nothing, or was released")
        if status == "ok" and "ok" in self._ended.values():
            raise IntegrityError(f"{what} answers a request twice")
        self._escalated.end(what, entry)
        self._ended[attempt] = status
