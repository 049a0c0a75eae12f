"""What entries say of moderation: texts that were judged before their request was decided. Pure.

The rules are in audit/FORMAT.md, "Rules across entries"; those that every permit is held to are
asked elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from transire.domain.moderation import MODERATION
from transire.errors import IntegrityError

__all__ = ["ModeratedRequests"]

_STATUSES: Final = frozenset({"ok", "failed", "cancelled", "unknown"})


@dataclass(slots=True)
class _Request:
    """One request as its moderations tell of it.

    Attributes:
        whose: Tenant, application, key, and the digests of what was asked.
        permits: (deployment, form) of each, in order.
        ended: Number → how it ended.
        relied: Number → the decision's row about it, and the guards it names.
    """

    whose: tuple[object, ...]
    permits: list[tuple[str, str]] = field(default_factory=list)
    ended: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    relied: dict[int, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)
    is_decided: bool = False


class ModeratedRequests:
    """Which requests were shown to moderators, at a place in the log."""

    def __init__(self) -> None:
        self._requests: dict[str, _Request] = {}

    def permit(self, what: str, entry: Mapping[str, Any]) -> None:
        """Hear that texts may be sent to a moderator.

        Raises:
            IntegrityError: its request was decided already, is another's, or no rule let it go; or
                it is numbered wrongly, or says that it is something else.
        """
        permit, name = entry["permit"], entry["decision_id"]
        known = self._requests.setdefault(name, _Request(_whose(entry)))
        if known.is_decided:
            raise IntegrityError(f"{what} moderates what was decided before")
        if known.whose != _whose(entry):
            raise IntegrityError(f"{what} moderates another request of the same name")
        if permit["attempt"] != -1 - len(known.permits):
            raise IntegrityError(f"{what} numbers its moderation wrongly")
        if permit.get("cause") != MODERATION or "cached" in permit or "reserved" in permit:
            raise IntegrityError(f"{what} is a moderation and says that it is none")
        if not entry["policies"]:
            raise IntegrityError(f"{what} is a moderation that no rule permits")
        for each in ("bundle", "quarantine"):
            if entry.get(each, permit.get(each)) != permit.get(each):
                raise IntegrityError(f"{what} has another {each} than its permit")
        known.permits.append((permit["deployment"], permit.get("form") or "raw"))

    def decide(self, what: str, entry: Mapping[str, Any]) -> None:
        """Hear a decision, or advice.

        Raises:
            IntegrityError: it is another request than was moderated, relies on what was not
                permitted, or does not say what a moderator said.
        """
        rows = (entry.get("moderation") or {}).get("asked") or ()
        known = self._requests.get(entry["id"])
        if known is None:
            if any(row.get("attempt") is not None for row in rows):
                raise IntegrityError(f"{what} relies on a moderation that nothing permitted")
            return
        if known.whose != _whose(entry):
            raise IntegrityError(f"{what} is another request than was moderated")
        known.is_decided = True
        guards = entry.get("guards") or {}
        for row in rows:
            number = row.get("attempt")
            if number is None:
                continue
            pair = row["deployment"], row.get("form") or "raw"
            if not -len(known.permits) <= number < 0 or known.permits[-1 - number] != pair:
                raise IntegrityError(f"{what} relies on a moderation that nothing permitted")
            known.relied[number] = (row["result"], guards)
            self._compare(what, known, number)

    def end(self, what: str, entry: Mapping[str, Any]) -> None:
        """Hear how a moderation ended that was permitted and has not ended yet.

        Raises:
            IntegrityError: it cannot have ended so, or its decision says something else.
        """
        if entry["status"] not in _STATUSES:
            raise IntegrityError(f"{what} has a status that is none")
        known, number = self._requests[entry["decision_id"]], entry["attempt"]
        known.ended[number] = entry
        self._compare(what, known, number)

    def _compare(self, what: str, known: _Request, number: int) -> None:
        """What a moderator said stands among the guards of the decision that relies on it."""
        if number not in known.relied or number not in known.ended:
            return
        (result, guards), ended = known.relied[number], known.ended[number]
        if ended["status"] == "unknown":
            return
        if (result == "ok") != (ended["status"] == "ok"):
            raise IntegrityError(f"{what}: a moderation ended otherwise than its decision says")
        for state in ("raised", "failed"):
            if not set(ended.get(state) or ()) <= set(guards.get(state) or ()):
                raise IntegrityError(f"{what}: a decision leaves out what a moderator said")


def _whose(entry: Mapping[str, Any]) -> tuple[object, ...]:
    asked = entry.get("request") or {}
    named = (entry["tenant"], entry["app"], entry["key_id"])
    return (*named, asked.get("mac"), asked.get("content"))
