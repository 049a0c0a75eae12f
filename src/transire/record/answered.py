"""That an answer is given again only to whom it was given first, told entry by entry. Pure.

The rules are in audit/FORMAT.md, "Rules across entries".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from transire.errors import IntegrityError
from transire.record.shape import moment_of

__all__ = ["Answered"]

_LATE: Final = timedelta(minutes=1)
"""How long after the age of an answer was looked at its permit's entry may be written."""

Attempt = tuple[str, int]
Principal = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _Question:
    """What must be the same for an answer to be given again."""

    principal: Principal
    deployment: str
    form: str
    content: object
    bundle: str


class Answered:
    """Which attempts were answered well under the active bundle, and what was asked in each."""

    def __init__(self) -> None:
        self._open: dict[Attempt, _Question | None] = {}
        self._ok: dict[Attempt, tuple[_Question, datetime]] = {}

    def activated(self) -> None:
        """Hear that another bundle is active: nothing of an earlier one is given again."""
        self._ok.clear()

    def permitted(
        self, what: str, attempt: Attempt, entry: Mapping[str, Any], asker: Principal
    ) -> None:
        """Hear an entry with a permit.

        Args:
            asker: Tenant, application and key of its decision.

        Raises:
            IntegrityError: it gives an answer again that is another's, of something else, not
                whole, or too old.
        """
        permit = entry["permit"]
        question = _Question(
            asker,
            permit["deployment"],
            permit.get("form", "raw"),
            permit.get("content"),
            permit["bundle"],
        )
        cached = permit.get("cached")
        if (cached is not None) != (permit.get("cause") == "cache_hit"):
            raise IntegrityError(f"{what} is a cache hit of nothing, or hides that it is one")
        self._open[attempt] = question if cached is None else None
        if cached is None:
            return
        given = self._ok.get((cached["decision_id"], cached["attempt"]))
        if given is None:
            raise IntegrityError(f"{what} gives again what no attempt was answered with")
        if given[0] != question or question.form != "raw" or permit.get("reserved"):
            raise IntegrityError(f"{what} gives again what was answered to something else")
        if moment_of(entry["ts"]) - given[1] > timedelta(seconds=cached["ttl_s"]) + _LATE:
            raise IntegrityError(f"{what} gives again what is older than it may be")

    def ended(self, attempt: Attempt, entry: Mapping[str, Any]) -> None:
        """Hear an outcome; an answer that was given again is no source of another."""
        question = self._open.pop(attempt, None)
        if question is not None and entry.get("status") == "ok":
            self._ok[attempt] = (question, moment_of(entry["ts"]))
